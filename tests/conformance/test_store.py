"""One suite for all stores, driven by what each promises. A backend is added to `BACKENDS` and nothing else changes."""

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.chassis.backends.mongo import MongoStore
from services.chassis.backends.mongo_way import MongoClient, MongoWay
from services.chassis.backends.sqlite_store import SqliteStore
from services.chassis.ids import token
from services.chassis.ports import Entry, Store, Write, Written
from tests import servers
from tests.conformance.memory_store import MemoryStore, Shelf
from tests.conformance.tally import projector
from tests.support import run

NOW = datetime(2026, 11, 24, 1, tzinfo=UTC)
Opener = Callable[[], AbstractAsyncContextManager[Store]]


def sqlite(folder: Path) -> Opener:
    @asynccontextmanager
    async def opened() -> Any:
        store = SqliteStore(folder / "tally.sqlite", projector())
        await store.open()
        try:
            yield store
        finally:
            await store.close()

    return opened


def memory(folder: Path) -> Opener:
    shelf = Shelf()

    @asynccontextmanager
    async def opened() -> Any:
        yield MemoryStore(projector(), shelf)

    return opened


def mongo(client: MongoClient) -> Callable[[Path], Opener]:
    def at(folder: Path) -> Opener:
        database = f"t{token(16)}"

        @asynccontextmanager
        async def opened() -> Any:
            store = MongoStore(MongoWay(servers.mongo().url, client), database, projector())
            await store.open()
            try:
                yield store
            finally:
                await store.close()

        return opened

    return at


BACKENDS: dict[str, Callable[[Path], Opener]] = {
    "sqlite": sqlite,
    "memory": memory,
    "motor": mongo("motor"),
    "pymongo": mongo("pymongo"),
}


@pytest.fixture(params=BACKENDS)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    return BACKENDS[request.param](tmp_path)


def entry(id: str, sequence: int, *, source: str = "a", topic: str | None = "volunteer-checked-in") -> Entry:
    body = b'{"to":%d}' % sequence
    return Entry(
        f"{id}-{sequence}",
        f"/tests/tally/{source}",
        sequence,
        "Counted",
        NOW + timedelta(seconds=sequence),
        body,
        topic,
    )


def write(id: str, base: int, *entries: Entry, token: str | None = None, due: datetime | None = None) -> Write:
    return Write("tally", id, base, token or f"t{id}{base}", b"body of %d" % (base + 1), due, entries)


def test_what_was_committed_is_there_after_opening_again(opened: Opener) -> None:
    async def story() -> None:
        async with opened() as store:
            assert await store.commit([write("a", 0, entry("x", 1))]) == [Written.DURABLE]
        async with opened() as store:
            stored = (await store.load([("tally", "a"), ("tally", "b")]))[("tally", "a")]
            assert (stored.version, stored.body) == (1, b"body of 1")
            assert [found.id for found in await store.owed(10)] == ["x-1"]

    run(story())


def test_a_write_on_another_version_is_a_conflict_and_leaves_nothing(opened: Opener) -> None:
    async def story() -> None:
        async with opened() as store:
            await store.commit([write("a", 0, entry("x", 1))])
            assert await store.commit([write("a", 0, entry("y", 1))]) == [Written.CONFLICT]
            assert await store.commit([write("a", 2, entry("y", 2))]) == [Written.CONFLICT]
            assert [found.id for found in await store.facts("/tests/tally/a", 1, 10)] == ["x-1"]

    run(story())


def test_a_conflict_of_one_does_not_undo_its_neighbours(opened: Opener) -> None:
    async def story() -> None:
        async with opened() as store:
            await store.commit([write("a", 0)])
            group = [write("a", 0, entry("x", 1)), write("b", 0, entry("y", 1, source="b"))]
            assert await store.commit(group) == [Written.CONFLICT, Written.DURABLE]
            assert await store.versions([("tally", "a"), ("tally", "b"), ("tally", "c")]) == {
                ("tally", "a"): 1,
                ("tally", "b"): 1,
                ("tally", "c"): 0,
            }

    run(story())


def test_a_write_of_unknown_outcome_is_settled_by_its_token(opened: Opener) -> None:
    async def story() -> None:
        async with opened() as store:
            done, lost = write("a", 0, token="done"), write("b", 0, token="lost")
            await store.commit([done])
            assert await store.settle([done, lost]) == [Written.DURABLE, Written.CONFLICT]

    run(story())


def test_documents_are_found_by_their_next_due_time(opened: Opener) -> None:
    async def story() -> None:
        async with opened() as store:
            soon, later = NOW + timedelta(seconds=1), NOW + timedelta(hours=1)
            await store.commit([write("later", 0, due=later), write("soon", 0, due=soon), write("never", 0)])
            assert await store.due(NOW, 10) == []
            assert await store.due(soon, 10) == [("tally", "soon")]
            await store.commit([write("soon", 1, due=None)])
            assert await store.due(later, 10) == [("tally", "later")]

    run(story())


def test_what_is_owed_comes_in_order_until_it_is_marked_as_published(opened: Opener) -> None:
    async def story() -> None:
        async with opened() as store:
            await store.commit([write("a", 0, entry("x", 1), entry("x", 2, topic=None), entry("x", 3))])
            owed = await store.owed(10)
            assert [found.sequence for found in owed] == [1, 3]
            assert await store.owed_summary() == (2, NOW + timedelta(seconds=1))
            await store.published(owed[:1])
            assert [found.sequence for found in await store.owed(10)] == [3]
        async with opened() as store:
            assert [found.sequence for found in await store.owed(10)] == [3]

    run(story())


def test_the_journal_can_be_owed_again_from_a_time(opened: Opener) -> None:
    async def story() -> None:
        async with opened() as store:
            await store.commit([write("a", 0, *(entry("x", place) for place in range(1, 6)))])
            await store.published(await store.owed(10))
            assert await store.owed(10) == []
            assert await store.rewind(NOW + timedelta(seconds=4)) == 2
            assert [found.sequence for found in await store.owed(10)] == [4, 5]

    run(story())


def test_what_many_documents_have_said_can_be_owed_again(opened: Opener) -> None:
    async def story() -> None:
        async with opened() as store:
            await store.commit([write(f"d{n}", 0, entry(f"d{n}", 1, source=f"d{n}")) for n in range(1_100)])
            while owed := await store.owed(5_000):
                await store.published(owed)
            assert await store.rewind(NOW) == 1_100
            assert (await store.owed_summary())[0] >= 1_000

    run(story())


def test_a_store_remembers_when_a_backup_was_put_back(opened: Opener) -> None:
    async def story() -> None:
        async with opened() as store:
            assert store.restored is None
            await store.note_restored(NOW)
        async with opened() as store:
            assert store.restored == NOW

    run(story())


def test_what_is_owed_again_while_it_is_being_published_stays_owed(opened: Opener) -> None:
    async def story() -> None:
        async with opened() as store:
            await store.commit([write("a", 0, *(entry("x", place) for place in range(1, 4)))])
            await store.published(await store.owed(10))
            await store.commit([write("a", 1, entry("x", 4))])
            in_flight = await store.owed(10)
            await store.rewind(NOW)
            await store.published(in_flight)
            assert [found.sequence for found in await store.owed(10)] == [1, 2, 3, 4]

    run(story())


def test_the_journal_pages_by_a_cursor(opened: Opener) -> None:
    async def story() -> None:
        async with opened() as store:
            await store.commit([write("a", 0, *(entry("x", place) for place in range(1, 6)))])
            first, cursor = await store.journal(None, 3)
            second, cursor = await store.journal(cursor, 3)
            assert [found.sequence for found in (*first, *second)] == [1, 2, 3, 4, 5]
            assert (await store.journal(cursor, 3))[0] == []

    run(story())


def test_views_are_found_by_declared_fields_in_order_of_key(opened: Opener) -> None:
    async def story() -> None:
        async with opened() as store:
            for name in ("a1", "a2", "b1"):
                await store.commit([write(name, 0, entry(name, 1, source=name))])
            await store.owed(10)  # where views are not folded by the commit, the relay's question has it done
            assert [key for key, _ in await store.find("totals", {"group": "a"})] == ["a1", "a2"]
            assert [key for key, _ in await store.find("totals", {"group": "a"}, after="a1")] == ["a2"]
            assert [key for key, _ in await store.find("totals", {}, limit=2)] == ["a1", "a2"]
            assert await store.view("totals", "nothing") is None

    run(story())


def test_rebuilt_views_are_the_same_to_the_byte(opened: Opener) -> None:
    async def story() -> None:
        async with opened() as store:
            for place in range(5):
                await store.commit([write("a", place, entry("x", place + 1))])
            before = await store.view("totals", "a")
            told: list[int] = []
            assert await store.rebuild(told.append) == 5
            assert await store.view("totals", "a") == before
            assert told[-1] == 5

    run(story())


def test_a_subject_key_is_made_once_and_gone_for_ever(opened: Opener) -> None:
    async def story() -> None:
        async with opened() as store:
            assert await store.subject_key("s", None) is None
            assert await store.subject_key("s", b"one") == b"one"
            assert await store.subject_key("s", b"two") == b"one"
            assert await store.forget_subject("s")
            assert not await store.forget_subject("s")
            assert await store.subject_key("s", None) is None

    run(story())


@pytest.mark.parametrize("place", ["store:before-write", "store:after-write", "store:before-answer"])
def test_a_process_killed_around_its_write_loses_nothing_acknowledged(tmp_path: Path, place: str) -> None:
    where = tmp_path / "tally.sqlite"
    environment = {**os.environ, "CAUNOI_FAILPOINT": f"{place}#7"}
    command = [sys.executable, "-m", "tests.conformance.tally_child", str(where)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    acknowledged = ended.stdout.count("acked")
    assert ended.returncode == -9, ended.stderr
    assert 0 < acknowledged < ended.stdout.count("asked")

    async def afterwards() -> tuple[int, list[int]]:
        async with sqlite(tmp_path)() as store:
            facts = [found for found in await store.facts("/tests/tally/a", 1, 10_000) if found.type == "Counted"]
            owed = await store.owed(10_000)
            assert len(owed) == len(facts)
            return len(facts), [found.sequence for found in await store.facts("/tests/tally/a", 1, 10_000)]

    kept, sequences = run(afterwards())
    assert kept >= acknowledged
    assert sequences == list(range(1, len(sequences) + 1))


def test_a_full_disk_refuses_before_acknowledging_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    async def story() -> None:
        async with sqlite(tmp_path)() as store:
            await store.commit([write("a", 0, entry("x", 1))])
            writer = store._db._open_writer()  # the file's own limit stands for the disk's
            pages = writer.execute("PRAGMA page_count").fetchone()[0]
            writer.execute(f"PRAGMA max_page_count={pages}")
            big = Write("tally", "b", 0, "tb", b"x" * 1_000_000, None, ())
            assert await store.commit([big]) == [Written.FULL]
            assert (await store.load([("tally", "a")]))[("tally", "a")].version == 1
            writer.execute("PRAGMA max_page_count=1073741823")
            assert await store.commit([big]) == [Written.DURABLE]

    run(story())
