"""Who is asked next about a job, and in which order. Pure.

Near first, and not always the same: 0.3 km for each job that somebody did today more than the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import cos, hypot, radians

from services.chassis.clock import local_day
from services.contracts.words import JobKind
from services.notify.dispatch_state import (
    ASKED_AT_MOST,
    FLOOR_ASKED_AFTER,
    Dispatch,
    Job,
    Point,
    Scene,
    Volunteer,
)

KM_A_DEGREE = 111.2
UNKNOWN_KM = 5.0
"""How far we take somebody to live of whom we do not know it."""
KM_AN_EXCESS_JOB = 0.3
KM_WITHOUT_THE_LANGUAGE = 3.0
KM_WITHOUT_A_SKILL = 0.5
"""A helper without a valid skill is asked after one who has it, until that one has done two jobs more."""


def metres(one: Point | None, other: Point | None) -> int | None:
    """Between two points of a ward; None when one is not known."""
    if one is None or other is None:
        return None
    north, east = other[0] - one[0], (other[1] - one[1]) * cos(radians(one[0]))
    return round(hypot(north, east) * KM_A_DEGREE * 1_000)


def next_to_ask(dispatch: Dispatch, scene: Scene, id: str, now: datetime) -> str | None:
    """The member to be asked next about this job; None when there is nobody."""
    job = dispatch.jobs[id]
    asked_now = {offer.member for _, offer in dispatch.standing(id)}
    possible = [
        (ref, volunteer)
        for ref, volunteer in dispatch.members.items()
        if ref not in asked_now and _may_be_asked(scene, job, ref, volunteer, now)
    ]
    if not possible:
        return None
    return _in_order(dispatch, job, possible, now)[0][0]


def _in_order(
    dispatch: Dispatch, job: Job, people: Sequence[tuple[str, Volunteer]], now: datetime
) -> list[tuple[str, Volunteer]]:
    fewest = min((volunteer.jobs for _, volunteer in people), default=0)

    def rank(one: tuple[str, Volunteer]) -> tuple[int, float, int, str]:
        ref, volunteer = one
        excess = (volunteer.jobs - fewest) * KM_AN_EXCESS_JOB
        return job.times_asked.get(ref, 0), _km(dispatch, job, volunteer, now) + excess, volunteer.offers, ref

    return sorted(people, key=rank)


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody who could do a job, as whoever gives it by hand must know him."""

    member: str
    metres: int | None
    """From his hamlet to where a ride goes."""
    jobs: int
    on_floor: bool
    busy: bool
    declined: bool
    asked: bool
    thins: bool
    """Were he gone, fewer than the minimum would be left on the floor."""


def candidates(dispatch: Dispatch, id: str, now: datetime) -> list[Candidate]:
    """Everybody who could do it at all, in the order of offers; behind them those against whom something speaks."""
    job, scene = dispatch.jobs[id], dispatch.scene
    able = [
        (ref, volunteer)
        for ref, volunteer in dispatch.members.items()
        if volunteer.active
        and (volunteer.can_take(job.seats) if job.kind is JobKind.RIDE else ref in scene.present)
        and ref != job.member
    ]
    asked_now = {offer.member for _, offer in dispatch.standing(id)}
    found = [
        Candidate(
            member=ref,
            metres=metres(dispatch.point_of(volunteer.hamlet), dispatch.point_of(job.hamlet)),
            jobs=volunteer.jobs,
            on_floor=ref in scene.present,
            busy=ref in scene.busy,
            declined=ref in job.declined,
            asked=ref in asked_now,
            thins=not may_take(scene, job, ref, volunteer),
        )
        for ref, volunteer in _in_order(dispatch, job, able, now)
    ]
    return sorted(found, key=lambda one: (one.busy, one.thins, one.declined))


def _may_be_asked(scene: Scene, job: Job, ref: str, volunteer: Volunteer, now: datetime) -> bool:
    if not volunteer.active or ref in scene.busy:
        return False
    if ref in job.declined or job.times_asked.get(ref, 0) >= ASKED_AT_MOST:
        return False
    too_early = job.kind is JobKind.RIDE and volunteer.on_floor and now < job.asked + FLOOR_ASKED_AFTER
    return not too_early and may_take(scene, job, ref, volunteer)


def may_take(scene: Scene, job: Job, ref: str, volunteer: Volunteer) -> bool:
    """Whether he could do it where he stands now, without emptying the floor."""
    if job.kind is JobKind.ASSISTANCE:
        return ref in scene.present
    if not volunteer.can_take(job.seats):
        return False
    return ref not in scene.present or scene.to_spare >= (0 if ref in scene.may_leave else 1)


def _km(dispatch: Dispatch, job: Job, volunteer: Volunteer, now: datetime) -> float:
    if job.kind is JobKind.RIDE:
        away = metres(dispatch.point_of(volunteer.hamlet), dispatch.point_of(job.hamlet))
        return UNKNOWN_KM if away is None else away / 1_000
    speaks = job.language == "vi" or job.language in volunteer.languages
    skilled = volunteer.skilled(local_day(now))
    return (0.0 if speaks else KM_WITHOUT_THE_LANGUAGE) + (0.0 if skilled else KM_WITHOUT_A_SKILL)
