"""Copies of databases that are written meanwhile: of one moment, so that a journal tells neither more nor less than the
documents know; and put back as they were.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import decode_file_iter

from services.chassis.backends.mongo import MongoStore
from services.chassis.backends.mongo_backup import MongoCopies
from services.chassis.backends.mongo_way import MongoNotUsable, MongoWay
from services.chassis.errors import Unavailable
from services.chassis.ids import token
from services.chassis.ports import Entry, Write
from services.chassis.views import Projector
from tests import servers
from tests.support import run

HALLS = [f"hall{number}" for number in range(12)]
NOW = datetime(2026, 11, 24, 1, tzinfo=UTC)


class Writing:
    """A service that writes two facts a change into each of some documents."""

    def __init__(self, store: MongoStore) -> None:
        self._store = store
        self._at = 0

    async def change_all(self) -> None:
        self._at += 1
        entries = {hall: [fact(hall, 2 * self._at - 1), fact(hall, 2 * self._at)] for hall in HALLS}
        # The body says how far the document is.
        writes = [
            Write("hall", hall, self._at - 1, f"{hall}{self._at}", b"%d" % (2 * self._at), None, tuple(entries[hall]))
            for hall in HALLS
        ]
        await self._store.commit(writes)


def fact(hall: str, sequence: int) -> Entry:
    time = NOW + timedelta(seconds=sequence)
    return Entry(f"{hall}-{sequence}", f"/queue/hall/{hall}", sequence, "Counted", time, b"{}", "queue-called")


def read(file: Path) -> Sequence[dict[str, Any]]:
    with file.open("rb") as opened:
        return list(decode_file_iter(opened))


def test_a_copy_taken_while_services_write_is_of_one_moment(tmp_path: Path) -> None:
    way, database = MongoWay(servers.mongo().url), f"t-{token(10)}"

    async def story() -> None:
        store = MongoStore(way, database, Projector((), {}, {}))
        await store.open()
        writing = Writing(store)
        for _ in range(20):
            await writing.change_all()
        copies = MongoCopies(way, {"queue": database})
        taken = []
        for name in copies.take(copies.data, tmp_path, NOW + timedelta(seconds=15)):
            taken.append(name)
            await writing.change_all()
            await store.owed(1_000)
        assert taken == ["queue.documents.bson", "queue.positions.bson", "queue.journal.bson"]
        await store.close()

    run(story())
    journalled = defaultdict(set)
    for entry in read(tmp_path / "queue.journal.bson"):
        journalled[entry["source"]].add(entry["seq"])
    for document in read(tmp_path / "queue.documents.bson"):
        knows = int(document["body"])
        told = journalled[f"/queue/hall/{document['id']}"] | {one["seq"] for one in document["pending"]}
        assert told == set(range(1, knows + 1))


def test_what_is_put_back_is_what_was_taken_and_what_was_there_is_kept(tmp_path: Path) -> None:
    way, database = MongoWay(servers.mongo().url), f"t-{token(10)}"

    async def story() -> None:
        store = MongoStore(way, database, Projector((), {}, {}))
        await store.open()
        writing = Writing(store)
        await writing.change_all()
        await store.published(await store.owed(1_000))
        copies = MongoCopies(way, {"queue": database})
        names = list(copies.take(copies.data, tmp_path, NOW))
        await writing.change_all()
        await store.close()
        copies.put(names, tmp_path, "before")
        store = MongoStore(way, database, Projector((), {}, {}))
        await store.open()
        assert (await store.load([("hall", "hall3")]))["hall", "hall3"].body == b"2"
        assert [entry.sequence for entry in await store.facts("/queue/hall/hall3", 1, 10)] == [1, 2]
        assert await store.owed(1_000) == []
        assert await store._db["before.documents"].count_documents({"body": b"4"}) == len(HALLS)
        await store.close()

    run(story())


def test_a_database_into_which_a_restore_broke_off_is_left_alone(tmp_path: Path) -> None:
    way, database = MongoWay(servers.mongo().url), f"t-{token(10)}"
    copies = MongoCopies(way, {"queue": database})
    (tmp_path / "queue.documents.bson").write_bytes(b"\x05\x00\x00\x00\x00" + b"torn")
    with pytest.raises(Unavailable):
        copies.check(tmp_path / "queue.documents.bson")
    with pytest.raises(Exception):  # noqa: B017
        copies.put(["queue.documents.bson"], tmp_path, "before")
    with pytest.raises(MongoNotUsable, match="did not end; run it again with --replace"):
        run(MongoStore(way, database, Projector((), {}, {})).open())
