"""What the product is measured against: bare FastAPI routes with the same bodies, answers, server flags, middleware and
authentication, that keep nothing. Run as `python -m tests.bench.bare`, with the settings of the product.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI

from services.chassis.access import Access, Actor, TicketPath, may
from services.chassis.clock import system_clock
from services.chassis.datadir import DataDirectory
from services.chassis.ids import token
from services.chassis.run import run
from services.chassis.settings import Settings
from services.chassis.web import create_app
from services.contracts.words import Because, CaseOutcome, CentreRef, CounterNumber
from services.queue.hall import State
from services.queue.shapes import Called, Completed, Completion, Moved, TicketGiven, TicketWanted

router = APIRouter(prefix="/queue")
numbers = count(1)
Staff = Annotated[Actor, may("staff")]


@router.post("/centres/{centre}/tickets", status_code=201)
async def issue_ticket(
    centre: CentreRef, wanted: TicketWanted, who: Annotated[Actor, may("kiosk", "staff", "volunteer")]
) -> TicketGiven:
    ticket = f"{centre}-20261124-{token()}"
    assert who.passes is not None
    return TicketGiven(
        ticket_id=ticket,
        **{"pass": who.passes.sign(ticket)},
        code=f"A{next(numbers) % 100_000:03d}",
        ahead=WAITING,
        wait_minutes=(10, 20),
    )


WAITING = 30


@router.post("/centres/{centre}/counters/{counter}/call-next")
async def call_next(centre: CentreRef, counter: CounterNumber, who: Staff) -> Called:
    return Called(
        ticket_id=f"{centre}-20261124-{token()}",
        code="A012",
        counter=counter,
        call_count=1,
        selected_because="Chờ lâu nhất",
        because=Because.LONGEST_WAIT,
    )


@router.post("/tickets/{ticket}/start")
async def start_ticket(ticket: TicketPath, who: Staff) -> Moved:
    return Moved(ticket_id=ticket, code="A012", state=State.SERVING, counter=3)


@router.post("/tickets/{ticket}/complete")
async def complete_ticket(ticket: TicketPath, done: Completion, who: Staff) -> Completed:
    return Completed(
        ticket_id=ticket,
        code="A012",
        state=State.COMPLETED,
        counter=3,
        outcome=CaseOutcome(done.outcome),
        services=("ho-tich",),
        wait_seconds=840,
        way_seconds=20,
        transaction_seconds=300,
        hold_seconds=0,
    )


class Nothing:
    """The part of a system that the web layer asks for, keeping nothing."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = system_clock
        self.access = Access(settings, system_clock)
        self.stopping = asyncio.Event()
        self.leaving = False
        self.running: dict[str, object] = {}

    def __getitem__(self, state: type) -> Any:
        raise KeyError(state)

    def own(self, service: str, kind: type) -> Any:
        raise KeyError(service)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield


def make(settings: Settings) -> FastAPI:
    return create_app(Nothing(settings), [router], lifespan)


def main() -> None:
    settings = Settings.load()
    directory = DataDirectory(settings.data)
    directory.take()
    try:
        run(make, settings, directory)
    finally:
        directory.release()


if __name__ == "__main__":
    main()
