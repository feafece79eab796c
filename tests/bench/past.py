"""Makes a data directory with a past: `python -m tests.bench.past DATA TICKETS`, a thousand tickets a day.

The whole system in this process, its clock moved from day to day; each day every second ticket is cancelled and the
day's end does the rest. The rules are called directly: HTTP would take minutes and leave the same facts.
"""

import asyncio
import sys
from datetime import timedelta
from functools import partial
from pathlib import Path

from services.chassis.clock import local_day, system_clock
from services.chassis.datadir import DataDirectory
from services.chassis.ids import token
from services.contracts.words import TicketEnd
from services.queue import domain
from services.queue.centre import Centre, plan_for
from services.queue.hall import Hall
from tests.bench.measures import HOT
from tests.journeys.inside import HandClock, Inside, inside, ward_inside

A_DAY = 1_000


async def a_day(at: Inside, count: int) -> None:
    now = at.clock()
    today = local_day(now)
    hall, halls = f"{HOT}-{today:%Y%m%d}", at.system[Hall]
    plan = await at.system[Centre].read(HOT, lambda centre: plan_for(centre, today))
    await halls.change(hall, partial(domain.plan_day, plan=plan), now=now)

    async def visit(cancelled: bool) -> None:
        ticket = f"{hall}-{token()}"
        await halls.change(hall, partial(domain.issue_ticket, ticket_id=ticket, service="ho-tich"), now=now)
        if cancelled:
            await halls.change(hall, partial(domain.cancel, ticket_id=ticket, by=TicketEnd.BY_STAFF), now=now)

    await asyncio.gather(*(visit(place % 2 == 0) for place in range(count)))
    await halls.change(hall, partial(domain.close_day, send_home=True), now=now)
    await at.rest(120)


async def make(data: Path, tickets: int) -> None:
    days = max(1, tickets // A_DAY)
    clock = HandClock(system_clock() - timedelta(days=days + 1))
    async with inside(data, clock) as at:
        await ward_inside(at, HOT)
        for _ in range(days):
            await a_day(at, tickets // days)
            clock.move(days=1)


if __name__ == "__main__":
    directory = DataDirectory(Path(sys.argv[1]))
    directory.take()
    directory.settle(demo=False)
    asyncio.run(make(directory.path, int(sys.argv[2])))
    directory.release()
