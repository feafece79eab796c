"""A dated session of a course: its places, its waiting list, who came, who passed and what that is worth. Pure.

A place that is given back goes to the first who waits, by itself. Who passes the practical check gets the skill of the
course, with an expiry; what was granted is never taken back.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum

from services.chassis.clock import local_day
from services.chassis.errors import Invalid, NotFound, Refused
from services.contracts.events import SkillGranted
from services.contracts.words import Code, Fact, MemberRef, SessionRef


@dataclass(frozen=True, slots=True)
class Module:
    code: str
    vi: str
    en: str


@dataclass(frozen=True, slots=True)
class Course:
    code: str
    vi: str
    en: str
    modules: tuple[Module, ...]
    skill: str
    validity: timedelta
    """How long the skill lasts from the day of the session."""


DIGITAL_KEY = Course(
    code="digital-key",
    vi="Chìa khoá số",
    en="Digital key",
    modules=(
        Module("vneid", "Cài đặt, kích hoạt và lấy lại mật khẩu VNeID", "Install, activate and recover VNeID"),
        Module("papers", "Tích hợp giấy tờ cá nhân vào VNeID", "Integrate personal papers into VNeID"),
        Module(
            "online-filing",
            "Thực hành nộp hồ sơ trực tuyến: xác nhận tình trạng hôn nhân",
            "Practise filing online: marital status confirmation",
        ),
        Module("kiosk", "Sử dụng ki-ốt thông minh", "The smart kiosk"),
    ),
    skill="digital-key",
    validity=timedelta(days=365),
)
PLANNED_AHEAD = timedelta(days=730)
COURSES = {course.code: course for course in (DIGITAL_KEY,)}


class Place(StrEnum):
    BOOKED = "booked"
    WAITING = "waiting"


class UnknownCourse(Invalid):
    en = "There is no course {course}. Known: {known}."
    vi = "Không có khoá học {course}. Hiện có: {known}."


class UnknownSession(NotFound):
    en = "There is no such session."
    vi = "Không tìm thấy buổi học này."


class SessionExists(Refused):
    en = "This session is planned already."
    vi = "Buổi học này đã được lên lịch."


class SessionTooFar(Invalid):
    en = "A session must begin within two years."
    vi = "Buổi học phải bắt đầu trong vòng hai năm."


class SessionInThePast(Invalid):
    en = "A session must begin in the future."
    vi = "Buổi học phải bắt đầu sau thời điểm hiện tại."


class SessionHasBegun(Refused):
    en = "The session has begun: enrolment is closed."
    vi = "Buổi học đã bắt đầu, không thể ghi danh hay huỷ ghi danh."


class SessionNotBegun(Refused):
    en = "The session has not begun yet: nobody can have attended."
    vi = "Buổi học chưa bắt đầu, chưa thể điểm danh."


class AlreadyEnrolled(Refused):
    en = "This member is enrolled already ({place})."
    vi = "Đoàn viên này đã ghi danh rồi ({place})."


class NotEnrolled(NotFound):
    en = "Member {member} has no place in this session."
    vi = "Đoàn viên {member} không có chỗ trong buổi học này."


class PassedWithoutBeingThere(Invalid):
    en = "Member {member} cannot have passed without being present."
    vi = "Đoàn viên {member} vắng mặt nên không thể đạt."


class MarkedTwice(Invalid):
    en = "Member {member} is named twice."
    vi = "Đoàn viên {member} được ghi hai lần."


class SkillStands(Refused):
    en = "Member {member} was granted the skill already; it is not taken back."
    vi = "Đoàn viên {member} đã được cấp kỹ năng, không thể thu hồi."


class SessionPlanned(Fact):
    course: Code
    starts: datetime
    ends: datetime
    places: int


class Enrolled(Fact):
    member: MemberRef
    place: Place


class MovedUp(Fact):
    """From the waiting list to the place that somebody gave back."""

    member: MemberRef


class EnrolmentCancelled(Fact):
    member: MemberRef


class AttendanceRecorded(Fact):
    member: MemberRef
    present: bool
    passed: bool


@dataclass(frozen=True, slots=True)
class Mark:
    """What the coordinator saw of one member."""

    member: MemberRef
    present: bool
    passed: bool


@dataclass(slots=True)
class Session:
    id: SessionRef
    course: Code | None = None
    """None: nobody planned it."""
    starts: datetime | None = None
    ends: datetime | None = None
    places: int = 0
    booked: list[MemberRef] = field(default_factory=list)
    waiting: list[MemberRef] = field(default_factory=list)
    """In the order in which they came."""
    present: dict[MemberRef, bool] = field(default_factory=dict)
    granted: dict[MemberRef, date] = field(default_factory=dict)

    @property
    def centre(self) -> str:
        return self.id[:5]

    def begins(self) -> datetime:
        """Raises `UnknownSession`."""
        if self.course is None or self.starts is None:
            raise UnknownSession
        return self.starts


def plan(
    session: Session, course: Code, starts: datetime, minutes: int, places: int, *, now: datetime
) -> Sequence[Fact]:
    if course not in COURSES:
        raise UnknownCourse(course=course, known=", ".join(COURSES))
    if session.course is not None:
        raise SessionExists
    if starts <= now:
        raise SessionInThePast
    if starts > now + PLANNED_AHEAD:
        raise SessionTooFar
    ends = starts + timedelta(minutes=minutes)
    return [SessionPlanned(course=course, starts=starts, ends=ends, places=places)]


def enrol(session: Session, member: MemberRef, *, now: datetime) -> Sequence[Fact]:
    """A place while there is one, then the waiting list."""
    _check_not_begun(session, now)
    if member in session.booked:
        raise AlreadyEnrolled(place=Place.BOOKED.value)
    if member in session.waiting:
        raise AlreadyEnrolled(place=Place.WAITING.value)
    free = len(session.booked) < session.places
    return [Enrolled(member=member, place=Place.BOOKED if free else Place.WAITING)]


def cancel_enrolment(session: Session, member: MemberRef, *, now: datetime) -> Sequence[Fact]:
    """Given back; whoever waits longest has it now."""
    _check_not_begun(session, now)
    if member not in session.booked and member not in session.waiting:
        raise NotEnrolled(member=member)
    cancelled: list[Fact] = [EnrolmentCancelled(member=member)]
    if member in session.booked and session.waiting:
        cancelled.append(MovedUp(member=session.waiting[0]))
    return cancelled


def record_attendance(session: Session, marks: Sequence[Mark], *, now: datetime) -> Sequence[Fact]:
    """All of them or none. May be said again to correct it, except that a granted skill stands."""
    if now < session.begins():
        raise SessionNotBegun
    named = [mark.member for mark in marks]
    facts: list[Fact] = []
    for mark in marks:
        _check_mark(session, mark, named)
        facts.append(AttendanceRecorded(member=mark.member, present=mark.present, passed=mark.passed))
        if mark.passed and mark.member not in session.granted:
            facts.append(_granted(session, mark.member))
    return facts


def _check_mark(session: Session, mark: Mark, named: Sequence[MemberRef]) -> None:
    if mark.member not in session.booked:
        raise NotEnrolled(member=mark.member)
    if named.count(mark.member) > 1:
        raise MarkedTwice(member=mark.member)
    if mark.passed and not mark.present:
        raise PassedWithoutBeingThere(member=mark.member)
    if mark.member in session.granted and not mark.passed:
        raise SkillStands(member=mark.member)


def _granted(session: Session, member: MemberRef) -> SkillGranted:
    course = COURSES[session.course or ""]
    expires = local_day(session.begins()) + course.validity
    return SkillGranted(centre=session.centre, member=member, skill=course.skill, expires=expires, session=session.id)


def _check_not_begun(session: Session, now: datetime) -> None:
    if now >= session.begins():
        raise SessionHasBegun


def evolve(session: Session, fact: Fact, at: datetime) -> None:
    match fact:
        case SessionPlanned():
            session.course, session.places = fact.course, fact.places
            session.starts, session.ends = fact.starts, fact.ends
        case Enrolled():
            (session.booked if fact.place is Place.BOOKED else session.waiting).append(fact.member)
        case MovedUp():
            session.waiting.remove(fact.member)
            session.booked.append(fact.member)
        case EnrolmentCancelled():
            session.booked = [member for member in session.booked if member != fact.member]
            session.waiting = [member for member in session.waiting if member != fact.member]
        case AttendanceRecorded():
            session.present[fact.member] = fact.present
        case SkillGranted():
            session.granted[fact.member] = fact.expires
