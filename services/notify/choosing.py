"""Who is asked next about a job, and in which order. Pure.

Near first, and not always the same: 0.3 km for each job that somebody did today more than the others.
"""

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
    fewest = min(volunteer.jobs for _, volunteer in possible)

    def rank(one: tuple[str, Volunteer]) -> tuple[int, float, int, str]:
        ref, volunteer = one
        excess = (volunteer.jobs - fewest) * KM_AN_EXCESS_JOB
        return job.times_asked.get(ref, 0), _km(dispatch, job, volunteer, now) + excess, volunteer.offers, ref

    return min(possible, key=rank)[0]


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
