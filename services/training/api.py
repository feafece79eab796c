"""HTTP for training: courses, sessions, enrolment, attendance, and what a member has learned."""

from collections.abc import Sequence
from copy import deepcopy
from functools import partial
from typing import Annotated

from fastapi import Query

from services.chassis.access import Actor, NotYourCentre, NotYourRole, may
from services.chassis.documents import Collection, the
from services.chassis.errors import Invalid
from services.chassis.ids import centre_of, token
from services.chassis.once import Once
from services.chassis.sealing import Sealer
from services.chassis.views import Views
from services.chassis.web import Now, OnceKey, Router, of, own, problems
from services.contracts.events import SkillGranted
from services.contracts.words import CentreRef, Fact, MemberRef, SessionRef
from services.training import domain, shapes, views
from services.training.domain import (
    AlreadyEnrolled,
    AttendanceRecorded,
    Enrolled,
    EnrolmentCancelled,
    Mark,
    MarkedTwice,
    MovedUp,
    NotEnrolled,
    PassedWithoutBeingThere,
    Place,
    Session,
    SessionHasBegun,
    SessionInThePast,
    SessionNotBegun,
    SessionPlanned,
    SessionTooFar,
    SkillStands,
    UnknownCourse,
    UnknownSession,
)

router = Router(prefix="/training", tags=["training"])

Sessions = Annotated[Collection[Session], of(Session)]
OurViews = Annotated[Views, own("training", Views)]
OurSealer = Annotated[Sealer, own("training", Sealer)]
ForHimself = Annotated[Actor, may("volunteer", "coordinator")]
AnyoneAtWork = Annotated[Actor, may("volunteer", "staff", "coordinator", "city", "operator")]
After = Annotated[str | None, Query(max_length=80, description="`next` of the page before")]
Limit = Annotated[int, Query(ge=1, le=200)]


class SessionCentreNeeded(Invalid):
    en = "Say which `centre`: you have more than one."
    vi = "Vui lòng chọn trung tâm (`centre`): bạn phụ trách nhiều nơi."


class LearnerNeeded(Invalid):
    en = "Say which `member`."
    vi = "Vui lòng chọn đoàn viên (`member`)."


@router.get("/courses")
async def list_courses(who: AnyoneAtWork) -> shapes.Courses:
    """What is taught, module by module, and the skill that comes of it."""
    courses = [
        shapes.CourseShown(
            code=course.code,
            vi=course.vi,
            en=course.en,
            modules=tuple(shapes.ModuleShown.model_validate(module) for module in course.modules),
            skill=course.skill,
            validity_days=course.validity.days,
        )
        for course in domain.COURSES.values()
    ]
    return shapes.Courses(courses=courses)


@router.post(
    "/sessions",
    status_code=201,
    responses=problems(UnknownCourse, SessionInThePast, SessionTooFar, SessionCentreNeeded),
)
async def plan_session(
    given: shapes.SessionGiven,
    sessions: Sessions,
    sealer: OurSealer,
    who: Annotated[Actor, may("coordinator")],
    key: OnceKey,
    now: Now,
) -> shapes.SessionPlannedFor:
    """A dated session with so many places."""
    centre = _centre_for(given, who)
    session = _new_session(centre, key, sealer)
    rule = partial(domain.plan, course=given.course, starts=given.starts, minutes=given.minutes, places=given.places)
    planned = the(await sessions.change(session, rule, now=now, by=who.ref, once=key), SessionPlanned)
    return shapes.SessionPlannedFor(
        session=session,
        centre=centre,
        course=planned.course,
        starts=planned.starts,
        ends=planned.ends,
        places=planned.places,
    )


def _centre_for(given: shapes.SessionGiven, who: Actor) -> str:
    centre = given.centre or (next(iter(who.centres)) if len(who.centres) == 1 else None)
    if centre is None:
        raise SessionCentreNeeded
    if not who.reaches(centre):
        raise NotYourCentre
    return centre


def _new_session(centre: str, key: Once | None, sealer: Sealer) -> str:
    """The same key leads to the same document: a repeat finds what it did."""
    suffix = sealer.blind("session", f"{centre}/{key.actor}/{key.key}")[:16] if key else token(16)
    return f"{centre}-s-{suffix}"


@router.get("/centres/{centre}/sessions")
async def list_sessions(
    centre: CentreRef, our: OurViews, who: AnyoneAtWork, after: After = None, limit: Limit = 100
) -> shapes.SessionsPage:
    rows = await our.find(views.SESSIONS, after=after, limit=limit, centre=centre)
    listed = [
        shapes.SessionListed(
            session=session,
            centre=row.centre,
            course=row.course,
            starts=row.starts,
            ends=row.ends,
            places=row.places,
            booked=row.booked,
            waiting=row.waiting,
        )
        for session, row in rows
    ]
    return shapes.SessionsPage(sessions=listed, next=rows[-1][0] if len(rows) == limit else None)


@router.get("/sessions/{session}", responses=problems(UnknownSession))
async def show_session(session: SessionRef, sessions: Sessions, who: ForHimself) -> shapes.SessionShown:
    """To the coordinator with all learners, to a member with himself."""
    found = await sessions.read(session, deepcopy)
    starts = found.begins()
    seen = [*found.booked, *found.waiting] if who.is_a("coordinator") else [who.member]
    return shapes.SessionShown(
        session=session,
        centre=found.centre,
        course=found.course or "",
        starts=starts,
        ends=found.ends or starts,
        places=found.places,
        booked=len(found.booked),
        waiting=len(found.waiting),
        learners=[_learner(found, member) for member in seen if member in found.booked or member in found.waiting],
    )


def _learner(session: Session, member: str) -> shapes.LearnerShown:
    return shapes.LearnerShown(
        member=member,
        place=Place.BOOKED if member in session.booked else Place.WAITING,
        present=session.present.get(member),
        skill_expires=session.granted.get(member),
    )


@router.post(
    "/sessions/{session}/enrolments",
    status_code=201,
    responses=problems(UnknownSession, AlreadyEnrolled, SessionHasBegun, LearnerNeeded),
)
async def enrol_learner(
    session: SessionRef,
    sessions: Sessions,
    who: ForHimself,
    key: OnceKey,
    now: Now,
    given: shapes.EnrolmentGiven | None = None,
) -> shapes.EnrolmentShown:
    """A place, or when there is none a place on the waiting list, which moves up by itself."""
    rule = partial(domain.enrol, member=_who_is_meant(who, given.member if given else None))
    facts = await sessions.change(session, rule, now=now, by=who.ref, once=key)
    return shapes.EnrolmentShown.model_validate(the(facts, Enrolled))


@router.post(
    "/sessions/{session}/enrolments/{member}/cancel",
    responses=problems(UnknownSession, NotEnrolled, SessionHasBegun),
)
async def cancel_enrolment(
    session: SessionRef, member: MemberRef, sessions: Sessions, who: ForHimself, key: OnceKey, now: Now
) -> shapes.EnrolmentGivenBack:
    """Given back: whoever waits longest has the place now."""
    rule = partial(domain.cancel_enrolment, member=_who_is_meant(who, member))
    facts = await sessions.change(session, rule, now=now, by=who.ref, once=key)
    moved = next((fact.member for fact in facts if isinstance(fact, MovedUp)), None)
    return shapes.EnrolmentGivenBack(member=the(facts, EnrolmentCancelled).member, moved_up=moved)


@router.post(
    "/sessions/{session}/attendance",
    responses=problems(UnknownSession, SessionNotBegun, NotEnrolled, PassedWithoutBeingThere, MarkedTwice, SkillStands),
)
async def record_attendance(
    session: SessionRef,
    given: shapes.AttendanceGiven,
    sessions: Sessions,
    who: Annotated[Actor, may("coordinator")],
    key: OnceKey,
    now: Now,
) -> shapes.AttendanceShown:
    """Who came and who passed the practical check: all of it is recorded or nothing. May be said again."""
    marks = [Mark(mark.member, mark.present, mark.passed) for mark in given.marks]
    rule = partial(domain.record_attendance, marks=marks)
    return _attendance(await sessions.change(session, rule, now=now, by=who.ref, once=key))


def _attendance(facts: Sequence[Fact]) -> shapes.AttendanceShown:
    return shapes.AttendanceShown(
        recorded=sum(isinstance(fact, AttendanceRecorded) for fact in facts),
        granted=[shapes.SkillShown.model_validate(fact) for fact in facts if isinstance(fact, SkillGranted)],
    )


@router.get("/members/{member}/record")
async def show_record(member: MemberRef, our: OurViews, who: ForHimself) -> shapes.LearnersRecord:
    """All sessions of a member and what came of each."""
    if not who.is_a("coordinator") and who.member != member:
        raise NotYourRole
    rows = await our.find(views.LEARNERS, limit=500, member=member)
    return shapes.LearnersRecord(member=member, sessions=[shapes.RecordShown.model_validate(row) for _, row in rows])


def _who_is_meant(who: Actor, member: str | None) -> str:
    """A volunteer means himself; the coordinator names a member of a centre of his own."""
    if not who.is_a("coordinator"):
        if who.member is None or member not in (None, who.member):
            raise NotYourRole
        return who.member
    if member is None:
        raise LearnerNeeded
    if not who.reaches(centre_of(member)):
        raise NotYourCentre
    return member
