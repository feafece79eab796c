"""`GET /`: one live page, the board of a centre and the events as they come.

In a demo system everybody who opens the page may look on at the demo centre, and at nothing else: the answer carries
a session of the role `display`, bound to that centre, for half an hour; the page renews it. With it he reads the board,
and here the events of that centre, volunteers' too (references and codes, as in all events). A browser that is signed
in keeps its own session and sees its own centre; who may read of every centre says whose report he wants. In a real
system who is not signed in sees nothing.
"""

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import Header, Query, Request, Response
from fastapi.responses import HTMLResponse, StreamingResponse

from services.caunoi.demo.people import CENTRE
from services.caunoi.pages.sentences import FOLLOWS, SENTENCES, WORDS
from services.chassis.access import Actor, NotYourRole, keep_session, may
from services.chassis.ids import token
from services.chassis.pages import ThePage
from services.chassis.service import Running, System
from services.chassis.views import Views
from services.chassis.web import Router, own
from services.contracts.words import CentreRef
from services.notify.feed import OF_A_CENTRE, Wants, feed_of
from services.queue.api_centre import show_board
from services.queue.centre import Centre
from services.queue.hall import Hall
from services.queue.refusals import NoSuchCentre
from services.queue.shapes import Board

page_router = Router(tags=["pages"])
"""Needs `queue` in its process, for the board."""
events_router = Router(tags=["pages"])
"""Needs `notify` in its process, for the feed."""

LOOKING_LASTS: Final = timedelta(minutes=30)
ONLOOKER: Final = "a-onlooker"
"""How the reference of an onlooker begins; no account has one like it."""
MAY_LOOK: Final = ("display", "staff", "coordinator")


@page_router.get("/", operation_id="live_page", response_class=HTMLResponse, include_in_schema=False)
async def live_page(
    request: Request,
    page: ThePage,
    who: Annotated[Actor, may("anyone")],
    report: Annotated[CentreRef | None, Query(description="go to this centre's report of the day")] = None,
) -> Response:
    """The board and the events of the visitor's centre; of the demo centre for everybody where there is one."""
    if report:
        return page.go(f"/coordinator/{report}/report")
    system: System = request.app.state.system
    signed_in = who.is_a(*MAY_LOOK) and not _looks_on(who)
    looks_on = system.settings.demo and (not who.roles or _looks_on(who))
    centre = min(who.centres, default=None) if signed_in else CENTRE if looks_on else None
    board = await _board(system, centre, who) if centre else None
    feed = "/notify/feed" if signed_in else "/live/events"
    words = _in_script(_told({"says": SENTENCES, "follows": FOLLOWS, "words": WORDS}, page.speech._))
    answer = page.show("caunoi/live.html", centre=centre, board=board, feed=feed, words=words)
    if looks_on:
        issued = system.access.tokens.issue(f"{ONLOOKER}{token(12)}", ["display"], [CENTRE], lifetime=LOOKING_LASTS)
        keep_session(answer, request, issued)
    return answer


@events_router.get(
    "/live/events", operation_id="live_events", response_class=StreamingResponse, include_in_schema=False
)
async def live_events(
    running: Annotated[Running, own("notify", Running)],
    who: Annotated[Actor, may("display")],
    last: Annotated[str | None, Header(alias="Last-Event-ID", max_length=64)] = None,
) -> StreamingResponse:
    """What happens in the demo centre, for who looks on there."""
    if not (running.system.settings.demo and _looks_on(who)):
        raise NotYourRole
    until = running.now() + LOOKING_LASTS

    async def stands() -> bool:
        return running.now() < until

    feed = feed_of(running)
    reader = feed.join(who.ref, Wants(OF_A_CENTRE, frozenset({CENTRE})), last)
    return StreamingResponse(
        feed.frames(reader, stands), media_type="text/event-stream", headers={"Cache-Control": "no-cache"}
    )


async def _board(system: System, centre: str, who: Actor) -> Board | None:
    """As `GET /queue/centres/{centre}/board` gives it; None before the ward is described."""
    views = system.own("queue", Views)
    try:
        return await show_board(centre, system[Hall], system[Centre], views, who, system.clock())
    except NoSuchCentre:
        return None


def _looks_on(who: Actor) -> bool:
    return who.ref.startswith(ONLOOKER)


def _told(text: Any, translate: Callable[[str], str]) -> Any:
    """Tables of sentences, in the reader's language."""
    return {name: _told(one, translate) for name, one in text.items()} if isinstance(text, Mapping) else translate(text)


def _in_script(value: object) -> str:
    """JSON that may stand in a `<script type="application/json">`: nothing in it can end the element."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")
