"""What goes in and out over HTTP: requests that refuse what they do not know, answers that are complete."""

from datetime import date
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.contracts.words import CentreRef, Code, MemberRef, SessionRef
from services.training.domain import Place
from services.training.views import Record

EXAMPLE_SESSION = "31186-s-4tq0v7hk2m9x"
EXAMPLE_MEMBER = "31186-m-4tq0v7hk2m9x"
Course = Annotated[Code, Field(description="code of the course", examples=["digital-key"])]
Member = Annotated[MemberRef, Field(examples=[EXAMPLE_MEMBER])]
Session = Annotated[SessionRef, Field(examples=[EXAMPLE_SESSION])]
Moment = Annotated[AwareDatetime, Field(description="with its time zone", examples=["2026-11-27T08:00:00+07:00"])]


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Answer(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class ModuleShown(Answer):
    code: Code
    vi: str
    en: str


class CourseShown(Answer):
    code: Course
    vi: str
    en: str
    modules: tuple[ModuleShown, ...]
    skill: Code
    validity_days: Annotated[int, Field(description="how long the skill lasts from the day of the session")]


class Courses(Answer):
    courses: list[CourseShown]


class SessionGiven(Request):
    centre: Annotated[
        CentreRef | None, Field(description="needed by who has more than one centre", examples=["31186"])
    ] = None
    course: Course = "digital-key"
    starts: Moment
    minutes: Annotated[int, Field(ge=15, le=600, description="how long it takes")] = 120
    places: Annotated[int, Field(ge=1, le=200)]


class SessionPlannedFor(Answer):
    session: Session
    centre: CentreRef
    course: Course
    starts: Moment
    ends: Moment
    places: int


class SessionListed(SessionPlannedFor):
    booked: int
    waiting: int


class SessionsPage(Answer):
    sessions: list[SessionListed]
    next: Annotated[str | None, Field(description="give it as `after` for the next page")]


class LearnerShown(Answer):
    member: Member
    place: Place
    present: bool | None
    skill_expires: date | None


class SessionShown(SessionListed):
    learners: Annotated[list[LearnerShown], Field(description="to the coordinator all, to a member himself")]


class EnrolmentGiven(Request):
    member: Annotated[MemberRef | None, Field(description="who; a volunteer means himself")] = None


class EnrolmentShown(Answer):
    member: Member
    place: Place


class EnrolmentGivenBack(Answer):
    member: Member
    moved_up: Annotated[MemberRef | None, Field(description="who had waited longest and has the place now")]


class MarkGiven(Request):
    member: Member
    present: bool
    passed: Annotated[bool, Field(description="of the practical check; grants the skill")] = False


class AttendanceGiven(Request):
    marks: Annotated[list[MarkGiven], Field(min_length=1, max_length=200)]


class SkillShown(Answer):
    member: Member
    skill: Code
    expires: date


class AttendanceShown(Answer):
    recorded: Annotated[int, Field(description="how many members")]
    granted: list[SkillShown]


class RecordShown(Answer):
    session: Session
    record: Record
    skill: Code | None
    expires: date | None


class LearnersRecord(Answer):
    member: Member
    sessions: list[RecordShown]
