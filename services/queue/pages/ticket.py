"""The ticket on a citizen's own phone. Her pass comes behind `#` in the link or QR code, so that no server sees it in
an address; the page sends it once, takes it out of the history, and goes on with a cookie that scripts cannot read.

What volunteers know (who helps, who drives) is a part of this page that the browser fetches from them.
"""

from typing import Annotated, Any

from fastapi import Request, Response
from starlette.responses import HTMLResponse

from services.chassis.access import Actor, PassNotValid, drop_pass, keep_pass, may
from services.chassis.errors import NotFound, Refusal
from services.chassis.pages import TheForm, ThePage
from services.chassis.web import Now, Router, TheAccess
from services.queue.api import (
    Centres,
    Halls,
    OpinionsKept,
    OurViews,
    ask_for_help,
    cancel_ticket,
    give_opinion,
    show_ticket,
)
from services.queue.shapes import OpinionSaid

router = Router(prefix="/ticket", tags=["pages"], include_in_schema=False)

Whoever = Annotated[Actor, may("holder", "anyone")]
"""Who has no pass is told how to get here."""
Holder = Annotated[Actor, may("holder")]


@router.get("")
async def ticket_page(
    request: Request,
    page: ThePage,
    halls: Halls,
    centres: Centres,
    opinions: OpinionsKept,
    views: OurViews,
    who: Whoever,
    now: Now,
) -> Response:
    if who.ticket is None:
        return page.show("queue/ticket-open.html")
    try:
        return page.show("queue/ticket.html", **await _facts(halls, centres, opinions, views, who, now))
    except NotFound as gone:
        answer = page.refuse("queue/ticket-open.html", gone)
        drop_pass(answer, request)
        return answer


@router.post("")
async def open_ticket(
    request: Request,
    page: ThePage,
    form: TheForm,
    access: TheAccess,
    halls: Halls,
    centres: Centres,
    opinions: OpinionsKept,
    views: OurViews,
    who: Whoever,
    now: Now,
) -> Response:
    """The pass, or the whole link with it. To a script the ticket is the answer itself: on a slow phone a way less to
    go. Without one it is a page of its own, so that a reload does not send the pass again."""
    given = form.text("pass").rpartition("#")[2]
    ticket = access.passes.open(given)
    try:
        if ticket is None:
            raise PassNotValid
        page.who = access.holder(ticket)
        facts = await _facts(halls, centres, opinions, views, page.who, now)
    except NotFound as refused:
        return page.refuse("queue/ticket-open.html", refused)
    answer = page.show("queue/ticket.html", **facts) if form.ticked("script") else page.go("/ticket")
    keep_pass(answer, request, given)
    return answer


@router.post("/close")
async def close(request: Request, page: ThePage, form: TheForm, who: Whoever) -> Response:
    """This phone is somebody else's: the ticket is not shown on it any more."""
    answer = page.go("/ticket")
    drop_pass(answer, request)
    return answer


@router.post("/help")
async def help_me(
    page: ThePage,
    form: TheForm,
    halls: Halls,
    centres: Centres,
    opinions: OpinionsKept,
    views: OurViews,
    who: Holder,
    now: Now,
) -> Response:
    try:
        await ask_for_help(_ticket(who), halls, views, who, form.once, now)
    except Refusal as refused:
        facts = await _facts(halls, centres, opinions, views, who, now)
        return page.refuse("queue/ticket.html", refused, **facts)
    return page.go("/ticket")


@router.get("/cancel")
async def really(page: ThePage, halls: Halls, centres: Centres, views: OurViews, who: Holder, now: Now) -> HTMLResponse:
    ticket = await show_ticket(_ticket(who), halls, centres, views, who, now)
    return page.show("queue/ticket-cancel.html", ticket=ticket)


@router.post("/cancel")
async def give_up(
    page: ThePage, form: TheForm, halls: Halls, centres: Centres, views: OurViews, who: Holder, now: Now
) -> Response:
    try:
        await cancel_ticket(_ticket(who), halls, views, who, form.once, now)
    except Refusal as refused:
        ticket = await show_ticket(_ticket(who), halls, centres, views, who, now)
        return page.refuse("queue/ticket-cancel.html", refused, ticket=ticket)
    return page.go("/ticket")


@router.post("/opinion")
async def how_it_was(
    page: ThePage,
    form: TheForm,
    halls: Halls,
    centres: Centres,
    opinions: OpinionsKept,
    views: OurViews,
    who: Holder,
    now: Now,
) -> Response:
    try:
        about = {name: form.text(name) or None for name in ("counter", "volunteer", "waiting")}
        await give_opinion(_ticket(who), form.into(OpinionSaid, **about), opinions, views, who, form.once, now)
    except Refusal as refused:
        facts = await _facts(halls, centres, opinions, views, who, now)
        return page.refuse("queue/ticket.html", refused, **facts)
    return page.go("/ticket")


async def _facts(
    halls: Halls, centres: Centres, opinions: OpinionsKept, views: OurViews, who: Actor, now: Now
) -> dict[str, Any]:
    ticket = await show_ticket(_ticket(who), halls, centres, views, who, now)
    said = await opinions.read(f"{ticket.ticket_id}-opinion", lambda opinion: opinion.said)
    centre = await centres.read(ticket.ticket_id[:5], lambda found: found.config)
    return {"ticket": ticket, "said": said, "centre": centre.name if centre else None}


def _ticket(who: Actor) -> str:
    assert who.ticket is not None
    return who.ticket
