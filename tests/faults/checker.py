"""The history checker: from requests, answers and events it says what was lost, doubled, reordered or illegal.

One pure function an invariant, `History -> violations`, each with the least that shows it. It knows the contract's
names and nothing of how the product keeps its promises. `check` runs them all; `tests/faults/README.md` has the table.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.faults.history import Attempt, Command, History, Noted, Published
from tests.faults.waiting import may_still_wait


@dataclass(frozen=True, slots=True)
class Violation:
    invariant: str
    says: str
    witness: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        return "\n    ".join([f"{self.invariant}: {self.says}", *self.witness])


Check = Callable[[History], Iterator[Violation]]


def check(history: History) -> list[Violation]:
    return [violation for look in CHECKS for violation in look(history)]


# ------------------------------------------------------------------------------------------ commands and events


@dataclass(frozen=True, slots=True)
class Effect:
    """The event that an acknowledged command owes: its topic, and the field that names what the command was about."""

    topic: str
    field: str = "ticket_id"


EFFECTS: Mapping[str, Effect] = {
    "issue": Effect("ticket-issued"),
    "call-next": Effect("queue-called"),
    "recall": Effect("queue-called"),
    "start": Effect("serving-started"),
    "hold": Effect("ticket-held"),
    "return": Effect("ticket-returned"),
    "no-show": Effect("ticket-no-show"),
    "reinstate": Effect("ticket-reinstated"),
    "complete": Effect("case-completed"),
    "undo": Effect("completion-undone"),
    "cancel": Effect("ticket-cancelled"),
    "accept": Effect("offer-accepted", "offer_id"),
    "pick-up": Effect("ride-picked-up", "ride_id"),
    "drop-off": Effect("ride-completed", "ride_id"),
}
_COMMANDED = frozenset(effect.topic for effect in EFFECTS.values())
_AGREE = {
    "ticket_id": "ticket_id",
    "code": "code",
    "counter": "counter",
    "because": "selected_because",
    "outcome": "outcome",
    "offer_id": "offer_id",
    "ride_id": "ride_id",
    "member": "member",
}
"""What an answer and its event both say must be the same: fields of the one and of the other."""


def one_answer_a_key(history: History) -> Iterator[Violation]:
    """However often a command is sent, the answer is the same one."""
    for command in history.commands:
        answers = [attempt for attempt in command.attempts if attempt.outcome == "ok"]
        for again in answers[1:]:
            if (again.status, again.answer) != (answers[0].status, answers[0].answer):
                yield Violation("one answer a key", f"{command.name} was answered twice, differently", _told(answers))


def acknowledged_once(history: History) -> Iterator[Violation]:
    """Every acknowledged command has its event, once, and it says what the answer said."""
    owed: dict[tuple[str, str, str], list[Command]] = {}
    for command in history.commands:
        if (told := command.acknowledged) and (subject := _subject(command, told)):
            effect = EFFECTS[command.name]
            owed.setdefault((effect.topic, effect.field, subject), []).append(command)
    for (topic, name, subject), commands in owed.items():
        events = history.of(topic, **{name: subject})
        if len(events) < len(commands):
            says = f"{len(commands)} acknowledged, {len(events)} {topic} of {subject} on the bus"
            yield Violation("nothing acknowledged is lost", says, _shown([*commands, *events]))
        for command in commands:
            if events and not any(_agrees(command, event) for event in events):
                says = f"no {topic} of {subject} says what {command.name} was told"
                yield Violation("an answer is true", says, _shown([command, *events]))


def nothing_without_a_cause(history: History) -> Iterator[Violation]:
    """An event of a command was commanded; of as many as there are, none was refused. Others follow from an event."""
    free = _unanswered(history)
    for topic in sorted(_COMMANDED):
        spare = _acknowledged_of(history, topic)
        for event in history.events:
            if event.topic != topic:
                continue
            subject = _subject_of(event)
            if spare.get(subject, 0) > 0:
                spare[subject] -= 1
            elif not _follows(history, event) and not _may_come_of(free, event):
                others = [one for one in history.commands if subject in (one.about, _answered_about(one))]
                yield Violation(
                    "nothing without a command", f"nobody commanded {topic} of {subject}", _shown([event, *others])
                )
    for event in history.events:
        if event.topic in CAUSES and event.topic not in _COMMANDED and not _follows(history, event):
            yield Violation("nothing without a cause", f"{event.topic} follows from nothing", (str(event),))


def _subject(command: Command, told: Attempt) -> str | None:
    """What an acknowledged command was about; None when it had nothing to do (204: nobody waits)."""
    effect = EFFECTS.get(command.name)
    if effect is None or told.status == 204:
        return None
    if command.name in ("issue", "call-next"):
        return str(told.answer["ticket_id"])
    return command.about


def _answered_about(command: Command) -> str | None:
    told = command.acknowledged
    return _subject(command, told) if told else None


def _subject_of(event: Published) -> str:
    name = next(effect.field for effect in EFFECTS.values() if effect.topic == event.topic)
    return str(event.data[name])


def _agrees(command: Command, event: Published) -> bool:
    told = command.acknowledged
    assert told is not None
    said = {**told.answer, "counter": command.counter} if command.counter is not None else told.answer
    return all(
        said[ours] == event.data[its]
        for ours, its in _AGREE.items()
        if said.get(ours) is not None and its in event.data
    )


def _acknowledged_of(history: History, topic: str) -> dict[str, int]:
    counted: dict[str, int] = {}
    for command in history.commands:
        subject = _answered_about(command)
        if subject and EFFECTS[command.name].topic == topic:
            counted[subject] = counted.get(subject, 0) + 1
    return counted


def _unanswered(history: History) -> dict[str, list[Command]]:
    free: dict[str, list[Command]] = {}
    for command in history.commands:
        if command.unknown and command.name in EFFECTS:
            free.setdefault(EFFECTS[command.name].topic, []).append(command)
    return free


def _may_come_of(free: dict[str, list[Command]], event: Published) -> bool:
    """Whether a command whose fate nobody knows explains it; each explains one."""
    for command in free.get(event.topic, ()):
        if command.name in ("issue", "call-next"):
            fits = command.about == event.key and command.counter in (None, event.data.get("counter"))
        else:
            fits = command.about == _subject_of(event)
        if fits:
            free[event.topic].remove(command)
            return True
    return False


# ------------------------------------------------------------------------------------------ what follows from what

_TICKET_ENDS = ("ticket-cancelled", "ticket-no-show", "case-completed", "day-closed")
_ASKED = ("assistance-requested", "ride-home-requested", "ride-released")


def _job(history: History, job: str, topics: Iterable[str] = _ASKED) -> bool:
    return history.any_of(topics, assistance_id=job) or history.any_of(topics, ride_id=job)


def _ticket(history: History, event: Published, *topics: str) -> list[Published]:
    return [found for topic in topics for found in history.of(topic, ticket_id=event.data["ticket_id"])]


def _commanded(history: History, name: str, about: str) -> bool:
    return any(c.name == name and c.about == about and (c.acknowledged or c.unknown) for c in history.commands)


def _accepted(history: History, job: str, member: str) -> bool:
    return any(accepted.data["member"] == member for accepted in history.of("offer-accepted", job=job))


CAUSES: Mapping[str, Callable[[History, Published], bool]] = {
    "ticket-cancelled": lambda h, e: e.data["reason"] == "day_closed",
    "case-completed": lambda h, e: e.data["outcome"] == "unfinished",
    "assistance-requested": lambda h, e: bool(
        [one for one in _ticket(h, e, "ticket-issued") if one.data["needs_help"]]
        or _ticket(h, e, "help-wanted")
        or _commanded(h, "ask-help", e.data["ticket_id"])
    ),
    "assistance-taken": lambda h, e: (
        _accepted(h, e.data["assistance_id"], e.data["member"]) or _commanded(h, "take", e.data["assistance_id"])
    ),
    "assistance-finished": lambda h, e: (
        _commanded(h, "finish", e.data["assistance_id"])
        or (e.data["result"] == "not_recorded" and bool(_ticket(h, e, *_TICKET_ENDS)))
    ),
    "ride-planned": lambda h, e: (
        any(one.data["ride_home"] for one in _ticket(h, e, "ticket-issued"))
        or _commanded(h, "ask-ride", e.data["ticket_id"])
    ),
    "ride-home-requested": lambda h, e: bool(
        _ticket(h, e, "case-completed") and h.of("ride-planned", ride_id=e.data["ride_id"])
    ),
    "ride-assigned": lambda h, e: (
        _accepted(h, e.data["ride_id"], e.data["member"]) or _commanded(h, "assign", e.data["ride_id"])
    ),
    "offer-made": lambda h, e: _job(h, e.data["job"]),
    "offer-void": lambda h, e: (
        bool(h.of("offer-made", offer_id=e.data["offer_id"])) or h.any_of(("ride-assigned",), member=e.data["member"])
    ),
    "offer-escalated": lambda h, e: _job(h, e.data["job"]),
}
"""Whether what must have come before an event is on the bus (or was commanded): nothing happens by itself."""


def _follows(history: History, event: Published) -> bool:
    cause = CAUSES.get(event.topic)
    return cause is not None and cause(history, event)


def nothing_forgotten(history: History) -> Iterator[Violation]:
    """Once the system is at rest, who asked for help or a way home was heard, and what was accepted was taken over."""
    for event in history.events:
        missing = _still_owed(history, event)
        if missing:
            yield Violation("nobody is forgotten", f"{event.topic} without {missing}", (str(event),))


def _still_owed(history: History, event: Published) -> str | None:
    match event.topic:
        case "ticket-issued" if event.data["needs_help"] and not _ticket(history, event, *_HELP_HEARD):
            return "assistance-requested"
        case "ticket-issued" if event.data["ride_home"] and not _ticket(history, event, *_RIDE_HEARD):
            return "ride-planned"
        case "ticket-cancelled" | "ticket-no-show" if not _ticket(history, event, "ticket-reinstated"):
            planned = _ticket(history, event, "ride-planned") and not _ticket(history, event, *_RIDE_GOES_ON)
            return "ride-cancelled" if planned else None
        case "assistance-requested" | "ride-home-requested" if not _job(
            history, job := event.data.get("assistance_id") or event.data["ride_id"], _ANSWERS_A_REQUEST
        ) and not history.any_of(("offer-made", "offer-escalated"), job=job):
            return None if may_still_wait(history, event, job) else "offer or escalation"
        case "offer-accepted" if not _job(history, event.data["job"], _ANSWERS_AN_ACCEPTANCE):
            return "somebody who has the job"
    return None


# An end that was heard before the wish leaves only the end to be said.
_HELP_HEARD = ("assistance-requested", "assistance-cancelled", "assistance-finished")
_RIDE_HEARD = ("ride-planned", "ride-cancelled")
_RIDE_GOES_ON = ("ride-cancelled", "ride-picked-up")
_ANSWERS_A_REQUEST = (
    "assistance-taken",
    "assistance-finished",
    "assistance-cancelled",
    "ride-assigned",
    "ride-cancelled",
)
_ANSWERS_AN_ACCEPTANCE = (*_ANSWERS_A_REQUEST, "ride-picked-up", "ride-completed")


# ------------------------------------------------------------------------------------------ the bus itself


def one_event_an_id(history: History) -> Iterator[Violation]:
    """What lies on the bus more than once lies there the same, byte for byte; a place in a source has one event."""
    by_id: dict[tuple[str, str], Published] = {}
    by_place: dict[tuple[str, int], Published] = {}
    for record in history.records:
        first = by_id.setdefault((record.source, record.id), record)
        if (first.topic, first.key, first.headers, first.body) != (
            record.topic,
            record.key,
            record.headers,
            record.body,
        ):
            yield Violation(
                "same id, same bytes", f"{record.id} was published twice, differently", _shown([first, record])
            )
        holder = by_place.setdefault((record.source, record.sequence), record)
        if holder.id != record.id:
            yield Violation(
                "one event a place", f"two events are {record.source}#{record.sequence}", _shown([holder, record])
            )


def in_order_per_source(history: History) -> Iterator[Violation]:
    """Within a topic, an event of a source lies behind the older ones of that source. Repeats do not count."""
    last: dict[tuple[str, str], Published] = {}
    seen: set[tuple[str, str]] = set()
    for record in sorted(history.records, key=lambda record: (record.topic, record.offset)):
        if (record.source, record.id) in seen or record.time < history.retold:
            continue
        seen.add((record.source, record.id))
        before = last.setdefault((record.topic, record.source), record)
        if before.sequence > record.sequence:
            yield Violation(
                "order per key", f"{record.source} was reordered in {record.topic}", _shown([before, record])
            )
        last[record.topic, record.source] = record


def no_gaps(history: History) -> Iterator[Violation]:
    """The events of a source, with what it keeps to itself, are 1..n."""
    if history.private is None:
        return
    places: dict[str, set[int]] = {}
    for event in history.events:
        places.setdefault(event.source, set()).add(event.sequence)
    for source, sequence in history.private:
        if source in places:
            places[source].add(sequence)
    for source, found in places.items():
        missing = sorted(set(range(1, max(found) + 1)) - found)
        if missing:
            yield Violation(
                "no gap in a source", f"{source} has nothing at {missing[:10]}, though it goes to {max(found)}"
            )


# ------------------------------------------------------------------------------------------ numbers


def numbers_dense(history: History) -> Iterator[Violation]:
    """The numbers of a centre's day and series are exactly 1..n."""
    for series, issued in _series(history).items():
        by_number: dict[int, Published] = {}
        for event in issued:
            other = by_number.setdefault(event.data["number"], event)
            if other is not event:
                says = f"{' '.join(series)} has number {event.data['number']} twice"
                yield Violation("one ticket a number", says, _shown([other, event]))
        missing = sorted(set(range(1, max(by_number) + 1)) - by_number.keys())
        if missing:
            yield Violation("numbers are dense", f"{' '.join(series)} lacks {missing[:10]} of 1..{max(by_number)}")


def numbers_in_order(history: History) -> Iterator[Violation]:
    """Who had her number before another asked for one has the smaller one."""
    issues = {
        str(told.answer["ticket_id"]): (command, told.ended)
        for command in history.commands
        if command.name == "issue" and (told := command.acknowledged)
    }
    for issued in _series(history).values():
        latest: Command | None = None
        for event in sorted(issued, key=lambda event: int(event.data["number"])):
            command, ended = issues.get(event.data["ticket_id"], (None, 0.0))
            if command is None:
                continue
            if latest and ended < latest.begun:
                says = f"{event.data['code']} was given before a smaller number was asked for"
                yield Violation("numbers in order", says, _shown([command, latest]))
            if latest is None or command.begun > latest.begun:
                latest = command


def _series(history: History) -> dict[tuple[str, str, str], list[Published]]:
    """Per centre, day and series; the day is the second part of a ticket's reference."""
    found: dict[tuple[str, str, str], list[Published]] = {}
    for event in history.events:
        if event.topic == "ticket-issued":
            day = event.data["ticket_id"].split("-")[1]
            found.setdefault((event.data["centre"], day, event.data["series"]), []).append(event)
    return found


# ------------------------------------------------------------------------------------------ legal lives

Life = Mapping[str, Mapping[str, str]]
"""state -> topic -> next state; what is not there must not happen. The first state is "new"."""

_SAME = {"help-wanted", "priority-witnessed"}
TICKET: Life = {
    "new": {"ticket-issued": "waiting"},
    "waiting": {"queue-called": "called", "ticket-cancelled": "ended"},
    "called": {
        "queue-called": "called",
        "serving-started": "serving",
        "ticket-held": "held",
        "ticket-returned": "waiting",
        "ticket-no-show": "absent",
        "ticket-cancelled": "ended",
    },
    "serving": {"ticket-held": "held", "ticket-returned": "waiting", "case-completed": "completed"},
    "held": {
        "queue-called": "called",
        "serving-started": "serving",
        "ticket-returned": "waiting",
        "ticket-no-show": "absent",
        "ticket-cancelled": "ended",
    },
    "absent": {"ticket-reinstated": "waiting"},
    "completed": {"completion-undone": "serving"},
    "ended": {},
}
RIDE: Life = {
    "new": {"ride-planned": "planned", "ride-cancelled": "cancelled"},
    "planned": {
        "ride-planned": "planned",
        "ride-home-requested": "requested",
        "ride-assigned": "assigned",
        "ride-cancelled": "cancelled",
    },
    "requested": {
        "ride-planned": "planned",
        "ride-assigned": "assigned",
        "ride-cancelled": "cancelled",
    },
    "assigned": {
        "ride-planned": "planned",
        "ride-assigned": "assigned",
        "ride-released": "requested",
        "ride-picked-up": "picked up",
        "ride-cancelled": "cancelled",
    },
    "picked up": {"ride-completed": "completed"},
    "completed": {},
    "cancelled": {"ride-cancelled": "cancelled", "ride-planned": "planned"},
}
ASSISTANCE: Life = {
    "new": {"assistance-requested": "open", "assistance-cancelled": "cancelled", "assistance-finished": "finished"},
    "open": {
        "assistance-taken": "taken",
        "assistance-finished": "finished",
        "assistance-cancelled": "cancelled",
    },
    "taken": {
        "assistance-taken": "taken",
        "assistance-finished": "finished",
        "assistance-cancelled": "cancelled",
    },
    "finished": {
        "assistance-finished": "finished",
        "assistance-cancelled": "cancelled",
        "assistance-requested": "open",
    },
    "cancelled": {
        "assistance-cancelled": "cancelled",
        "assistance-finished": "finished",
        "assistance-requested": "open",
    },
}
OFFER: Life = {
    "new": {"offer-made": "open", "offer-void": "void"},
    "open": {"offer-accepted": "accepted", "offer-void": "void"},
    "accepted": {"offer-void": "void"},
    "void": {"offer-void": "void", "offer-accepted": "accepted"},
}
"""An offer that expired is as good as before while nobody has the job; one that was never made is void when a job that
was given by hand is taken back."""
_LIVES: tuple[tuple[str, str, Life], ...] = (
    ("ticket", "ticket_id", TICKET),
    ("ride", "ride_id", RIDE),
    ("assistance", "assistance_id", ASSISTANCE),
    ("offer", "offer_id", OFFER),
)


def legal_lives(history: History) -> Iterator[Violation]:
    """Every ticket, ride and offer goes a way that its life allows; an end is an end."""
    for what, name, life in _LIVES:
        topics = {topic for steps in life.values() for topic in steps}
        for subject, events in history.threads(topics, name).items():
            state = "new"
            for place, event in enumerate(events):
                following = life[state].get(event.topic)
                if following is None:
                    says = f"{what} {subject} was {state} when {event.topic} came"
                    yield Violation("a legal life", says, _shown(events[max(0, place - 1) : place + 1]))
                    break
                state = following


_LETS_GO = ("ticket-held", "ticket-returned", "ticket-no-show", "case-completed", "ticket-cancelled")


def one_counter(history: History) -> Iterator[Violation]:
    """A counter has one live ticket, and a ticket is at one counter, at every moment of its hall."""
    at: dict[tuple[str, int], Published] = {}
    where: dict[str, Published] = {}
    for event in history.events:
        ticket = event.data.get("ticket_id", "")
        if event.topic in ("queue-called", "serving-started", "completion-undone"):
            counter = (event.source, int(event.data["counter"]))
            held, elsewhere = at.get(counter), where.get(ticket)
            if held and held.data["ticket_id"] != ticket:
                yield Violation("one ticket a counter", f"counter {counter[1]} has two", _shown([held, event]))
            if elsewhere and elsewhere.data["counter"] != event.data["counter"]:
                yield Violation("one counter a ticket", f"{ticket} is at two", _shown([elsewhere, event]))
            at[counter] = where[ticket] = event
        elif event.topic in _LETS_GO and (left := where.pop(ticket, None)):
            at.pop((left.source, int(left.data["counter"])), None)


def one_driver(history: History) -> Iterator[Violation]:
    """A ride has one driver: another one only by hand, or after it was given back; who drives is who has it."""
    topics = (
        "ride-planned",
        "ride-home-requested",
        "ride-assigned",
        "ride-released",
        "ride-picked-up",
        "ride-completed",
    )
    for ride, events in history.threads((*topics, "ride-cancelled"), "ride_id").items():
        has_it: Published | None = None
        for event in events:
            other = has_it is not None and has_it.data["member"] != event.data.get("member")
            match event.topic:
                case "ride-assigned" if other and not event.data["by_hand"]:
                    assert has_it is not None
                    yield Violation("one driver a ride", f"{ride} was given to two", _shown([has_it, event]))
                case "ride-picked-up" | "ride-completed" if has_it is None or other:
                    yield Violation(
                        "one driver a ride", f"{ride} is driven by another", _shown([has_it or event, event])
                    )
            if event.topic == "ride-assigned":
                has_it = event
            elif event.topic not in ("ride-picked-up", "ride-completed"):
                has_it = None


def one_acceptance(history: History) -> Iterator[Violation]:
    """A job has one accepted offer, unless that one was void before the next: a dispatch is one source, in its order.

    Who checks out gives his assistance back without a word about the offer.
    """
    accepted: dict[str, Published] = {}
    for event in history.events:
        job, before = event.data.get("job", ""), accepted.get(event.data.get("job", ""))
        if event.topic == "offer-accepted":
            left = (
                before and job.endswith("-help") and history.of("volunteer-checked-out", member=before.data["member"])
            )
            if before and not left:
                yield Violation("one acceptance a job", f"{job} was accepted twice", _shown([before, event]))
            accepted[job] = event
        elif event.topic == "offer-void" and before and before.data["offer_id"] == event.data["offer_id"]:
            del accepted[job]


# ------------------------------------------------------------------------------------------ whose turn it is

_BACK = ("ticket-returned", "ticket-reinstated")


def calls_in_order(history: History) -> Iterator[Violation]:
    """Among ordinary tickets of a series who waits with the smallest number is called; not so who came back."""
    waiting: dict[tuple[str, str], dict[int, Published]] = {}
    issued: dict[str, Published] = {}
    back: set[str] = set()
    for event in history.events:
        ticket = event.data.get("ticket_id", "")
        if event.topic == "ticket-issued" and not event.data.get("priority"):
            issued[ticket] = event
            waiting.setdefault((event.source, event.data["series"]), {})[event.data["number"]] = event
        elif (number := issued.get(ticket)) is None:
            continue
        elif event.topic in _BACK:
            back.add(ticket)
        elif event.topic in ("queue-called", "ticket-cancelled", "priority-witnessed"):
            line = waiting[number.source, number.data["series"]]
            stood = line.pop(number.data["number"], None)
            before = [one for one in line.values() if one.data["number"] < number.data["number"]]
            if event.topic == "queue-called" and stood and before and ticket not in back:
                says = f"{event.data['code']} was called before {before[0].data['code']}"
                yield Violation("nobody is passed over", says, _shown([before[0], event]))


def day_is_over(history: History) -> Iterator[Violation]:
    """When the day is closed every ticket of its hall has come to an end."""
    ends = ("case-completed", "ticket-cancelled", "ticket-no-show")
    threads = history.threads({topic for steps in TICKET.values() for topic in steps}, "ticket_id")
    closed = {event.source for event in history.events if event.topic == "day-closed"}
    for ticket, events in threads.items():
        if events[0].source in closed and events[-1].topic not in ends:
            yield Violation("an end for everybody", f"{ticket} is open after its day", (str(events[-1]),))


# ------------------------------------------------------------------------------------------ effects, once

EFFECTS_ONCE: Mapping[str, tuple[str, str | None]] = {
    "MinutesCredited": ("ride-completed", "ride_id"),
    "MessagePlanned": ("", None),
    "MessageSent": ("", None),
}
"""Facts that a handler or a sender leaves: once in their document, per value of that field if it is named."""


def effects_once(history: History) -> Iterator[Violation]:
    """However often an event was delivered, its effect is there once: in no journal twice; and it is there at rest."""
    found: dict[tuple[str, str, str], int] = {}
    for fact in history.facts or ():
        if fact.type in EFFECTS_ONCE:
            _, name = EFFECTS_ONCE[fact.type]
            about = str(json.loads(fact.body)[name]) if name else fact.source
            found[fact.type, fact.source, about] = found.get((fact.type, fact.source, about), 0) + 1
    for (kind, source, about), count in found.items():
        if count > 1:
            yield Violation("an effect is there once", f"{kind} of {about} is {count} times in {source}")
    if history.facts:
        credited = {about for kind, _, about in found if kind == "MinutesCredited"}
        for event in history.events:
            if event.topic == "ride-completed" and event.data["ride_id"] not in credited:
                yield Violation("an effect is there", "no minutes were credited", (str(event),))


# ------------------------------------------------------------------------------------------ told in time

TOLD_WITHIN = timedelta(seconds=30)


def told_in_time(history: History) -> Iterator[Violation]:
    """Once the fault is over what happened is on the bus within half a minute, however long it could not be told."""
    if history.healed is None:
        return
    for event in history.events:
        happened = datetime.fromisoformat(event.time)
        if event.told and (late := event.told - max(happened, history.healed)) > TOLD_WITHIN:
            yield Violation("told in time", f"after {late.total_seconds():.0f} s", (str(event),))


# ------------------------------------------------------------------------------------------ degrade apart

SAID_WITHIN = 2.0
SLACK = 1.5
"""Seconds that a busy machine may add to what a client measures."""


def degrades_apart(history: History) -> Iterator[Violation]:
    """Without the bus the hall goes on. Without the store it is said within two seconds, and when to ask again."""
    hall = ("issue", "call-next", "start", "complete", "no-show", "return", "hold")
    for outage in history.outages:
        for attempt in history.attempts:
            if outage.what == "bus" and attempt.command in hall and outage.covers(attempt):
                if attempt.outcome == "unknown":
                    yield Violation("the hall goes on without the bus", attempt.command, _told([attempt]))
            elif outage.what == "store" and outage.covers(attempt, after=1.0) and attempt.outcome == "unknown":
                late = attempt.ended - attempt.begun > SAID_WITHIN + SLACK
                if late or attempt.status != 503 or not attempt.retry_after:
                    says = f"{attempt.command}: {attempt.status} after {attempt.ended - attempt.begun:.1f} s"
                    yield Violation("a store that is away is said at once", says, _told([attempt]))


# ------------------------------------------------------------------------------------------ poison and replays


@dataclass(frozen=True, slots=True)
class Injected:
    """A record that is no event, and the groups that read its topic."""

    topic: str
    value: bytes | None
    groups: frozenset[str]


def poison_isolated(injected: Iterable[Injected], letters: Iterable[tuple[str, str, bytes | None]]) -> list[Violation]:
    """Each lies among the dead letters of each group that read it, byte for byte, and nothing else does.

    `letters`: (topic of the original, group, value).
    """
    wanted = Counter((one.topic, group, one.value) for one in injected for group in one.groups)
    found = Counter(letters)
    lost = [f"{topic} for {group}: {_short(value)}" for (topic, group, value) in wanted - found]
    more = [f"{topic} of {group}: {_short(value)}" for (topic, group, value) in set(found) - set(wanted)]
    return [Violation("poison is isolated", "not among the dead letters", tuple(lost))] * bool(lost) + [
        Violation("poison is isolated", "a dead letter that was no poison", tuple(more))
    ] * bool(more)


def _short(value: bytes | None) -> str:
    return repr(value[:60] if value else value)


def replay_changes_nothing(before: Iterable[Noted], after: Iterable[Noted]) -> list[Violation]:
    """Reading everything once more leaves no new fact in any journal, but for what the time brings: offers expire, and
    others are made instead, of which messages tell."""
    known = {fact.id for fact in before}
    new = [fact for fact in after if fact.id not in known]
    offers = tuple(_offer(fact) for fact in new if fact.source.startswith(_DISPATCH))
    return [
        Violation("a replay changes nothing", f"{fact.type} of {fact.source}#{fact.sequence} is new")
        for fact in new
        if not fact.source.startswith(_DISPATCH)
        and fact.type != "MessageExpired"
        and not any(fact.source.startswith(f"/notify/message/{offer}-") for offer in offers)
    ]


_DISPATCH = "/notify/dispatch/"


def _offer(fact: Noted) -> str:
    return str(json.loads(fact.body).get("offer_id"))


CHECKS: tuple[Check, ...] = (
    one_answer_a_key,
    acknowledged_once,
    nothing_without_a_cause,
    nothing_forgotten,
    one_event_an_id,
    in_order_per_source,
    no_gaps,
    numbers_dense,
    numbers_in_order,
    legal_lives,
    one_counter,
    one_driver,
    one_acceptance,
    calls_in_order,
    day_is_over,
    effects_once,
    told_in_time,
    degrades_apart,
)


def _shown(things: Iterable[Command | Published]) -> tuple[str, ...]:
    return tuple(map(str, things))


def _told(attempts: Iterable[Attempt]) -> tuple[str, ...]:
    return tuple(f"key={one.key} at {one.begun:.3f}: {one.status} {dict(one.answer)}" for one in attempts)
