"""`GET /`: one live page, the board of a centre and the events as they come.

In a demo system everybody who opens the page may look at the demo centre, and at nothing else: the answer carries a
session of the role `display`, bound to that centre, for half an hour; the page renews it. A browser that is signed in
keeps its own session and sees its own centre. In a real system the page shows nothing to who is not signed in.
"""

import json
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import Request
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from services.caunoi.demo.people import CENTRE
from services.caunoi.sentences import FOLLOWS, SENTENCES, WORDS
from services.chassis.access import Actor, keep_session, may
from services.chassis.service import System
from services.chassis.web import Router

if TYPE_CHECKING:
    from jinja2 import Environment

router = Router(tags=["pages"])

HERE: Final = Path(__file__).parent
LOOKING_LASTS: Final = timedelta(minutes=30)
ONLOOKER: Final = "a-onlooker"
MAY_LOOK: Final = ("display", "staff", "coordinator")


def static() -> StaticFiles:
    return StaticFiles(directory=HERE / "static")


@router.get("/", operation_id="live_page", response_class=HTMLResponse, include_in_schema=False)
async def live_page(request: Request, who: Annotated[Actor, may("anyone")]) -> HTMLResponse:
    """The board and the events of the visitor's centre; of the demo centre for everybody where there is one."""
    system: System = request.app.state.system
    demo = system.settings.demo
    signed_in = who.is_a(*MAY_LOOK) and who.ref != ONLOOKER
    centre = min(who.centres, default=None) if signed_in else CENTRE if demo else None
    words = _in_script({"says": SENTENCES, "follows": FOLLOWS, "words": WORDS})
    shown = {"centre": centre, "demo": demo and centre == CENTRE, "words": words}
    page = HTMLResponse(_templates().get_template("live.html").render(shown))
    if centre and not signed_in:
        issued = system.access.tokens.issue(ONLOOKER, ["display"], [CENTRE], lifetime=LOOKING_LASTS)
        keep_session(page, request, issued)
    return page


def _in_script(value: object) -> str:
    """JSON that may stand in a `<script type="application/json">`: nothing in it can end the element."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")


@cache
def _templates() -> "Environment":
    from jinja2 import Environment, FileSystemLoader  # a tenth of a second that the first answer need not wait for

    return Environment(loader=FileSystemLoader(HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True)
