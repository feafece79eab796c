"""What `make bench` measures on MongoDB and Kafka: real servers, started for it. Ratios side by side in one run."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from services.chassis.backends.kafka import KafkaBus
from services.chassis.backends.mongo import MongoStore
from services.chassis.clock import local_day, system_clock
from services.chassis.ids import token
from services.chassis.keys import Keys
from services.chassis.once import Once
from services.chassis.service import System, topic_specs
from services.chassis.settings import Settings
from services.contracts.words import TicketEnd
from services.queue import domain
from services.queue.app import service as queue
from services.queue.hall import DayPlan, Hall, PlannedService
from tests.bench.measures import FIFTY, HOT, WAITING, Row
from tests.servers.kafka import Kafka, impossible
from tests.servers.mongo import Mongod, binary
from tests.servers.process import free_port

CALLERS = 64


@dataclass(frozen=True)
class Servers:
    mongo: str
    kafka: str


@contextmanager
def real_servers(where: Path) -> Iterator[Servers]:
    """One MongoDB and one Kafka of their own."""
    program = binary()
    assert program and impossible() is None, "no mongod, or no java"
    mongo, kafka = Mongod(program, where / "mongo", free_port()), Kafka(where / "kafka")
    (where / "kafka").mkdir(parents=True)
    try:
        mongo.start()
        kafka.start()
        yield Servers(mongo.url, kafka.address)
    finally:
        kafka.stop()
        mongo.stop()


def settings_for(servers: Servers, where: Path) -> Settings:
    Keys.at(where / "secrets")
    return Settings(
        data=where,
        backend="distributed",
        mongo_url=servers.mongo,
        kafka_servers=servers.kafka,
        namespace=f"{token(8)}-",
        log_level="error",
    )


# -------------------------------------------------------------------------------------------------- (f) commands


def plan() -> DayPlan:
    now = system_clock()
    return DayPlan(
        revision=1,
        day=local_day(now),
        services={"ho-tich": PlannedService(series="A", counters=tuple(range(1, 50)))},
        hours=(),
        always_open=True,
        ends=domain.local_midnight_after(local_day(now)),
        in_a_row=2,
        ageing_minutes=45,
    )


class Queue:
    """The service `queue` in this process, without HTTP."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.halls = system[Hall]

    async def command(self, hall: str, rule: Any) -> None:
        once = Once("a-bench", token(), b"")
        await self.halls.change(hall, rule, now=system_clock(), by="a-bench", once=once)

    async def issue(self, hall: str) -> str:
        ticket = f"{hall}-{token()}"
        await self.command(hall, partial(domain.issue_ticket, ticket_id=ticket, service="ho-tich"))
        return ticket

    async def come_and_go(self, hall: str) -> None:
        """Two commands: the hall is afterwards as full as before."""
        ticket = await self.issue(hall)
        await self.command(hall, partial(domain.cancel, ticket_id=ticket, by=TicketEnd.BY_STAFF))

    async def open(self, halls: Sequence[str]) -> None:
        for hall in halls:
            await self.halls.change(hall, partial(domain.plan_day, plan=plan()), now=system_clock())
            await asyncio.gather(*(self.issue(hall) for _ in range(WAITING)))


@asynccontextmanager
async def queue_inside(settings: Settings) -> AsyncIterator[Queue]:
    system = System([queue], settings)
    assert isinstance(system.bus, KafkaBus)
    await system.bus.provision(topic_specs())
    await system.start()
    try:
        yield Queue(system)
    finally:
        await system.stop()


class OneWriteACommand:
    """What one would write first: the centre's counter incremented, then the ticket inserted with its event."""

    def __init__(self, store: MongoStore) -> None:
        db = store._client.get_database(
            f"{token(8)}-beside",
            read_concern=ReadConcern("majority"),
            write_concern=WriteConcern(w="majority", j=True),
        )
        self.counters, self.tickets = db["counters"], db["tickets"]

    async def issue(self, hall: str) -> None:
        counted = await self.counters.find_one_and_update(
            {"_id": hall}, {"$inc": {"last": 1}}, upsert=True, return_document=True
        )
        number, ticket = counted["last"], f"{hall}-{token()}"
        event = {"_id": token(), "type": "ticket-issued", "time": system_clock(), "ticket": ticket, "number": number}
        await self.tickets.insert_one(
            {"_id": ticket, "hall": hall, "number": number, "state": "waiting", "owed": [event]}
        )


async def rate(each: Callable[[str], Awaitable[object]], halls: Sequence[str], times: int, commands: int) -> float:
    """Commands a second, of so many callers, each of which does `each` so often and waits for it."""

    async def caller(number: int) -> None:
        for _ in range(times):
            await each(halls[number % len(halls)])

    begun = time.perf_counter()
    await asyncio.gather(*(caller(number) for number in range(CALLERS)))
    return CALLERS * times * commands / (time.perf_counter() - begun)


async def commands_against_one_write_each(settings: Settings, rounds: int) -> list[Row]:
    async with queue_inside(settings) as ours:
        store = ours.system.running["queue"].store
        assert isinstance(store, MongoStore)
        beside = OneWriteACommand(store)
        today = system_clock()
        rows = []
        for what, centres, times, goal in (
            ("one hot centre", [HOT], 20, 15.0),
            ("50 centres", FIFTY, 8, 3.5),
        ):
            halls = [domain.hall_of(centre, today) for centre in centres]
            await ours.open(halls)
            pairs = []
            for place in range(rounds + 1):
                one = await rate(ours.come_and_go, halls, times, 2)
                await at_rest(ours.system)
                other = await rate(beside.issue, halls, 4, 1)
                if place:
                    pairs.append((one, other))
            rows.append(compared(f"(f) commands on MongoDB, {what}, {CALLERS} callers", pairs, goal, "commands/s"))
    return rows


async def at_rest(system: System) -> None:
    while any([(await running.store.owed_summary())[0] for running in system.running.values()]):
        await asyncio.sleep(0.05)


def compared(what: str, pairs: Sequence[tuple[float, float]], goal: float, unit: str) -> Row:
    ratio = median(ours / beside for ours, beside in pairs)
    ours, beside = (median(side) for side in zip(*pairs, strict=True))
    return Row(what, f"{ours:,.0f} {unit}", f"{beside:,.0f} {unit}", f"{ratio:.2f} x", f">= {goal:g}", ratio >= goal)
