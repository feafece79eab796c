"""Read models: one row an offer, a thing escalated, a message, a contact. Numbers and texts stay sealed in them."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, TypeVar

from services.chassis.clock import local_day
from services.chassis.sealing import Sealed
from services.chassis.views import Stamp, View, Views
from services.contracts.events import (
    ContactErased,
    FloorThin,
    OfferAccepted,
    OfferEscalated,
    OfferMade,
    OfferVoid,
)
from services.contracts.words import EscalatedBecause, Fact, JobKind
from services.notify.contacts import (
    ConsentRestored,
    ConsentWithdrawn,
    Contact,
    ContactGiven,
    MemberReached,
    MemberReachedElsewhere,
)
from services.notify.dispatch_state import (
    FLOOR_MINIMUM,
    Dispatch,
    JobEnded,
    JobForgotten,
    JobGiven,
    JobOpened,
    OnTheFloor,
)
from services.notify.messages import (
    Message,
    MessageExpired,
    MessagePlanned,
    MessageRefused,
    MessageSent,
    MessageState,
    NotSentBecause,
    SubmissionBegun,
    Template,
)

V = TypeVar("V")
PAGE = 500


async def every(views: Views, view: View[V], **where: str | int) -> AsyncIterator[tuple[str, V]]:
    """All rows that `where` names, page by page."""
    after: str | None = None
    while True:
        rows = await views.find(view, after=after, limit=PAGE, **where)
        for key, row in rows:
            yield key, row
        if len(rows) < PAGE:
            return
        after = rows[-1][0]


# ------------------------------------------------------------------------------------------------------ offers


@dataclass(frozen=True, slots=True)
class OfferRow:
    """`state` is `open`, `accepted`, or why it is void."""

    offer_id: str
    member: str
    job: str
    kind: JobKind
    state: str
    made: datetime
    expires: datetime
    code: str
    hamlet: str | None
    metres: int | None
    contact_ref: str | None


def _offer_keys(fact: Fact, stamp: Stamp) -> Sequence[str]:
    return [fact.offer_id] if isinstance(fact, OfferMade | OfferAccepted | OfferVoid) else []


def _fold_offer(row: OfferRow | None, fact: Fact, stamp: Stamp) -> OfferRow | None:
    match fact:
        case OfferMade():
            return OfferRow(
                offer_id=fact.offer_id,
                member=fact.member,
                job=fact.job,
                kind=fact.kind,
                state="open",
                made=stamp.at,
                expires=fact.expires,
                code=fact.code,
                hamlet=fact.hamlet,
                metres=fact.metres,
                contact_ref=fact.contact_ref,
            )
        case OfferAccepted() if row:
            return replace(row, state="accepted")
        case OfferVoid() if row:
            return replace(row, state=fact.reason.value)
    return row


OFFERS: Final = View[OfferRow](
    "offers", of=Dispatch, shape=OfferRow, keys=_offer_keys, fold=_fold_offer, indexes=("member", "state")
)


# ------------------------------------------------------------------------------------------------- escalations


@dataclass(frozen=True, slots=True)
class EscalationRow:
    """Something for the coordinator: a job (`job`, `kind`, `reason`), or a floor that is thin (`on_floor`)."""

    centre: str
    state: str
    """`open`, or `closed`: somebody has it, it ended, or enough are on the floor again."""
    since: datetime
    job: str | None = None
    kind: JobKind | None = None
    reason: EscalatedBecause | None = None
    on_floor: int | None = None


def thin(centre: str) -> str:
    """The key of a centre's thin floor."""
    return f"{centre}-floor"


def _escalation_keys(fact: Fact, stamp: Stamp) -> Sequence[str]:
    match fact:
        case OfferEscalated() | JobOpened() | JobGiven() | JobEnded() | JobForgotten() | OfferAccepted():
            return [fact.job]
        case FloorThin() | OnTheFloor():
            return [thin(stamp.id)]
    return []


def _fold_escalation(row: EscalationRow | None, fact: Fact, stamp: Stamp) -> EscalationRow | None:
    match fact:
        case OfferEscalated():
            return EscalationRow(fact.centre, "open", stamp.at, fact.job, fact.kind, fact.reason)
        case FloorThin():
            return EscalationRow(fact.centre, "open", stamp.at, on_floor=fact.on_floor)
        case OnTheFloor() if row and row.on_floor is not None:
            now_there = row.on_floor + 1
            return replace(row, on_floor=now_there, state="closed" if now_there >= FLOOR_MINIMUM else row.state)
        case JobOpened() | JobGiven() | JobEnded() | JobForgotten() | OfferAccepted() if row:
            return replace(row, state="closed")
    return row


ESCALATIONS: Final = View[EscalationRow](
    "escalations",
    of=Dispatch,
    shape=EscalationRow,
    keys=_escalation_keys,
    fold=_fold_escalation,
    indexes=("centre", "state"),
)


# ---------------------------------------------------------------------------------------------------- messages


@dataclass(frozen=True, slots=True)
class MessageRow:
    centre: str
    day: str
    """The local day on which it was planned."""
    state: MessageState
    template: Template
    contact_ref: str
    planned: datetime
    expires: datetime
    language: str
    about: dict[str, str | int]
    secret: Sealed | None
    attempts: int = 0
    ended: datetime | None = None
    """When it was sent, refused or expired."""
    reason: NotSentBecause | None = None
    carrier: str | None = None
    text: Sealed | None = None
    segments: int | None = None


def _message_keys(fact: Fact, stamp: Stamp) -> Sequence[str]:
    return [stamp.id]


def _fold_message(row: MessageRow | None, fact: Fact, stamp: Stamp) -> MessageRow | None:
    match fact:
        case MessagePlanned():
            return MessageRow(
                centre=fact.centre,
                day=local_day(stamp.at).isoformat(),
                state=MessageState.PENDING,
                template=fact.template,
                contact_ref=fact.contact_ref,
                planned=stamp.at,
                expires=fact.expires,
                language=fact.language,
                about=fact.about,
                secret=fact.secret,
            )
        case SubmissionBegun() if row:
            return replace(row, attempts=fact.attempt)
        case MessageSent() if row:
            row = replace(row, carrier=fact.carrier, text=fact.text, segments=fact.segments)
            return replace(row, state=MessageState.SENT, ended=stamp.at, secret=None)
        case MessageExpired() if row:
            return replace(row, state=MessageState.EXPIRED, ended=stamp.at, secret=None)
        case MessageRefused() if row:
            return replace(row, state=MessageState.REFUSED, ended=stamp.at, secret=None, reason=fact.reason)
    return row


MESSAGES: Final = View[MessageRow](
    "messages",
    of=Message,
    shape=MessageRow,
    keys=_message_keys,
    fold=_fold_message,
    indexes=("centre", "day", "state", "contact_ref"),
)


# ---------------------------------------------------------------------------------------------------- contacts


@dataclass(frozen=True, slots=True)
class ContactRow:
    """By which a number is found (`blind`), and whose it is; nothing of it after erasure."""

    blind: str | None
    member: str | None = None
    stopped: bool = False


def _contact_keys(fact: Fact, stamp: Stamp) -> Sequence[str]:
    of_interest = (
        ContactGiven | ConsentWithdrawn | ConsentRestored | MemberReached | MemberReachedElsewhere | ContactErased
    )
    return [stamp.id] if isinstance(fact, of_interest) else []


def _fold_contact(row: ContactRow | None, fact: Fact, stamp: Stamp) -> ContactRow | None:
    match fact:
        case ContactGiven():
            return ContactRow(fact.blind)
        case ContactErased():
            return ContactRow(None)
        case ConsentWithdrawn() if row:
            return replace(row, stopped=True)
        case ConsentRestored() if row:
            return replace(row, stopped=False)
        case MemberReached() if row:
            return replace(row, member=fact.member)
        case MemberReachedElsewhere() if row:
            return replace(row, member=None)
    return row


CONTACTS: Final = View[ContactRow](
    "contacts", of=Contact, shape=ContactRow, keys=_contact_keys, fold=_fold_contact, indexes=("blind", "member")
)

ALL: Final = (OFFERS, ESCALATIONS, MESSAGES, CONTACTS)
