"""What is owed reaches the bus in order and at least once, whatever the bus does meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.chassis import metrics
from services.chassis.backends.sqlite_bus import SqliteBus
from services.chassis.backends.sqlite_store import SqliteStore
from services.chassis.errors import Unavailable
from services.chassis.ports import Record, Write, Written
from services.chassis.relay import Relay
from services.chassis.views import Projector
from services.contracts.events import QueueCalled
from services.contracts.words import Because
from tests.conformance.bus_records import CALLED, entry, ticket, topics
from tests.virtual import run_virtual, virtual_clock


class MoodyBus(SqliteBus):
    """The embedded bus, which can be away, or take only the first few of what it is given."""

    away = False
    takes: int | None = None
    asked = 0

    async def publish(self, records: Sequence[Record]) -> int:
        self.asked += 1
        if self.away:
            raise Unavailable()
        return await super().publish(records[: self.takes])


@dataclass
class House:
    store: SqliteStore
    bus: MoodyBus
    relay: Relay
    owes: int = 0

    async def owe(self, count: int = 1) -> None:
        """Make facts durable that are owed, as a commit of the heart does, and wake the relay."""
        first = self.owes + 1
        self.owes += count
        entries = tuple(
            entry(
                QueueCalled(
                    centre="31186",
                    ticket_id=ticket("a"),
                    code="A001",
                    counter=1,
                    call_count=1,
                    selected_because=Because.RATIO,
                ),
                sequence,
            )
            for sequence in range(first, self.owes + 1)
        )
        write = Write("hall", f"31186-{first}", 0, f"token-{first}", b"", None, entries)
        assert await self.store.commit([write]) == [Written.DURABLE]
        self.relay.wake()

    async def published(self) -> list[int]:
        return [int(dict(raw.headers)["ce_sequence"]) for raw in await self.bus.read(CALLED)]


def in_a_house(path: Path, story: Callable[[House], Awaitable[None]], service: str = "queue") -> None:
    async def play() -> None:
        bus = MoodyBus(path / "bus.sqlite", virtual_clock)
        store = SqliteStore(path / "queue.sqlite", Projector((), {}, {}), clock=virtual_clock)
        await bus.open(topics())
        await store.open()
        house = House(store, bus, Relay(service, store, bus, clock=virtual_clock))
        await house.relay.start()
        try:
            await story(house)
        finally:
            await house.relay.stop()
            await store.close()
            await bus.close()

    run_virtual(play())


def test_what_is_owed_is_published_in_order_as_soon_as_it_is_durable(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        await house.owe(3)
        await house.owe(700)
        await asyncio.sleep(0.1)
        assert await house.published() == list(range(1, 704))
        assert await house.store.owed(10) == []

    in_a_house(tmp_path, story)


def test_what_nobody_woke_it_for_is_found_within_five_seconds(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        house.relay.wake = lambda: None  # type: ignore[method-assign]
        await asyncio.sleep(1)
        await house.owe()
        await asyncio.sleep(5)
        assert await house.published() == [1]

    in_a_house(tmp_path, story)


def test_with_the_bus_away_it_waits_longer_and_longer_and_loses_nothing(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        house.bus.away = True
        await house.owe(5)
        await asyncio.sleep(600)
        assert 20 <= house.bus.asked <= 40  # 1, 2, 4, 8, 16, then every 30 s at most
        assert house.relay.trouble == "unavailable"
        house.bus.away = False
        await asyncio.sleep(31)
        assert await house.published() == [1, 2, 3, 4, 5]
        assert house.relay.trouble is None

    in_a_house(tmp_path, story)


def test_being_woken_does_not_hammer_a_bus_that_is_away(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        house.bus.away = True
        for _ in range(100):
            await house.owe()
            await asyncio.sleep(0.1)
        assert house.bus.asked <= 5

    in_a_house(tmp_path, story)


def test_what_the_bus_did_not_take_is_published_again_from_there(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        house.bus.takes = 2
        await house.owe(5)
        await asyncio.sleep(0.5)
        assert await house.published() == [1, 2]
        house.bus.takes = None
        await asyncio.sleep(5)
        assert await house.published() == [1, 2, 3, 4, 5]

    in_a_house(tmp_path, story)


def test_how_much_is_owed_and_since_when_is_told(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        house.bus.away = True
        await house.owe(5)
        await asyncio.sleep(60)
        assert await house.relay.state() == {"owed": 5, "oldest_seconds": 60.0, "trouble": "unavailable"}
        assert metrics.registry.get_sample_value("caunoi_events_owed", {"service": "owing"}) == 5

    in_a_house(tmp_path, story, service="owing")


def test_stopping_publishes_what_is_still_owed(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        await house.owe(1_200)
        await house.relay.stop()
        assert len(await house.bus.read(CALLED, limit=2_000)) == 1_200
        assert not house.relay.alive

    in_a_house(tmp_path, story)


def test_stopping_outlasts_a_moment_without_a_bus(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        house.bus.away = True
        await house.owe(3)
        stopping = asyncio.create_task(house.relay.stop())
        await asyncio.sleep(1)
        house.bus.away = False
        await stopping
        assert await house.published() == [1, 2, 3]

    in_a_house(tmp_path, story)


def test_stopping_does_not_wait_for_a_bus_that_is_away(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        house.bus.away = True
        await house.owe()
        await asyncio.sleep(100)
        before = asyncio.get_running_loop().time()
        await house.relay.stop()
        assert asyncio.get_running_loop().time() - before < 3.1

    in_a_house(tmp_path, story)


def test_a_bug_in_the_bus_does_not_end_it(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        house.bus.takes = "two"  # type: ignore[assignment]
        await house.owe()
        await asyncio.sleep(3)
        assert house.relay.trouble == "TypeError"
        house.bus.takes = None
        await asyncio.sleep(31)
        assert await house.published() == [1]

    in_a_house(tmp_path, story)
