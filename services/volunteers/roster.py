"""The duties of one centre in one week: who stands there on which day. Pure.

A day has a minimum and a maximum of members (2 and 3 unless the centre says otherwise). One more than the maximum is
put on only by an explicit `override`; fewer than the minimum is shown, not refused: a duty begins with somebody.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from services.chassis.clock import local_day
from services.chassis.errors import NotFound, Refused
from services.contracts.words import CentreRef, Fact, MemberRef


class DayIsFull(Refused):
    en = "{maximum} members are on duty that day; put one more on with `override` only."
    vi = "Ngày này đã đủ {maximum} đoàn viên trực; chỉ thêm được khi xác nhận vượt mức (`override`)."


class OnDutyAlready(Refused):
    en = "This member is on duty that day already."
    vi = "Đoàn viên này đã có lịch trực ngày đó."


class DayHasPassed(Refused):
    en = "That day has passed."
    vi = "Ngày đó đã qua."


class NotOnDuty(NotFound):
    en = "This member is not on duty that day."
    vi = "Đoàn viên này không có lịch trực ngày đó."


class DutyGiven(Fact):
    day: date
    member: MemberRef
    override: bool = False


class DutyTaken(Fact):
    """Taken away: by the coordinator, or given back by the member."""

    day: date
    member: MemberRef


@dataclass(slots=True)
class Roster:
    id: str
    days: dict[date, list[MemberRef]] = field(default_factory=dict)

    def on(self, day: date) -> list[MemberRef]:
        return self.days.get(day, [])


def roster_of(centre: CentreRef, day: date) -> str:
    """The id of the week in which `day` lies (ISO weeks, Monday to Sunday)."""
    year, week, _ = day.isocalendar()
    return f"{centre}-{year}w{week:02}"


def put_on_duty(
    roster: Roster, day: date, member: MemberRef, maximum: int, override: bool = False, *, now: datetime
) -> Sequence[Fact]:
    on_duty = roster.on(day)
    if day < local_day(now):
        raise DayHasPassed
    if member in on_duty:
        raise OnDutyAlready
    full = len(on_duty) >= maximum
    if full and not override:
        raise DayIsFull(maximum=maximum)
    return [DutyGiven(day=day, member=member, override=full)]


def take_off_duty(roster: Roster, day: date, member: MemberRef, *, now: datetime) -> Sequence[Fact]:
    if member not in roster.on(day):
        raise NotOnDuty
    if day < local_day(now):
        raise DayHasPassed
    return [DutyTaken(day=day, member=member)]


def evolve(roster: Roster, fact: Fact, at: datetime) -> None:
    match fact:
        case DutyGiven():
            roster.days.setdefault(fact.day, []).append(fact.member)
        case DutyTaken():
            roster.days[fact.day].remove(fact.member)
