"""What can happen to a write on a real MongoDB, and what a caller is told then; what rides in documents and is owed."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from services.chassis.backends.mongo import MongoStore
from services.chassis.backends.mongo_journal import FRESH_AT_MOST
from services.chassis.backends.mongo_way import MongoClient, MongoWay
from services.chassis.documents import Documents, the
from services.chassis.errors import Unavailable
from services.chassis.ids import token
from services.chassis.ports import Record, Store, Write, Written
from services.chassis.relay import Relay, RelayTimes
from tests import servers
from tests.conformance.tally import Counted, Tally, arrive, projector
from tests.conformance.test_documents import NOW, add, beating, insist, total
from tests.conformance.test_store import entry, write
from tests.servers.between import Between, between
from tests.servers.mongo import Mongod
from tests.support import run


@pytest.fixture(params=["motor", "pymongo"])
def client(request: pytest.FixtureRequest) -> MongoClient:
    found: MongoClient = request.param
    return found


@asynccontextmanager
async def a_store(url: str, client: MongoClient = "motor", database: str | None = None) -> AsyncIterator[MongoStore]:
    store = MongoStore(MongoWay(url, client), database or f"t{token(16)}", projector())
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def through_somebody(client: MongoClient, story: Callable[[Between, Documents, Store], Awaitable[None]]) -> None:
    """A heart whose way to MongoDB leads through somebody, and another store that has a way of its own."""
    mongod = servers.mongo()

    async def play() -> None:
        database = f"t{token(16)}"
        async with AsyncExitStack() as closing, between(mongod.port) as somebody:
            # Motor says goodbye to the server without letting the loop go on, in which somebody would pass it on.
            store = await closing.enter_async_context(a_store(somebody.url, client, database))
            async with beating(store) as documents, a_store(mongod.url, client, database) as other:
                await add(documents)
                await story(somebody, documents, other)

    run(play())


async def version(store: Store) -> int:
    return (await store.versions([("tally", "a")]))["tally", "a"]


# ------------------------------------------------------------------------------------------- one write of a group


def test_one_document_too_large_fails_alone(client: MongoClient) -> None:
    url = servers.mongo().url

    async def story() -> None:
        async with a_store(url, client) as store:
            large = Write("tally", "large", 0, "t", b"x" * 16_000_000, None, (entry("x", 1, source="large"),))
            group = [write("a", 0), large, write("b", 0)]
            assert await store.commit(group) == [Written.DURABLE, Written.REFUSED, Written.DURABLE]
            assert await store.facts("/tests/tally/large", 1, 10) == []

    run(story())


def test_what_the_server_refuses_as_a_whole_is_written_one_by_one(client: MongoClient) -> None:
    async def story(somebody: Between, documents: Documents, other: Store) -> None:
        somebody.refuses = b"tally/b"
        added = await asyncio.gather(*(add(documents, id=id) for id in "abc"), return_exceptions=True)
        assert isinstance(added[1], Unavailable)
        assert [await total(documents, id) for id in "abc"] == [2, 0, 1]

    through_somebody(client, story)


def test_a_reply_lost_after_the_write_is_found_out_and_answered_once(client: MongoClient) -> None:
    async def story(somebody: Between, documents: Documents, other: Store) -> None:
        somebody.what = "lose the reply"
        assert the(await insist(documents), Counted).to == 2  # type: ignore[arg-type]
        assert b"E11000" not in await somebody.answer
        assert await version(other) == await total(documents) == 2

    through_somebody(client, story)


def test_a_write_that_arrives_after_it_was_decided_again_changes_nothing(client: MongoClient) -> None:
    async def story(somebody: Between, documents: Documents, other: Store) -> None:
        somebody.what = "hold the write"
        assert the(await insist(documents), Counted).to == 2  # type: ignore[arg-type]
        somebody.went_on.set()
        assert b"E11000" in await somebody.answer
        assert await version(other) == await total(documents) == 2

    through_somebody(client, story)


def test_a_write_that_arrives_when_it_was_believed_lost_is_not_decided_again(client: MongoClient) -> None:
    async def story(somebody: Between, documents: Documents, other: Store) -> None:
        somebody.what = "hold it until the next look"
        assert the(await insist(documents), Counted).to == 2  # type: ignore[arg-type]
        assert b"E11000" not in await somebody.answer
        assert await version(other) == await total(documents) == 2

    through_somebody(client, story)


def test_a_primary_that_steps_down_in_between_costs_no_command_and_does_none_twice(client: MongoClient) -> None:
    mongod = servers.mongo()

    async def story() -> None:
        async with a_store(mongod.url, client) as store, beating(store) as documents:
            stepping, done = asyncio.Event(), 0

            async def caller() -> None:
                nonlocal done
                while not stepping.is_set():
                    await insist(documents)
                    done += 1
                await insist(documents)  # whoever is primary by then
                done += 1

            calling = asyncio.gather(*(caller() for _ in range(16)))
            await asyncio.sleep(0.1)
            await asyncio.to_thread(step_down, mongod)
            stepping.set()
            await calling
            assert await total(documents) == done
            facts = await store.facts("/tests/tally/a", 1, 100_000)
            assert [found.sequence for found in facts] == list(range(1, done + 1))

    run(story())


def step_down(mongod: Mongod) -> None:
    with mongod.admin() as admin:
        admin.admin.command("replSetStepDown", 1, force=True, secondaryCatchUpPeriodSecs=0)


# -------------------------------------------------------------------------------- riding in documents, and owed


class Bus:
    """Takes records, or is away."""

    def __init__(self) -> None:
        self.away = False
        self.records: list[Record] = []

    async def publish(self, records: Sequence[Record]) -> int:
        if self.away:
            raise Unavailable()
        self.records += records
        return len(records)

    def sequences(self) -> list[int]:
        """In the order in which they came first."""
        return list(dict.fromkeys(int(dict(record.headers)["ce_sequence"]) for record in self.records))


@asynccontextmanager
async def relayed(store: Store, bus: Any) -> AsyncIterator[Documents]:
    relay = Relay("tests", store, bus, times=RelayTimes(poll=0.1, retry_first=0.05, retry_most=0.1))
    async with beating(store, woken=relay.wake) as documents:
        await relay.start()
        try:
            yield documents
        finally:
            await relay.stop()


async def until(true: Callable[[], Awaitable[bool]], seconds: float = 40) -> None:
    async with asyncio.timeout(seconds):
        while not await true():
            await asyncio.sleep(0.02)


def test_an_outage_of_the_bus_fills_the_journal_and_neither_documents_nor_memory() -> None:
    mongod, times = servers.mongo(), FRESH_AT_MOST // 30

    async def story() -> None:
        bus = Bus()
        bus.away = True
        async with a_store(mongod.url) as store, relayed(store, bus) as documents:
            sizes = []

            async def caller() -> None:
                for place in range(times):
                    await documents[Tally].change("a", arrive, now=NOW + timedelta(seconds=place))
                    sizes.append(len(store._journal.aboard(("tally", "a"))))

            await asyncio.gather(*(caller() for _ in range(20)))
            assert max(sizes) < 1_000
            assert len(store._journal._fresh) == 0  # 20 callers, two facts a command: more than memory may hold
            await until(lambda: riding(store, none=True))
            assert await document_bytes(store) < 4_000
            bus.away = False
            await until(lambda: nothing_owed(store))
            assert bus.sequences() == list(range(1, 40 * times, 2))

    run(story(), 120)


def test_two_processes_on_one_document_publish_its_events_in_order(client: MongoClient) -> None:
    url, database = servers.mongo().url, f"t{token(16)}"

    async def story() -> None:
        bus = Bus()
        async with (
            a_store(url, client, database) as one,
            a_store(url, client, database) as other,
            relayed(one, bus) as first,
            relayed(other, bus) as second,
        ):
            for _ in range(20):
                both = (documents[Tally].change("a", arrive, now=NOW) for documents in (first, second, second))
                await asyncio.gather(*both)
            await until(lambda: everything(bus, 60))
            assert bus.sequences() == list(range(1, 120, 2))

    run(story())


def test_one_thing_is_shown_as_its_document_is_though_another_process_wrote_it(client: MongoClient) -> None:
    url, database = servers.mongo().url, f"t{token(16)}"

    async def story() -> None:
        async with a_store(url, client, database) as writes, a_store(url, client, database) as shows:
            for place in range(5):
                await writes.commit([write("a", place, entry("x", place + 1))])
                shown = await shows.view("totals", "a")
                assert shown and json.loads(shown)["counted"] == place + 1

    run(story())


def test_what_a_process_left_behind_another_one_publishes(client: MongoClient) -> None:
    url, database = servers.mongo().url, f"t{token(16)}"

    async def story() -> None:
        dies = MongoStore(MongoWay(url, client), database, projector())
        await dies.open()
        dies._journal._stopping = True  # as if it had died after the write
        dies._journal._come.set()
        await asyncio.sleep(0.05)
        async with beating(dies) as documents:
            await documents[Tally].change("a", arrive, now=NOW)
        bus = Bus()
        async with a_store(url, client, database) as store, relayed(store, bus):
            await until(lambda: everything(bus, 1))
            assert [entry.type for entry in await store.facts("/tests/tally/a", 1, 9)] == [
                "VolunteerCheckedIn",
                "Counted",
            ]
            await until(lambda: riding(store, none=True))
        await dies.close()

    run(story())


def test_the_kept_position_follows_what_is_published_between_facts_that_nobody_is_told(client: MongoClient) -> None:
    url = servers.mongo().url

    async def story() -> None:
        bus = Bus()
        async with a_store(url, client) as store, relayed(store, bus) as documents:

            async def caller() -> None:
                for _ in range(30):
                    await add(documents)
                    await documents[Tally].change("a", arrive, now=NOW)

            await asyncio.gather(*(caller() for _ in range(3)))
            await until(lambda: everything(bus, 90))
            await until(lambda: nothing_owed(store))
            assert len(bus.records) == 90

    run(story())


def test_what_is_rewound_comes_again_though_new_events_are_published_meanwhile(client: MongoClient) -> None:
    url = servers.mongo().url

    async def story() -> None:
        bus = Bus()
        async with a_store(url, client) as store, relayed(store, bus) as documents:
            for _ in range(10):
                await documents[Tally].change("a", arrive, now=NOW)
            await until(lambda: nothing_owed(store))
            bus.records.clear()
            await asyncio.gather(store.rewind(NOW), documents[Tally].change("a", arrive, now=NOW))
            await until(lambda: everything(bus, 11))

    run(story())


async def everything(bus: Bus, count: int) -> bool:
    return len(bus.sequences()) == count


async def riding(store: MongoStore, *, none: bool) -> bool:
    found = await store._docs.find_one({"_id": "tally/a"}, {"pending": 1})
    return (not found["pending"]) is none


async def document_bytes(store: MongoStore) -> int:
    return len((await store._docs.find_one({"_id": "tally/a"}))["body"]) + 2_000


async def nothing_owed(store: Store) -> bool:
    return (await store.owed_summary())[0] == 0
