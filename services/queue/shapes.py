"""What goes in and out of the queue over HTTP. Times are UTC, durations in the unit that the name says."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.chassis.documents import the
from services.contracts.events import CaseCompleted, DayClosed, QueueCalled
from services.contracts.words import (
    Because,
    CaseOutcome,
    CentreRef,
    Code,
    ContactRef,
    CounterNumber,
    Fact,
    Language,
    TicketCode,
    TicketEnd,
    TicketRef,
)
from services.queue.centre import PaperRef, Pictogram, Procedure, Words
from services.queue.hall import State
from services.queue.opinions import Score
from services.queue.wording import reason_in_words

_TICKET = "31186-20261124-7hk2m9x4tq0v"
Range = Annotated[
    tuple[int, int] | None, Field(description="minutes, from and to; null when unknown", examples=[[10, 20]])
]


# -------------------------------------------------------------------------------------------------------- requests


class TicketWanted(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"service": "dat-dai-chuyen-quyen", "needs_help": True, "ride_home": True}]},
    )
    service: Code
    needs_help: bool = False
    ride_home: bool = False
    priority: Annotated[bool, Field(description="claimed: 80 or older, pregnant, disabled, with a small child")] = False
    contact_ref: Annotated[ContactRef | None, Field(description="from POST /notify/contacts, for the SMS")] = None
    language: Language = "vi"


class Completion(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"outcome": "accepted", "services": ["dat-dai-chuyen-quyen"]}]}
    )
    outcome: Literal[
        CaseOutcome.ACCEPTED,
        CaseOutcome.RESULT_RETURNED,
        CaseOutcome.SUPPLEMENT_NEEDED,
        CaseOutcome.FINISHED_ONLINE_WITH_HELP,
        CaseOutcome.REJECTED,
    ]
    services: Annotated[
        tuple[Code, ...], Field(max_length=10, description="those carried out, if not just the ticket's own")
    ] = ()


class ChecklistGiven(BaseModel):
    """The whole list as it is now: what is not named is not there."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"papers": ["5f3a9c01b2d4"], "form_filled": True}]}
    )
    papers: Annotated[tuple[PaperRef, ...], Field(max_length=30, description="`paper` of those that are there")] = ()
    form_filled: bool = False


class OpinionSaid(BaseModel):
    """A face each; what she has nothing to say of is left out."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"counter": "good", "waiting": "fair"}]})
    counter: Score | None = None
    volunteer: Score | None = None
    waiting: Score | None = None


class Closing(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    send_home: Annotated[bool, Field(description="close even though people are still there")] = False


# --------------------------------------------------------------------------------------------------------- answers


class TicketGiven(BaseModel):
    """`pass` is the citizen's secret: it opens this ticket and nothing else, and is given only here."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "ticket_id": _TICKET,
                    "pass": f"{_TICKET}.mfrggzdfmztwq2lknnwg23tpoa",
                    "code": "A012",
                    "ahead": 4,
                    "wait_minutes": [10, 20],
                }
            ]
        }
    )
    ticket_id: TicketRef
    pass_: Annotated[str, Field(alias="pass")]
    code: TicketCode
    ahead: Annotated[int, Field(ge=0, description="how many would be called before")]
    wait_minutes: Range


class Called(BaseModel):
    """`selected_because` says in words why it was this one (by `Accept-Language`), `because` is its enumeration."""

    ticket_id: Annotated[TicketRef, Field(examples=[_TICKET])]
    code: Annotated[TicketCode, Field(examples=["A012"])]
    counter: CounterNumber
    call_count: Annotated[int, Field(ge=1, le=4)]
    selected_because: Annotated[str, Field(examples=["Chờ lâu nhất"])]
    because: Because

    @classmethod
    def of(cls, facts: Sequence[Fact], language: str) -> "Called":
        called = the(facts, QueueCalled)
        return cls(
            ticket_id=called.ticket_id,
            code=called.code,
            counter=called.counter,
            call_count=called.call_count,
            selected_because=reason_in_words(called.selected_because, language),
            because=called.selected_because,
        )


class Moved(BaseModel):
    """Where the ticket is now."""

    ticket_id: Annotated[TicketRef, Field(examples=[_TICKET])]
    code: Annotated[TicketCode, Field(examples=["A012"])]
    state: State
    counter: CounterNumber | None = None


class Completed(Moved):
    outcome: CaseOutcome
    services: tuple[Code, ...]
    wait_seconds: Annotated[int, Field(ge=0, description="issue to last call, without the time on hold or away")]
    way_seconds: Annotated[int, Field(ge=0, description="last call to the start")]
    transaction_seconds: Annotated[int, Field(ge=0)]
    hold_seconds: Annotated[int, Field(ge=0)]

    @classmethod
    def of(cls, facts: Sequence[Fact]) -> "Completed":
        done = the(facts, CaseCompleted)
        return cls(
            ticket_id=done.ticket_id,
            code=done.code,
            state=State.COMPLETED,
            counter=done.counter,
            outcome=done.outcome,
            services=done.services,
            wait_seconds=done.wait_seconds,
            way_seconds=done.way_seconds,
            transaction_seconds=done.transaction_seconds,
            hold_seconds=done.hold_seconds,
        )


class PaperShown(BaseModel):
    paper: PaperRef
    name: Words
    there: Annotated[bool, Field(description="somebody saw that she has it")]


class ChecklistShown(BaseModel):
    papers: list[PaperShown]
    form_filled: bool
    looked_through: Annotated[bool, Field(description="somebody did, before or at the counter")]
    with_volunteer: bool


class TicketShown(BaseModel):
    """One ticket as it stands at `as_of`; nothing of anybody else's."""

    ticket_id: Annotated[TicketRef, Field(examples=[_TICKET])]
    code: Annotated[TicketCode, Field(examples=["A012"])]
    service: Code
    service_name: Words | None
    state: State
    issued: datetime
    as_of: datetime
    ahead: Annotated[int | None, Field(ge=0, description="while it waits: how many would be called before")] = None
    wait_minutes: Range = None
    counter: Annotated[CounterNumber | None, Field(description="where to go, or where it was served")] = None
    call_count: Annotated[int, Field(ge=0)] = 0
    priority: bool
    needs_help: bool
    ride_home: bool
    ended: datetime | None = None
    outcome: CaseOutcome | None = None
    reason: Annotated[TicketEnd | None, Field(description="of a ticket that was cancelled")] = None
    procedure: Annotated[Procedure | None, Field(description="papers, steps, fee, time limit, how to pay")] = None
    checklist: Annotated[ChecklistShown | None, Field(description="until the ticket has ended")] = None


class CounterOpen(BaseModel):
    counter: CounterNumber
    open: bool


class CounterStands(CounterOpen):
    services: list[Code]
    code: Annotated[TicketCode | None, Field(description="who is called to it or served there")] = None
    state: State | None = None


class CountersList(BaseModel):
    centre: CentreRef
    counters: list[CounterStands]


class AtCounter(BaseModel):
    """A ticket as the counter sees it; `since`: when its present state began."""

    ticket_id: Annotated[TicketRef, Field(examples=[_TICKET])]
    code: Annotated[TicketCode, Field(examples=["A012"])]
    service: Code
    state: State
    since: datetime
    priority: bool
    witnessed: bool
    needs_help: bool
    call_count: Annotated[int, Field(ge=0, description="how often it was called this time")] = 0


class InLine(AtCounter):
    waited_minutes: Annotated[int, Field(ge=0)]
    selected_because: Annotated[str, Field(description="why it would be its turn", examples=["Chờ lâu nhất"])]
    because: Because


class CounterShown(CounterStands):
    """`waiting` in the order in which this counter would call them now, if it were alone."""

    as_of: datetime
    now: AtCounter | None
    held: list[AtCounter]
    waiting: list[InLine]
    no_shows: Annotated[list[AtCounter], Field(description="today's, to be reinstated when they come")]
    undo_until: Annotated[datetime | None, Field(description="until when the last completion may be undone")] = None
    undo_code: Annotated[TicketCode | None, Field(description="whose completion that is")] = None


class ServiceShown(BaseModel):
    code: Code
    name: Words
    pictogram: Pictogram
    series: Annotated[str, Field(pattern=r"^[A-Z]$")]
    counters: list[CounterNumber]
    open: Annotated[bool, Field(description="a number of it can be had now")]
    left: Annotated[int | None, Field(ge=0, description="numbers left today; null: no limit")] = None
    waiting: Annotated[int, Field(ge=0)]
    wait_minutes: Range
    procedure: Procedure


class ServicesList(BaseModel):
    centre: CentreRef
    name: Words
    open: Annotated[bool, Field(description="the centre gives numbers now")]
    hours: Annotated[list[str], Field(description="today's, local time", examples=[["07:30-11:30", "13:30-17:00"]])]
    as_of: datetime
    services: list[ServiceShown]


class BoardCall(BaseModel):
    """`priority` is there to be shown discreetly."""

    code: Annotated[TicketCode, Field(examples=["A012"])]
    counter: CounterNumber
    state: Literal[State.CALLED, State.SERVING]
    since: datetime
    priority: bool


class PastCall(BaseModel):
    code: TicketCode
    counter: CounterNumber
    at: datetime


class BoardService(BaseModel):
    code: Code
    name: Words
    waiting: Annotated[int, Field(ge=0)]
    counters_open: Annotated[int, Field(ge=0)]
    wait_minutes: Range


class Board(BaseModel):
    """What everybody in the hall may see: codes and counters, no reference that opens anything."""

    centre: CentreRef
    name: Words
    day: date
    open: bool
    closed: Annotated[bool, Field(description="the day was closed")]
    as_of: datetime
    called: Annotated[list[BoardCall], Field(description="called and on the way first, the newest first; then served")]
    last_calls: Annotated[list[PastCall], Field(description="the newest first")]
    waiting: Annotated[list[TicketCode], Field(description="in the order of issue")]
    services: list[BoardService]


class ServiceFigures(BaseModel):
    issued: int
    completed: int
    wait_mean_minutes: float | None
    transaction_mean_minutes: float | None


class HourFigures(ServiceFigures):
    hour: Annotated[int, Field(ge=0, le=23, description="of arrival, local")]


class Opinions(BaseModel):
    """How many said what."""

    good: int = 0
    fair: int = 0
    bad: int = 0


class Report(BaseModel):
    """The queue's half of the evening report. `completed` does not count what the day's end left unfinished."""

    centre: CentreRef
    day: date
    closed: bool
    issued: int
    priority: Annotated[int, Field(description="claimed when the number was taken")]
    needs_help: int
    ride_home: int
    completed: int
    outcomes: dict[CaseOutcome, int]
    unfinished: int
    no_show: int
    reinstated: int
    cancelled: int
    cancelled_because: dict[TicketEnd, int]
    still_here: Annotated[int, Field(description="waiting or at a counter")]
    wait_mean_minutes: Annotated[float | None, Field(description="of the completed")]
    wait_median_minutes: int | None
    way_mean_seconds: int | None
    transaction_mean_minutes: float | None
    hold_mean_seconds: int | None
    opinions: Annotated[dict[str, Opinions], Field(description="of the counter, the volunteer, the waiting")]
    by_hour: list[HourFigures]
    by_service: dict[Code, ServiceFigures]


class DayEnded(BaseModel):
    day: date
    issued: int
    completed: int
    cancelled: int
    no_show: int
    unfinished: int

    @classmethod
    def of(cls, facts: Sequence[Fact]) -> "DayEnded":
        return cls(**the(facts, DayClosed).model_dump(exclude={"centre"}))


class CentreGiven(BaseModel):
    centre: CentreRef
    revision: Annotated[int, Field(ge=1, description="one more with each change")]
