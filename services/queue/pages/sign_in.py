"""`/sign-in`: name and password, then on to where one wanted to go, or to one's own screen. `POST /session` is the same
for programs.
"""

from typing import Annotated

from fastapi import Query, Request, Response
from starlette.responses import HTMLResponse

from services.chassis.access import Actor, may
from services.chassis.errors import Refusal
from services.chassis.pages import TheForm, ThePage
from services.chassis.pages.page import screen_of
from services.chassis.pages.routes import own_address
from services.chassis.web import Now, Router, TheAccess
from services.queue import accounts_api
from services.queue.accounts_api import Accounts, QueueSealer

router = Router(tags=["pages"], include_in_schema=False)

Anyone = Annotated[Actor, may("anyone")]


@router.get("/sign-in")
async def sign_in_page(page: ThePage, who: Anyone, back: Annotated[str, Query(max_length=200)] = "/") -> HTMLResponse:
    return page.show("queue/sign-in.html", back=own_address(back), name="")


@router.post("/sign-in")
async def sign_in(
    request: Request,
    page: ThePage,
    form: TheForm,
    documents: Accounts,
    sealer: QueueSealer,
    access: TheAccess,
    who: Anyone,
    now: Now,
) -> Response:
    back = own_address(form.text("back"))
    answer = page.go(back)
    try:
        given = form.into(accounts_api.SignIn, name=form.text("name"), password=form.text("password"))
        session = await accounts_api.sign_in(given, request, answer, documents, sealer, access, who, now)
    except Refusal as refused:
        return page.refuse("queue/sign-in.html", refused, back=back, name=form.text("name"))
    if back == "/" and (own := screen_of(session.roles)):
        answer.headers["location"] = own
    return answer


@router.post("/sign-out")
async def sign_out(request: Request, page: ThePage, form: TheForm, who: Anyone) -> Response:
    answer = page.go("/sign-in")
    await accounts_api.sign_out(request, answer, who)
    return answer
