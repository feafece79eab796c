"""`/coordinator`: how the hall stands. What the volunteers' service and the notifier know comes from them: it is put
together in the browser.
"""

from typing import Annotated

from fastapi import Response
from starlette.responses import HTMLResponse

from services.chassis.access import Actor, may
from services.chassis.pages import ThePage
from services.chassis.web import Now, Router
from services.contracts.words import CentreRef
from services.queue.api import Centres, Halls, OurViews
from services.queue.api_centre import list_counters, show_board, show_report

router = Router(tags=["pages"], include_in_schema=False)

Coordinator = Annotated[Actor, may("coordinator")]


@router.get("/coordinator")
async def which_centre(page: ThePage, who: Coordinator) -> Response:
    """Who leads one centre need not say which."""
    if len(who.centres) == 1:
        return page.go(f"/coordinator/{min(who.centres)}")
    return page.show("queue/coordinator-centres.html", centres=sorted(who.centres))


@router.get("/coordinator/{centre}")
async def coordinator(
    centre: CentreRef, page: ThePage, halls: Halls, centres: Centres, views: OurViews, who: Coordinator, now: Now
) -> HTMLResponse:
    board = await show_board(centre, halls, centres, views, who, now)
    counters = (await list_counters(centre, halls, centres, who, now)).counters
    report = await show_report(centre, halls, centres, views, who, now)
    return page.show("queue/coordinator.html", centre=centre, board=board, counters=counters, report=report)
