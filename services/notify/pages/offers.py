"""What a volunteer is asked to do: `/o#...` from an SMS leads to one offer, `/notify/volunteer` shows those that stand.

The latter is a part of his own page, which another service has, and a page by itself for a browser without JavaScript.
"""

from datetime import timedelta
from functools import partial
from typing import Annotated, Any, Final

from fastapi import Request, Response
from starlette.responses import HTMLResponse

from services.chassis.access import Actor, may
from services.chassis.errors import Refusal
from services.chassis.pages import TheForm, ThePage
from services.chassis.web import Now, Router, TheAccess
from services.contracts.words import OfferRef
from services.notify import api_contacts
from services.notify.api import (
    Contacts,
    Dispatches,
    OurSealer,
    OurViews,
    Volunteer,
    accept_offer,
    decline_offer,
    lately_over,
    my_offers,
    show_offer,
)
from services.notify.contacts import CodeNotValid
from services.notify.dispatch_state import Dispatch
from services.notify.links import offer_of
from services.notify.shapes import CodeOrLink

router = Router(tags=["pages"], include_in_schema=False)

Whoever = Annotated[Actor, may("anyone")]
MINE: Final = "/notify/volunteer"
TOLD_FOR: Final = timedelta(minutes=3)
"""After it was to be answered, so long a page says what became of an offer."""


@router.get("/o")
async def open_page(page: ThePage, who: Whoever) -> HTMLResponse:
    return page.show("notify/open-offer.html", signed_in=who.member is not None)


@router.post("/o")
async def open_offer(
    request: Request,
    page: ThePage,
    form: TheForm,
    contacts: Contacts,
    dispatches: Dispatches,
    our: OurViews,
    sealer: OurSealer,
    access: TheAccess,
    who: Whoever,
    now: Now,
) -> Response:
    """Who is signed in goes on to his offer, however often; anybody else is signed in by the link, once."""
    link = form.text("link").rpartition("#")[2]
    try:
        offer_id = offer_of(link, sealer)
        if offer_id is None:
            raise CodeNotValid
        answer = page.go(f"{MINE}/offers/{offer_id}")
        if not await dispatches.read(offer_id[:5], partial(_made_to, offer_id=offer_id, member=who.member)):
            given = form.into(CodeOrLink, link=link)
            await api_contacts.sign_in_with_code(
                given, request, answer, contacts, dispatches, our, sealer, access, who, now
            )
    except Refusal as refused:
        return page.refuse("notify/open-offer.html", refused, signed_in=who.member is not None)
    return answer


def _made_to(dispatch: Dispatch, offer_id: str, member: str | None) -> bool:
    offer = dispatch.offers.get(offer_id) or dispatch.closed.get(offer_id)
    return offer is not None and member is not None and offer.member == member


@router.get(MINE)
async def offers(page: ThePage, dispatches: Dispatches, who: Volunteer, now: Now) -> HTMLResponse:
    standing = (await my_offers(dispatches, who)).offers
    over = await lately_over(dispatches, who, now - TOLD_FOR)
    return page.show("notify/offers.html", offers=standing, over=over)


@router.get(f"{MINE}/offers/{{offer_id}}")
async def one_offer(offer_id: OfferRef, page: ThePage, dispatches: Dispatches, who: Volunteer) -> HTMLResponse:
    return page.show("notify/offer.html", **await _offer(offer_id, dispatches, who))


async def _offer(offer_id: str, dispatches: Dispatches, who: Actor) -> dict[str, Any]:
    return {"offer": await show_offer(offer_id, dispatches, who)}


@router.post(f"{MINE}/offers/{{offer_id}}/accept")
async def yes(
    offer_id: OfferRef, page: ThePage, form: TheForm, dispatches: Dispatches, who: Volunteer, now: Now
) -> Response:
    pressed = accept_offer(offer_id, dispatches, who, form.once, now)
    return await page.after(
        pressed, f"{MINE}/offers/{offer_id}", "notify/offer.html", partial(_offer, offer_id, dispatches, who)
    )


@router.post(f"{MINE}/offers/{{offer_id}}/decline")
async def no(
    offer_id: OfferRef, page: ThePage, form: TheForm, dispatches: Dispatches, who: Volunteer, now: Now
) -> Response:
    pressed = decline_offer(offer_id, dispatches, who, form.once, now)
    return await page.after(pressed, "/volunteer", "notify/offer.html", partial(_offer, offer_id, dispatches, who))
