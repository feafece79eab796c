"""Read models: one row a session, and one row a learner in a session (his record is all of his rows)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum

from services.chassis.views import Stamp, View
from services.contracts.events import SkillGranted
from services.contracts.words import Fact
from services.training.domain import (
    AttendanceRecorded,
    Enrolled,
    EnrolmentCancelled,
    MovedUp,
    Place,
    Session,
    SessionPlanned,
)


@dataclass(frozen=True, slots=True)
class SessionRow:
    centre: str
    course: str
    starts: datetime
    ends: datetime
    places: int
    booked: int = 0
    waiting: int = 0
    seats: dict[str, Place] | None = None
    """Who has which place: what a cancelled enrolment gives back depends on it."""


def _session_keys(fact: Fact, stamp: Stamp) -> Sequence[str]:
    return [stamp.id] if isinstance(fact, SessionPlanned | Enrolled | MovedUp | EnrolmentCancelled) else []


def _fold_session(row: SessionRow | None, fact: Fact, stamp: Stamp) -> SessionRow | None:
    if isinstance(fact, SessionPlanned):
        return SessionRow(stamp.id[:5], fact.course, fact.starts, fact.ends, fact.places)
    if row is None:
        return None
    seats = dict(row.seats or {})
    match fact:
        case Enrolled():
            seats[fact.member] = fact.place
        case MovedUp():
            seats[fact.member] = Place.BOOKED
        case EnrolmentCancelled():
            seats.pop(fact.member, None)
    places = list(seats.values())
    return replace(row, seats=seats, booked=places.count(Place.BOOKED), waiting=places.count(Place.WAITING))


SESSIONS = View("session", Session, SessionRow, _session_keys, _fold_session, ("centre",))


class Record(StrEnum):
    WAITING = "waiting"
    BOOKED = "booked"
    CANCELLED = "cancelled"
    ABSENT = "absent"
    PRESENT = "present"
    PASSED = "passed"


@dataclass(frozen=True, slots=True)
class LearnerRow:
    member: str
    session: str
    record: Record
    since: datetime
    skill: str | None = None
    expires: date | None = None


def _learner_keys(fact: Fact, stamp: Stamp) -> Sequence[str]:
    if isinstance(fact, Enrolled | MovedUp | EnrolmentCancelled | AttendanceRecorded | SkillGranted):
        return [f"{fact.member}/{stamp.id}"]
    return []


def _fold_learner(row: LearnerRow | None, fact: Fact, stamp: Stamp) -> LearnerRow | None:
    match fact:
        case Enrolled():
            record = Record.BOOKED if fact.place is Place.BOOKED else Record.WAITING
            return LearnerRow(fact.member, stamp.id, record, stamp.at)
        case MovedUp() if row:
            return replace(row, record=Record.BOOKED, since=stamp.at)
        case EnrolmentCancelled() if row:
            return replace(row, record=Record.CANCELLED, since=stamp.at)
        case AttendanceRecorded() if row:
            seen = Record.PASSED if fact.passed else Record.PRESENT if fact.present else Record.ABSENT
            return replace(row, record=seen, since=stamp.at)
        case SkillGranted() if row:
            return replace(row, skill=fact.skill, expires=fact.expires)
    return row


LEARNERS = View(
    "learner", Session, LearnerRow, _learner_keys, _fold_learner, ("member",), lambda key: key.split("/", 1)[1]
)
ALL = (SESSIONS, LEARNERS)
