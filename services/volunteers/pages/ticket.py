"""The volunteers' part of the citizen's ticket page: who helps her, who drives her home. A page of its own too, for a
browser without JavaScript; the ticket page fetches its two parts by their ids.
"""

from contextlib import suppress
from typing import Annotated

from fastapi import Response
from starlette.responses import HTMLResponse

from services.chassis.access import Actor, may
from services.chassis.errors import NotFound, Refusal
from services.chassis.ids import centre_of
from services.chassis.pages import FormNotValid, TheForm, ThePage
from services.chassis.web import Now, Router
from services.volunteers.api import (
    Assistances,
    Centres,
    Members,
    OurSealer,
    Rides,
    ask_for_ride,
    cancel_assistance,
    cancel_ride,
    may_ask_for_ride,
    ride_for,
    show_assistance,
)
from services.volunteers.api_members import list_hamlets
from services.volunteers.shapes import AssistanceShown, HamletShown, RideShown, RideWanted

router = Router(prefix="/volunteers/ticket", tags=["pages"], include_in_schema=False)

Holder = Annotated[Actor, may("holder")]
BACK = "/ticket"


@router.get("")
async def help_and_ride(
    page: ThePage,
    rides: Rides,
    assistances: Assistances,
    members: Members,
    centres: Centres,
    sealer: OurSealer,
    who: Holder,
    now: Now,
) -> HTMLResponse:
    ticket = _ticket(who)
    help: AssistanceShown | None = None
    ride: RideShown | None = None
    known = False
    with suppress(NotFound):
        help = await show_assistance(f"{ticket}-help", assistances, members, sealer, who)
    with suppress(NotFound):
        ride, found = await ride_for(f"{ticket}-ride", rides, members, sealer, who)
        known = found.destination is not None
    return page.show(
        "volunteers/ticket.html",
        help=help,
        ride=ride,
        known=known,
        possible=await may_ask_for_ride(ticket, assistances, now),
        hamlets=await _hamlets(centres, who),
    )


@router.get("/ride")
async def where_to(page: ThePage, centres: Centres, who: Holder) -> HTMLResponse:
    return page.show("volunteers/ticket-ride.html", hamlets=await _hamlets(centres, who), destination="", chosen="")


@router.post("/ride")
async def take_me_there(
    page: ThePage,
    form: TheForm,
    rides: Rides,
    assistances: Assistances,
    centres: Centres,
    sealer: OurSealer,
    who: Holder,
    now: Now,
) -> Response:
    hamlets = await _hamlets(centres, who)
    place, hamlet = form.text("destination"), form.text("hamlet")
    try:
        if not place and not hamlet:
            raise FormNotValid({"destination": page.speech._("bác chọn khu vực ở trên, hoặc ghi số nhà, tên đường")})
        wanted = form.into(
            RideWanted,
            ticket=_ticket(who),
            destination=place or (hamlets[hamlet].name if hamlet in hamlets else None),
            hamlet=hamlet or None,
            seats=int(form.text("seats")) if form.text("seats").isdecimal() else 1,
        )
        await ask_for_ride(wanted, rides, assistances, centres, sealer, who, form.once, now)
    except Refusal as refused:
        return page.refuse("volunteers/ticket-ride.html", refused, hamlets=hamlets, destination=place, chosen=hamlet)
    return page.go(BACK)


@router.post("/ride/cancel")
async def no_ride(page: ThePage, form: TheForm, rides: Rides, who: Holder, now: Now) -> Response:
    await cancel_ride(f"{_ticket(who)}-ride", rides, who, form.once, now)
    return page.go(BACK)


@router.post("/help/cancel")
async def no_help(page: ThePage, form: TheForm, assistances: Assistances, who: Holder, now: Now) -> Response:
    await cancel_assistance(f"{_ticket(who)}-help", assistances, who, form.once, now)
    return page.go(BACK)


async def _hamlets(centres: Centres, who: Actor) -> dict[str, HamletShown]:
    return (await list_hamlets(centre_of(_ticket(who)), centres, who)).hamlets


def _ticket(who: Actor) -> str:
    assert who.ticket is not None
    return who.ticket
