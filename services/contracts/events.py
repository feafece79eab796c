"""Every event of Cầu Nối, on one page. One class = one topic; a field is added only as optional; nothing is renamed.

References, codes, numbers and enumerations only: see `words`. Times are UTC, durations whole seconds or minutes.
"""

from datetime import date, datetime
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from services.contracts.words import (
    AccountRef,
    AssistanceRef,
    AssistanceResult,
    Because,
    CancelledBy,
    CaseOutcome,
    CentreRef,
    Code,
    ContactRef,
    CounterNumber,
    EscalatedBecause,
    Event,
    Instead,
    JobKind,
    JobRef,
    Language,
    MemberRef,
    Minutes,
    OfferRef,
    RideRef,
    Role,
    Seconds,
    SessionRef,
    TicketCode,
    TicketEnd,
    TicketRef,
    Vehicle,
    VoidBecause,
)

# ------------------------------------------------------------------------------------------------------ queue


class _TicketEvent(Event):
    subject: ClassVar[str] = "ticket_id"
    ticket_id: TicketRef
    code: TicketCode


class TicketIssued(_TicketEvent):
    """A citizen took a number. `ahead` and `wait_minutes` are what she was told then."""

    number: Annotated[int, Field(ge=1)]
    series: Annotated[str, Field(pattern=r"^[A-Z]$")]
    service: Code
    needs_help: bool = False
    ride_home: bool = False
    priority: bool = False
    contact_ref: ContactRef | None = None
    language: Language = "vi"
    ahead: Annotated[int, Field(ge=0)] = 0
    wait_minutes: tuple[Minutes, Minutes] | None = None


class HelpWanted(_TicketEvent):
    """The citizen, or somebody for her, asked for help after the number was taken."""

    language: Language = "vi"


class PriorityWitnessed(_TicketEvent):
    """Staff or a volunteer saw that the priority claimed at the kiosk is due."""


class QueueCalled(_TicketEvent):
    """The ticket was called to a counter, for the `call_count`-th time (a recall is a call again)."""

    counter: CounterNumber
    call_count: Annotated[int, Field(ge=1, le=4)]
    selected_because: Because
    contact_ref: ContactRef | None = None
    language: Language = "vi"


class ServingStarted(_TicketEvent):
    counter: CounterNumber
    way_seconds: Seconds


class TicketHeld(_TicketEvent):
    counter: CounterNumber


class TicketReturned(_TicketEvent):
    """Back in line, in its old place."""

    counter: CounterNumber


class TicketNoShow(_TicketEvent):
    counter: CounterNumber


class TicketReinstated(_TicketEvent):
    """Came after all: to the front of its class."""


class TicketCancelled(_TicketEvent):
    reason: TicketEnd


class CaseCompleted(_TicketEvent):
    """The dossier behind the ticket was dealt with. The day's end completes what is in service as `unfinished`."""

    outcome: CaseOutcome
    services: tuple[Code, ...]
    counter: CounterNumber
    wait_seconds: Seconds
    """Issue to last call, less the time on hold, at a counter, or away after a no-show."""
    way_seconds: Seconds
    transaction_seconds: Seconds
    hold_seconds: Seconds = 0
    contact_ref: ContactRef | None = None
    language: Language = "vi"


class CompletionUndone(_TicketEvent):
    """The last completion of a counter was taken back within two minutes: the ticket is being served again."""

    counter: CounterNumber


class CounterOpened(Event):
    subject: ClassVar[str] = "centre"
    counter: CounterNumber


class CounterClosed(Event):
    subject: ClassVar[str] = "centre"
    counter: CounterNumber


class DayClosed(Event):
    """The last event of a centre's day; every ticket ended before it."""

    subject: ClassVar[str] = "centre"
    day: date
    issued: Annotated[int, Field(ge=0)]
    completed: Annotated[int, Field(ge=0)]
    cancelled: Annotated[int, Field(ge=0)]
    no_show: Annotated[int, Field(ge=0)]
    unfinished: Annotated[int, Field(ge=0)]


class CentreChanged(Event):
    """The centre's services, counters or hours were changed: read them again."""

    subject: ClassVar[str] = "centre"
    revision: Annotated[int, Field(ge=1)]


class AccountChanged(Event):
    """An account was made, changed or disabled. Key = account (the topic is compacted), `centre` is its first one.

    Accounts of the city have no centre of their own: theirs is 00000.
    """

    subject: ClassVar[str] = "account"
    account: AccountRef
    active: bool
    roles: tuple[Role, ...]
    centres: tuple[CentreRef, ...]
    account_version: Annotated[int, Field(ge=1)]
    """A token that carries a smaller one is refused."""

    @property
    def key(self) -> str:
        return self.account


# ------------------------------------------------------------------------------------------------- volunteers


class Skill(BaseModel):
    model_config = ConfigDict(frozen=True)
    skill: Code
    expires: date | None = None


class MemberChanged(Event):
    """What the notifier must know of a member to choose well; no name, no phone."""

    subject: ClassVar[str] = "member"
    member: MemberRef
    active: bool
    vehicle: Vehicle
    spare_helmet: bool
    hamlet: Code | None
    skills: tuple[Skill, ...]
    languages: tuple[Language, ...]
    contact_ref: ContactRef | None


class VolunteerCheckedIn(Event):
    subject: ClassVar[str] = "member"
    member: MemberRef


class VolunteerCheckedOut(Event):
    subject: ClassVar[str] = "member"
    member: MemberRef
    minutes: Minutes


class _AssistanceEvent(Event):
    subject: ClassVar[str] = "assistance_id"
    assistance_id: AssistanceRef
    ticket_id: TicketRef


class AssistanceRequested(_AssistanceEvent):
    """Somebody in the hall needs a helper."""

    code: TicketCode
    language: Language = "vi"


class AssistanceTaken(_AssistanceEvent):
    member: MemberRef


class AssistanceFinished(_AssistanceEvent):
    """Helped, or closed as `not_recorded`. Said again with the right result when it is corrected that day."""

    member: MemberRef | None
    result: AssistanceResult
    minutes: Minutes = 0


class AssistanceCancelled(_AssistanceEvent):
    by: CancelledBy


class _RideEvent(Event):
    subject: ClassVar[str] = "ride_id"
    ride_id: RideRef
    ticket_id: TicketRef


class RidePlanned(_RideEvent):
    """She has no way home; the ride is not due yet."""

    seats: Annotated[int, Field(ge=1, le=4)] = 1
    hamlet: Code | None = None
    code: Annotated[TicketCode | None, Field(description="none: not heard of yet")] = None


class RideHomeRequested(_RideEvent):
    """The ride is due: the case is completed and the destination is known (sealed; here only its hamlet)."""

    hamlet: Code
    seats: Annotated[int, Field(ge=1, le=4)] = 1
    code: TicketCode
    contact_ref: ContactRef | None = None
    language: Language = "vi"


class RideAssigned(_RideEvent):
    member: MemberRef
    by_hand: bool = False
    contact_ref: ContactRef | None = None
    language: Language = "vi"


class RidePickedUp(_RideEvent):
    member: MemberRef


class RideCompleted(_RideEvent):
    """Dropped off. `minutes` from acceptance to drop-off are credited to the member."""

    member: MemberRef
    minutes: Minutes


class RideCancelled(_RideEvent):
    by: CancelledBy
    member: MemberRef | None = None
    """Who had it, when somebody had."""
    instead: Instead | None = None
    contact_ref: ContactRef | None = None
    """Whom to tell, when her family is to come."""
    language: Language = "vi"


class RideReleased(_RideEvent):
    """The driver gave it back: it is offered again, to others."""

    member: MemberRef
    hamlet: Code
    seats: Annotated[int, Field(ge=1, le=4)] = 1
    code: TicketCode


# --------------------------------------------------------------------------------------------------- training


class SkillGranted(Event):
    subject: ClassVar[str] = "member"
    member: MemberRef
    skill: Code
    expires: date
    session: SessionRef


# ----------------------------------------------------------------------------------------------------- notify


class _OfferEvent(Event):
    subject: ClassVar[str] = "job"
    offer_id: OfferRef
    job: JobRef
    kind: JobKind
    member: MemberRef


class OfferMade(_OfferEvent):
    expires: datetime
    code: TicketCode
    contact_ref: ContactRef | None = None
    hamlet: Code | None = None
    metres: Annotated[int, Field(ge=0)] | None = None
    """From the centre to the middle of the hamlet."""


class OfferAccepted(_OfferEvent):
    """The first acceptance; the job is his."""


class OfferVoid(_OfferEvent):
    """The offer stands no longer, or an acceptance came too late; its volunteer is told when `tell` is set."""

    reason: VoidBecause
    tell: bool = False
    contact_ref: ContactRef | None = None


class OfferEscalated(Event):
    """Nobody took it: now it is the coordinator's."""

    subject: ClassVar[str] = "job"
    job: JobRef
    kind: JobKind
    reason: EscalatedBecause


class FloorThin(Event):
    """A check-out left fewer than two on the floor; the coordinator is told."""

    subject: ClassVar[str] = "centre"
    on_floor: Annotated[int, Field(ge=0)]


class ContactErased(Event):
    """The number behind this reference is gone and never comes back."""

    subject: ClassVar[str] = "contact_ref"
    contact_ref: ContactRef


PUBLISHED_BY: dict[str, tuple[type[Event], ...]] = {
    "queue": (
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
        CounterOpened,
        CounterClosed,
        DayClosed,
        CentreChanged,
        AccountChanged,
    ),
    "volunteers": (
        MemberChanged,
        VolunteerCheckedIn,
        VolunteerCheckedOut,
        AssistanceRequested,
        AssistanceTaken,
        AssistanceFinished,
        AssistanceCancelled,
        RidePlanned,
        RideHomeRequested,
        RideAssigned,
        RidePickedUp,
        RideCompleted,
        RideCancelled,
        RideReleased,
    ),
    "training": (SkillGranted,),
    "notify": (
        OfferMade,
        OfferAccepted,
        OfferVoid,
        OfferEscalated,
        FloorThin,
        ContactErased,
    ),
}
"""Each service and its events: nobody else may publish them, so a record from another source is no event."""
EVENTS: tuple[type[Event], ...] = tuple(event for events in PUBLISHED_BY.values() for event in events)
PUBLISHER: dict[str, str] = {event.topic(): name for name, events in PUBLISHED_BY.items() for event in events}
COMPACTED: frozenset[str] = frozenset({AccountChanged.topic()})
BY_TOPIC: dict[str, type[Event]] = {event.topic(): event for event in EVENTS}

__all__ = [  # noqa: PLE0604
    "BY_TOPIC",
    "COMPACTED",
    "EVENTS",
    "PUBLISHED_BY",
    "PUBLISHER",
    "Skill",
    *(event.__name__ for event in EVENTS),
]
