"""`/v`: a volunteer signs in with his phone number, by the code in an SMS or by the link beside it, `/v#...`.

What stands behind `#` reaches no server and no log: the page sends it once and takes it out of the history.
"""

from typing import Annotated

from fastapi import Request, Response
from starlette.responses import HTMLResponse

from services.chassis.access import Actor, end_session, may
from services.chassis.errors import Refusal
from services.chassis.pages import TheForm, ThePage
from services.chassis.web import Now, Router, TheAccess
from services.notify import api_contacts
from services.notify.api import Contacts, Dispatches, OurSealer, OurViews
from services.notify.api_contacts import Messages
from services.notify.shapes import CodeAsked, CodeOrLink

router = Router(prefix="/v", tags=["pages"], include_in_schema=False)

Anyone = Annotated[Actor, may("anyone")]
MY_WORK = "/volunteer"


@router.get("")
async def sign_in_page(page: ThePage, who: Anyone) -> HTMLResponse:
    return page.show("notify/sign-in.html", phone="", signed_in=who.member is not None)


@router.post("")
async def ask_for_code(
    request: Request,
    page: ThePage,
    form: TheForm,
    contacts: Contacts,
    dispatches: Dispatches,
    documents: Messages,
    our: OurViews,
    sealer: OurSealer,
    access: TheAccess,
    who: Anyone,
    now: Now,
) -> HTMLResponse:
    """The next page comes as the answer to this one: an address must not hold a phone number."""
    phone = form.text("phone")
    try:
        asked = form.into(CodeAsked, phone=phone)
        await api_contacts.ask_for_code(asked, request, contacts, dispatches, documents, our, sealer, access, who, now)
    except Refusal as refused:
        return page.refuse("notify/sign-in.html", refused, phone=phone, signed_in=False)
    return page.show("notify/code.html", phone=phone)


@router.post("/code")
async def sign_in_with_code(
    request: Request,
    page: ThePage,
    form: TheForm,
    contacts: Contacts,
    dispatches: Dispatches,
    our: OurViews,
    sealer: OurSealer,
    access: TheAccess,
    who: Anyone,
    now: Now,
) -> Response:
    phone = form.text("phone")
    answer = page.go(MY_WORK)
    try:
        given = form.into(CodeOrLink, phone=phone, code="".join(filter(str.isdecimal, form.text("code"))))
        await api_contacts.sign_in_with_code(
            given, request, answer, contacts, dispatches, our, sealer, access, who, now
        )
    except Refusal as refused:
        return page.refuse("notify/code.html", refused, phone=phone)
    return answer


@router.post("/link")
async def sign_in_with_link(
    request: Request,
    page: ThePage,
    form: TheForm,
    contacts: Contacts,
    dispatches: Dispatches,
    our: OurViews,
    sealer: OurSealer,
    access: TheAccess,
    who: Anyone,
    now: Now,
) -> Response:
    answer = page.go(MY_WORK)
    try:
        given = form.into(CodeOrLink, link=form.text("link").rpartition("#")[2])
        await api_contacts.sign_in_with_code(
            given, request, answer, contacts, dispatches, our, sealer, access, who, now
        )
    except Refusal as refused:
        return page.refuse("notify/sign-in.html", refused, phone="", signed_in=who.member is not None)
    return answer


@router.post("/out")
async def sign_out(request: Request, page: ThePage, form: TheForm, who: Anyone) -> Response:
    answer = page.go("/v")
    end_session(answer, request)
    return answer
