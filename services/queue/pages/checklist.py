"""The papers of one ticket, looked through with its holder: by a volunteer on his phone before her turn, or by a clerk.
The counter sees it at once.
"""

from typing import Annotated

from fastapi import Response
from starlette.responses import HTMLResponse

from services.chassis.access import Actor, TicketPath, may
from services.chassis.errors import Refusal
from services.chassis.pages import TheForm, ThePage
from services.chassis.web import Now, Router
from services.queue.api import Centres, Halls, OurViews, show_ticket, tick_checklist
from services.queue.shapes import ChecklistGiven

router = Router(prefix="/checklist", tags=["pages"], include_in_schema=False)

Helper = Annotated[Actor, may("volunteer", "staff", "coordinator")]


@router.get("/{ticket}")
async def papers(
    ticket: TicketPath, page: ThePage, halls: Halls, centres: Centres, views: OurViews, who: Helper, now: Now
) -> HTMLResponse:
    shown = await show_ticket(ticket, halls, centres, views, who, now)
    return page.show("queue/checklist.html", ticket=shown)


@router.post("/{ticket}")
async def looked_through(
    ticket: TicketPath,
    page: ThePage,
    form: TheForm,
    halls: Halls,
    centres: Centres,
    views: OurViews,
    who: Helper,
    now: Now,
) -> Response:
    try:
        given = form.into(ChecklistGiven, papers=form.all("papers"), form_filled=form.ticked("form_filled"))
        await tick_checklist(ticket, given, halls, centres, views, who, form.once, now)
    except Refusal as refused:
        shown = await show_ticket(ticket, halls, centres, views, who, now)
        return page.refuse("queue/checklist.html", refused, ticket=shown)
    return page.go(f"/checklist/{ticket}")
