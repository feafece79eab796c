"""What the dispatch of a centre knows, and how each fact changes it. Pure; the rules are in `dispatch`."""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from pydantic import BaseModel, ConfigDict

from services.contracts.events import OfferAccepted, OfferEscalated, OfferMade, OfferVoid, Skill
from services.contracts.words import (
    Code,
    ContactRef,
    EscalatedBecause,
    Fact,
    JobKind,
    JobRef,
    Language,
    MemberRef,
    TicketCode,
    Vehicle,
    VoidBecause,
)

WINDOW = 3
"""Open offers a job at one time: nearly as quick as asking everybody, with half the messages."""
OFFER_STANDS = timedelta(seconds=120)
FLOOR_ASKED_AFTER = timedelta(minutes=3)
"""A ride is offered to members on duty too."""
ESCALATED_AFTER = timedelta(minutes=6)
HELP_OFFERED_FOR = timedelta(minutes=30)
"""The coordinator has it at six minutes; whoever comes free or comes in is asked all the same: she is still waiting."""
FLOOR_MINIMUM = 2
ASKED_AT_MOST = 2
"""How often one member is asked about one job when he lets an offer pass; who declines is asked once."""
KEPT = timedelta(hours=24)
"""A wish older than this is nobody's any more, and an end is remembered as long: whichever is heard first."""
CLOSED_KEPT = timedelta(minutes=30)
"""How long an offer that stands no longer is known, to say what became of it."""
Point = tuple[float, float]
"""Latitude and longitude in degrees."""
SEATS: Mapping[Vehicle, int] = {Vehicle.NONE: 0, Vehicle.MOTORBIKE: 1, Vehicle.CAR: 4}


# ------------------------------------------------------------------------------------------------------ facts


class Hamlet(BaseModel):
    """A part of the ward and the point in its middle (degrees)."""

    model_config = ConfigDict(frozen=True)
    name: str
    lat: float | None = None
    lon: float | None = None


class CentreDescribed(Fact):
    """The centre's own part of its YAML; `short_name` is what an SMS begins with."""

    short_name: str
    lat: float | None = None
    lon: float | None = None
    hamlets: dict[Code, Hamlet]


class MemberKnown(Fact):
    member: MemberRef
    sequence: int
    active: bool
    vehicle: Vehicle
    spare_helmet: bool
    hamlet: Code | None
    skills: tuple[Skill, ...]
    languages: tuple[Language, ...]
    contact_ref: ContactRef | None


class OnTheFloor(Fact):
    member: MemberRef
    sequence: int


class OffTheFloor(Fact):
    """`at` is when he left: what he was doing there is open again since then."""

    member: MemberRef
    sequence: int
    left: datetime


class DayBegun(Fact):
    """The first decision of a local day: offers and jobs are counted from nought."""

    day: date


class JobOpened(Fact):
    """Wanted since `asked`; never offered when that was too long ago as we heard of it."""

    job: JobRef
    kind: JobKind
    sequence: int
    asked: datetime
    code: TicketCode
    hamlet: Code | None = None
    seats: int = 1
    language: Language = "vi"
    too_late: bool = False
    not_to: MemberRef | None = None
    """Who gave it back."""


class JobDescribed(Fact):
    """What an older word says of a job that a newer one had already given to somebody."""

    job: JobRef
    code: TicketCode
    hamlet: Code | None
    seats: int
    language: Language


class JobGiven(Fact):
    """The ride or assistance says who has it."""

    job: JobRef
    kind: JobKind
    sequence: int
    member: MemberRef
    offer_id: str
    given: datetime


class JobEnded(Fact):
    job: JobRef
    sequence: int


class JobForgotten(Fact):
    """A day has passed and nobody said how it ended."""

    job: JobRef


class FloorAskedToo(Fact):
    """Nobody took this ride for three minutes."""

    job: JobRef


# ------------------------------------------------------------------------------------------------------ state


@dataclass(slots=True)
class Volunteer:
    """A member as the dispatch knows him; `offers` and `jobs` are today's."""

    active: bool = True
    vehicle: Vehicle = Vehicle.NONE
    spare_helmet: bool = False
    hamlet: str | None = None
    skills: dict[str, date | None] = field(default_factory=dict)
    languages: list[str] = field(default_factory=list)
    contact_ref: str | None = None
    known: int = 0
    """Sequence of the newest description."""
    on_floor: bool = False
    seen: int = 0
    """Sequence of the newest check-in or check-out."""
    offers: int = 0
    jobs: int = 0

    def can_take(self, seats: int) -> bool:
        helmet = self.spare_helmet or self.vehicle is not Vehicle.MOTORBIKE
        return helmet and seats <= SEATS[self.vehicle]

    def skilled(self, day: date) -> bool:
        return any(expires is None or expires >= day for expires in self.skills.values())


@dataclass(slots=True)
class Job:
    kind: JobKind
    sequence: int
    """Of the newest word of the ride or assistance."""
    asked: datetime
    code: str | None = None
    hamlet: str | None = None
    seats: int = 1
    language: str = "vi"
    too_late: bool = False
    floor_too: bool = False
    escalated: EscalatedBecause | None = None
    member: str | None = None
    offer: str | None = None
    """The offer by which `member` has it."""
    times_asked: dict[str, int] = field(default_factory=dict)
    declined: list[str] = field(default_factory=list)

    @property
    def open(self) -> bool:
        return self.member is None

    def reopen(self, asked: datetime) -> None:
        """Whoever had it has left: it is wanted since then, and everybody may be asked anew."""
        self.asked, self.member, self.offer, self.escalated = asked, None, None, None
        self.times_asked = {}


@dataclass(slots=True)
class Offer:
    job: str
    member: str
    made: datetime
    expires: datetime
    closed: VoidBecause | None = None


@dataclass(slots=True)
class Ended:
    sequence: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Scene:
    """Who has a job, who stands on the floor (a driver on his way does not, though he is checked in), and who of those
    could be gone in a moment: each open ride offer counts as if it were accepted."""

    busy: set[str]
    present: set[str]
    may_leave: set[str]

    @property
    def to_spare(self) -> int:
        """How many more of those present may be offered a ride. Negative: offers must be taken back."""
        return len(self.present) - len(self.may_leave) - FLOOR_MINIMUM


@dataclass(slots=True)
class Dispatch:
    id: str
    short_name: str = ""
    lat: float | None = None
    lon: float | None = None
    hamlets: dict[str, Hamlet] = field(default_factory=dict)
    members: dict[str, Volunteer] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    ended: dict[str, Ended] = field(default_factory=dict)
    offers: dict[str, Offer] = field(default_factory=dict)
    """Those that stand."""
    closed: dict[str, Offer] = field(default_factory=dict)
    day: date | None = None
    made: int = 0
    """Offers ever made: an offer's reference is made of it, the same again when it is decided again."""

    def member(self, ref: str) -> Volunteer:
        """What is known of him; a member that nobody described yet can help, not drive."""
        return self.members.get(ref) or Volunteer()

    def newest(self, job: str) -> int:
        """The sequence of the newest word that was heard of a job."""
        live, ended = self.jobs.get(job), self.ended.get(job)
        return max(live.sequence if live else 0, ended.sequence if ended else 0)

    def standing(self, job: str) -> list[tuple[str, Offer]]:
        return [(id, offer) for id, offer in self.offers.items() if offer.job == job]

    def job_of(self, member: str) -> str | None:
        return next((id for id, job in self.jobs.items() if job.member == member), None)

    @property
    def scene(self) -> "Scene":
        busy = {job.member for job in self.jobs.values() if job.member}
        away = {job.member for job in self.jobs.values() if job.member and job.kind is JobKind.RIDE}
        present = {ref for ref, volunteer in self.members.items() if volunteer.on_floor} - away
        rides = {offer.member for offer in self.offers.values() if self.jobs[offer.job].kind is JobKind.RIDE}
        return Scene(busy, present, rides & present)

    def copy(self) -> "Dispatch":
        """One to try facts on: what `evolve` changes in place is the copy's own, the rest is shared."""
        mine = copy(self)
        mine.members = {ref: copy(volunteer) for ref, volunteer in self.members.items()}
        mine.jobs = {
            id: replace(job, times_asked={**job.times_asked}, declined=[*job.declined]) for id, job in self.jobs.items()
        }
        mine.ended = dict(self.ended)
        mine.offers = {id: copy(offer) for id, offer in self.offers.items()}
        mine.closed = {id: copy(offer) for id, offer in self.closed.items()}
        return mine

    @property
    def point(self) -> Point | None:
        return None if self.lat is None or self.lon is None else (self.lat, self.lon)

    def point_of(self, hamlet: str | None) -> Point | None:
        """The middle of a hamlet; None when its place is not known."""
        found = self.hamlets.get(hamlet) if hamlet else None
        return None if found is None or found.lat is None or found.lon is None else (found.lat, found.lon)


# ------------------------------------------------------------------------------------------------------ evolve


def evolve(dispatch: Dispatch, fact: Fact, at: datetime) -> None:
    match fact:
        case CentreDescribed():
            dispatch.short_name, dispatch.hamlets = fact.short_name, dict(fact.hamlets)
            dispatch.lat, dispatch.lon = fact.lat, fact.lon
        case DayBegun():
            dispatch.day = fact.day
            for volunteer in dispatch.members.values():
                volunteer.offers = volunteer.jobs = 0
        case MemberKnown():
            _describe(_volunteer(dispatch, fact.member), fact)
        case OnTheFloor() | OffTheFloor():
            _evolve_floor(dispatch, fact)
        case JobOpened() | JobDescribed() | JobGiven() | JobEnded() | JobForgotten() | FloorAskedToo():
            _evolve_job(dispatch, fact, at)
        case OfferMade() | OfferAccepted() | OfferVoid():
            _evolve_offer(dispatch, fact, at)
        case OfferEscalated():
            dispatch.jobs[fact.job].escalated = fact.reason


def _volunteer(dispatch: Dispatch, ref: str) -> Volunteer:
    return dispatch.members.setdefault(ref, Volunteer())


def _describe(volunteer: Volunteer, fact: MemberKnown) -> None:
    volunteer.known, volunteer.active = fact.sequence, fact.active
    volunteer.vehicle, volunteer.spare_helmet = fact.vehicle, fact.spare_helmet
    volunteer.hamlet, volunteer.contact_ref = fact.hamlet, fact.contact_ref
    volunteer.skills = {skill.skill: skill.expires for skill in fact.skills}
    volunteer.languages = list(fact.languages)


def _evolve_floor(dispatch: Dispatch, fact: OnTheFloor | OffTheFloor) -> None:
    volunteer = _volunteer(dispatch, fact.member)
    volunteer.on_floor, volunteer.seen = isinstance(fact, OnTheFloor), fact.sequence
    for job in dispatch.jobs.values():
        if job.kind is JobKind.RIDE:
            continue
        if isinstance(fact, OnTheFloor) and fact.member in job.declined:
            job.declined.remove(fact.member)
        elif isinstance(fact, OffTheFloor) and job.member == fact.member:
            job.reopen(fact.left)
            job.declined.append(fact.member)


def _evolve_job(
    dispatch: Dispatch,
    fact: JobOpened | JobDescribed | JobGiven | JobEnded | JobForgotten | FloorAskedToo,
    at: datetime,
) -> None:
    match fact:
        case JobOpened():
            _open(dispatch, fact)
        case JobDescribed():
            _detail(dispatch.jobs[fact.job], fact)
        case JobGiven():
            job = dispatch.jobs.setdefault(fact.job, Job(fact.kind, fact.sequence, fact.given))
            if job.member != fact.member:
                _volunteer(dispatch, fact.member).jobs += 1
                job.member, job.offer = fact.member, fact.offer_id
            job.sequence = fact.sequence
        case JobEnded():
            dispatch.jobs.pop(fact.job, None)
            dispatch.ended = {job: end for job, end in dispatch.ended.items() if at - end.at < KEPT}
            dispatch.ended[fact.job] = Ended(fact.sequence, at)
        case JobForgotten():
            dispatch.jobs.pop(fact.job, None)
        case FloorAskedToo():
            dispatch.jobs[fact.job].floor_too = True


def _open(dispatch: Dispatch, fact: JobOpened) -> None:
    before = dispatch.jobs.get(fact.job)
    job = dispatch.jobs[fact.job] = Job(fact.kind, fact.sequence, fact.asked, too_late=fact.too_late)
    dispatch.ended.pop(fact.job, None)
    _detail(job, fact)
    if before:
        job.declined, job.times_asked = before.declined, before.times_asked if before.open else {}
    if fact.not_to and fact.not_to not in job.declined:
        job.declined.append(fact.not_to)


def _detail(job: Job, fact: JobOpened | JobDescribed) -> None:
    job.code, job.hamlet, job.seats, job.language = fact.code, fact.hamlet, fact.seats, fact.language


def _evolve_offer(dispatch: Dispatch, fact: OfferMade | OfferAccepted | OfferVoid, at: datetime) -> None:
    dispatch.closed = {id: offer for id, offer in dispatch.closed.items() if at - offer.expires < CLOSED_KEPT}
    offer = dispatch.offers.pop(fact.offer_id, None) or dispatch.closed.pop(fact.offer_id, None)
    job = dispatch.jobs.get(fact.job)
    match fact:
        case OfferMade():
            dispatch.made += 1
            dispatch.offers[fact.offer_id] = Offer(fact.job, fact.member, at, fact.expires)
            dispatch.members[fact.member].offers += 1
            if job:
                job.times_asked[fact.member] = job.times_asked.get(fact.member, 0) + 1
        case OfferAccepted():
            dispatch.closed[fact.offer_id] = offer or Offer(fact.job, fact.member, at, at)
            _volunteer(dispatch, fact.member).jobs += 1
            if job:
                job.member, job.offer = fact.member, fact.offer_id
        case OfferVoid():
            closed = dispatch.closed[fact.offer_id] = offer or Offer(fact.job, fact.member, at, at)
            closed.closed = fact.reason
            if job and fact.reason is VoidBecause.DECLINED and fact.member not in job.declined:
                job.declined.append(fact.member)
