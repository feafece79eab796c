"""Members: who they are, where they are checked in, what is credited, and the duties of a week."""

from datetime import date, timedelta

import pytest

from services.contracts.events import MemberChanged, RideCompleted, Skill, SkillGranted, VolunteerCheckedOut
from services.contracts.words import Event, Vehicle
from services.volunteers import members, roster
from services.volunteers.members import (
    AlreadyCheckedIn,
    Member,
    MemberExists,
    MemberInactive,
    NotCheckedIn,
    Profile,
    UnknownMember,
)
from services.volunteers.roster import DayHasPassed, DayIsFull, NotOnDuty, OnDutyAlready, Roster
from tests.unit.volunteers.build import AN, CENTRE, NAME, NOON, RIDE, TICKET, Document, heard, minute, names

PROFILE = Profile(name=NAME, team="to-cong-nghe-so", vehicle=Vehicle.MOTORBIKE, spare_helmet=True, hamlet="khu-vuc-5")
TODAY = date(2026, 11, 24)


def an() -> Document[Member]:
    member = Document(Member(AN), members.evolve)
    member.do(members.enrol, PROFILE)
    return member


def granted(skill: str, expires: date, sequence: int = 1) -> SkillGranted:
    event = SkillGranted(centre=CENTRE, member=AN, skill=skill, expires=expires, session="31186-s-abcdef")
    return heard(event, sequence, source="/training/session/31186-s-abcdef")


def test_the_notifier_hears_what_it_needs_and_no_name() -> None:
    changed = an().last(MemberChanged)
    assert (changed.vehicle, changed.spare_helmet, changed.hamlet) == (Vehicle.MOTORBIKE, True, "khu-vuc-5")
    assert NAME not in changed.model_dump_json()


def test_nobody_is_enrolled_twice() -> None:
    assert isinstance(an().refused(members.enrol, PROFILE), MemberExists)


def test_a_skill_from_a_course_reaches_the_member() -> None:
    member = an()
    assert names(member.do(members.grant, granted("digital-key", date(2027, 11, 24)))) == ["MemberChanged"]
    assert member.last(MemberChanged).skills == (Skill(skill="digital-key", expires=date(2027, 11, 24)),)


@pytest.mark.parametrize("known", [None, date(2027, 11, 24), date(2028, 1, 1)])
def test_an_expiry_is_never_shortened(known: date | None) -> None:
    member = an()
    member.do(members.amend, {"skills": (Skill(skill="digital-key", expires=known),)})
    assert member.do(members.grant, granted("digital-key", date(2027, 11, 24))) == []


def test_a_skill_for_nobody_is_not_swallowed() -> None:
    nobody = Document(Member(AN), members.evolve)
    assert isinstance(nobody.refused(members.grant, granted("digital-key", TODAY)), UnknownMember)


def test_a_check_in_is_open_once() -> None:
    member = an()
    assert names(member.do(members.check_in, CENTRE)) == ["VolunteerCheckedIn"]
    assert isinstance(member.refused(members.check_in, CENTRE), AlreadyCheckedIn)


def test_a_check_in_elsewhere_moves_him() -> None:
    member = an()
    member.do(members.check_in, CENTRE)
    moved = member.do(members.check_in, "31510", at=minute(30))
    assert [(type(fact).__name__, fact.centre) for fact in moved if isinstance(fact, Event)] == [
        ("VolunteerCheckedOut", CENTRE),
        ("VolunteerCheckedIn", "31510"),
    ]


def test_a_check_out_says_the_minutes() -> None:
    member = an()
    member.do(members.check_in, CENTRE)
    member.do(members.check_out, CENTRE, at=minute(95))
    assert member.last(VolunteerCheckedOut).minutes == 95


def test_nobody_leaves_where_he_is_not() -> None:
    member = an()
    assert isinstance(member.refused(members.check_out, CENTRE), NotCheckedIn)
    member.do(members.check_in, CENTRE)
    assert isinstance(member.refused(members.check_out, "31510"), NotCheckedIn)


def test_a_forgotten_check_out_closes_itself_at_local_midnight_and_is_worth_half_a_day() -> None:
    member = an()
    member.do(members.check_in, CENTRE)
    due = members.due(member.state)
    assert due == NOON + timedelta(hours=12)
    member.do(members.when_due, at=due + timedelta(hours=9))
    assert (member.last(VolunteerCheckedOut).minutes, members.due(member.state)) == (240, None)


def test_a_check_in_shortly_before_midnight_is_worth_what_it_was() -> None:
    member = an()
    member.do(members.check_in, CENTRE, at=NOON + timedelta(hours=11, minutes=50))
    member.do(members.when_due, at=NOON + timedelta(hours=13))
    assert member.last(VolunteerCheckedOut).minutes == 10


def test_who_is_put_at_rest_leaves_the_floor_and_stays_away() -> None:
    member = an()
    member.do(members.check_in, CENTRE)
    assert names(member.do(members.amend, {"active": False})) == [
        "MemberChanged",
        "VolunteerCheckedOut",
    ]
    assert isinstance(member.refused(members.check_in, CENTRE), MemberInactive)


def test_the_minutes_of_rides_are_credited_by_day() -> None:
    member = an()
    for sequence, minutes in ((1, 22), (2, 15)):
        done = RideCompleted(centre=CENTRE, ride_id=RIDE, ticket_id=TICKET, member=AN, minutes=minutes)
        member.do(members.credit, heard(done, sequence, source="/volunteers/ride"))
    assert member.state.minutes == {TODAY: 37}


def a_roster(*on_duty: str) -> Document[Roster]:
    week = Document(Roster(roster.roster_of(CENTRE, TODAY)), roster.evolve)
    for member in on_duty:
        week.do(roster.put_on_duty, TODAY, member, 3)
    return week


THREE = ("31186-m-111111", "31186-m-222222", "31186-m-333333")


def test_a_fourth_is_put_on_duty_by_override_only() -> None:
    week = a_roster(*THREE)
    assert isinstance(week.refused(roster.put_on_duty, TODAY, AN, 3), DayIsFull)
    week.do(roster.put_on_duty, TODAY, AN, 3, override=True)
    assert week.state.on(TODAY) == [*THREE, AN]


def test_nobody_is_on_duty_twice_a_day() -> None:
    assert isinstance(a_roster(AN).refused(roster.put_on_duty, TODAY, AN, 3), OnDutyAlready)


def test_a_day_that_has_passed_gets_no_duty() -> None:
    assert isinstance(a_roster().refused(roster.put_on_duty, TODAY - timedelta(days=1), AN, 3), DayHasPassed)


def test_a_duty_is_taken_away_once() -> None:
    week = a_roster(AN)
    week.do(roster.take_off_duty, TODAY, AN)
    assert isinstance(week.refused(roster.take_off_duty, TODAY, AN), NotOnDuty)


def test_a_week_is_named_by_its_year() -> None:
    assert roster.roster_of(CENTRE, date(2027, 1, 1)) == "31186-2026w53"
