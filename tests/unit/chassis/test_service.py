"""A whole process of one small service on both backends: its table is all that is written for it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.chassis import metrics
from services.chassis.backends.chosen import Backend
from services.chassis.backends.kafka import KafkaBus
from services.chassis.backends.mongo import MongoStore
from services.chassis.backends.mongo_way import MongoWay
from services.chassis.backends.sqlite_bus import SqliteBus
from services.chassis.backends.sqlite_store import SqliteStore
from services.chassis.clock import system_clock
from services.chassis.documents import Collection
from services.chassis.errors import Unavailable
from services.chassis.ids import token
from services.chassis.keys import Keys
from services.chassis.ops import SILENT, readiness
from services.chassis.ports import Raw, Subscription
from services.chassis.service import Running, Service, System, Tail, topic_specs
from services.chassis.settings import Settings
from services.chassis.views import Projector
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
        wants_bus_for=("sending",),
    )


def embedded(folder: Path) -> Settings:
    return Settings(data=folder)


def distributed(folder: Path) -> Settings:
    Keys.at(folder / "secrets")
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
async def system(settings: Settings, seen: list[Event], backend: Backend | None = None) -> AsyncIterator[System]:
    process = System([service(seen)], settings, backend=backend)
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


# --------------------------------------------------------------------------------------------------- readiness


def test_a_reader_that_was_killed_is_seen_though_the_bus_still_answers(settings: Settings) -> None:
    async def story() -> None:
        async with system(settings, []) as process:
            assert (await readiness(process)).ready_for("reading")
            for task in asyncio.all_tasks():
                if getattr(task.get_coro(), "__name__", "") == "_keep_reading":
                    task.cancel()
                    await asyncio.wait([task])
            await process.bus.health()
            found = await readiness(process)
            assert (found.ready, found.degraded) == (True, ["reader"])
            assert not found.ready_for("reading")
            assert not found.ready_for("sending")
            assert metrics.registry.get_sample_value("caunoi_reader_up", {"group": "volunteers"}) == 0

    run(story())


class SilentBus(SqliteBus):
    """It takes everything, and has said nothing since long ago."""

    async def tail(
        self, topics: Sequence[str], since: datetime, receive: Callable[[Sequence[Raw]], Awaitable[None]]
    ) -> Subscription:
        return Subscription(heard=system_clock() - SILENT - timedelta(seconds=1))


def test_a_bus_that_is_silent_leaves_a_service_ready_for_all_that_needs_no_bus(tmp_path: Path) -> None:
    files = Backend.chosen(embedded(tmp_path))

    async def story() -> None:
        async with system(
            embedded(tmp_path), [], Backend(files.store, lambda: SilentBus(tmp_path / "bus.sqlite"))
        ) as process:
            await process[Tally].change("one", arrive, now=system_clock())
            found = await readiness(process)
            assert (found.ready, found.degraded) == (True, ["bus"])
            assert (found.ready_for("serving"), found.ready_for("sending")) == (True, False)

    run(story())


def test_a_clock_that_is_two_hours_off_its_database_is_said(tmp_path: Path) -> None:
    url = servers.mongo().url

    def store(name: str, projector: Projector) -> MongoStore:
        return MongoStore(MongoWay(url), f"t-{token(10)}", projector, clock=lambda: system_clock() + timedelta(hours=2))

    async def story() -> None:
        bus = SqliteBus(tmp_path / "bus.sqlite")
        async with system(embedded(tmp_path), [], Backend(store, lambda: bus)) as process:
            found = await readiness(process)
            assert (found.ready, found.degraded) == (True, ["clock"])
            assert "set both by NTP" in found.why[0]

    run(story())


class StoreThatGoesAway(SqliteStore):
    away = False

    async def owed_summary(self) -> tuple[int, datetime | None]:
        if self.away:
            raise Unavailable(retry_after=1)
        return await super().owed_summary()

    async def health(self) -> dict[str, Any]:
        if self.away:
            raise Unavailable(retry_after=1)
        return await super().health()


def test_a_store_that_is_away_makes_it_not_ready_and_everything_else_is_still_told(tmp_path: Path) -> None:
    stores: list[StoreThatGoesAway] = []

    def store(name: str, projector: Projector) -> StoreThatGoesAway:
        stores.append(StoreThatGoesAway(tmp_path / f"{name}.sqlite", projector, timedelta(days=400)))
        return stores[-1]

    async def story() -> None:
        async with system(
            embedded(tmp_path), [], Backend(store, lambda: SqliteBus(tmp_path / "bus.sqlite"))
        ) as process:
            assert (await readiness(process)).ready
            stores[0].away = True
            found = await readiness(process)
            assert (found.ready, found.degraded) == (False, [])
            assert "Not available" in found.services["volunteers"]["store"]["trouble"]
            assert found.services["volunteers"]["consumer"]["alive"]

    run(story())


def test_a_process_that_is_about_to_end_is_not_ready(tmp_path: Path) -> None:
    async def story() -> None:
        async with system(embedded(tmp_path), []) as process:
            process.leaving = True
            found = await readiness(process)
            assert (found.ready, found.degraded) == (False, ["stopping"])

    run(story())
