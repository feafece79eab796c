"""The rules of a hall: what may happen in a centre's queue on one day, and what each fact changes. No clock, no I/O.

A rule looks and returns facts or refuses; `evolve` alone changes the hall. Every ticket ends with an event of its own,
at the latest with the day.
"""

import math
from bisect import insort
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta

from services.chassis.clock import LOCAL, local_day, local_midnight_after
from services.contracts.events import (
    CaseCompleted,
    CompletionUndone,
    CounterClosed,
    CounterOpened,
    DayClosed,
    HelpWanted,
    PriorityWitnessed,
    QueueCalled,
    ServingStarted,
    TicketCancelled,
    TicketHeld,
    TicketIssued,
    TicketNoShow,
    TicketReinstated,
    TicketReturned,
)
from services.contracts.words import Because, CaseOutcome, Fact, TicketEnd, TicketRef
from services.queue.centre import PaperRef
from services.queue.hall import LIVE, Checklist, Course, DayPlan, Done, Hall, Spent, State, Ticket
from services.queue.line import KEPT, ahead_of, next_in_line, row_after, wait_range
from services.queue.refusals import (
    ALLOWED,
    CalledJustNow,
    CalledOftenEnough,
    CentreClosedNow,
    CentreClosedToday,
    CounterBusy,
    CounterNotOpen,
    DayIsClosed,
    HallNotOpened,
    NoSuchCounter,
    NoSuchTicket,
    NothingToUndo,
    NotInThisState,
    PeopleStillThere,
    QuotaUsedUp,
    ServiceClosed,
    UnknownPaper,
    UnknownService,
)
from services.queue.wording import Action

RECALLS = 3
RECALL_AFTER = timedelta(seconds=20)
UNDO_WITHIN = timedelta(minutes=2)
LAST_NUMBER = 99_999
Rule = Callable[..., Sequence[Fact]]


class DayOpened(Fact):
    """The first fact of a hall: it carries the day's plan."""

    plan: DayPlan


class ChecklistTicked(Fact):
    """Somebody looked through the papers with the holder of a ticket; the last one counts."""

    ticket_id: TicketRef
    papers: tuple[PaperRef, ...]
    form_filled: bool
    with_volunteer: bool


class DayPlanned(Fact):
    """The centre was changed: this is the plan from now on."""

    plan: DayPlan


# --------------------------------------------------------------------------------------------------------- the day


def plan_day(hall: Hall, *, plan: DayPlan, now: datetime) -> Sequence[Fact]:
    """Open the hall with the plan of its day; if it is open, follow a newer plan."""
    if hall.closed:
        return []
    if plan.ends <= now:  # somebody needs the hall after hours: it lasts until midnight
        plan = plan.model_copy(update={"ends": local_midnight_after(plan.day)})
    if hall.plan is None:
        return [DayOpened(plan=plan)]
    if plan.revision <= hall.plan.revision:
        return []
    return [DayPlanned(plan=_without_forgetting(hall, hall.plan, plan))]


def opened_first(hall: Hall, *, plan: DayPlan, then: Rule, now: datetime) -> Sequence[Fact]:
    """`then`, in a hall that is opened with it if nobody needed it today before; refused, it stays unopened."""
    if hall.plan is not None:
        return then(hall, now=now)
    opening = plan_day(hall, plan=plan, now=now)
    opened = Hall(hall.id)
    for fact in opening:
        evolve(opened, fact, now)
    return [*opening, *then(opened, now=now)]


def _without_forgetting(hall: Hall, old: DayPlan, new: DayPlan) -> DayPlan:
    """A service that was taken out keeps its counters as long as somebody holds a number of it, and gives no more."""
    tickets = [*hall.tickets, *(done.ticket for done in hall.undo.values())]
    held = {ticket.service for ticket in tickets} - new.services.keys()
    kept = {code: old.services[code].model_copy(update={"open": False}) for code in sorted(held)}
    return new.model_copy(update={"services": {**new.services, **kept}})


def close_day(hall: Hall, *, send_home: bool, now: datetime) -> Sequence[Fact]:
    """Staff close the day; with people still in the hall only if they say so."""
    _plan(hall)
    waiting, elsewhere = hall.count(State.WAITING), hall.count(State.CALLED, State.SERVING, State.HELD)
    if (waiting or elsewhere) and not send_home:
        raise PeopleStillThere(waiting=waiting, at_counters=elsewhere)
    return end_day(hall, now=now)


def due(hall: Hall) -> datetime | None:
    return None if hall.plan is None or hall.closed else hall.plan.ends


def day_before(id: str, now: datetime) -> str | None:
    """The hall that may have answered a key which comes again in the first hour after midnight."""
    local = now.astimezone(LOCAL)
    if local.hour or id != hall_of(id[:5], now):
        return None
    return hall_of(id[:5], now - timedelta(days=1))


def hall_of(centre: str, now: datetime) -> str:
    """The id of the centre's hall on the local day of `now`."""
    return f"{centre}-{local_day(now).isoformat().replace('-', '')}"


def end_day(hall: Hall, *, now: datetime) -> Sequence[Fact]:
    """Every live ticket ends with an event of its own, then the day."""
    plan = _plan(hall)
    live = [ticket for ticket in hall.tickets if ticket.state in LIVE]
    serving = [ticket for ticket in live if ticket.state is State.SERVING]
    facts: list[Fact] = []
    for ticket in live:
        if ticket.state is State.SERVING and ticket.counter:
            facts.append(_completed(hall, ticket, ticket.counter, CaseOutcome.UNFINISHED, (ticket.service,), now))
        else:
            facts.append(_cancelled(hall, ticket, TicketEnd.DAY_CLOSED))
    facts += [CounterClosed(centre=hall.centre, counter=counter) for counter in hall.open_counters]
    facts.append(
        DayClosed(
            centre=hall.centre,
            day=plan.day,
            issued=hall.issued,
            completed=hall.completed,
            cancelled=hall.cancelled + len(live) - len(serving),
            no_show=hall.count(State.NO_SHOW),
            unfinished=hall.unfinished + len(serving),
        )
    )
    return facts


# --------------------------------------------------------------------------------------------------------- tickets


def issue_ticket(
    hall: Hall,
    *,
    ticket_id: str,
    service: str,
    needs_help: bool = False,
    ride_home: bool = False,
    priority: bool = False,
    contact_ref: str | None = None,
    language: str = "vi",
    now: datetime,
) -> Sequence[Fact]:
    """Give the next number of the service's series, if it is open and has any left today."""
    plan = _plan(hall)
    planned = plan.services.get(service)
    if planned is None:
        raise UnknownService(service=service, known=", ".join(plan.services))
    if not plan.open_at(now):
        raise CentreClosedNow.on(plan.hours) if plan.hours else CentreClosedToday()
    if not planned.open:
        raise ServiceClosed(service=service)
    number = hall.numbers.get(planned.series, 0) + 1
    quota = LAST_NUMBER if planned.quota is None else planned.quota
    if number > LAST_NUMBER or hall.taken.get(service, 0) >= quota:
        raise QuotaUsedUp(service=service, quota=quota)
    code = f"{planned.series}{number:03d}"
    ahead = ahead_of(hall, plan, Ticket(ticket_id, code, service, now, priority=priority), now)
    return [
        TicketIssued(
            centre=hall.centre,
            ticket_id=ticket_id,
            code=code,
            number=number,
            series=planned.series,
            service=service,
            needs_help=needs_help,
            ride_home=ride_home,
            priority=priority,
            contact_ref=contact_ref,
            language=language,
            ahead=ahead,
            wait_minutes=wait_range(hall, plan, service, ahead),
        )
    ]


def want_help(hall: Hall, *, ticket_id: str, now: datetime) -> Sequence[Fact]:
    """The citizen, or somebody for her, asks for a helper; asking again does nothing."""
    ticket = _ticket(hall, ticket_id, Action.HELP)
    if ticket.needs_help:
        return []
    return [HelpWanted(centre=hall.centre, ticket_id=ticket.id, code=ticket.code, language=ticket.language)]


def witness_priority(hall: Hall, *, ticket_id: str, now: datetime) -> Sequence[Fact]:
    """Somebody saw that priority is due, whether it was claimed at the kiosk or not."""
    ticket = _ticket(hall, ticket_id, Action.WITNESS)
    if ticket.witnessed:
        return []
    return [PriorityWitnessed(centre=hall.centre, ticket_id=ticket.id, code=ticket.code)]


def tick_checklist(
    hall: Hall,
    *,
    ticket_id: str,
    papers: Collection[str],
    form_filled: bool,
    by_volunteer: bool,
    known: Collection[str],
    now: datetime,
) -> Sequence[Fact]:
    """Which of the papers that her procedure asks for (`known`) are there; the same again changes nothing."""
    ticket = _ticket(hall, ticket_id, Action.CHECKLIST)
    if not set(papers) <= set(known):
        raise UnknownPaper(code=ticket.code)
    before = ticket.checklist or Checklist()
    there = tuple(paper for paper in known if paper in papers)
    ticked = Checklist(there, form_filled, by_volunteer or before.with_volunteer)
    return [] if ticked == ticket.checklist else [ChecklistTicked(ticket_id=ticket.id, **asdict(ticked))]


def cancel(hall: Hall, *, ticket_id: str, by: TicketEnd, now: datetime) -> Sequence[Fact]:
    return [_cancelled(hall, _ticket(hall, ticket_id, Action.CANCEL), by)]


# -------------------------------------------------------------------------------------------------------- counters


def open_counter(hall: Hall, *, counter: int, now: datetime) -> Sequence[Fact]:
    if counter in hall.open_counters:
        return []
    must_be_known(_plan(hall), counter)
    return [CounterOpened(centre=hall.centre, counter=counter)]


def close_counter(hall: Hall, *, counter: int, now: datetime) -> Sequence[Fact]:
    """Close it once nobody is at it; those held there go back to the line, in their old places."""
    if counter not in hall.open_counters:
        must_be_known(_plan(hall), counter)
        return []
    _free_counter(hall, counter)
    held = [ticket for ticket in hall.tickets if ticket.state is State.HELD and ticket.counter == counter]
    return [*(_returned(hall, ticket, counter) for ticket in held), CounterClosed(centre=hall.centre, counter=counter)]


def call_next(hall: Hall, *, counter: int, now: datetime) -> Sequence[Fact]:
    """Call whoever is next by the centre's rule; nobody waits for this counter: no facts."""
    plan = _free_counter(hall, counter)
    found = next_in_line(hall, plan, counter, now)
    if found is None:
        return []
    return [_called(hall, found[0], counter, found[1], count=1)]


def recall(hall: Hall, *, ticket_id: str, now: datetime) -> Sequence[Fact]:
    """Call again whoever does not come, or call back whoever is held at the counter."""
    ticket, counter = _ticket_at(hall, ticket_id, Action.RECALL)
    if ticket.state is State.HELD:
        _free_counter(hall, counter)
        return [_called(hall, ticket, counter, Because.HELD_HERE, count=1)]
    calls = ticket.course.calls if ticket.course else 0
    if calls > RECALLS:
        raise CalledOftenEnough(code=ticket.code, calls=calls)
    ago = _since(ticket, now)
    if ago < RECALL_AFTER:
        raise CalledJustNow(code=ticket.code, seconds=math.ceil((RECALL_AFTER - ago).total_seconds()))
    return [_called(hall, ticket, counter, Because.RECALLED, count=calls + 1)]


def start(hall: Hall, *, ticket_id: str, now: datetime) -> Sequence[Fact]:
    """She is at the counter: the transaction begins, or goes on after a hold."""
    ticket, counter = _ticket_at(hall, ticket_id, Action.START)
    way = 0
    if ticket.state is State.HELD:
        _free_counter(hall, counter)
    else:
        way = int(_since(ticket, now).total_seconds())
    return [ServingStarted(centre=hall.centre, ticket_id=ticket.id, code=ticket.code, counter=counter, way_seconds=way)]


def hold(hall: Hall, *, ticket_id: str, now: datetime) -> Sequence[Fact]:
    """Out of the way for now (a copy, a signature): the counter is free, the ticket stays with it."""
    ticket, counter = _ticket_at(hall, ticket_id, Action.HOLD)
    return [TicketHeld(centre=hall.centre, ticket_id=ticket.id, code=ticket.code, counter=counter)]


def give_back(hall: Hall, *, ticket_id: str, now: datetime) -> Sequence[Fact]:
    """Back to the line, in its old place."""
    ticket, counter = _ticket_at(hall, ticket_id, Action.RETURN)
    return [_returned(hall, ticket, counter)]


def mark_no_show(hall: Hall, *, ticket_id: str, now: datetime) -> Sequence[Fact]:
    ticket, counter = _ticket_at(hall, ticket_id, Action.NO_SHOW)
    return [TicketNoShow(centre=hall.centre, ticket_id=ticket.id, code=ticket.code, counter=counter)]


def reinstate(hall: Hall, *, ticket_id: str, now: datetime) -> Sequence[Fact]:
    """She came after all: to the front of her class."""
    ticket = _ticket(hall, ticket_id, Action.REINSTATE)
    return [TicketReinstated(centre=hall.centre, ticket_id=ticket.id, code=ticket.code)]


def complete(
    hall: Hall, *, ticket_id: str, outcome: CaseOutcome, services: tuple[str, ...] = (), now: datetime
) -> Sequence[Fact]:
    """The case is dealt with; `services` are those carried out, if it was not just the one of the ticket."""
    ticket, counter = _ticket_at(hall, ticket_id, Action.COMPLETE)
    plan = _plan(hall)
    for service in services:
        if service not in plan.services:
            raise UnknownService(service=service, known=", ".join(plan.services))
    return [_completed(hall, ticket, counter, outcome, services or (ticket.service,), now)]


def undo(hall: Hall, *, counter: int, now: datetime) -> Sequence[Fact]:
    """Take back the last completion of a counter: the ticket is being served again, as if it had never ended."""
    _free_counter(hall, counter)
    done = hall.undo.get(counter)
    if done is None or now - done.at > UNDO_WITHIN:
        raise NothingToUndo(counter=counter)
    ticket = done.ticket
    return [CompletionUndone(centre=hall.centre, ticket_id=ticket.id, code=ticket.code, counter=counter)]


# ------------------------------------------------------------------------------------------------ what rules lean on


def _plan(hall: Hall) -> DayPlan:
    if hall.plan is None:
        raise HallNotOpened
    if hall.closed:
        raise DayIsClosed
    return hall.plan


def _free_counter(hall: Hall, counter: int) -> DayPlan:
    """The plan of the day, if that counter is open and nobody is at it."""
    plan = _plan(hall)
    if counter not in hall.open_counters:
        must_be_known(plan, counter)
        raise CounterNotOpen(counter=counter)
    if there := hall.at_counter(counter):
        raise CounterBusy(counter=counter, code=there.code)
    return plan


def must_be_known(plan: DayPlan, counter: int) -> None:
    known = plan.counters()
    if counter not in known:
        raise NoSuchCounter(counter=counter, known=", ".join(map(str, sorted(known))))


def _ticket(hall: Hall, ticket_id: str, action: Action) -> Ticket:
    ticket = hall.find(ticket_id)
    if ticket is None:
        raise NoSuchTicket
    if action not in ALLOWED[ticket.state]:
        raise NotInThisState.of(ticket.code, ticket.state, action)
    return ticket


def _ticket_at(hall: Hall, ticket_id: str, action: Action) -> tuple[Ticket, int]:
    """The ticket, and the counter that it stands with in every state in which `action` is allowed."""
    ticket = _ticket(hall, ticket_id, action)
    assert ticket.counter is not None
    return ticket, ticket.counter


def _since(ticket: Ticket, now: datetime) -> timedelta:
    return max(timedelta(0), now - (ticket.course.since if ticket.course else ticket.issued))


_CLOCKS = {State.WAITING: "wait", State.CALLED: "way", State.SERVING: "transaction", State.HELD: "hold"}


def _spent(ticket: Ticket, now: datetime, clock: str | None = None) -> Spent:
    """Its clocks, with the time in its present state added to the one that runs (a no-show is away: none runs)."""
    spent = ticket.course.spent if ticket.course else Spent()
    clock = clock or _CLOCKS.get(ticket.state)
    if clock is None:
        return spent
    return replace(spent, **{clock: getattr(spent, clock) + _since(ticket, now).total_seconds()})


def _called(hall: Hall, ticket: Ticket, counter: int, because: Because, count: int) -> QueueCalled:
    return QueueCalled(
        centre=hall.centre,
        ticket_id=ticket.id,
        code=ticket.code,
        counter=counter,
        call_count=count,
        selected_because=because,
        contact_ref=ticket.contact_ref,
        language=ticket.language,
    )


def _returned(hall: Hall, ticket: Ticket, counter: int) -> TicketReturned:
    return TicketReturned(centre=hall.centre, ticket_id=ticket.id, code=ticket.code, counter=counter)


def _cancelled(hall: Hall, ticket: Ticket, reason: TicketEnd) -> TicketCancelled:
    return TicketCancelled(centre=hall.centre, ticket_id=ticket.id, code=ticket.code, reason=reason)


def _completed(
    hall: Hall, ticket: Ticket, counter: int, outcome: CaseOutcome, services: tuple[str, ...], now: datetime
) -> CaseCompleted:
    spent = _spent(ticket, now)
    return CaseCompleted(
        centre=hall.centre,
        ticket_id=ticket.id,
        code=ticket.code,
        outcome=outcome,
        services=services,
        counter=counter,
        wait_seconds=int(spent.wait),
        way_seconds=int(spent.way),
        transaction_seconds=int(spent.transaction),
        hold_seconds=int(spent.hold),
        contact_ref=ticket.contact_ref,
        language=ticket.language,
    )


# ---------------------------------------------------------------------------------------------- what a fact changes


def evolve(hall: Hall, fact: Fact, at: datetime) -> None:
    match fact:
        case TicketIssued():
            hall.numbers[fact.series] = fact.number
            hall.taken[fact.service] = hall.taken.get(fact.service, 0) + 1
            hall.tickets.append(
                Ticket(
                    fact.ticket_id,
                    fact.code,
                    fact.service,
                    issued=at,
                    language=fact.language,
                    contact_ref=fact.contact_ref,
                    priority=fact.priority,
                    needs_help=fact.needs_help,
                )
            )
        case QueueCalled():
            _call(hall, fact, at)
        case ServingStarted():
            _move(hall, fact.ticket_id, State.SERVING, at, fact.counter)
        case CaseCompleted():
            _complete(hall, fact, at)
        case TicketHeld():
            _move(hall, fact.ticket_id, State.HELD, at, fact.counter)
        case TicketReturned():
            _move(hall, fact.ticket_id, State.WAITING, at)
        case TicketNoShow():
            _move(hall, fact.ticket_id, State.NO_SHOW, at)
        case TicketReinstated():
            _move(hall, fact.ticket_id, State.WAITING, at).front = True
        case TicketCancelled():
            hall.tickets.remove(_found(hall, fact.ticket_id))
            hall.cancelled += 1
        case CompletionUndone():
            _undo(hall, fact)
        case HelpWanted():
            _found(hall, fact.ticket_id).needs_help = True
        case ChecklistTicked():
            _found(hall, fact.ticket_id).checklist = Checklist(fact.papers, fact.form_filled, fact.with_volunteer)
        case PriorityWitnessed():
            ticket = _found(hall, fact.ticket_id)
            ticket.priority = ticket.witnessed = True
        case CounterOpened():
            insort(hall.open_counters, fact.counter)
        case CounterClosed():
            hall.open_counters.remove(fact.counter)
        case DayOpened() | DayPlanned():
            hall.plan = fact.plan
        case DayClosed():
            hall.closed = at
            hall.tickets, hall.undo, hall.recent = [], {}, {}


def _call(hall: Hall, fact: QueueCalled, at: datetime) -> None:
    ticket = _found(hall, fact.ticket_id)
    again = ticket.state is State.CALLED
    spent = _spent(ticket, at, "wait" if again else None)  # the wait ends with the last call
    if ticket.waits:
        waiting = (other for other in hall.tickets if other.waits and other is not ticket)
        hall.in_a_row = row_after(ticket, waiting, hall.in_a_row)
    ticket.course = Course(State.CALLED, at, spent, fact.counter, fact.call_count)
    _drop_stale_undo(hall, at)


def _move(hall: Hall, ticket_id: str, state: State, at: datetime, counter: int | None = None) -> Ticket:
    ticket = _found(hall, ticket_id)
    ticket.course = Course(state, at, _spent(ticket, at), counter)
    return ticket


def _complete(hall: Hall, fact: CaseCompleted, at: datetime) -> None:
    ticket = _found(hall, fact.ticket_id)
    hall.tickets.remove(ticket)
    if fact.outcome is CaseOutcome.UNFINISHED:
        hall.unfinished += 1
        return
    hall.completed += 1
    times = hall.recent.setdefault(ticket.service, [])
    times.append(fact.way_seconds + fact.transaction_seconds)
    del times[:-KEPT]
    _drop_stale_undo(hall, at)
    hall.undo[fact.counter] = Done(ticket, at)


def _undo(hall: Hall, fact: CompletionUndone) -> None:
    ticket = hall.undo.pop(fact.counter).ticket
    insort(hall.tickets, ticket, key=lambda other: (other.issued, int(other.code[1:])))
    hall.completed -= 1
    del hall.recent.get(ticket.service, [])[-1:]


def _drop_stale_undo(hall: Hall, at: datetime) -> None:
    hall.undo = {counter: done for counter, done in hall.undo.items() if at - done.at <= UNDO_WITHIN}


def _found(hall: Hall, ticket_id: str) -> Ticket:
    ticket = hall.find(ticket_id)
    assert ticket is not None, "a fact about a ticket that has ended"
    return ticket
