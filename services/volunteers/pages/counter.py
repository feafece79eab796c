"""The volunteers' part of a counter's screen: who helps the one who is there, how she gets home. A page of its own too,
for a browser without JavaScript; the counter's page fetches its part by its id.
"""

from collections.abc import Awaitable
from contextlib import suppress
from functools import partial
from typing import Annotated, Any

from fastapi import Response
from starlette.responses import HTMLResponse

from services.chassis.access import Actor, TicketPath, may
from services.chassis.errors import NotFound
from services.chassis.pages import TheForm, ThePage
from services.chassis.web import Now, Router
from services.contracts.words import CounterNumber
from services.volunteers.api import (
    Assistances,
    Centres,
    Members,
    OurSealer,
    Rides,
    ask_for_help,
    ask_for_ride,
    ride_for,
    show_assistance,
)
from services.volunteers.shapes import AssistanceShown, HelpNeeded, RideShown, RideWanted

router = Router(prefix="/volunteers/counter", tags=["pages"], include_in_schema=False)

Clerk = Annotated[Actor, may("staff")]


@router.get("/{counter}/{ticket}")
async def help_and_ride(
    counter: CounterNumber,
    ticket: TicketPath,
    page: ThePage,
    rides: Rides,
    assistances: Assistances,
    members: Members,
    sealer: OurSealer,
    who: Clerk,
) -> HTMLResponse:
    facts = await _facts(counter, ticket, rides, assistances, members, sealer, who)
    return page.show("volunteers/counter.html", **facts)


@router.post("/{counter}/{ticket}/help")
async def a_volunteer_please(
    counter: CounterNumber,
    ticket: TicketPath,
    page: ThePage,
    form: TheForm,
    rides: Rides,
    assistances: Assistances,
    members: Members,
    sealer: OurSealer,
    who: Clerk,
    now: Now,
) -> Response:
    asked = ask_for_help(HelpNeeded(ticket=ticket), assistances, who, form.once, now)
    return await _after(asked, counter, ticket, page, rides, assistances, members, sealer, who)


@router.post("/{counter}/{ticket}/ride")
async def a_ride_please(
    counter: CounterNumber,
    ticket: TicketPath,
    page: ThePage,
    form: TheForm,
    rides: Rides,
    assistances: Assistances,
    centres: Centres,
    members: Members,
    sealer: OurSealer,
    who: Clerk,
    now: Now,
) -> Response:
    """Where to is hers to say, on her ticket's page: nobody asks for it aloud at a counter."""
    asked = ask_for_ride(RideWanted(ticket=ticket), rides, assistances, centres, sealer, who, form.once, now)
    return await _after(asked, counter, ticket, page, rides, assistances, members, sealer, who)


async def _after(
    asked: Awaitable[Any],
    counter: int,
    ticket: str,
    page: ThePage,
    rides: Rides,
    assistances: Assistances,
    members: Members,
    sealer: OurSealer,
    who: Actor,
) -> Response:
    again = partial(_facts, counter, ticket, rides, assistances, members, sealer, who)
    return await page.after(asked, f"/counter/{counter}", "volunteers/counter.html", again)


async def _facts(
    counter: int,
    ticket: str,
    rides: Rides,
    assistances: Assistances,
    members: Members,
    sealer: OurSealer,
    who: Actor,
) -> dict[str, Any]:
    help: AssistanceShown | None = None
    ride: RideShown | None = None
    known = False
    with suppress(NotFound):
        help = await show_assistance(f"{ticket}-help", assistances, members, sealer, who)
    with suppress(NotFound):
        ride, found = await ride_for(f"{ticket}-ride", rides, members, sealer, who)
        known = found.destination is not None
    return {"counter": counter, "ticket": ticket, "help": help, "ride": ride, "known": known}
