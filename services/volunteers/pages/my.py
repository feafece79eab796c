"""`/volunteer`: a member's own phone. Check in and out, what he has taken on, what came of it, his hours.

What he is asked to do is the notifier's to know: a part of the page that the browser fetches from there.
"""

from datetime import datetime
from functools import partial
from typing import Annotated, Any, Final

from fastapi import Response
from starlette.responses import HTMLResponse

from services.chassis.access import Actor, may
from services.chassis.errors import NotFound, Refusal
from services.chassis.pages import TheForm, ThePage
from services.chassis.web import Now, Router
from services.contracts.words import AssistanceRef, JobRef, RideRef
from services.volunteers.api import (
    Assistances,
    Centres,
    Members,
    OurSealer,
    OurViews,
    Rides,
    cancel_ride,
    correct_assistance,
    done_today,
    drop_off,
    finish_assistance,
    my_hours,
    my_jobs,
    pick_up,
    release,
    ride_for,
    show_assistance,
    show_ride,
)
from services.volunteers.api_members import check_in, check_out, list_hamlets, show_member
from services.volunteers.pages.coordinator import CAN_BE_SAID
from services.volunteers.shapes import AssistanceShown, RideShown, WhatCameOfIt

router = Router(prefix="/volunteer", tags=["pages"], include_in_schema=False)

Me = Annotated[Actor, may("volunteer")]
HOME: Final = "/volunteer"


@router.get("")
async def my_work(page: ThePage, members: Members, centres: Centres, our: OurViews, who: Me, now: Now) -> HTMLResponse:
    return page.show("volunteers/my.html", **await _mine(members, centres, our, who, now))


@router.post("/check-in")
async def arrive(
    page: ThePage, form: TheForm, members: Members, centres: Centres, our: OurViews, who: Me, now: Now
) -> Response:
    pressed = check_in(_centre(who), members, who, form.once, now)
    return await page.after(pressed, HOME, "volunteers/my.html", partial(_mine, members, centres, our, who, now))


@router.post("/check-out")
async def leave(
    page: ThePage, form: TheForm, members: Members, centres: Centres, our: OurViews, who: Me, now: Now
) -> Response:
    pressed = check_out(_centre(who), members, who, form.once, now)
    return await page.after(pressed, HOME, "volunteers/my.html", partial(_mine, members, centres, our, who, now))


async def _mine(members: Members, centres: Centres, our: OurViews, who: Actor, now: datetime) -> dict[str, Any]:
    here = await members.read(_member(who), lambda member: member.check_in)
    return {
        "here": here,
        "jobs": (await my_jobs(our, who)).jobs,
        "done": (await done_today(our, who, now)).done,
        "hamlets": (await list_hamlets(_centre(who), centres, who)).hamlets,
        "results": CAN_BE_SAID,
    }


# ------------------------------------------------------------------------------------------------------ a job


@router.get("/jobs/{job}")
async def one_job(
    job: JobRef,
    page: ThePage,
    rides: Rides,
    assistances: Assistances,
    members: Members,
    centres: Centres,
    sealer: OurSealer,
    who: Me,
) -> HTMLResponse:
    """Whole: the driver of an open ride reads here where to. It is not asked for again while nothing changes."""
    if job.endswith("-ride"):
        return page.show("volunteers/my-ride.html", **await _ride(job, rides, members, centres, sealer, who))
    return page.show("volunteers/my-help.html", **await _help(job, assistances, members, sealer, who))


@router.get("/jobs/{job}/state")
async def state_of_job(
    job: JobRef, page: ThePage, rides: Rides, assistances: Assistances, members: Members, sealer: OurSealer, who: Me
) -> HTMLResponse:
    """Only how it stands: what the page of the job looks at every few seconds, to come again when that has changed."""
    try:
        if job.endswith("-ride"):
            ride, _ = await ride_for(job, rides, members, sealer, who)
            state = _state(ride, ride.driver == who.member)
        else:
            help = await show_assistance(job, assistances, members, sealer, who)
            state = _state(help, help.member == who.member)
    except NotFound:
        state = _state(None, False)
    return page.show("volunteers/my-state.html", state=state)


@router.post("/jobs/{assistance_id}/finish")
async def what_came_of_it(
    assistance_id: AssistanceRef,
    page: ThePage,
    form: TheForm,
    assistances: Assistances,
    members: Members,
    sealer: OurSealer,
    who: Me,
    now: Now,
) -> Response:
    try:
        came = form.into(WhatCameOfIt, result=form.text("result"))
        change = correct_assistance if form.ticked("again") else finish_assistance
        await change(assistance_id, came, assistances, who, form.once, now)
    except Refusal as refused:
        facts = await _help(assistance_id, assistances, members, sealer, who)
        return page.refuse("volunteers/my-help.html", refused, **facts)
    return page.go(f"{HOME}/jobs/{assistance_id}")


@router.post("/jobs/{ride_id}/pick-up")
async def she_is_on(
    ride_id: RideRef,
    page: ThePage,
    form: TheForm,
    rides: Rides,
    members: Members,
    centres: Centres,
    sealer: OurSealer,
    who: Me,
    now: Now,
) -> Response:
    pressed = pick_up(ride_id, rides, who, form.once, now)
    again = partial(_ride, ride_id, rides, members, centres, sealer, who)
    return await page.after(pressed, f"{HOME}/jobs/{ride_id}", "volunteers/my-ride.html", again)


@router.post("/jobs/{ride_id}/drop-off")
async def she_is_home(
    ride_id: RideRef,
    page: ThePage,
    form: TheForm,
    rides: Rides,
    members: Members,
    centres: Centres,
    sealer: OurSealer,
    who: Me,
    now: Now,
) -> Response:
    pressed = drop_off(ride_id, rides, who, form.once, now)
    again = partial(_ride, ride_id, rides, members, centres, sealer, who)
    return await page.after(pressed, f"{HOME}/jobs/{ride_id}", "volunteers/my-ride.html", again)


@router.get("/jobs/{ride_id}/give-back")
async def really_not(
    ride_id: RideRef, page: ThePage, rides: Rides, members: Members, sealer: OurSealer, who: Me
) -> HTMLResponse:
    return page.show("volunteers/my-give-back.html", **await _to_give_back(ride_id, rides, members, sealer, who))


@router.post("/jobs/{ride_id}/give-back")
async def somebody_else_must(
    ride_id: RideRef,
    page: ThePage,
    form: TheForm,
    rides: Rides,
    members: Members,
    sealer: OurSealer,
    who: Me,
    now: Now,
) -> Response:
    """I cannot: others are asked. Or nobody needs to drive, she said: the ride is over."""
    pressed = (cancel_ride if form.ticked("over") else release)(ride_id, rides, who, form.once, now)
    again = partial(_to_give_back, ride_id, rides, members, sealer, who)
    return await page.after(pressed, HOME, "volunteers/my-give-back.html", again)


async def _to_give_back(ride_id: str, rides: Rides, members: Members, sealer: OurSealer, who: Actor) -> dict[str, Any]:
    ride, _ = await ride_for(ride_id, rides, members, sealer, who)
    return {"ride": ride}


async def _ride(
    ride_id: str, rides: Rides, members: Members, centres: Centres, sealer: OurSealer, who: Actor
) -> dict[str, Any]:
    ride: RideShown | None
    try:
        ride = await show_ride(ride_id, rides, members, sealer, who)
    except NotFound:
        ride = None  # accepted this moment: the ride will hear of it
    hamlets = (await list_hamlets(_centre(who), centres, who)).hamlets
    mine = ride is not None and ride.driver == who.member
    return {"ride": ride, "ride_id": ride_id, "mine": mine, "hamlets": hamlets, "state": _state(ride, mine)}


async def _help(
    assistance_id: str, assistances: Assistances, members: Members, sealer: OurSealer, who: Actor
) -> dict[str, Any]:
    help: AssistanceShown | None
    try:
        help = await show_assistance(assistance_id, assistances, members, sealer, who)
    except NotFound:
        help = None
    mine = help is not None and help.member == who.member
    return {
        "help": help,
        "help_id": assistance_id,
        "mine": mine,
        "results": CAN_BE_SAID,
        "state": _state(help, mine),
    }


def _state(job: RideShown | AssistanceShown | None, mine: bool) -> str:
    """What the page of a job compares, to come again when it differs."""
    return f"{job.state.value} {mine}" if job else "unknown"


# ------------------------------------------------------------------------------------------------------ hours


@router.get("/hours")
async def hours(page: ThePage, members: Members, our: OurViews, sealer: OurSealer, who: Me, now: Now) -> HTMLResponse:
    me = await show_member(_member(who), members, sealer, who)
    return page.show("volunteers/my-hours.html", me=me, hours=await my_hours(our, who, now))


def _member(who: Actor) -> str:
    assert who.member is not None
    return who.member


def _centre(who: Actor) -> str:
    return _member(who)[:5]
