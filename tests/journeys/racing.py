"""What races are run with: connections to whichever processes a system has, and many clients at once."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import cycle

import httpx2

from tests.journeys.apart import City
from tests.journeys.system import RunningSystem
from tests.journeys.ward import QUEUE_PART, Ward
from tests.wire import Answer, Wire, request

System = RunningSystem | City


async def wires(system: System, count: int, service: str = "queue") -> list[Wire]:
    """Connections to that service; where it has two processes they take turns."""
    addresses = cycle(system.ways(service))
    return [await Wire.to(next(addresses)) for _ in range(count)]


def post(path: str, token: str, body: object = None, key: str | None = None) -> bytes:
    return request("POST", path, body, token=token, headers={"Idempotency-Key": key or secrets.token_hex(12)})


async def issue(ward: Ward, clients: list[Wire], count: int) -> list[Answer]:
    """So many numbers, by all clients at once."""
    path = f"/queue/centres/{ward.centre}/tickets"
    waiting = iter([post(path, ward.kiosk, {"service": "ho-tich"}) for _ in range(count)])
    answers: list[Answer] = []

    async def client(wire: Wire) -> None:
        for raw in waiting:
            answers.append(await wire.ask(raw))

    await asyncio.gather(*map(client, clients))
    return answers


async def called_after_five_came(system: System) -> list[int]:
    """Where there are two processes, one of them looks at an empty hall, five take a number at the other, and the
    first one calls."""
    async with hall_of(system, "31005") as ward:
        await ward.open_counters(*range(1, 6))
        one, other = await wires(system, 2)
        assert (await one.ask(post(ward.counter(1, "call-next"), ward.staff))).status == 204
        await issue(ward, [other], 5)
        calls = [await one.ask(post(ward.counter(number, "call-next"), ward.staff)) for number in range(1, 6)]
        return [answer.status for answer in calls]


async def codes_of_two_hundred(system: System) -> list[str]:
    async with hall_of(system, "31006") as ward:
        return [answer.json["code"] for answer in await issue(ward, await wires(system, 16), 200)]


@asynccontextmanager
async def hall_of(system: System, centre: str) -> AsyncIterator[Ward]:
    """A ward of which only the queue knows."""
    async with httpx2.AsyncClient(base_url=system.address, timeout=30) as http:
        ward = Ward(http, system.data, system.operator["Authorization"], centre)
        await ward.put(f"/queue/centres/{centre}", QUEUE_PART, as_=ward.operator)
        ward.kiosk, ward.staff = await ward.account("kiosk"), await ward.account("staff")
        yield ward
