"""Help for one citizen in the hall: asked for by a ticket, taken by a helper, finished with what came of it.

What the helpers did is counted as they say it; what the completed case closes over their heads is `not_recorded` and
may be corrected that day. Pure: no clock, no I/O.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Self

from services.chassis.clock import local_day
from services.chassis.errors import NotFound, Refused
from services.contracts.events import (
    AssistanceCancelled,
    AssistanceFinished,
    AssistanceRequested,
    AssistanceTaken,
    HelpWanted,
    OfferAccepted,
    TicketIssued,
)
from services.contracts.words import AT_KIOSK, AssistanceResult, CancelledBy, Fact, Language, MemberRef
from services.volunteers.tickets import FRESH, Standing, Ticket, TicketEvent, TicketKnown, TicketMoved, heard


class HelpStage(StrEnum):
    BLANK = "blank"
    OPEN = "open"
    TAKEN = "taken"
    FINISHED = "finished"
    CANCELLED = "cancelled"


WAITING = (HelpStage.OPEN, HelpStage.TAKEN)
NOT_RECORDED = AssistanceResult.NOT_RECORDED

_STAGES = {
    HelpStage.OPEN: "đang chờ người giúp",
    HelpStage.TAKEN: "đang được giúp",
    HelpStage.FINISHED: "đã xong",
    HelpStage.CANCELLED: "đã huỷ",
}


class UnknownAssistance(NotFound):
    en = "Nobody asked for help with this ticket."
    vi = "Số thứ tự này chưa có yêu cầu hỗ trợ."


class AlreadyAsked(Refused):
    en = "Help was asked for already; somebody is on the way or will be."
    vi = "Đã có yêu cầu hỗ trợ, đoàn viên sẽ đến ngay."


class AssistanceClosed(Refused):
    en = "This help is {state} and was not closed today as not recorded: its result stands."
    vi = "Lượt hỗ trợ này {state_vi}, không thể ghi kết quả nữa."

    @classmethod
    def at(cls, stage: HelpStage) -> Self:
        return cls(state=stage.value, state_vi=_STAGES[stage])


class NotYetFinished(Refused):
    en = "This help is {state}: only what was finished can be corrected."
    vi = "Lượt hỗ trợ này {state_vi}, chỉ sửa được kết quả của lượt đã xong."

    @classmethod
    def at(cls, stage: HelpStage) -> Self:
        return cls(state=stage.value, state_vi=_STAGES[stage])


class DayIsOver(Refused):
    en = "A result can be corrected only on the day of the help."
    vi = "Chỉ được sửa kết quả trong ngày hỗ trợ."


class NotTheHelper(Refused):
    en = "Another member has this one."
    vi = "Đoàn viên khác đang hỗ trợ lượt này."


class HelpAskedFor(Fact):
    asked: datetime
    """When, by the clock of whoever asked: an event that comes late is no new wish."""


class OfferTaken(Fact):
    """The dispatch's newest word on who helps, whatever became of it here."""

    member: MemberRef
    sequence: int
    accepted: datetime


@dataclass(slots=True)
class Assistance:
    id: str
    ticket: Ticket = field(default_factory=Ticket)
    stage: HelpStage = HelpStage.BLANK
    asked: datetime | None = None
    member: MemberRef | None = None
    taken: datetime | None = None
    accepted: int = 0
    """Sequence of the newest acceptance that the dispatch told us of."""
    accepted_at: datetime | None = None
    ended: datetime | None = None
    result: AssistanceResult | None = None
    cancelled_by: CancelledBy | None = None

    @property
    def centre(self) -> str:
        return self.id[:5]

    @property
    def ticket_id(self) -> str:
        return self.id.removesuffix("-help")

    @property
    def open_to_record(self) -> bool:
        """Nobody has said yet what came of it."""
        return self.stage in WAITING or (self.stage is HelpStage.FINISHED and self.result is NOT_RECORDED)

    @property
    def known(self) -> TicketKnown | None:
        """What it heard of its ticket, for the ride of the same one."""
        if self.ticket.code is None:
            return None
        return TicketKnown(
            code=self.ticket.code,
            sequence=self.ticket.known,
            contact_ref=self.ticket.contact_ref,
            language=self.ticket.language,
        )


# ------------------------------------------------------------------------------------------ who asks


def hear(assistance: Assistance, event: TicketEvent, *, now: datetime) -> Sequence[Fact]:
    """Whatever happened to the ticket, in whatever order it is heard."""
    facts = heard(assistance.ticket, event)
    wants = isinstance(event, HelpWanted) or (isinstance(event, TicketIssued) and event.needs_help)
    if wants and (assistance.asked is None or event.at > assistance.asked):
        facts.append(HelpAskedFor(asked=event.at))
    return _and_what_follows(assistance, facts, now)


def ask(assistance: Assistance, *, now: datetime) -> Sequence[Fact]:
    """Somebody at the counter asks for her. Until the ticket itself was heard of, the wish waits in the document."""
    assistance.ticket.check_open(now, (Standing.LIVE,))
    if assistance.stage in WAITING or (assistance.stage is HelpStage.BLANK and assistance.asked):
        raise AlreadyAsked
    return _and_what_follows(assistance, [HelpAskedFor(asked=now)], now)


def summon(assistance: Assistance, *, language: Language, now: datetime) -> Sequence[Fact]:
    """Somebody at a kiosk has no number yet and does not know what to do: a helper comes there. No ticket will be heard
    of, so it ends when the helper says what came of it, or with the coordinator."""
    if assistance.stage is not HelpStage.BLANK:
        return []
    known = TicketKnown(code=AT_KIOSK, sequence=0, contact_ref=None, language=language)
    live = TicketMoved(standing=Standing.LIVE, sequence=0, moved=now)
    return _and_what_follows(assistance, [known, live, HelpAskedFor(asked=now)], now)


# ------------------------------------------------------------------------------------------ who helps


def accept(assistance: Assistance, event: OfferAccepted, *, now: datetime) -> Sequence[Fact]:
    """The dispatch says who helps; its newest word counts. What has ended meanwhile says so again, to free him."""
    if event.origin.sequence <= assistance.accepted:
        return []
    won = OfferTaken(member=event.member, sequence=event.origin.sequence, accepted=event.at)
    match assistance.stage:
        case HelpStage.BLANK | HelpStage.OPEN | HelpStage.TAKEN:
            return [won, _taken(assistance, event.member)]
        case HelpStage.CANCELLED:
            return [won, _cancelled(assistance, assistance.cancelled_by or CancelledBy.TICKET_ENDED)]
        case HelpStage.FINISHED if assistance.member is None and assistance.result is NOT_RECORDED:
            minutes = _minutes(event.at, assistance.ended)
            return [won, _finished(assistance, event.member, NOT_RECORDED, minutes)]
        case HelpStage.FINISHED:
            minutes = _minutes(assistance.taken, assistance.ended)
            return [won, _finished(assistance, assistance.member, assistance.result or NOT_RECORDED, minutes)]


def finish(
    assistance: Assistance, result: AssistanceResult, helper: MemberRef | None, *, now: datetime
) -> Sequence[Fact]:
    """What came of it, said by the helper (None: by the coordinator). Nobody had it: it is his who says so."""
    _check_known(assistance)
    if not assistance.open_to_record:
        raise AssistanceClosed.at(assistance.stage)
    if assistance.stage is HelpStage.FINISHED:
        return _recorded(assistance, result, helper, now)
    member = _helper(assistance, helper)
    return [_finished(assistance, member, result, _minutes(assistance.taken, now))]


def correct(
    assistance: Assistance, result: AssistanceResult, helper: MemberRef | None, *, now: datetime
) -> Sequence[Fact]:
    """Another result than was recorded, on the same local day."""
    _check_known(assistance)
    if assistance.stage is not HelpStage.FINISHED:
        raise NotYetFinished.at(assistance.stage)
    return _recorded(assistance, result, helper, now)


def cancel(assistance: Assistance, by: CancelledBy, *, now: datetime) -> Sequence[Fact]:
    """She needs no help any more."""
    _check_known(assistance)
    if assistance.stage not in WAITING:
        raise AssistanceClosed.at(assistance.stage)
    return [_cancelled(assistance, by)]


def _recorded(
    assistance: Assistance, result: AssistanceResult, helper: MemberRef | None, now: datetime
) -> Sequence[Fact]:
    if assistance.ended is None or local_day(assistance.ended) != local_day(now):
        raise DayIsOver
    member = _helper(assistance, helper)
    return [_finished(assistance, member, result, _minutes(assistance.taken, assistance.ended))]


def _helper(assistance: Assistance, helper: MemberRef | None) -> MemberRef | None:
    if helper and assistance.member and assistance.member != helper:
        raise NotTheHelper
    return assistance.member or helper


def _check_known(assistance: Assistance) -> None:
    if assistance.stage is HelpStage.BLANK:
        raise UnknownAssistance


def _minutes(since: datetime | None, until: datetime | None) -> int:
    return max(0, round((until - since).total_seconds() / 60)) if since and until else 0


# ------------------------------------------------------------------------------------------ what follows


def _and_what_follows(assistance: Assistance, facts: list[Fact], now: datetime) -> list[Fact]:
    """`facts`, and what the assistance must say because of them."""
    after = replace(assistance, ticket=replace(assistance.ticket))
    for fact in facts:
        evolve(after, fact, now)
    while (following := _next(after, now)) is not None:
        facts.append(following)
        evolve(after, following, now)
    return facts


def _next(assistance: Assistance, now: datetime) -> Fact | None:
    """The one thing to say next in this state; every answer leads to another state, so this ends."""
    if assistance.asked is None or assistance.ticket.code is None:
        return None
    closed_by_ticket = assistance.cancelled_by is CancelledBy.TICKET_ENDED or (
        assistance.stage is HelpStage.FINISHED and assistance.result is NOT_RECORDED
    )
    match assistance.ticket.standing, assistance.stage:
        case Standing.ENDED, HelpStage.BLANK | HelpStage.OPEN | HelpStage.TAKEN:
            return _cancelled(assistance, CancelledBy.TICKET_ENDED)
        case Standing.COMPLETED, HelpStage.BLANK | HelpStage.OPEN | HelpStage.TAKEN:
            return _closed_with_case(assistance)
        case Standing.COMPLETED, HelpStage.CANCELLED if closed_by_ticket:
            return _closed_with_case(assistance)
        case Standing.ENDED, HelpStage.FINISHED if closed_by_ticket:
            return _cancelled(assistance, CancelledBy.TICKET_ENDED)
        case Standing.LIVE, HelpStage.BLANK if now - assistance.asked < FRESH:
            return _requested(assistance)
        case Standing.LIVE, HelpStage.FINISHED | HelpStage.CANCELLED if closed_by_ticket and assistance.ticket.fresh(
            now
        ):
            return _requested(assistance)
        case _:
            return None


def _requested(assistance: Assistance) -> AssistanceRequested:
    assert assistance.ticket.code
    return AssistanceRequested(
        centre=assistance.centre,
        assistance_id=assistance.id,
        ticket_id=assistance.ticket_id,
        code=assistance.ticket.code,
        language=assistance.ticket.language,
    )


def _taken(assistance: Assistance, member: MemberRef) -> AssistanceTaken:
    return AssistanceTaken(
        centre=assistance.centre, assistance_id=assistance.id, ticket_id=assistance.ticket_id, member=member
    )


def _closed_with_case(assistance: Assistance) -> AssistanceFinished:
    minutes = _minutes(assistance.taken, assistance.ticket.moved)
    return _finished(assistance, assistance.member, NOT_RECORDED, minutes)


def _finished(
    assistance: Assistance, member: MemberRef | None, result: AssistanceResult, minutes: int
) -> AssistanceFinished:
    return AssistanceFinished(
        centre=assistance.centre,
        assistance_id=assistance.id,
        ticket_id=assistance.ticket_id,
        member=member,
        result=result,
        minutes=minutes,
    )


def _cancelled(assistance: Assistance, by: CancelledBy) -> AssistanceCancelled:
    return AssistanceCancelled(
        centre=assistance.centre, assistance_id=assistance.id, ticket_id=assistance.ticket_id, by=by
    )


# ------------------------------------------------------------------------------------------ evolve


def evolve(assistance: Assistance, fact: Fact, at: datetime) -> None:
    match fact:
        case TicketKnown() | TicketMoved():
            assistance.ticket.evolve(fact)
        case HelpAskedFor():
            _evolve_asked(assistance, fact)
        case AssistanceRequested():
            assistance.stage = HelpStage.OPEN
            _evolve_anew(assistance)
        case OfferTaken():
            assistance.accepted, assistance.accepted_at = fact.sequence, fact.accepted
        case AssistanceTaken():
            assistance.stage, assistance.member = HelpStage.TAKEN, fact.member
            assistance.taken = assistance.accepted_at or at
        case AssistanceFinished():
            _evolve_finished(assistance, fact, at)
        case AssistanceCancelled():
            if assistance.stage is not HelpStage.CANCELLED:
                assistance.stage, assistance.cancelled_by, assistance.ended = HelpStage.CANCELLED, fact.by, at
                assistance.member = assistance.taken = assistance.result = None


def _evolve_asked(assistance: Assistance, fact: HelpAskedFor) -> None:
    """A new wish after the last one was dealt with starts again; a late event about the last one does not."""
    again = assistance.ended is not None and fact.asked > assistance.ended
    assistance.asked = fact.asked
    if again:
        assistance.stage = HelpStage.BLANK
        _evolve_anew(assistance)


def _evolve_anew(assistance: Assistance) -> None:
    assistance.member = assistance.taken = assistance.ended = assistance.result = assistance.cancelled_by = None


def _evolve_finished(assistance: Assistance, fact: AssistanceFinished, at: datetime) -> None:
    if assistance.stage is not HelpStage.FINISHED:
        with_case = fact.result is NOT_RECORDED
        assistance.ended = (assistance.ticket.moved if with_case else None) or at
        assistance.stage, assistance.cancelled_by = HelpStage.FINISHED, None
    if assistance.member is None and fact.member:
        assistance.member, assistance.taken = fact.member, assistance.taken or assistance.accepted_at
    assistance.result = fact.result
