"""Read models: one row a ride, an assistance, a member, and a day of a member; the evening report adds them up."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TypeVar

from services.chassis.clock import local_day
from services.chassis.sealing import Sealed
from services.chassis.views import Stamp, View, Views
from services.contracts.events import (
    AssistanceCancelled,
    AssistanceFinished,
    AssistanceRequested,
    AssistanceTaken,
    MemberChanged,
    RideAssigned,
    RideCancelled,
    RideCompleted,
    RideHomeRequested,
    RidePickedUp,
    RidePlanned,
    RideReleased,
    Skill,
    VolunteerCheckedIn,
    VolunteerCheckedOut,
)
from services.contracts.words import AssistanceResult, Event, Fact, Instead, Vehicle
from services.volunteers.assistances import Assistance, HelpStage
from services.volunteers.members import DutyCredited, Member, MemberDescribed, MinutesCredited
from services.volunteers.rides import DestinationDropped, KeyForgotten, Ride, RideStage
from services.volunteers.tickets import TicketKnown

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


def _day(reference: str) -> str:
    """The day of a ticket's ride or assistance, as in its reference, in the shape of a date."""
    return f"{reference[6:10]}-{reference[10:12]}-{reference[12:14]}"


# ------------------------------------------------------------------------------------------------------ rides


@dataclass(frozen=True, slots=True)
class RideRow:
    centre: str
    day: str
    stage: RideStage
    since: datetime
    code: str | None = None
    seats: int = 1
    hamlet: str | None = None
    requested: bool = False
    """It was due once."""
    holder: str | None = None
    """Who drives it now."""
    member: str | None = None
    minutes: int = 0
    key_to_forget: int | None = None
    instead: Instead | None = None
    """How she got home, when no member drove her."""


def _ride_keys(fact: Fact, stamp: Stamp) -> Sequence[str]:
    return [stamp.id] if isinstance(fact, Event | TicketKnown | DestinationDropped | KeyForgotten) else []


def _fold_ride(row: RideRow | None, fact: Fact, stamp: Stamp) -> RideRow | None:
    """What is known of a ticket makes no row: most tickets have no ride."""
    if isinstance(fact, TicketKnown):
        return row and replace(row, code=fact.code)
    row = row or RideRow(stamp.id[:5], _day(stamp.id), RideStage.BLANK, stamp.at)
    match fact:
        case RidePlanned():
            row = replace(row, stage=RideStage.PLANNED, seats=fact.seats, hamlet=fact.hamlet or row.hamlet, holder=None)
            row = replace(row, code=fact.code or row.code, instead=None)
        case RideHomeRequested() | RideReleased():
            row = replace(row, stage=RideStage.REQUESTED, hamlet=fact.hamlet, seats=fact.seats, code=fact.code)
            row = replace(row, requested=True, holder=None)
        case RideAssigned() if row.holder == fact.member:
            return row
        case RideAssigned():
            row = replace(row, stage=RideStage.ASSIGNED, holder=fact.member, member=fact.member)
        case RidePickedUp():
            row = replace(row, stage=RideStage.PICKED_UP)
        case RideCompleted():
            row = replace(row, stage=RideStage.COMPLETED, holder=None, minutes=fact.minutes)
        case RideCancelled() if row.stage is RideStage.CANCELLED:
            return row
        case RideCancelled():
            row = replace(row, stage=RideStage.CANCELLED, holder=None, instead=fact.instead)
        case DestinationDropped():
            return replace(row, key_to_forget=1)
        case KeyForgotten():
            return replace(row, key_to_forget=None)
    return replace(row, since=stamp.at)


RIDES = View("ride", Ride, RideRow, _ride_keys, _fold_ride, ("centre", "day", "holder", "key_to_forget"))


# ------------------------------------------------------------------------------------------------- assistances


@dataclass(frozen=True, slots=True)
class AssistanceRow:
    centre: str
    day: str
    stage: HelpStage
    since: datetime
    code: str | None = None
    language: str = "vi"
    holder: str | None = None
    """Who helps now."""
    member: str | None = None
    result: AssistanceResult | None = None
    minutes: int = 0
    earlier: tuple[AssistanceResult, ...] = ()
    """What came of the times before, when she asked again."""


def _assistance_keys(fact: Fact, stamp: Stamp) -> Sequence[str]:
    return [stamp.id] if isinstance(fact, Event) else []


def _fold_assistance(row: AssistanceRow | None, fact: Fact, stamp: Stamp) -> AssistanceRow:
    row = row or AssistanceRow(stamp.id[:5], _day(stamp.id), HelpStage.BLANK, stamp.at)
    match fact:
        case AssistanceRequested():
            known = (row.result,) if row.result and row.result is not AssistanceResult.NOT_RECORDED else ()
            row = replace(
                row, stage=HelpStage.OPEN, code=fact.code, language=fact.language, earlier=row.earlier + known
            )
            row = replace(row, holder=None, member=None, result=None, minutes=0)
        case AssistanceTaken():
            row = replace(row, stage=HelpStage.TAKEN, holder=fact.member, member=fact.member)
        case AssistanceFinished():
            row = replace(row, stage=HelpStage.FINISHED, holder=None, member=fact.member, result=fact.result)
            row = replace(row, minutes=fact.minutes)
        case AssistanceCancelled() if row.stage is HelpStage.CANCELLED:
            return row
        case AssistanceCancelled():
            row = replace(row, stage=HelpStage.CANCELLED, holder=None, member=None, result=None, minutes=0)
    return replace(row, since=stamp.at)


ASSISTANCES = View(
    "assistance", Assistance, AssistanceRow, _assistance_keys, _fold_assistance, ("centre", "day", "holder")
)


# ----------------------------------------------------------------------------------------------------- members


@dataclass(frozen=True, slots=True)
class MemberRow:
    centre: str
    name: Sealed | None = None
    team: str | None = None
    active: bool = False
    vehicle: Vehicle = Vehicle.NONE
    spare_helmet: bool = False
    hamlet: str | None = None
    skills: tuple[Skill, ...] = ()
    languages: tuple[str, ...] = ()
    contact_ref: str | None = None
    floor: str | None = None
    """The centre where he is checked in."""
    since: datetime | None = None


def _member_keys(fact: Fact, stamp: Stamp) -> Sequence[str]:
    return [stamp.id] if isinstance(fact, Event | MemberDescribed) else []


def _fold_member(row: MemberRow | None, fact: Fact, stamp: Stamp) -> MemberRow:
    row = row or MemberRow(stamp.id[:5])
    match fact:
        case MemberDescribed():
            return replace(row, name=fact.name, team=fact.team)
        case MemberChanged():
            row = replace(row, active=fact.active, vehicle=fact.vehicle, spare_helmet=fact.spare_helmet)
            row = replace(row, hamlet=fact.hamlet, skills=fact.skills, languages=fact.languages)
            return replace(row, contact_ref=fact.contact_ref)
        case VolunteerCheckedIn():
            return replace(row, floor=fact.centre, since=stamp.at)
        case VolunteerCheckedOut():
            return replace(row, floor=None, since=None)
    return row


MEMBERS = View("member", Member, MemberRow, _member_keys, _fold_member, ("centre", "floor"))


# ---------------------------------------------------------------------------------------- a day of a member


@dataclass(frozen=True, slots=True)
class DayRow:
    """What one member did for one centre on one local day."""

    centre: str
    day: str
    member: str
    present: bool = False
    minutes_on_duty: int = 0
    rides: int = 0
    ride_minutes: int = 0


def _day_keys(fact: Fact, stamp: Stamp) -> Sequence[str]:
    match fact:
        case VolunteerCheckedIn():
            return [_day_key(fact.centre, local_day(stamp.at), stamp)]
        case DutyCredited() | MinutesCredited():
            return [_day_key(fact.centre, fact.day, stamp)]
    return []


def _day_key(centre: str, day: date, stamp: Stamp) -> str:
    return f"{centre}/{day}/{stamp.id}"


def _fold_day(row: DayRow | None, fact: Fact, stamp: Stamp) -> DayRow | None:
    match fact:
        case VolunteerCheckedIn():
            row = row or DayRow(fact.centre, str(local_day(stamp.at)), stamp.id)
            return replace(row, present=True)
        case DutyCredited():
            row = row or DayRow(fact.centre, str(fact.day), stamp.id)
            return replace(row, minutes_on_duty=row.minutes_on_duty + fact.minutes)
        case MinutesCredited():
            row = row or DayRow(fact.centre, str(fact.day), stamp.id)
            return replace(row, rides=row.rides + 1, ride_minutes=row.ride_minutes + fact.minutes)
    return row


DAYS = View("memberday", Member, DayRow, _day_keys, _fold_day, ("centre", "day"), lambda key: key.split("/", 2)[2])
ALL = (RIDES, ASSISTANCES, MEMBERS, DAYS)


# ------------------------------------------------------------------------------------------ the evening report


@dataclass(slots=True)
class Sum:
    """The half of the evening report that this service knows."""

    helped: int = 0
    """People whom somebody helped: one a ticket, however often she asked."""
    unattended: int = 0
    """Asked and nobody came before the case was completed."""
    open: int = 0
    assistances_cancelled: int = 0
    results: dict[AssistanceResult, int] | None = None
    rides_planned: int = 0
    rides_requested: int = 0
    rides_open: int = 0
    rides_completed: int = 0
    rides_cancelled: int = 0
    instead: dict[Instead, int] | None = None
    """Of the cancelled: how they got home."""
    minutes_credited: int = 0
    minutes_on_duty: int = 0
    present: int = 0


async def sum_of_day(views: Views, centre: str, day: date) -> Sum:
    total = Sum(results=dict.fromkeys(AssistanceResult, 0), instead=dict.fromkeys(Instead, 0))
    where = {"centre": centre, "day": str(day)}
    async for _, help in every(views, ASSISTANCES, **where):
        _add_help(total, help)
    async for _, ride in every(views, RIDES, **where):
        _add_ride(total, ride)
    async for _, own in every(views, DAYS, **where):
        total.present += own.present
        total.minutes_on_duty += own.minutes_on_duty
        total.minutes_credited += own.ride_minutes
    return total


def _add_help(total: Sum, row: AssistanceRow) -> None:
    assert total.results is not None
    for result in (*row.earlier, *([row.result] if row.result else [])):
        total.results[result] += 1
    someone_came = row.stage is HelpStage.FINISHED and (
        row.member is not None or row.result is not AssistanceResult.NOT_RECORDED
    )
    total.helped += bool(row.earlier) or someone_came
    total.unattended += row.stage is HelpStage.FINISHED and not row.earlier and not someone_came
    total.open += row.stage in (HelpStage.OPEN, HelpStage.TAKEN)
    total.assistances_cancelled += row.stage is HelpStage.CANCELLED and not row.earlier


def _add_ride(total: Sum, row: RideRow) -> None:
    assert total.instead is not None
    if row.instead:
        total.instead[row.instead] += 1
    total.rides_planned += row.stage is RideStage.PLANNED
    total.rides_requested += row.requested
    total.rides_open += row.stage in (RideStage.REQUESTED, RideStage.ASSIGNED, RideStage.PICKED_UP)
    total.rides_completed += row.stage is RideStage.COMPLETED
    total.rides_cancelled += row.stage is RideStage.CANCELLED
