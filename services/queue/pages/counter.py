"""The counter: who is here, who is next and why, and every press of a clerk's day; before it the choice of a counter.

What volunteers know (who helps her, how she gets home) is a part of this page that the browser fetches from them.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from enum import StrEnum
from functools import partial
from typing import Annotated, Any, Final, Literal

from fastapi import Response
from starlette.responses import HTMLResponse

from services.chassis.access import Actor, TicketPath, may
from services.chassis.errors import NotFound
from services.chassis.pages import TheForm, ThePage
from services.chassis.web import Now, Router
from services.contracts.words import CounterNumber
from services.queue import api
from services.queue.api import Centres, Halls, OurViews
from services.queue.api_centre import list_counters, list_services, show_counter
from services.queue.shapes import Completion, TicketShown

router = Router(prefix="/counter", tags=["pages"], include_in_schema=False)

Clerk = Annotated[Actor, may("staff")]


class Press(StrEnum):
    """What is done with a ticket by one press."""

    RECALL = "recall"
    START = "start"
    HOLD = "hold"
    RETURN = "return"
    NO_SHOW = "no-show"
    REINSTATE = "reinstate"
    WITNESS = "witness"


_PRESSED: Final[Mapping[Press, Callable[..., Awaitable[Any]]]] = {
    Press.RECALL: partial(api.recall_ticket, spoken="vi"),
    Press.START: api.start_ticket,
    Press.HOLD: api.hold_ticket,
    Press.RETURN: api.return_ticket,
    Press.NO_SHOW: api.mark_no_show,
    Press.REINSTATE: api.reinstate_ticket,
    Press.WITNESS: api.witness_priority,
}
_AT_THE_COUNTER: Final[Mapping[str, Callable[..., Awaitable[Any]]]] = {
    "open": api.open_counter,
    "close": api.close_counter,
    "undo": api.undo_completion,
    "call-next": partial(api.call_next, spoken="vi"),
}


@router.get("")
async def choose(page: ThePage, halls: Halls, centres: Centres, who: Clerk, now: Now) -> HTMLResponse:
    """Which of them is mine today?"""
    listed = await list_counters(_centre(who), halls, centres, who, now)
    offered = await list_services(_centre(who), halls, centres, who, now)
    names = {service.code: getattr(service.name, page.language) for service in offered.services}
    return page.show("queue/counters.html", counters=listed.counters, names=names, centre=offered.name)


@router.get("/{counter}")
async def counter_page(
    counter: CounterNumber, page: ThePage, halls: Halls, centres: Centres, views: OurViews, who: Clerk, now: Now
) -> HTMLResponse:
    facts = await _facts(counter, page, halls, centres, views, who, now)
    return page.show("queue/counter.html", **facts)


@router.post("/{counter}/{press}")
async def press_at_counter(
    counter: CounterNumber,
    press: Literal["open", "close", "undo", "call-next"],
    page: ThePage,
    form: TheForm,
    halls: Halls,
    centres: Centres,
    views: OurViews,
    who: Clerk,
    now: Now,
) -> Response:
    pressed = _AT_THE_COUNTER[press](_centre(who), counter, halls, centres, who, form.once, now)
    return await _after(pressed, counter, page, halls, centres, views, who, now)


@router.post("/{counter}/tickets/{ticket}/complete")
async def complete(
    counter: CounterNumber,
    ticket: TicketPath,
    page: ThePage,
    form: TheForm,
    halls: Halls,
    centres: Centres,
    views: OurViews,
    who: Clerk,
    now: Now,
) -> Response:
    async def pressed() -> None:
        done = form.into(Completion, outcome=form.text("outcome"), services=tuple(form.all("services")))
        await api.complete_ticket(ticket, done, halls, views, who, form.once, now)

    return await _after(pressed(), counter, page, halls, centres, views, who, now)


@router.post("/{counter}/tickets/{ticket}/{press}")
async def press_for_ticket(
    counter: CounterNumber,
    ticket: TicketPath,
    press: Press,
    page: ThePage,
    form: TheForm,
    halls: Halls,
    centres: Centres,
    views: OurViews,
    who: Clerk,
    now: Now,
) -> Response:
    pressed = _PRESSED[press](ticket, halls, views, who, form.once, now)
    return await _after(pressed, counter, page, halls, centres, views, who, now)


async def _after(
    pressed: Awaitable[Any],
    counter: int,
    page: ThePage,
    halls: Halls,
    centres: Centres,
    views: OurViews,
    who: Actor,
    now: Now,
) -> Response:
    """The counter as it stands now, and why not if it was refused."""
    again = partial(_facts, counter, page, halls, centres, views, who, now)
    return await page.after(pressed, f"/counter/{counter}", "queue/counter.html", again)


async def _facts(
    counter: int, page: ThePage, halls: Halls, centres: Centres, views: OurViews, who: Actor, now: Now
) -> dict[str, Any]:
    shown = await show_counter(_centre(who), counter, halls, centres, who, now, page.language)
    offered = await list_services(_centre(who), halls, centres, who, now)
    names = {service.code: getattr(service.name, page.language) for service in offered.services}
    ticket: TicketShown | None = None
    if shown.now:
        with suppress(NotFound):
            ticket = await api.show_ticket(shown.now.ticket_id, halls, centres, views, who, now)
    return {"counter": shown, "ticket": ticket, "names": names, "centre": offered.name}


def _centre(who: Actor) -> str:
    return min(who.centres)
