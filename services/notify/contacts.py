"""The vault: a phone number, what its owner agreed to, and how a volunteer signs in with it. Pure.

The number comes in `Sealed` under the contact's own key, with a blind index by which it is found again. Nothing else
in the system has it; what leaves is the reference. Forgetting it is deleting that key: `ContactErased` says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from services.chassis.errors import NotFound, Refusal
from services.chassis.sealing import Sealed
from services.contracts.events import ContactErased, MemberChanged
from services.contracts.words import CentreRef, Fact, Language, MemberRef, TicketRef

KEPT = timedelta(days=3)
"""A number that belongs to no member goes so long after it was given: the visit is over."""
CODE_LASTS = timedelta(minutes=10)
CODE_TRIES = 5
CODES_AT_MOST = 3
CODES_PER = timedelta(minutes=10)
WORDING = 1
"""Which wording of the question of consent was shown."""


class Purpose(StrEnum):
    """What a number may be used for; each is agreed to by itself."""

    QUEUE_SMS = "queue_sms"
    RIDE = "ride"
    VOLUNTEER = "volunteer"
    SURVEY = "survey"


class Channel(StrEnum):
    """Who was asked, and where."""

    KIOSK = "kiosk"
    HOLDER = "holder"
    VOLUNTEER = "volunteer"
    COORDINATOR = "coordinator"
    SMS = "sms"


class UnknownContact(NotFound):
    en = "There is no such contact."
    vi = "Không có liên hệ này."


class CodeNotValid(Refusal):
    """Wrong, expired, used up, never given: one answer for all."""

    kind = "forbidden"
    status = 401
    en = "This code or link is not right, or it is not valid any more. Ask for a new one."
    vi = "Mã hoặc đường dẫn không đúng, hoặc đã hết hạn. Vui lòng lấy mã mới."


# ------------------------------------------------------------------------------------------------------ facts


class ContactGiven(Fact):
    """A number, and what its owner agreed to, asked on a face with unticked boxes."""

    centre: CentreRef
    phone: Sealed
    blind: str
    purposes: tuple[Purpose, ...]
    channel: Channel
    wording: int = WORDING
    language: Language = "vi"
    ticket: TicketRef | None = None
    member: MemberRef | None = None
    """Set when the member himself gave it; that he may sign in with it is said by `member-changed` alone."""


class ConsentWithdrawn(Fact):
    """STOP: nothing is sent to this number until its owner says START."""

    channel: Channel


class ConsentRestored(Fact):
    channel: Channel


class MemberReached(Fact):
    """This is how that member is reached, and what he signs in with."""

    member: MemberRef
    sequence: int


class MemberReachedElsewhere(Fact):
    """He has another number now, or is no member any more."""

    sequence: int


class CodeGiven(Fact):
    """`code` and `link` are keyed digests of what was sent."""

    code: str
    link: str
    expires: datetime


class CodeMissed(Fact):
    """Somebody tried another code."""


class CodeUsed(Fact):
    """He has signed in; code and link are used up."""


class LinkUsed(Fact):
    """The link of an offer: it signs in once."""

    offer_id: str
    until: datetime


# ------------------------------------------------------------------------------------------------------ state


@dataclass(slots=True)
class SignIn:
    code: str
    link: str
    expires: datetime
    tries: int = 0


@dataclass(slots=True)
class Contact:
    id: str
    centre: str = ""
    """Empty: nobody gave it."""
    phone: Sealed | None = None
    blind: str | None = None
    purposes: dict[Purpose, datetime] = field(default_factory=dict)
    language: str = "vi"
    ticket: str | None = None
    given_by: str | None = None
    member: str | None = None
    heard: int = 0
    """Sequence of the newest word on whose it is."""
    stopped: bool = False
    kept_until: datetime | None = None
    sign_in: SignIn | None = None
    codes: list[datetime] = field(default_factory=list)
    """When codes were given lately."""
    links_used: dict[str, datetime] = field(default_factory=dict)

    @property
    def erased(self) -> bool:
        return bool(self.centre) and self.phone is None


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks about a contact: the holder of a ticket, a member for himself, or who is responsible for a centre."""

    centres: frozenset[str] = frozenset()
    everywhere: bool = False
    ticket: str | None = None
    member: str | None = None

    def owns(self, contact: Contact) -> bool:
        if self.ticket is not None:
            return contact.ticket == self.ticket
        if self.member is not None:
            return self.member in (contact.member, contact.given_by)
        return self.everywhere or contact.centre in self.centres


# ------------------------------------------------------------------------------------------ what its owner says


def give(contact: Contact, given: ContactGiven, *, now: datetime) -> Sequence[Fact]:
    return [] if contact.centre else [given]


def stop(contact: Contact, channel: Channel, asker: Asker | None = None, *, now: datetime) -> Sequence[Fact]:
    """By its owner or for him; by SMS (no `asker`) the number itself says it."""
    check_there(contact, asker)
    return [] if contact.stopped else [ConsentWithdrawn(channel=channel)]


def restart(contact: Contact, channel: Channel, asker: Asker | None = None, *, now: datetime) -> Sequence[Fact]:
    check_there(contact, asker)
    return [ConsentRestored(channel=channel)] if contact.stopped else []


def erase(contact: Contact, asker: Asker, *, now: datetime) -> Sequence[Fact]:
    """Gone for good; who asks again, or for another's, hears that there is none."""
    check_there(contact, asker)
    return [_erased(contact)]


def check_there(contact: Contact, asker: Asker | None) -> None:
    """Raises `UnknownContact` unless it is there and (where somebody asks) his to decide about."""
    if not contact.centre or contact.erased or (asker and not asker.owns(contact)):
        raise UnknownContact


def _erased(contact: Contact) -> ContactErased:
    return ContactErased(centre=contact.centre, contact_ref=contact.id)


# ------------------------------------------------------------------------------------------ whose it is


def hear_member(contact: Contact, event: MemberChanged, *, now: datetime) -> Sequence[Fact]:
    """`member-changed` names one contact: this one is his; the one he had before is not any more."""
    sequence = event.origin.sequence
    known = contact.centre and not contact.erased
    if not known or sequence <= contact.heard or contact.member not in (None, event.member):
        return []
    if event.active and event.contact_ref == contact.id:
        return [MemberReached(member=event.member, sequence=sequence)]
    return [MemberReachedElsewhere(sequence=sequence)] if contact.member else []


# ------------------------------------------------------------------------------------------ signing in


def give_code(contact: Contact, code: str, link: str, *, now: datetime) -> Sequence[Fact]:
    """At most three in ten minutes; beyond that nothing, and nobody is told."""
    lately = [given for given in contact.codes if now - given < CODES_PER]
    if contact.member is None or contact.erased or len(lately) >= CODES_AT_MOST:
        return []
    return [CodeGiven(code=code, link=link, expires=now + CODE_LASTS)]


def use_code(contact: Contact, code: str, *, now: datetime) -> Sequence[Fact]:
    """`CodeUsed`, or `CodeMissed` (a wrong try counts, so it is a fact); raises when none can be right."""
    sign_in = _signing_in(contact, now)
    return [CodeUsed()] if sign_in.code == code else [CodeMissed()]


def use_link(contact: Contact, link: str, *, now: datetime) -> Sequence[Fact]:
    if _signing_in(contact, now).link != link:
        raise CodeNotValid
    return [CodeUsed()]


def use_offer_link(contact: Contact, offer_id: str, until: datetime, *, now: datetime) -> Sequence[Fact]:
    """The link of an offer, which the face has found to be ours."""
    if contact.member is None or now >= until or offer_id in contact.links_used:
        raise CodeNotValid
    return [LinkUsed(offer_id=offer_id, until=until)]


def _signing_in(contact: Contact, now: datetime) -> SignIn:
    sign_in = contact.sign_in
    if contact.member is None or sign_in is None or now >= sign_in.expires or sign_in.tries >= CODE_TRIES:
        raise CodeNotValid
    return sign_in


# ------------------------------------------------------------------------------------------ what time does


def due(contact: Contact) -> datetime | None:
    return contact.kept_until if contact.phone and contact.member is None else None


def drop(contact: Contact, *, now: datetime) -> Sequence[Fact]:
    """The visit is over; the number goes."""
    return [_erased(contact)]


# ------------------------------------------------------------------------------------------------------ evolve


def evolve(contact: Contact, fact: Fact, at: datetime) -> None:
    match fact:
        case ContactGiven():
            contact.centre, contact.phone, contact.blind = fact.centre, fact.phone, fact.blind
            contact.purposes = dict.fromkeys(fact.purposes, at)
            contact.language, contact.ticket, contact.given_by = fact.language, fact.ticket, fact.member
            contact.kept_until = at + KEPT
        case ConsentWithdrawn():
            contact.stopped = True
        case ConsentRestored():
            contact.stopped = False
        case MemberReached():
            contact.member, contact.heard = fact.member, fact.sequence
        case MemberReachedElsewhere():
            contact.member, contact.heard, contact.sign_in = None, fact.sequence, None
            contact.kept_until = at + KEPT
        case CodeGiven() | CodeMissed() | CodeUsed() | LinkUsed():
            _evolve_sign_in(contact, fact, at)
        case ContactErased():
            contact.phone = contact.blind = contact.sign_in = contact.ticket = contact.member = None
            contact.given_by = None
            contact.purposes, contact.codes, contact.links_used = {}, [], {}


def _evolve_sign_in(contact: Contact, fact: CodeGiven | CodeMissed | CodeUsed | LinkUsed, at: datetime) -> None:
    match fact:
        case CodeGiven():
            contact.codes = [given for given in contact.codes if at - given < CODES_PER] + [at]
            contact.sign_in = SignIn(fact.code, fact.link, fact.expires)
        case CodeMissed() if contact.sign_in:
            contact.sign_in.tries += 1
        case CodeUsed():
            contact.sign_in = None
        case LinkUsed():
            used = {offer: until for offer, until in contact.links_used.items() if until > at}
            contact.links_used = {**used, fact.offer_id: fact.until}
