"""What the kiosk asks of the volunteers: that one of them comes, and where somebody without a way home lives.

The destination is asked for here, after the number was taken, and only of who said that she has no way home.
"""

from typing import Annotated

from fastapi import Response
from starlette.responses import HTMLResponse

from services.chassis.access import Actor, may
from services.chassis.errors import Refusal
from services.chassis.ids import centre_of
from services.chassis.pages import TheForm, ThePage
from services.chassis.web import Now, Router
from services.contracts.words import AssistanceRef
from services.volunteers.api import (
    Assistances,
    Centres,
    Members,
    OurSealer,
    OurViews,
    Rides,
    ask_for_ride,
    show_assistance,
    summon_helper,
)
from services.volunteers.api_members import list_hamlets
from services.volunteers.shapes import RideWanted, Summons

router = Router(prefix="/volunteers/kiosk", tags=["pages"], include_in_schema=False)

Kiosk = Annotated[Actor, may("kiosk")]


@router.post("/help")
async def call_somebody(
    page: ThePage, form: TheForm, assistances: Assistances, our: OurViews, sealer: OurSealer, who: Kiosk, now: Now
) -> Response:
    asked = Summons(language=page.language)
    called = await summon_helper(min(who.centres), asked, assistances, our, sealer, who, form.once, now)
    return page.go(f"/volunteers/kiosk/help/{called.assistance_id}")


@router.get("/help/{assistance_id}")
async def somebody_comes(
    assistance_id: AssistanceRef,
    page: ThePage,
    assistances: Assistances,
    members: Members,
    sealer: OurSealer,
    who: Kiosk,
) -> HTMLResponse:
    shown = await show_assistance(assistance_id, assistances, members, sealer, who)
    return page.show("volunteers/kiosk-help.html", help=shown)


@router.get("/ride")
async def where_to(page: ThePage, centres: Centres, who: Kiosk) -> Response:
    if page.ticket is None or not who.reaches(centre_of(page.ticket)):
        return page.go("/kiosk")
    hamlets = (await list_hamlets(centre_of(page.ticket), centres, who)).hamlets
    return page.show("volunteers/kiosk-ride.html", hamlets=hamlets, destination="")


@router.post("/ride")
async def take_her_there(
    page: ThePage,
    form: TheForm,
    rides: Rides,
    assistances: Assistances,
    centres: Centres,
    sealer: OurSealer,
    who: Kiosk,
    now: Now,
) -> Response:
    if page.ticket is None:
        return page.go("/kiosk")
    hamlets = (await list_hamlets(centre_of(page.ticket), centres, who)).hamlets
    try:
        hamlet = form.text("hamlet")
        place = form.text("destination") or (hamlets[hamlet].name if hamlet in hamlets else None)
        wanted = form.into(RideWanted, ticket=page.ticket, destination=place, hamlet=hamlet or None)
        await ask_for_ride(wanted, rides, assistances, centres, sealer, who, form.once, now)
    except Refusal as refused:
        place = form.text("destination")
        return page.refuse("volunteers/kiosk-ride.html", refused, hamlets=hamlets, destination=place)
    return page.go("/kiosk/number")
