"""A ride home: planned by a ticket, due when its case is completed and the destination is known, driven by one member.

Whether it is due and whether it is still wanted is decided here; who gets an offer and whose acceptance comes first is
the dispatch's (`notify`). Pure: no clock, no I/O. The destination comes in `Sealed` and leaves 72 hours after the end.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self

from services.chassis.errors import NotFound, Refused
from services.chassis.sealing import Sealed
from services.contracts.events import (
    OfferAccepted,
    RideAssigned,
    RideCancelled,
    RideCompleted,
    RideHomeRequested,
    RidePickedUp,
    RidePlanned,
    RideReleased,
    TicketIssued,
)
from services.contracts.words import CancelledBy, Code, Fact, Instead, MemberRef
from services.volunteers.tickets import Standing, Ticket, TicketEvent, TicketKnown, TicketMoved, heard

ELSEWHERE = "elsewhere"
"""The hamlet of a destination that lies in none of the ward's: no distance is known, the ride is due all the same."""
DESTINATION_KEPT = timedelta(hours=72)
GIVEN_UP = timedelta(hours=24)
"""A ride that nobody began within a day is over: she is home or the coordinator dealt with it without pressing."""
PICKED_UP_WITHIN = timedelta(minutes=15)
"""A driver who has taken a ride is there by then, or the coordinator sees it."""


class RideStage(StrEnum):
    BLANK = "blank"
    PLANNED = "planned"
    REQUESTED = "requested"
    ASSIGNED = "assigned"
    PICKED_UP = "picked_up"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


ASKED_FOR_IN = (Standing.LIVE, Standing.COMPLETED)
"""Where its ticket must stand for a ride to be asked for."""
OPEN = frozenset({RideStage.PLANNED, RideStage.REQUESTED, RideStage.ASSIGNED})
"""Asked for and not under way: what an end of the ticket takes with it."""

# What each stage is called in Vietnamese, and what can be done in it (English, Vietnamese).
_STAGES = {
    RideStage.BLANK: ("chưa yêu cầu", "ask for it", "yêu cầu chuyến xe"),
    RideStage.PLANNED: ("đã ghi nhận, chưa đến lúc đi", "assign, cancel", "giao cho đoàn viên, huỷ"),
    RideStage.REQUESTED: ("đang tìm người chở", "assign, cancel", "giao cho đoàn viên, huỷ"),
    RideStage.ASSIGNED: (
        "đã có người chở",
        "pick up, release, assign to another, cancel",
        "đón khách, trả lại, giao cho người khác, huỷ",
    ),
    RideStage.PICKED_UP: ("đang trên đường", "drop off", "báo đã đến nơi"),
    RideStage.COMPLETED: ("đã đến nơi", "nothing more", "không còn gì"),
    RideStage.CANCELLED: ("đã huỷ", "ask for it again", "yêu cầu lại"),
}


class UnknownRide(NotFound):
    en = "There is no such ride."
    vi = "Không tìm thấy chuyến xe này."


class RideStateForbids(Refused):
    en = "Not possible: the ride is {state}. Possible now: {allowed}."
    vi = "Không thực hiện được: chuyến xe {state_vi}. Lúc này có thể: {allowed_vi}."

    @classmethod
    def at(cls, stage: RideStage) -> Self:
        state_vi, allowed, allowed_vi = _STAGES[stage]
        return cls(state=stage.value, allowed=allowed, state_vi=state_vi, allowed_vi=allowed_vi)


class NotTheDriver(Refused):
    en = "This ride is not yours."
    vi = "Chuyến xe này không phải của bạn."


class RideAlreadyHis(Refused):
    en = "This member has the ride already."
    vi = "Đoàn viên này đã nhận chuyến xe rồi."


class RideAskedFor(Fact):
    """By the ticket itself (no details), or by somebody who gave a destination; None leaves what was known."""

    destination: Sealed | None = None
    hamlet: Code | None = None
    seats: int | None = None


class OfferWon(Fact):
    """The dispatch's newest word on who took it, whatever became of it here."""

    member: MemberRef
    sequence: int
    accepted: datetime


class CodeWordGiven(Fact):
    """What the driver says so that she knows him; a new one for each driver."""

    word: str


class DestinationDropped(Fact):
    """72 hours after the end; its key is forgotten next."""


class KeyForgotten(Fact):
    """Nothing that was ever sealed for this ride can be opened again."""


@dataclass(slots=True)
class Driver:
    member: MemberRef
    since: datetime
    """Of the acceptance: from here his minutes count."""
    by_hand: bool


@dataclass(slots=True)
class Ride:
    id: str
    ticket: Ticket = field(default_factory=Ticket)
    stage: RideStage = RideStage.BLANK
    since: datetime | None = None
    """When it came to this stage."""
    wanted: bool = False
    seats: int = 1
    hamlet: Code | None = None
    destination: Sealed | None = None
    key_to_forget: bool = False
    driver: Driver | None = None
    code_word: str | None = None
    accepted: int = 0
    """Sequence of the newest acceptance that the dispatch told us of."""
    accepted_at: datetime | None = None
    cancelled_by: CancelledBy | None = None
    instead: Instead | None = None
    """How she got home, when no member drove her."""

    @property
    def centre(self) -> str:
        return self.id[:5]

    @property
    def ticket_id(self) -> str:
        return self.id.removesuffix("-ride")

    @property
    def ready(self) -> bool:
        """The case is completed, and we know where to and whom."""
        return (
            self.ticket.standing is Standing.COMPLETED
            and self.destination is not None
            and self.hamlet is not None
            and self.ticket.code is not None
        )

    def enter(self, stage: RideStage, at: datetime) -> None:
        self.stage, self.since = stage, at


# ------------------------------------------------------------------------------------------ what the queue says


def hear(ride: Ride, event: TicketEvent, *, now: datetime) -> Sequence[Fact]:
    """Whatever happened to the ticket, in whatever order it is heard."""
    facts = heard(ride.ticket, event)
    if isinstance(event, TicketIssued) and event.ride_home and not ride.wanted:
        facts.append(RideAskedFor())
    return _and_what_follows(ride, facts, now)


# ------------------------------------------------------------------------------------------ what the citizen says


def ask(
    ride: Ride,
    destination: Sealed | None,
    hamlet: Code | None,
    seats: int,
    known: TicketKnown | None = None,
    *,
    now: datetime,
) -> Sequence[Fact]:
    """Ask for it, or say where to. A ride that somebody cancelled can be asked for again while the ticket allows.

    `known` is what this service heard of the ticket elsewhere, when the ride itself heard nothing yet.
    """
    ride.ticket.check_open(now, ASKED_FOR_IN)
    if ride.stage not in (RideStage.BLANK, RideStage.PLANNED, RideStage.CANCELLED):
        raise RideStateForbids.at(ride.stage)
    asked: list[Fact] = [RideAskedFor(destination=destination, hamlet=hamlet, seats=seats)]
    if known and ride.ticket.code is None:
        asked.append(known)
    return _and_what_follows(ride, [*asked, _planned(_after(ride, asked, now))], now)


def cancel(
    ride: Ride, by: CancelledBy, driver: MemberRef | None = None, instead: Instead | None = None, *, now: datetime
) -> Sequence[Fact]:
    """By the citizen, the coordinator, or the driver (`driver`: only his own). `instead`: how she gets home."""
    _check_known(ride)
    if ride.stage not in OPEN:
        raise RideStateForbids.at(ride.stage)
    if driver:
        _check_driver(ride, driver)
    cancelled = _cancelled(ride, by)
    if instead:
        family = {"contact_ref": ride.ticket.contact_ref, "language": ride.ticket.language}
        told = family if instead is Instead.FAMILY else {}
        cancelled = cancelled.model_copy(update={"instead": instead, **told})
    return [cancelled]


# ------------------------------------------------------------------------------------------ who drives


def accept(ride: Ride, event: OfferAccepted, code_word: str, *, now: datetime) -> Sequence[Fact]:
    """The dispatch says who took it. Where that is no longer wanted, the ride says how things are instead."""
    if event.origin.sequence <= ride.accepted:
        return []
    won = OfferWon(member=event.member, sequence=event.origin.sequence, accepted=event.at)
    match ride.stage, ride.driver:
        case (RideStage.CANCELLED, _):
            return [won, _cancelled(ride, ride.cancelled_by or CancelledBy.TICKET_ENDED, event.member)]
        case (RideStage.ASSIGNED, Driver(member=member, by_hand=by_hand)) if by_hand or member == event.member:
            return [won] if member == event.member else [won, _assigned(ride, member, by_hand)]
        case (RideStage.PICKED_UP | RideStage.COMPLETED, _):
            return [won]
        case _:
            return [won, CodeWordGiven(word=code_word), _assigned(ride, event.member, by_hand=False)]


def assign(ride: Ride, member: MemberRef, code_word: str, *, now: datetime) -> Sequence[Fact]:
    """By hand, by the coordinator; whoever had it is freed by the dispatch."""
    _check_known(ride)
    if ride.stage not in OPEN:
        raise RideStateForbids.at(ride.stage)
    if ride.driver and ride.driver.member == member:
        raise RideAlreadyHis
    return [CodeWordGiven(word=code_word), _assigned(ride, member, by_hand=True)]


def release(ride: Ride, driver: MemberRef | None, *, now: datetime) -> Sequence[Fact]:
    """The driver gives it back (`driver` None: the coordinator takes it from him); it is offered to others."""
    held = _driver_in(ride, RideStage.ASSIGNED, driver)
    if ride.ticket.code is None:
        return [_planned(ride)]
    given_back = RideReleased(
        centre=ride.centre,
        ride_id=ride.id,
        ticket_id=ride.ticket_id,
        member=held.member,
        hamlet=ride.hamlet or ELSEWHERE,
        seats=ride.seats,
        code=ride.ticket.code,
    )
    return _and_what_follows(ride, [given_back], now)


def pick_up(ride: Ride, driver: MemberRef | None, *, now: datetime) -> Sequence[Fact]:
    held = _driver_in(ride, RideStage.ASSIGNED, driver)
    return [RidePickedUp(centre=ride.centre, ride_id=ride.id, ticket_id=ride.ticket_id, member=held.member)]


def drop_off(ride: Ride, driver: MemberRef | None, *, now: datetime) -> Sequence[Fact]:
    held = _driver_in(ride, RideStage.PICKED_UP, driver)
    minutes = max(0, round((now - held.since).total_seconds() / 60))
    return [
        RideCompleted(
            centre=ride.centre, ride_id=ride.id, ticket_id=ride.ticket_id, member=held.member, minutes=minutes
        )
    ]


# ------------------------------------------------------------------------------------------ what time does


def due(ride: Ride) -> datetime | None:
    if ride.since is None:
        return None
    if ride.stage in OPEN:
        return max(ride.since, ride.ticket.moved or ride.since) + GIVEN_UP
    return ride.since + DESTINATION_KEPT if ride.destination else None


def when_due(ride: Ride, *, now: datetime) -> Sequence[Fact]:
    if ride.stage in OPEN:
        return [_cancelled(ride, CancelledBy.TICKET_ENDED)]
    return [DestinationDropped()]


def forget_key(ride: Ride, *, now: datetime) -> Sequence[Fact]:
    """The key is gone: take it off the list of what is to be forgotten."""
    return [KeyForgotten()] if ride.key_to_forget else []


# ------------------------------------------------------------------------------------------ what follows


def _and_what_follows(ride: Ride, facts: list[Fact], now: datetime) -> list[Fact]:
    """`facts`, and what the ride must say because of them."""
    after = _after(ride, facts, now)
    while (fact := _next(after, now)) is not None:
        facts.append(fact)
        evolve(after, fact, now)
    return facts


def _after(ride: Ride, facts: Iterable[Fact], now: datetime) -> Ride:
    after = replace(ride, ticket=replace(ride.ticket))  # the rest is replaced, never changed
    for fact in facts:
        evolve(after, fact, now)
    return after


def _next(ride: Ride, now: datetime) -> Fact | None:
    """The one thing to say next in this state; every answer leads to another state, so this ends."""
    if not ride.wanted:
        return None
    over = ride.ticket.standing is Standing.ENDED
    fresh = ride.ticket.fresh(now)
    ended_with_ticket = ride.stage is RideStage.CANCELLED and ride.cancelled_by is CancelledBy.TICKET_ENDED
    match ride.stage:
        case RideStage.BLANK | RideStage.PLANNED | RideStage.REQUESTED | RideStage.ASSIGNED if over:
            return _cancelled(ride, CancelledBy.TICKET_ENDED)
        case RideStage.BLANK:
            return _planned(ride)
        case RideStage.CANCELLED if ended_with_ticket and not over and fresh:
            return _planned(ride)
        case RideStage.PLANNED if ride.ready:
            return _requested(ride) if fresh else _cancelled(ride, CancelledBy.TICKET_ENDED)
        case RideStage.REQUESTED if not ride.ready:
            return _planned(ride)
        case _:
            return None


def _planned(ride: Ride) -> RidePlanned:
    return RidePlanned(
        centre=ride.centre,
        ride_id=ride.id,
        ticket_id=ride.ticket_id,
        seats=ride.seats,
        hamlet=ride.hamlet,
        code=ride.ticket.code,
    )


def _requested(ride: Ride) -> RideHomeRequested:
    assert ride.hamlet
    assert ride.ticket.code
    return RideHomeRequested(
        centre=ride.centre,
        ride_id=ride.id,
        ticket_id=ride.ticket_id,
        hamlet=ride.hamlet,
        seats=ride.seats,
        code=ride.ticket.code,
        contact_ref=ride.ticket.contact_ref,
        language=ride.ticket.language,
    )


def _assigned(ride: Ride, member: MemberRef, by_hand: bool) -> RideAssigned:
    return RideAssigned(
        centre=ride.centre,
        ride_id=ride.id,
        ticket_id=ride.ticket_id,
        member=member,
        by_hand=by_hand,
        contact_ref=ride.ticket.contact_ref,
        language=ride.ticket.language,
    )


def _cancelled(ride: Ride, by: CancelledBy, member: MemberRef | None = None) -> RideCancelled:
    had_it = member or (ride.driver.member if ride.driver else None)
    return RideCancelled(centre=ride.centre, ride_id=ride.id, ticket_id=ride.ticket_id, by=by, member=had_it)


def _check_known(ride: Ride) -> None:
    if ride.stage is RideStage.BLANK:
        raise UnknownRide


def _check_driver(ride: Ride, driver: MemberRef) -> Driver:
    if ride.driver is None or ride.driver.member != driver:
        raise NotTheDriver
    return ride.driver


def _driver_in(ride: Ride, stage: RideStage, driver: MemberRef | None) -> Driver:
    """Who drives, in `stage` only; raises when `driver` says that he does and does not."""
    _check_known(ride)
    if driver:
        _check_driver(ride, driver)
    if ride.stage is not stage or ride.driver is None:
        raise RideStateForbids.at(ride.stage)
    return ride.driver


# ------------------------------------------------------------------------------------------ evolve


def evolve(ride: Ride, fact: Fact, at: datetime) -> None:
    match fact:
        case TicketKnown() | TicketMoved():
            ride.ticket.evolve(fact)
        case RideAskedFor():
            _evolve_asked(ride, fact, at)
        case RidePlanned():
            _evolve_waiting(ride, RideStage.PLANNED, at)
        case RideHomeRequested() | RideReleased():
            _evolve_waiting(ride, RideStage.REQUESTED, at)
        case OfferWon():
            ride.accepted, ride.accepted_at = fact.sequence, fact.accepted
        case CodeWordGiven():
            ride.code_word = fact.word
        case RideAssigned():
            _evolve_assigned(ride, fact, at)
        case RidePickedUp():
            ride.enter(RideStage.PICKED_UP, at)
        case RideCompleted():
            ride.code_word = None
            ride.enter(RideStage.COMPLETED, at)
        case RideCancelled():
            _evolve_cancelled(ride, fact, at)
        case DestinationDropped():
            ride.destination, ride.key_to_forget = None, True
        case KeyForgotten():
            ride.key_to_forget = False


def _evolve_asked(ride: Ride, fact: RideAskedFor, at: datetime) -> None:
    ride.wanted = True
    ride.seats = fact.seats or ride.seats
    ride.hamlet = fact.hamlet or ride.hamlet
    ride.destination = fact.destination or ride.destination
    if ride.stage is RideStage.CANCELLED:
        ride.cancelled_by = ride.instead = None
        ride.enter(RideStage.BLANK, at)


def _evolve_waiting(ride: Ride, stage: RideStage, at: datetime) -> None:
    ride.driver = ride.code_word = ride.cancelled_by = ride.instead = None
    ride.enter(stage, at)


def _evolve_assigned(ride: Ride, fact: RideAssigned, at: datetime) -> None:
    ride.wanted = True
    if ride.driver and ride.driver.member == fact.member:
        return  # said again, for one whose acceptance came too late
    since = at if fact.by_hand else ride.accepted_at or at
    ride.driver = Driver(fact.member, since, fact.by_hand)
    ride.enter(RideStage.ASSIGNED, at)


def _evolve_cancelled(ride: Ride, fact: RideCancelled, at: datetime) -> None:
    ride.driver = ride.code_word = None
    if ride.stage is not RideStage.CANCELLED:
        ride.cancelled_by, ride.instead = fact.by, fact.instead
        ride.enter(RideStage.CANCELLED, at)
