"""A member of the Youth Union: what he can do and has, where he is checked in, what is credited to him. Pure.

One open check-in at a time; a forgotten one closes itself at local midnight. His name comes in `Sealed`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from services.chassis.clock import local_day, local_midnight_after
from services.chassis.errors import NotFound, Refused
from services.chassis.sealing import Sealed
from services.contracts.events import (
    MemberChanged,
    RideCompleted,
    Skill,
    SkillGranted,
    VolunteerCheckedIn,
    VolunteerCheckedOut,
)
from services.contracts.words import CentreRef, Code, ContactRef, Fact, Language, Minutes, RideRef, Vehicle

FORGOTTEN_AT_MOST = 240
"""Minutes that a forgotten check-out is worth: half a day of duty, however long nobody pressed."""
DAYS_KEPT = timedelta(days=31)
"""How long the minutes of a day stay in the document; the view keeps them for good."""


class UnknownMember(NotFound):
    en = "There is no such member."
    vi = "Không tìm thấy đoàn viên này."


class MemberExists(Refused):
    en = "This member is enrolled already."
    vi = "Đoàn viên này đã có trong danh sách."


class MemberInactive(Refused):
    en = "This member is not active."
    vi = "Đoàn viên này đang tạm nghỉ hoạt động."


class AlreadyCheckedIn(Refused):
    en = "Checked in at this centre already."
    vi = "Đã điểm danh vào ca tại trung tâm này rồi."


class NotCheckedIn(Refused):
    en = "Not checked in at this centre."
    vi = "Chưa điểm danh vào ca tại trung tâm này."


class MemberDescribed(Fact):
    """What only faces may show of him."""

    name: Sealed
    team: Code


class DutyCredited(Fact):
    """Minutes on the floor, on the local day of the check-in: a forgotten one ends when that day is over."""

    centre: CentreRef
    day: date
    minutes: Minutes


class MinutesCredited(Fact):
    """Minutes of a ride."""

    centre: CentreRef
    ride_id: RideRef
    day: date
    minutes: Minutes


@dataclass(frozen=True, slots=True)
class Profile:
    """What a coordinator says of a member."""

    name: Sealed
    team: Code
    vehicle: Vehicle = Vehicle.NONE
    spare_helmet: bool = False
    hamlet: Code | None = None
    skills: tuple[Skill, ...] = ()
    languages: tuple[Language, ...] = ("vi",)
    contact_ref: ContactRef | None = None
    active: bool = True


@dataclass(slots=True)
class CheckIn:
    centre: CentreRef
    at: datetime


@dataclass(slots=True)
class Member:
    id: str
    name: Sealed | None = None
    """None: nobody of this id was enrolled."""
    team: Code | None = None
    active: bool = False
    vehicle: Vehicle = Vehicle.NONE
    spare_helmet: bool = False
    hamlet: Code | None = None
    skills: dict[str, date | None] = field(default_factory=dict)
    languages: list[str] = field(default_factory=list)
    contact_ref: ContactRef | None = None
    check_in: CheckIn | None = None
    minutes: dict[date, int] = field(default_factory=dict)

    @property
    def centre(self) -> str:
        return self.id[:5]

    def profile(self) -> Profile:
        """How he is described now; raises `UnknownMember`."""
        if self.name is None or self.team is None:
            raise UnknownMember
        return Profile(
            name=self.name,
            team=self.team,
            vehicle=self.vehicle,
            spare_helmet=self.spare_helmet,
            hamlet=self.hamlet,
            skills=tuple(Skill(skill=skill, expires=expires) for skill, expires in sorted(self.skills.items())),
            languages=tuple(self.languages),
            contact_ref=self.contact_ref,
            active=self.active,
        )


# ------------------------------------------------------------------------------------------ who he is


def enrol(member: Member, profile: Profile, *, now: datetime) -> Sequence[Fact]:
    if member.name is not None:
        raise MemberExists
    return _describe(member, profile)


def amend(member: Member, changes: Mapping[str, Any], *, now: datetime) -> Sequence[Fact]:
    """Some fields of his `Profile` anew. Who is put at rest leaves the floor."""
    profile = replace(member.profile(), **changes)
    facts = _describe(member, profile)
    if not profile.active and member.check_in:
        facts += _leave(member, member.check_in, now)
    return facts


def grant(member: Member, event: SkillGranted, *, now: datetime) -> Sequence[Fact]:
    """A skill from a course. An expiry is never shortened, whatever comes in which order."""
    profile = member.profile()
    known = member.skills.get(event.skill, date.min)
    if known is None or known >= event.expires:
        return []
    others = tuple(skill for skill in profile.skills if skill.skill != event.skill)
    granted = Skill(skill=event.skill, expires=event.expires)
    skills = tuple(sorted((*others, granted), key=lambda skill: skill.skill))
    return [_changed(member, profile, skills)]


def check_active(member: Member) -> None:
    if not member.profile().active:
        raise MemberInactive


def _describe(member: Member, profile: Profile) -> list[Fact]:
    described = MemberDescribed(name=profile.name, team=profile.team)
    skills = {skill.skill: skill for skill in profile.skills}
    return [described, _changed(member, profile, tuple(skills[code] for code in sorted(skills)))]


def _changed(member: Member, profile: Profile, skills: tuple[Skill, ...]) -> MemberChanged:
    return MemberChanged(
        centre=member.centre,
        member=member.id,
        active=profile.active,
        vehicle=profile.vehicle,
        spare_helmet=profile.spare_helmet,
        hamlet=profile.hamlet,
        skills=skills,
        languages=profile.languages,
        contact_ref=profile.contact_ref,
    )


# ------------------------------------------------------------------------------------------ where he is


def check_in(member: Member, centre: CentreRef, *, now: datetime) -> Sequence[Fact]:
    """On the floor of `centre`; a check-in elsewhere moves him."""
    check_active(member)
    if member.check_in and member.check_in.centre == centre:
        raise AlreadyCheckedIn
    arrived = VolunteerCheckedIn(centre=centre, member=member.id)
    return [*_leave(member, member.check_in, now), arrived] if member.check_in else [arrived]


def check_out(member: Member, centre: CentreRef, *, now: datetime) -> Sequence[Fact]:
    """Never blocked: an open ride of his goes on, an open assistance is offered to others by the dispatch."""
    member.profile()
    if member.check_in is None or member.check_in.centre != centre:
        raise NotCheckedIn
    return _leave(member, member.check_in, now)


def due(member: Member) -> datetime | None:
    """The local midnight at which a forgotten check-out closes itself."""
    return local_midnight_after(local_day(member.check_in.at)) if member.check_in else None


def when_due(member: Member, *, now: datetime) -> Sequence[Fact]:
    if member.check_in is None:
        return []
    midnight = local_midnight_after(local_day(member.check_in.at))
    return _leave(member, member.check_in, midnight, at_most=FORGOTTEN_AT_MOST)


def _leave(member: Member, since: CheckIn, until: datetime, at_most: int | None = None) -> list[Fact]:
    minutes = max(0, round((until - since.at).total_seconds() / 60))
    counted = minutes if at_most is None else min(minutes, at_most)
    return [
        VolunteerCheckedOut(centre=since.centre, member=member.id, minutes=counted),
        DutyCredited(centre=since.centre, day=local_day(since.at), minutes=counted),
    ]


# ------------------------------------------------------------------------------------------ what he did


def credit(member: Member, event: RideCompleted, *, now: datetime) -> Sequence[Fact]:
    """The minutes of a ride, on the local day on which it ended."""
    return [MinutesCredited(centre=event.centre, ride_id=event.ride_id, day=local_day(event.at), minutes=event.minutes)]


def evolve(member: Member, fact: Fact, at: datetime) -> None:
    match fact:
        case MemberDescribed():
            member.name, member.team = fact.name, fact.team
        case MemberChanged():
            member.active, member.vehicle, member.spare_helmet = fact.active, fact.vehicle, fact.spare_helmet
            member.hamlet, member.contact_ref = fact.hamlet, fact.contact_ref
            member.skills = {skill.skill: skill.expires for skill in fact.skills}
            member.languages = list(fact.languages)
        case VolunteerCheckedIn():
            member.check_in = CheckIn(fact.centre, at)
        case VolunteerCheckedOut():
            member.check_in = None
        case MinutesCredited():
            member.minutes[fact.day] = member.minutes.get(fact.day, 0) + fact.minutes
            for day in [day for day in member.minutes if day < fact.day - DAYS_KEPT]:
                del member.minutes[day]
