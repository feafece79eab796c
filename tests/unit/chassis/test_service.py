"""A whole process of one small service on both backends: its table is all that is written for it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import pytest

from services.chassis.backends.kafka import KafkaBus
from services.chassis.clock import system_clock
from services.chassis.documents import Collection
from services.chassis.ids import token
from services.chassis.ops import readiness
from services.chassis.service import Running, Service, System, Tail, topic_specs
from services.chassis.settings import Settings
from services.contracts.events import VolunteerCheckedIn
from services.contracts.words import Event
from tests import servers
from tests.conformance import tally
from tests.conformance.tally import KIND, TOTALS, Tally, arrive, count
from tests.support import run


async def tell_the_other_tally(event: VolunteerCheckedIn, tallies: Collection[Tally], now: datetime) -> None:
    await tallies.change("other", count, now=now, because=event)


def service(seen: list[Event]) -> Service:
    async def note(events: Sequence[Event], running: Running) -> None:
        seen.extend(events)

    return Service(
        "volunteers",  # the only one that may say who checked in
        domain=(tally,),
        keeps={Tally: KIND},
        serves=[],
        handles={VolunteerCheckedIn: tell_the_other_tally},
        publishes=[VolunteerCheckedIn],
        views=[TOTALS],
        tails=[Tail(None, note)],
    )


def embedded(folder: Path) -> Settings:
    return Settings(data=folder)


def distributed(folder: Path) -> Settings:
    return Settings(
        data=folder,
        backend="distributed",
        mongo_url=servers.mongo().url,
        kafka_servers=servers.kafka().address,
        namespace=f"{token(10)}-",
    )


@pytest.fixture(params=[embedded, distributed], ids=lambda made: made.__name__)
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    made: Settings = request.param(tmp_path)
    return made


@asynccontextmanager
async def system(settings: Settings, seen: list[Event]) -> AsyncIterator[System]:
    process = System([service(seen)], settings)
    if isinstance(process.bus, KafkaBus):
        await process.bus.provision(topic_specs())
    await process.start()
    try:
        yield process
    finally:
        await process.stop()


async def until(true: object, seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not await true():  # type: ignore[operator]
            await asyncio.sleep(0.01)


def test_a_fact_travels_from_a_document_over_the_bus_to_a_handler_and_a_tail(settings: Settings) -> None:
    async def story() -> None:
        seen: list[Event] = []
        async with system(settings, seen) as process:
            await process[Tally].change("one", arrive, now=system_clock())

            async def heard() -> bool:
                return bool(seen) and await process[Tally].read("other", lambda found: found.count) == 1

            await until(heard)
            assert seen[0].origin.source == "/volunteers/tally/one"
            found = await readiness(process)
            assert (found.ready, found.degraded) == (True, [])

    run(story())


def test_nothing_is_done_twice_by_a_restart(settings: Settings) -> None:
    async def story() -> None:
        for started in range(3):
            async with system(settings, []) as process:
                for _ in range(5):
                    await process[Tally].change("one", arrive, now=system_clock())

                async def caught_up(want: int = 5 * (started + 1)) -> bool:
                    return await process[Tally].read("other", lambda found: found.count) == want

                await until(caught_up)
        async with system(settings, []) as process:
            await asyncio.sleep(0.2)
            assert await process[Tally].read("other", lambda found: found.count) == 15

    run(story())
