"""The words that events are made of: references, codes, enumerations, and the two bases `Fact` and `Event`.

No event has room for free text: every string is a reference, a code with a pattern, or an enumeration, and a test
fails on a bare `str`. Names, phones, addresses and birth dates never come here.
"""

import re
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Annotated, ClassVar, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Pattern = StringConstraints

# Every reference to a thing of a centre starts with the five digits of that centre: who may touch it is read off it.
CentreRef = Annotated[str, Pattern(pattern=r"^[0-9]{5}$")]
TicketRef = Annotated[str, Pattern(pattern=r"^[0-9]{5}-[0-9]{8}-[0-9a-z]{10,32}$")]
RideRef = Annotated[str, Pattern(pattern=r"^[0-9]{5}-[0-9]{8}-[0-9a-z]{10,32}-ride$")]
AssistanceRef = Annotated[str, Pattern(pattern=r"^[0-9]{5}-[0-9]{8}-[0-9a-z]{10,32}-help$")]
JobRef = Annotated[str, Pattern(pattern=r"^[0-9]{5}-[0-9]{8}-[0-9a-z]{10,32}-(ride|help)$")]
MemberRef = Annotated[str, Pattern(pattern=r"^[0-9]{5}-m-[0-9a-z]{6,32}$")]
OfferRef = Annotated[str, Pattern(pattern=r"^[0-9]{5}-o-[0-9a-z]{10,32}$")]
SessionRef = Annotated[str, Pattern(pattern=r"^[0-9]{5}-s-[0-9a-z]{6,32}$")]
AccountRef = Annotated[str, Pattern(pattern=r"^a-[0-9a-z]{6,32}$")]
ContactRef = Annotated[str, Pattern(pattern=r"^c-[0-9a-z]{26}$")]

# Codes a ward chooses in its YAML; they name a service, a hamlet, a skill, never a person.
Code = Annotated[str, Pattern(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
TicketCode = Annotated[str, Pattern(pattern=r"^[A-Z][0-9]{3,5}$")]
AT_KIOSK = "K000"
"""Stands where a ticket's code stands, for somebody at the kiosk who has no number yet: numbers begin with 001."""
Language = Annotated[str, Pattern(pattern=r"^[a-z]{2}$")]
CounterNumber = Annotated[int, Field(ge=1, le=99)]
Seconds = Annotated[int, Field(ge=0)]
Minutes = Annotated[int, Field(ge=0)]


class Role(StrEnum):
    """Who an account may act as (`architecture.md`, section 6); `kiosk` and `display` are devices."""

    STAFF = "staff"
    COORDINATOR = "coordinator"
    CITY = "city"
    OPERATOR = "operator"
    KIOSK = "kiosk"
    DISPLAY = "display"


class Because(StrEnum):
    """Why a ticket was called before the others."""

    ONLY_ONE_WAITING = "only_one_waiting"
    LONGEST_WAIT = "longest_wait"
    PRIORITY_FIRST = "priority_first"
    RATIO = "ratio"
    AGEING_CAP = "ageing_cap"
    REINSTATED = "reinstated"
    HELD_HERE = "held_here"
    RECALLED = "recalled"


class CaseOutcome(StrEnum):
    ACCEPTED = "accepted"
    RESULT_RETURNED = "result_returned"
    SUPPLEMENT_NEEDED = "supplement_needed"
    FINISHED_ONLINE_WITH_HELP = "finished_online_with_help"
    REJECTED = "rejected"
    UNFINISHED = "unfinished"
    """Set by the end of the day alone; not counted as completed."""


class TicketEnd(StrEnum):
    BY_CITIZEN = "by_citizen"
    BY_STAFF = "by_staff"
    DAY_CLOSED = "day_closed"


class AssistanceResult(StrEnum):
    SHOWN = "shown"
    INSTALLED = "installed"
    ACTIVATED = "activated"
    PASSWORD_RECOVERED = "password_recovered"  # noqa: S105  (what a helper did, not a secret)
    FILED_ONLINE = "filed_online"
    PAID_CASHLESS = "paid_cashless"
    NOT_FINISHED = "not_finished"
    NOT_RECORDED = "not_recorded"
    """Still open when the case was completed; to be corrected that day."""


class Vehicle(StrEnum):
    NONE = "none"
    MOTORBIKE = "motorbike"
    CAR = "car"


class JobKind(StrEnum):
    ASSISTANCE = "assistance"
    RIDE = "ride"


class CancelledBy(StrEnum):
    CITIZEN = "citizen"
    VOLUNTEER = "volunteer"
    COORDINATOR = "coordinator"
    TICKET_ENDED = "ticket_ended"
    """The ticket was cancelled, not answered, or closed with the day."""


class Instead(StrEnum):
    """How somebody got home whom no member drove: what the coordinator did about it."""

    TAXI = "taxi"
    FAMILY = "family"
    """Her family was asked to come, by SMS when there is a number."""
    OTHERWISE = "otherwise"


class VoidBecause(StrEnum):
    TAKEN = "taken"
    CANCELLED = "cancelled"
    ASSIGNED_BY_HAND = "assigned_by_hand"
    EXPIRED = "expired"
    DECLINED = "declined"
    LEFT_THE_FLOOR = "left_the_floor"
    FLOOR_TOO_THIN = "floor_too_thin"
    BUSY = "busy"
    """Its volunteer has taken another job."""


class EscalatedBecause(StrEnum):
    NOBODY_ACCEPTED = "nobody_accepted"
    NOBODY_ON_DUTY = "nobody_on_duty"
    BORN_EXPIRED = "born_expired"
    FLOOR_BELOW_MINIMUM = "floor_below_minimum"


class Origin(NamedTuple):
    """Where an event comes from, as its CloudEvents attributes say.

    `id` is unique together with `source`; `source` is the aggregate (`/queue/hall/31186-20261124`); `sequence` counts
    all facts of that aggregate from 1, so an older fact of one subject has a smaller one.
    """

    id: str
    source: str
    sequence: int
    time: datetime
    traceparent: str | None = None


class Fact(BaseModel):
    """What happened to a document. A plain `Fact` stays in its service's journal; an `Event` is owed to the world."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)


class Event(Fact):
    """A fact that is published. Its topic is its name with hyphens; the message key is `centre`."""

    # A slot and no private attribute: making an event takes half as long.
    __slots__ = ("_origin",)

    centre: CentreRef
    subject: ClassVar[str]
    """The field that names what the event is about; it becomes `ce_subject`."""
    version: ClassVar[int] = 1

    @classmethod
    def topic(cls) -> str:
        return hyphenated(cls.__name__)

    @classmethod
    def dataschema(cls) -> str:
        return f"urn:caunoi:{cls.topic()}:{cls.version}"

    @property
    def key(self) -> str:
        return self.centre

    @property
    def about(self) -> str:
        """The reference of the event's subject."""
        return str(getattr(self, self.subject))

    @property
    def origin(self) -> Origin:
        """Set on an event that was read from the bus (or by `from_origin`); asking it of another one is a bug."""
        origin: Origin | None = getattr(self, "_origin", None)
        assert origin is not None, "this event was not read from the bus"
        return origin

    @property
    def at(self) -> datetime:
        """When it happened (`ce_time`), in UTC: what acts on the world takes its expiry from here, never from now."""
        return self.origin.time

    def from_origin(self, origin: Origin) -> Self:
        copy = self.model_copy()
        copy.comes_from(origin)
        return copy

    def comes_from(self, origin: Origin) -> None:
        """`from_origin` without the copy, for one that nobody has seen yet."""
        object.__setattr__(self, "_origin", origin)


@cache
def hyphenated(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()
