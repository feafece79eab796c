"""What the queue said of the ticket behind a ride or an assistance. Pure.

Its events come on several topics and so in any order; all of one ticket come from one hall, whose sequence says which
is newer. An older one changes nothing, and an end that arrives first is remembered.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from services.chassis.clock import local_day
from services.chassis.errors import NotFound, Refused
from services.contracts.events import (
    CaseCompleted,
    CompletionUndone,
    HelpWanted,
    TicketCancelled,
    TicketIssued,
    TicketNoShow,
    TicketReinstated,
)
from services.contracts.words import CaseOutcome, ContactRef, Fact, Language, TicketCode

FRESH = timedelta(hours=12)
"""A wish older than this is nobody's any more: a service that reads an old log sends nobody out for it."""


class Standing(StrEnum):
    UNHEARD = "unheard"
    """Nothing came from the queue yet; the ticket may well exist."""
    LIVE = "live"
    COMPLETED = "completed"
    ENDED = "ended"
    """Cancelled, not answered, or closed with the day."""


class UnknownTicket(NotFound):
    en = "There is no such ticket today."
    vi = "Hôm nay không có số thứ tự này."


class TicketKnown(Fact):
    """What a ticket is called and how its holder is reached."""

    code: TicketCode
    sequence: int
    contact_ref: ContactRef | None
    language: Language


class TicketMoved(Fact):
    standing: Standing
    sequence: int
    moved: datetime


class TicketHasEnded(Refused):
    en = "This ticket has ended; nothing more can be asked for with it."
    vi = "Số thứ tự này đã kết thúc, không thể yêu cầu thêm."


@dataclass(slots=True)
class Ticket:
    """The newest that is known of it, each with the sequence that said so."""

    code: TicketCode | None = None
    known: int = 0
    contact_ref: ContactRef | None = None
    language: Language = "vi"
    standing: Standing = Standing.UNHEARD
    sequence: int = 0
    moved: datetime | None = None

    def evolve(self, fact: TicketKnown | TicketMoved) -> None:
        match fact:
            case TicketKnown():
                self.code, self.known, self.language = fact.code, fact.sequence, fact.language
                self.contact_ref = fact.contact_ref or self.contact_ref
            case TicketMoved():
                self.standing, self.sequence, self.moved = fact.standing, fact.sequence, fact.moved

    def fresh(self, now: datetime) -> bool:
        return self.moved is None or now - self.moved < FRESH

    def is_open(self, now: datetime, standings: tuple[Standing, ...]) -> bool:
        """Can something still be asked for with it?"""
        return self.standing in (Standing.UNHEARD, *standings) and self.fresh(now)

    def check_open(self, now: datetime, standings: tuple[Standing, ...]) -> None:
        if not self.is_open(now, standings):
            raise TicketHasEnded


def day_of(reference: str) -> date | None:
    """The day of a ticket, ride or assistance, read off its reference."""
    try:
        return date.fromisoformat(reference[6:14])
    except ValueError:
        return None


def check_of_today(ticket_id: str, now: datetime) -> None:
    """Nothing is asked for with a ticket of another day; after midnight, of the day before still."""
    day, today = day_of(ticket_id), local_day(now)
    if day is None or day > today:
        raise UnknownTicket
    if day < local_day(now - FRESH):
        raise TicketHasEnded


TicketEndOrReturn = TicketReinstated | CompletionUndone | TicketCancelled | TicketNoShow
TicketEvent = TicketIssued | HelpWanted | CaseCompleted | TicketEndOrReturn


def heard(ticket: Ticket, event: TicketEvent) -> list[Fact]:
    """The facts that `event` adds to what is known; none when something newer is."""
    facts: list[Fact] = []
    sequence = event.origin.sequence
    names = sequence if isinstance(event, TicketIssued | HelpWanted) else 0
    contact = event.contact_ref if isinstance(event, TicketIssued | CaseCompleted) else None
    language = ticket.language if isinstance(event, TicketEndOrReturn) else event.language
    if ticket.code is None or names > ticket.known:
        facts.append(TicketKnown(code=event.code, sequence=names, contact_ref=contact, language=language))
    elif contact and ticket.contact_ref is None:
        facts.append(ticket_reached_at(ticket, event.code, contact))
    if sequence > ticket.sequence:
        facts.append(TicketMoved(standing=standing_after(event), sequence=sequence, moved=event.at))
    return facts


def ticket_reached_at(ticket: Ticket, code: TicketCode, contact: ContactRef) -> TicketKnown:
    return TicketKnown(code=code, sequence=ticket.known, contact_ref=contact, language=ticket.language)


def standing_after(event: TicketEvent) -> Standing:
    match event:
        case CaseCompleted(outcome=CaseOutcome.UNFINISHED):
            return Standing.ENDED
        case CaseCompleted():
            return Standing.COMPLETED
        case TicketCancelled() | TicketNoShow():
            return Standing.ENDED
        case _:
            return Standing.LIVE
