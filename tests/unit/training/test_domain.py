"""Sessions: places and the waiting list, attendance, and the skill that comes of it."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from services.chassis.errors import Refusal
from services.contracts.events import SkillGranted
from services.contracts.words import Fact
from services.training import domain
from services.training.domain import (
    AlreadyEnrolled,
    Mark,
    MarkedTwice,
    MovedUp,
    NotEnrolled,
    PassedWithoutBeingThere,
    Session,
    SessionExists,
    SessionHasBegun,
    SessionInThePast,
    SessionNotBegun,
    SessionTooFar,
    SkillStands,
    UnknownCourse,
    UnknownSession,
)

NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
STARTS = NOW + timedelta(days=3)
AN, BINH, CHI, DUNG = (f"31186-m-{name}" for name in ("annnnn", "binhhh", "chiiii", "dungggg"))
STATE = TypeAdapter(Session)


def do(session: Session, rule: Callable[..., Sequence[Fact]], *given: Any, at: datetime = NOW) -> list[Fact]:
    """Decide and evolve; the facts pass through JSON as they do in the journal."""
    facts = [type(fact).model_validate_json(fact.model_dump_json()) for fact in rule(session, *given, now=at)]
    for fact in facts:
        domain.evolve(session, fact, at)
    return facts


def a_session(places: int = 2, *members: str) -> Session:
    session = Session("31186-s-abcdef")
    do(session, domain.plan, "digital-key", STARTS, 120, places)
    for member in members:
        do(session, domain.enrol, member)
    return session


def test_places_are_given_in_order_and_then_the_waiting_list() -> None:
    session = a_session(2, AN, BINH, CHI, DUNG)
    assert (session.booked, session.waiting) == ([AN, BINH], [CHI, DUNG])


def test_a_place_given_back_goes_to_the_first_who_waits() -> None:
    session = a_session(2, AN, BINH, CHI, DUNG)
    moved = [fact for fact in do(session, domain.cancel_enrolment, AN) if isinstance(fact, MovedUp)]
    assert [fact.member for fact in moved] == [CHI]
    assert (session.booked, session.waiting) == ([BINH, CHI], [DUNG])


def test_who_leaves_the_waiting_list_moves_nobody_up() -> None:
    session = a_session(2, AN, BINH, CHI, DUNG)
    do(session, domain.cancel_enrolment, CHI)
    assert (session.booked, session.waiting) == ([AN, BINH], [DUNG])


def test_nobody_is_enrolled_twice() -> None:
    session = a_session(1, AN, BINH)
    for member in (AN, BINH):
        with pytest.raises(AlreadyEnrolled):
            domain.enrol(session, member, now=NOW)


def test_enrolment_closes_when_the_session_begins() -> None:
    session = a_session(2, AN)
    with pytest.raises(SessionHasBegun):
        domain.enrol(session, BINH, now=STARTS)
    with pytest.raises(SessionHasBegun):
        domain.cancel_enrolment(session, AN, now=STARTS)


def test_who_passes_has_the_skill_for_a_year_from_the_day_of_the_session() -> None:
    session = a_session(2, AN, BINH)
    facts = do(session, domain.record_attendance, [Mark(AN, True, True), Mark(BINH, True, False)], at=STARTS)
    granted = [fact for fact in facts if isinstance(fact, SkillGranted)]
    assert [(fact.member, fact.skill, fact.expires) for fact in granted] == [(AN, "digital-key", date(2027, 11, 27))]


def test_a_skill_is_granted_once() -> None:
    session = a_session(2, AN)
    do(session, domain.record_attendance, [Mark(AN, True, True)], at=STARTS)
    again = do(session, domain.record_attendance, [Mark(AN, True, True)], at=STARTS)
    assert not [fact for fact in again if isinstance(fact, SkillGranted)]


def test_who_was_absent_can_be_corrected() -> None:
    session = a_session(2, AN)
    do(session, domain.record_attendance, [Mark(AN, False, False)], at=STARTS)
    do(session, domain.record_attendance, [Mark(AN, True, True)], at=STARTS)
    assert (session.present[AN], AN in session.granted) == (True, True)


@pytest.mark.parametrize(
    ("marks", "refusal"),
    [
        ([Mark(AN, True, True), Mark(CHI, True, True)], NotEnrolled),
        ([Mark(AN, False, True)], PassedWithoutBeingThere),
        ([Mark(AN, True, True), Mark(AN, True, False)], MarkedTwice),
    ],
)
def test_attendance_is_recorded_for_all_or_for_none(marks: list[Mark], refusal: type[Refusal]) -> None:
    session = a_session(2, AN, BINH)
    with pytest.raises(refusal):
        domain.record_attendance(session, marks, now=STARTS)


def test_a_skill_that_was_granted_is_not_taken_back() -> None:
    session = a_session(2, AN)
    do(session, domain.record_attendance, [Mark(AN, True, True)], at=STARTS)
    with pytest.raises(SkillStands):
        domain.record_attendance(session, [Mark(AN, True, False)], now=STARTS)


def test_nobody_attended_what_has_not_begun() -> None:
    with pytest.raises(SessionNotBegun):
        domain.record_attendance(a_session(2, AN), [Mark(AN, True, True)], now=NOW)


def test_who_waits_has_no_place_and_cannot_have_attended() -> None:
    with pytest.raises(NotEnrolled):
        domain.record_attendance(a_session(1, AN, BINH), [Mark(BINH, True, True)], now=STARTS)


@pytest.mark.parametrize(
    ("course", "starts", "refusal"),
    [
        ("cooking", STARTS, UnknownCourse),
        ("digital-key", NOW, SessionInThePast),
        ("digital-key", datetime.max.replace(tzinfo=UTC), SessionTooFar),
    ],
)
def test_a_session_is_of_a_known_course_and_in_the_near_future(
    course: str, starts: datetime, refusal: type[Refusal]
) -> None:
    with pytest.raises(refusal):
        domain.plan(Session("31186-s-abcdef"), course, starts, 120, 10, now=NOW)


def test_a_session_is_planned_once() -> None:
    with pytest.raises(SessionExists):
        domain.plan(a_session(), "digital-key", STARTS, 120, 10, now=NOW)


def test_what_nobody_planned_is_unknown() -> None:
    with pytest.raises(UnknownSession):
        domain.enrol(Session("31186-s-abcdef"), AN, now=NOW)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.sampled_from([AN, BINH, CHI, DUNG])), max_size=30))
def test_no_place_stays_empty_while_somebody_waits(steps: list[tuple[bool, str]]) -> None:
    session, facts = a_session(2), list[Fact]()
    for enrols, member in steps:
        try:
            facts += do(session, domain.enrol if enrols else domain.cancel_enrolment, member)
        except Refusal:
            continue
        assert len(session.booked) <= 2
        assert len(session.booked) == 2 or not session.waiting
        assert not set(session.booked) & set(session.waiting)
    again = a_session(2)
    for fact in facts:
        domain.evolve(again, fact, NOW)
    assert STATE.validate_json(STATE.dump_json(again)) == session
