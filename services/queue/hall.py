"""A centre's hall on one day, as it stands: the plan of the day, who waits, who is at which counter. Decides nothing.

The document is small: a ticket that has ended leaves it, its facts are in the journal and its view answers for it.
"""

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from functools import cached_property

from pydantic import BaseModel, ConfigDict

from services.contracts.words import Code, CounterNumber


class State(StrEnum):
    """Where a ticket is in its life."""

    WAITING = "waiting"
    CALLED = "called"
    SERVING = "serving"
    HELD = "held"
    NO_SHOW = "no_show"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


AT_THE_COUNTER = (State.CALLED, State.SERVING)
LIVE = (State.WAITING, State.CALLED, State.SERVING, State.HELD)


def hall_with(id: str) -> str:
    """The hall that holds this ticket or counter: what is in a hall is named after it."""
    return id[: len("31186-20261124")]


class PlannedService(BaseModel):
    model_config = ConfigDict(frozen=True)
    series: str
    counters: tuple[CounterNumber, ...]
    quota: int | None = None
    open: bool = True


class Span(BaseModel):
    """From `opens` until before `closes`, UTC."""

    model_config = ConfigDict(frozen=True)
    opens: datetime
    closes: datetime


class DayPlan(BaseModel):
    """What the hall must know of its centre for this one day."""

    model_config = ConfigDict(frozen=True)
    revision: int
    day: date
    services: dict[Code, PlannedService]
    hours: tuple[Span, ...]
    """When numbers are given. None: closed that day."""
    always_open: bool
    ends: datetime
    """When the day ends by itself: some time after the last closing, at local midnight at the latest."""
    in_a_row: int
    """At most so many priority calls one after another while an ordinary person waits."""
    ageing_minutes: int

    @cached_property
    def rivals(self) -> dict[str, frozenset[str]]:
        """For each service those that are called at the same counters, itself too."""
        return {
            code: frozenset(
                other for other, planned in self.services.items() if not set(mine.counters).isdisjoint(planned.counters)
            )
            for code, mine in self.services.items()
        }

    def counters(self) -> set[int]:
        return {counter for service in self.services.values() for counter in service.counters}

    def served_at(self, counter: int) -> set[str]:
        return {code for code, service in self.services.items() if counter in service.counters}

    def open_at(self, now: datetime) -> bool:
        return self.always_open or any(span.opens <= now < span.closes for span in self.hours)


@dataclass(frozen=True, slots=True)
class Spent:
    """Four of the five clocks, in seconds; the fifth, the stay, is issue to end. No moment counts on two of them."""

    wait: float = 0
    way: float = 0
    transaction: float = 0
    hold: float = 0


@dataclass(slots=True)
class Course:
    """What became of a ticket since it first left the line."""

    state: State
    since: datetime
    spent: Spent
    counter: int | None = None
    calls: int = 0


@dataclass(frozen=True, slots=True)
class Checklist:
    """What somebody looked through with her: which of her papers are there, and whether the form is filled in."""

    papers: tuple[str, ...] = ()
    form_filled: bool = False
    with_volunteer: bool = False


@dataclass(slots=True, eq=False)
class Ticket:
    """Most of a hall's bytes are tickets that just wait: those have no `course`."""

    id: str
    code: str
    service: str
    issued: datetime
    language: str = "vi"
    contact_ref: str | None = None
    priority: bool = False
    needs_help: bool = False
    witnessed: bool = False
    """Somebody saw that its priority is due."""
    front: bool = False
    """Reinstated: before the others of its class."""
    course: Course | None = None
    checklist: Checklist | None = None

    @property
    def state(self) -> State:
        return self.course.state if self.course else State.WAITING

    @property
    def waits(self) -> bool:
        return self.course is None or self.course.state is State.WAITING

    @property
    def counter(self) -> int | None:
        return self.course.counter if self.course else None


@dataclass(slots=True, eq=False)
class Done:
    """The last completion of a counter, as long as it may be undone: the ticket as it was before."""

    ticket: Ticket
    at: datetime


@dataclass(slots=True)
class Hall:
    """`tickets` are those that have not ended, and today's no-shows, in the order in which they were issued."""

    id: str
    plan: DayPlan | None = None
    closed: datetime | None = None
    tickets: list[Ticket] = field(default_factory=list)
    open_counters: list[int] = field(default_factory=list)
    undo: dict[int, Done] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    """The last number of each series."""
    taken: dict[str, int] = field(default_factory=dict)
    """How many tickets of each service were issued."""
    in_a_row: int = 0
    """Priority calls since the last ordinary one, those made while an ordinary person waited."""
    recent: dict[str, list[int]] = field(default_factory=dict)
    """The last times that a counter was taken up, per service, in seconds."""
    completed: int = 0
    cancelled: int = 0
    unfinished: int = 0

    @property
    def centre(self) -> str:
        return self.id[:5]

    def find(self, ticket_id: str) -> Ticket | None:
        for ticket in self.tickets:
            if ticket.id == ticket_id:
                return ticket
        return None

    def at_counter(self, counter: int) -> Ticket | None:
        """The one live ticket of a counter: called to it or served there."""
        for ticket in self.tickets:
            if ticket.course and ticket.course.counter == counter and ticket.course.state in AT_THE_COUNTER:
                return ticket
        return None

    def waiting(self, services: set[str]) -> list[Ticket]:
        return [ticket for ticket in self.tickets if ticket.waits and ticket.service in services]

    def count(self, *states: State) -> int:
        return sum(ticket.state in states for ticket in self.tickets)

    @property
    def issued(self) -> int:
        return sum(self.numbers.values())
