"""An SMS as a stored intent: what for, to whom, until when, and what became of it. Pure.

Every text of this service is about something that happens now to somebody who waits, and is worthless minutes later:
its expiry counts from when the cause happened, so what is heard too late is kept as `expired` and never sent. For the
same reason none of them waits for the morning. A message is named by its cause: the same cause never sends twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from services.chassis.sealing import Sealed
from services.contracts.words import CentreRef, ContactRef, Fact, Language
from services.notify.contacts import Purpose

TRY_AGAIN_AFTER = timedelta(seconds=30)
"""A submission whose outcome was never recorded (the power failed) is tried again then, if it may be tried again."""


class Template(StrEnum):
    TICKET = "ticket"
    """The link to the page of her ticket."""
    CALLED = "called"
    RIDE_ASSIGNED = "ride_assigned"
    RIDE_GIVEN = "ride_given"
    """To the driver whom the coordinator chose."""
    FETCH = "fetch"
    """Her family is asked to come for her."""
    OFFER = "offer"
    OFFER_VOID = "offer_void"
    SIGN_IN = "sign_in"


@dataclass(frozen=True, slots=True)
class Terms:
    """Under what terms texts of one template go out."""

    purpose: Purpose | None
    """What its receiver must have agreed to; None: he asks for each one himself."""
    lasts: timedelta
    attempts: int
    """Submissions in all, whatever happens."""
    a_day: int
    """Texts that one number gets in a day before this one is held back."""


TERMS: Mapping[Template, Terms] = {
    # Half of what a number may get: her turn must not go unsaid because of it.
    Template.TICKET: Terms(Purpose.QUEUE_SMS, timedelta(minutes=10), 1, 4),
    Template.CALLED: Terms(Purpose.QUEUE_SMS, timedelta(minutes=10), 1, 8),
    Template.RIDE_ASSIGNED: Terms(Purpose.RIDE, timedelta(minutes=15), 2, 8),
    Template.RIDE_GIVEN: Terms(Purpose.VOLUNTEER, timedelta(minutes=15), 2, 30),
    Template.FETCH: Terms(Purpose.RIDE, timedelta(minutes=30), 2, 8),
    Template.OFFER: Terms(Purpose.VOLUNTEER, timedelta(seconds=120), 2, 30),
    Template.OFFER_VOID: Terms(Purpose.VOLUNTEER, timedelta(minutes=10), 1, 30),
    Template.SIGN_IN: Terms(None, timedelta(minutes=10), 1, 40),
}


class MessageState(StrEnum):
    BLANK = "blank"
    PENDING = "pending"
    SENT = "sent"
    EXPIRED = "expired"
    REFUSED = "refused"


class NotSentBecause(StrEnum):
    NO_CONSENT = "no_consent"
    STOPPED = "stopped"
    ERASED = "erased"
    BUDGET = "budget"
    CARRIER = "carrier"
    """The carrier will never take it."""


# ------------------------------------------------------------------------------------------------------ facts


class MessagePlanned(Fact):
    """`about` holds references, codes and numbers for the text; what is secret is `Sealed` for the contact."""

    centre: CentreRef
    template: Template
    contact_ref: ContactRef
    expires: datetime
    language: Language = "vi"
    about: dict[str, str | int]
    secret: Sealed | None = None


class SubmissionBegun(Fact):
    """From here on the carrier may have it, whatever happens to us."""

    attempt: int


class MessageSent(Fact):
    """The carrier has it. `text` is what was sent, sealed for the contact."""

    carrier: str
    text: Sealed
    segments: int


class MessageExpired(Fact):
    pass


class MessageRefused(Fact):
    reason: NotSentBecause


# ------------------------------------------------------------------------------------------------------ state


@dataclass(slots=True)
class Message:
    id: str
    state: MessageState = MessageState.BLANK
    centre: str = ""
    template: Template | None = None
    contact_ref: str = ""
    expires: datetime | None = None
    language: str = "vi"
    about: dict[str, str | int] = field(default_factory=dict)
    secret: Sealed | None = None
    attempts: int = 0
    tried: datetime | None = None


# ------------------------------------------------------------------------------------------------------ rules


def plan(message: Message, planned: MessagePlanned, *, now: datetime) -> Sequence[Fact]:
    """Once for a cause. Born expired it is kept as expired."""
    if message.state is not MessageState.BLANK:
        return []
    return [planned, MessageExpired()] if now >= planned.expires else [planned]


def begin(message: Message, *, now: datetime) -> Sequence[Fact]:
    """`SubmissionBegun`, or nothing: it is not pending, somebody else is at it, or it was tried often enough."""
    if message.state is not MessageState.PENDING or message.template is None:
        return []
    at_it = message.tried is not None and now < message.tried + TRY_AGAIN_AFTER
    if at_it or message.attempts >= TERMS[message.template].attempts:
        return []
    return [SubmissionBegun(attempt=message.attempts + 1)]


def record(
    message: Message, outcome: MessageSent | MessageRefused | MessageExpired, *, now: datetime
) -> Sequence[Fact]:
    return [outcome] if message.state is MessageState.PENDING else []


def due(message: Message) -> datetime | None:
    return message.expires if message.state is MessageState.PENDING else None


def expire(message: Message, *, now: datetime) -> Sequence[Fact]:
    return [MessageExpired()]


def evolve(message: Message, fact: Fact, at: datetime) -> None:
    match fact:
        case MessagePlanned():
            message.state, message.centre, message.template = MessageState.PENDING, fact.centre, fact.template
            message.contact_ref, message.expires, message.language = fact.contact_ref, fact.expires, fact.language
            message.about, message.secret = dict(fact.about), fact.secret
        case SubmissionBegun():
            message.attempts, message.tried = fact.attempt, at
        case MessageSent():
            message.state, message.secret = MessageState.SENT, None
        case MessageExpired():
            message.state, message.secret = MessageState.EXPIRED, None
        case MessageRefused():
            message.state, message.secret = MessageState.REFUSED, None
