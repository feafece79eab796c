"""Read models of the queue: one row a ticket (which answers for those that have ended), the figures of a day, the calls
of a counter. Each belongs to one hall.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import TypeVar

from services.chassis.clock import LOCAL
from services.chassis.views import Stamp, View
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
from services.contracts.words import CaseOutcome, Fact, TicketEnd
from services.queue.hall import Hall, State, hall_with
from services.queue.opinions import Opinion, OpinionGiven, Score

# --------------------------------------------------------------------------------------------------------- tickets


@dataclass(frozen=True, slots=True)
class TicketRow:
    code: str
    service: str
    state: State
    issued: datetime
    priority: bool = False
    needs_help: bool = False
    ride_home: bool = False
    counter: int | None = None
    calls: int = 0
    called: datetime | None = None
    ended: datetime | None = None
    outcome: CaseOutcome | None = None
    reason: TicketEnd | None = None
    services: tuple[str, ...] = ()
    wait_seconds: int = 0
    way_seconds: int = 0
    transaction_seconds: int = 0
    hold_seconds: int = 0


_OF_A_TICKET = (
    TicketIssued,
    HelpWanted,
    PriorityWitnessed,
    QueueCalled,
    ServingStarted,
    TicketHeld,
    TicketReturned,
    TicketNoShow,
    TicketReinstated,
    TicketCancelled,
    CaseCompleted,
    CompletionUndone,
)


def _ticket_keys(fact: Fact, stamp: Stamp) -> Sequence[str]:
    return (fact.ticket_id,) if isinstance(fact, _OF_A_TICKET) else ()


def _fold_ticket(row: TicketRow | None, fact: Fact, stamp: Stamp) -> TicketRow | None:
    if row is None:
        if not isinstance(fact, TicketIssued):
            return None
        return TicketRow(
            fact.code, fact.service, State.WAITING, stamp.at, fact.priority, fact.needs_help, fact.ride_home
        )
    match fact:
        case QueueCalled():
            return replace(
                row, state=State.CALLED, counter=fact.counter, calls=fact.call_count, called=stamp.at, ended=None
            )
        case ServingStarted():
            return replace(row, state=State.SERVING, counter=fact.counter)
        case CaseCompleted():
            return replace(
                row,
                state=State.COMPLETED,
                ended=stamp.at,
                outcome=fact.outcome,
                services=fact.services,
                wait_seconds=fact.wait_seconds,
                way_seconds=fact.way_seconds,
                transaction_seconds=fact.transaction_seconds,
                hold_seconds=fact.hold_seconds,
            )
        case CompletionUndone():
            return replace(row, state=State.SERVING, ended=None, outcome=None, services=())
        case TicketHeld():
            return replace(row, state=State.HELD)
        case TicketReturned() | TicketReinstated():
            return replace(row, state=State.WAITING, counter=None, ended=None)
        case TicketNoShow():
            return replace(row, state=State.NO_SHOW, ended=stamp.at)
        case TicketCancelled():
            return replace(row, state=State.CANCELLED, ended=stamp.at, reason=fact.reason)
        case HelpWanted():
            return replace(row, needs_help=True)
        case PriorityWitnessed():
            return replace(row, priority=True)
    return row


TICKETS = View("tickets", Hall, TicketRow, _ticket_keys, _fold_ticket, document=hall_with)


# --------------------------------------------------------------------------------------------------------- figures

K = TypeVar("K")
LONGEST = 240
"""Minutes of the last bucket of waits: that and longer."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What one service, or one hour of arrival, adds up to. `completed` of them waited `wait_seconds` together."""

    issued: int = 0
    completed: int = 0
    wait_seconds: int = 0
    transaction_seconds: int = 0

    def plus(self, issued: int = 0, completed: int = 0, wait: int = 0, transaction: int = 0) -> "Tally":
        return Tally(
            self.issued + issued,
            self.completed + completed,
            self.wait_seconds + wait,
            self.transaction_seconds + transaction,
        )


@dataclass(frozen=True, slots=True)
class Counted:
    """A completion as it was counted, so that it can be taken back."""

    ticket_id: str
    outcome: CaseOutcome
    services: tuple[str, ...]
    hour: int
    wait: int
    way: int
    transaction: int
    hold: int


@dataclass(frozen=True, slots=True)
class Figures:
    """A day of a centre. Waits are kept as how many waited so many minutes, so it stays small on any day."""

    centre: str
    day: str
    issued: int = 0
    priority: int = 0
    needs_help: int = 0
    ride_home: int = 0
    completed: int = 0
    outcomes: Mapping[CaseOutcome, int] = field(default_factory=dict)
    unfinished: int = 0
    no_show: int = 0
    reinstated: int = 0
    cancelled: Mapping[TicketEnd, int] = field(default_factory=dict)
    waits: Mapping[int, int] = field(default_factory=dict)
    wait_seconds: int = 0
    way_seconds: int = 0
    transaction_seconds: int = 0
    hold_seconds: int = 0
    hours: Mapping[int, Tally] = field(default_factory=dict)
    services: Mapping[str, Tally] = field(default_factory=dict)
    last: Mapping[int, Counted] = field(default_factory=dict)
    """The last completion of each counter."""
    closed: bool = False

    @property
    def median_minutes(self) -> int | None:
        """Whole minutes that half of the completed waited at most."""
        half, seen = (sum(self.waits.values()) + 1) // 2, 0
        for minutes in sorted(self.waits):
            seen += self.waits[minutes]
            if seen >= half:
                return minutes
        return None


_COUNTED = (
    TicketIssued,
    HelpWanted,
    CaseCompleted,
    CompletionUndone,
    TicketCancelled,
    TicketNoShow,
    TicketReinstated,
    DayClosed,
)


def _figures_keys(fact: Fact, stamp: Stamp) -> Sequence[str]:
    return (stamp.id,) if isinstance(fact, _COUNTED) else ()


def _fold_figures(known: Figures | None, fact: Fact, stamp: Stamp) -> Figures:
    day = f"{stamp.id[6:10]}-{stamp.id[10:12]}-{stamp.id[12:14]}"
    sums = known or Figures(stamp.id[:5], day)
    match fact:
        case TicketIssued():
            return replace(
                sums,
                issued=sums.issued + 1,
                priority=sums.priority + fact.priority,
                needs_help=sums.needs_help + fact.needs_help,
                ride_home=sums.ride_home + fact.ride_home,
                hours=_added(sums.hours, _hour(stamp.at), issued=1),
                services=_added(sums.services, fact.service, issued=1),
            )
        case CaseCompleted(outcome=CaseOutcome.UNFINISHED):
            return replace(sums, unfinished=sums.unfinished + 1)
        case CaseCompleted():
            counted = _counted(fact, stamp.at)
            return replace(_count(sums, counted, 1), last={**sums.last, fact.counter: counted})
        case CompletionUndone() if fact.counter in sums.last:
            kept = {counter: counted for counter, counted in sums.last.items() if counter != fact.counter}
            return replace(_count(sums, sums.last[fact.counter], -1), last=kept)
        case TicketCancelled():
            return replace(sums, cancelled={**sums.cancelled, fact.reason: sums.cancelled.get(fact.reason, 0) + 1})
        case TicketNoShow():
            return replace(sums, no_show=sums.no_show + 1)
        case TicketReinstated():
            return replace(sums, no_show=sums.no_show - 1, reinstated=sums.reinstated + 1)
        case HelpWanted():
            return replace(sums, needs_help=sums.needs_help + 1)
        case DayClosed():
            return replace(sums, closed=True, last={})
    return sums


def _counted(fact: CaseCompleted, at: datetime) -> Counted:
    stay = fact.wait_seconds + fact.way_seconds + fact.transaction_seconds + fact.hold_seconds
    return Counted(
        fact.ticket_id,
        fact.outcome,
        fact.services,
        _hour(at - timedelta(seconds=stay)),
        fact.wait_seconds,
        fact.way_seconds,
        fact.transaction_seconds,
        fact.hold_seconds,
    )


def _count(sums: Figures, one: Counted, sign: int) -> Figures:
    """With (1) or without (-1) that completion. Its times are its first service's."""
    minutes = min(one.wait // 60, LONGEST)
    waits = {**sums.waits, minutes: sums.waits.get(minutes, 0) + sign}
    services = sums.services
    for place, code in enumerate(one.services):
        wait, transaction = (one.wait, one.transaction) if place == 0 else (0, 0)
        services = _added(services, code, completed=sign, wait=sign * wait, transaction=sign * transaction)
    return replace(
        sums,
        completed=sums.completed + sign,
        outcomes={**sums.outcomes, one.outcome: sums.outcomes.get(one.outcome, 0) + sign},
        waits={minutes: count for minutes, count in waits.items() if count},
        wait_seconds=sums.wait_seconds + sign * one.wait,
        way_seconds=sums.way_seconds + sign * one.way,
        transaction_seconds=sums.transaction_seconds + sign * one.transaction,
        hold_seconds=sums.hold_seconds + sign * one.hold,
        hours=_added(sums.hours, one.hour, completed=sign, wait=sign * one.wait, transaction=sign * one.transaction),
        services=services,
    )


def _hour(at: datetime) -> int:
    return at.astimezone(LOCAL).hour


def _added(tallies: Mapping[K, Tally], key: K, **more: int) -> Mapping[K, Tally]:
    return {**tallies, key: tallies.get(key, Tally()).plus(**more)}


FIGURES = View("figures", Hall, Figures, _figures_keys, _fold_figures, indexes=("centre", "day"))


# -------------------------------------------------------------------------------------------------------- counters

SHOWN = 4


@dataclass(frozen=True, slots=True)
class Call:
    code: str
    at: datetime


@dataclass(frozen=True, slots=True)
class CounterRow:
    """`calls`: its last ones, the newest first."""

    hall: str
    counter: int
    open: bool = False
    calls: tuple[Call, ...] = ()
    completed: int = 0


_AT_A_COUNTER = (CounterOpened, CounterClosed, QueueCalled, CaseCompleted, CompletionUndone)


def counter_key(hall: str, counter: int) -> str:
    return f"{hall}-{counter:02d}"


def _counter_keys(fact: Fact, stamp: Stamp) -> Sequence[str]:
    return (counter_key(stamp.id, fact.counter),) if isinstance(fact, _AT_A_COUNTER) else ()


def _fold_counter(known: CounterRow | None, fact: Fact, stamp: Stamp) -> CounterRow:
    assert isinstance(fact, _AT_A_COUNTER)
    row = known or CounterRow(stamp.id, fact.counter)
    match fact:
        case CounterOpened():
            return replace(row, open=True)
        case CounterClosed():
            return replace(row, open=False)
        case QueueCalled():
            others = [call for call in row.calls if call.code != fact.code]
            return replace(row, calls=(Call(fact.code, stamp.at), *others)[:SHOWN])
        case CaseCompleted(outcome=CaseOutcome.UNFINISHED):
            return row
        case CaseCompleted():
            return replace(row, completed=row.completed + 1)
        case CompletionUndone():
            return replace(row, completed=row.completed - 1)


COUNTERS = View(
    "counters",
    Hall,
    CounterRow,
    _counter_keys,
    _fold_counter,
    indexes=("hall",),
    document=hall_with,
)

# -------------------------------------------------------------------------------------------------------- opinions


@dataclass(frozen=True, slots=True)
class OpinionRow:
    """What the holder of one ticket said last."""

    centre: str
    day: str
    counter: Score | None = None
    volunteer: Score | None = None
    waiting: Score | None = None


def _fold_opinion(row: OpinionRow | None, fact: Fact, stamp: Stamp) -> OpinionRow | None:
    if not isinstance(fact, OpinionGiven):
        return row
    day = date.fromisoformat(stamp.id[6:14]).isoformat()
    return OpinionRow(stamp.id[:5], day, fact.counter, fact.volunteer, fact.waiting)


OPINIONS = View(
    "opinions",
    Opinion,
    OpinionRow,
    lambda fact, stamp: (stamp.id,) if isinstance(fact, OpinionGiven) else (),
    _fold_opinion,
    indexes=("centre", "day"),
)

ALL = (TICKETS, FIGURES, COUNTERS, OPINIONS)
