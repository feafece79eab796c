"""The kiosk: what would you like to do, what do you need for it, anything else, your number. One thing a page.

It is one device for everybody, so nothing of a citizen stays: her pass is a cookie that `/kiosk/done` takes away, and
each page goes there by itself when nobody touches it.
"""

from typing import Annotated

import segno
from fastapi import Request, Response
from starlette.responses import HTMLResponse

from services.chassis.access import PASS_COOKIE, Actor, drop_pass, keep_pass, may
from services.chassis.errors import Refusal
from services.chassis.pages import Form, TheForm, ThePage
from services.chassis.problems import LANGUAGE_COOKIE
from services.chassis.web import Now, Router
from services.contracts.words import Code
from services.queue.api import Centres, Halls, OurViews, issue_ticket, show_ticket
from services.queue.api_centre import list_services
from services.queue.refusals import UnknownService
from services.queue.shapes import ServiceShown, ServicesList, TicketWanted

router = Router(prefix="/kiosk", tags=["pages"], include_in_schema=False)

Kiosk = Annotated[Actor, may("kiosk")]


@router.get("")
async def tiles(page: ThePage, halls: Halls, centres: Centres, who: Kiosk, now: Now) -> HTMLResponse:
    """What would you like to do?"""
    return page.show("queue/kiosk-tiles.html", offered=await _offered(halls, centres, who, now))


@router.get("/done")
async def done(request: Request, page: ThePage, who: Kiosk) -> Response:
    """The next one begins anew: nothing is left of the one before, not her language either."""
    answer = page.go("/kiosk")
    drop_pass(answer, request)
    answer.delete_cookie(LANGUAGE_COOKIE)
    return answer


@router.get("/take/{service}")
async def checklist(service: Code, page: ThePage, halls: Halls, centres: Centres, who: Kiosk, now: Now) -> HTMLResponse:
    """What do you need for it?"""
    offered = await _offered(halls, centres, who, now)
    return page.show("queue/kiosk-checklist.html", offered=offered, service=_service(offered, service))


@router.get("/take/{service}/wishes")
async def wishes(service: Code, page: ThePage, halls: Halls, centres: Centres, who: Kiosk, now: Now) -> HTMLResponse:
    """Do you need anything else?"""
    offered = await _offered(halls, centres, who, now)
    return page.show("queue/kiosk-wishes.html", offered=offered, service=_service(offered, service))


@router.post("/take/{service}/wishes")
async def take(
    service: Code,
    request: Request,
    page: ThePage,
    form: TheForm,
    halls: Halls,
    centres: Centres,
    who: Kiosk,
    now: Now,
) -> Response:
    """The number; before it the phone number, if she would like to be told."""
    offered = await _offered(halls, centres, who, now)
    shown = _service(offered, service)
    if form.ticked("tell"):
        return page.show("queue/kiosk-phone.html", offered=offered, service=shown, wished=_wished(form))
    try:
        wanted = form.into(
            TicketWanted,
            service=service,
            needs_help=form.ticked("help"),
            ride_home=form.ticked("ride"),
            priority=form.ticked("priority"),
            contact_ref=form.text("contact_ref") or None,
            language=page.language,
        )
        given = await issue_ticket(offered.centre, wanted, halls, centres, who, form.once, now)
    except Refusal as refused:
        return page.refuse("queue/kiosk-wishes.html", refused, offered=offered, service=shown)
    answer = page.go("/volunteers/kiosk/ride" if wanted.ride_home else "/kiosk/number")
    keep_pass(answer, request, given.pass_)
    return answer


@router.get("/number")
async def number(
    request: Request, page: ThePage, halls: Halls, centres: Centres, views: OurViews, who: Kiosk, now: Now
) -> Response:
    """Here it is, and what comes next."""
    if page.ticket is None or not who.reaches(page.ticket[:5]):
        return page.go("/kiosk")
    offered = await _offered(halls, centres, who, now)
    ticket = await show_ticket(page.ticket, halls, centres, views, who, now)
    address = page.link(f"/ticket#{request.cookies[PASS_COOKIE]}")
    code = segno.make(address, error="m", micro=False).svg_inline(scale=4, border=2, omitsize=True)
    return page.show("queue/kiosk-number.html", offered=offered, ticket=ticket, code=code)


async def _offered(halls: Halls, centres: Centres, who: Actor, now: Now) -> ServicesList:
    return await list_services(min(who.centres), halls, centres, who, now)


def _service(offered: ServicesList, code: str) -> ServiceShown:
    for service in offered.services:
        if service.code == code:
            return service
    raise UnknownService(service=code, known=", ".join(service.code for service in offered.services))


def _wished(form: Form) -> list[str]:
    return [name for name in ("help", "ride", "priority") if form.ticked(name)]
