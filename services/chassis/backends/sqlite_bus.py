"""The embedded bus: a log in one SQLite file, with topics, keys, groups with stored positions, and retention.

One partition a topic, one process. It promises what Kafka promises (at least once, in order per key) and no more, so
that services cannot come to lean on what they would miss there.
"""

import asyncio
import contextlib
import json
import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import structlog

from services.chassis.backends.sqlite import Database, micros_of, moment_of
from services.chassis.clock import Clock, system_clock
from services.chassis.errors import Unavailable
from services.chassis.ports import BusPromises, Partition, Positions, Raw, Record, Subscription, TopicSpec, Worker

BATCH_AT_MOST = 500
LATEST_KEPT = 256
"""Records a topic in memory, as they lie in the file: readers that keep up share them."""
TIDY_SECONDS = 600.0
IDLE_SECONDS = 5.0
RETRY_SECONDS = 1.0
TOMBSTONES_KEPT = timedelta(days=1)

_SCHEMA = [
    """
    CREATE TABLE topic (name TEXT PRIMARY KEY, next INTEGER NOT NULL, latest INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE record (
        topic TEXT NOT NULL, offset INTEGER NOT NULL, time INTEGER NOT NULL, key BLOB, headers TEXT NOT NULL,
        value BLOB, PRIMARY KEY (topic, offset)) WITHOUT ROWID;
    CREATE TABLE position (
        reader TEXT NOT NULL, topic TEXT NOT NULL, next INTEGER NOT NULL, PRIMARY KEY (reader, topic)) WITHOUT ROWID
    """
]
_FIRST_SINCE = "SELECT offset, time FROM record WHERE topic=? AND offset>=? ORDER BY offset LIMIT 1"


log = structlog.get_logger()


class NoSuchTopic(Unavailable):
    en = "There is no topic {topic} on the bus."
    vi = "Không có chủ đề {topic} trên kênh sự kiện."


class SqliteBus:
    """`Bus` on one file; see `services.chassis.ports`."""

    promises = BusPromises(survives_kill=True, partitions=False, many_processes=False)

    def __init__(self, path: Path, clock: Clock = system_clock) -> None:
        self._db = Database(path, _SCHEMA)
        self._clock = clock
        self._topics: dict[str, TopicSpec] = {}
        self._ends: dict[str, int] = {}
        """Per topic the offset that its next record gets; only what is durable counts."""
        self._latest: dict[str, deque[Raw]] = {}
        """Per topic its last records without a gap, all of them durable."""
        self._readers: dict[asyncio.Event, frozenset[str]] = {}
        self._groups: dict[str, Sequence[str]] = {}
        """What each running group reads."""
        self._tidying: asyncio.Task[None] | None = None

    async def open(self, topics: Sequence[TopicSpec]) -> None:
        await self._db.open()
        self._topics = {spec.name: spec for spec in topics}
        names = [(spec.name,) for spec in topics]
        await self._db.write(lambda at: at.executemany("INSERT OR IGNORE INTO topic VALUES (?, 0, 0)", names))
        self._ends = dict(self._db.read("SELECT name, next FROM topic"))
        self._tidying = asyncio.create_task(self._keep_tidy())

    async def close(self) -> None:
        if self._tidying:
            self._tidying.cancel()
            await asyncio.wait([self._tidying])
        await self._db.close()

    # --------------------------------------------------------------------------------------------- writing

    async def publish(self, records: Sequence[Record]) -> int:
        for record in records:
            if record.topic not in self._topics:
                raise NoSuchTopic(topic=record.topic)
        await asyncio.shield(self._publish(records))  # a caller that goes away must not keep the readers from it
        return len(records)

    async def _publish(self, records: Sequence[Record]) -> None:
        appended = await self._db.write(lambda at: self._append(at, records))
        for raw in appended:
            self._ends[raw.topic] = raw.offset + 1
            latest = self._latest.setdefault(raw.topic, deque(maxlen=LATEST_KEPT))
            if latest and latest[-1].offset + 1 != raw.offset:  # of what lies between nobody knew whether it was kept
                latest.clear()
            latest.append(raw)
        written = {raw.topic for raw in appended}
        for woken, topics in self._readers.items():
            if not topics.isdisjoint(written):
                woken.set()

    def _append(self, at: sqlite3.Connection, records: Sequence[Record]) -> list[Raw]:
        # The table and not memory says where a topic ends: another publish of the same group may have moved it.
        ends: dict[str, int] = {}
        latest: dict[str, int] = {}
        now = micros_of(self._clock())
        rows, appended = [], []
        for record in records:
            if record.topic not in ends:
                row = at.execute("SELECT next, latest FROM topic WHERE name=?", (record.topic,)).fetchone()
                # The times of a topic never go back, so that a time can be searched for.
                ends[record.topic], latest[record.topic] = row[0], max(row[1], now)
            topic, offset, time = record.topic, ends[record.topic], latest[record.topic]
            headers = json.dumps([(name, value.decode("latin-1")) for name, value in record.headers])
            rows.append((topic, offset, time, record.key, headers, record.value))
            appended.append(Raw(topic, 0, offset, record.key, tuple(record.headers), record.value, moment_of(time)))
            ends[topic] += 1
        at.executemany("INSERT INTO record VALUES (?,?,?,?,?,?)", rows)
        at.executemany(
            "UPDATE topic SET next=?, latest=? WHERE name=?", [(ends[name], latest[name], name) for name in ends]
        )
        return appended

    # --------------------------------------------------------------------------------------------- reading

    async def subscribe(self, group: str, topics: Sequence[str], worker: Worker) -> Subscription:
        self._check(topics)
        if group in self._groups:
            raise RuntimeError(f"group {group} is running already")
        self._groups[group] = topics
        stored = self._stored(group)
        cursor = {topic: stored.get(topic, 0) for topic in topics}

        async def commit(positions: Positions) -> None:
            await self._keep({topic: offset for (topic, _), offset in positions.items()}, group)

        async def take(batch: Sequence[Raw]) -> None:
            await worker.take(batch, commit)

        async def finish() -> None:
            await worker.finish()
            self._groups.pop(group, None)

        return self._start_reading(f"group {group}", cursor, take, finish)

    async def tail(
        self, topics: Sequence[str], since: datetime, receive: Callable[[Sequence[Raw]], Awaitable[None]]
    ) -> Subscription:
        self._check(topics)
        cursor = {topic: self._first_since(topic, since) for topic in topics}
        return self._start_reading("tail", cursor, receive, _nothing_to_finish)

    async def read(self, topics: str | Sequence[str], start: Positions | None = None, limit: int = 1_000) -> list[Raw]:
        names = [topics] if isinstance(topics, str) else topics
        self._check(names)
        batch: list[Raw] = []
        for topic in names:
            batch += self._fetch(topic, (start or {}).get((topic, 0), 0), limit - len(batch))
        return batch

    async def forward(self, group: str, topics: Sequence[str]) -> None:
        if group in self._groups:
            raise RuntimeError(f"group {group} is running: stop it before it is put forward")
        self._check(topics)
        await self._keep({topic: self._ends.get(topic, 0) for topic in {*self._stored(group), *topics}}, group)

    async def _keep(self, positions: Mapping[str, int], group: str) -> None:
        rows = [(group, topic, offset) for topic, offset in positions.items()]
        await self._db.write(lambda at: at.executemany("INSERT OR REPLACE INTO position VALUES (?,?,?)", rows))

    async def lag(self, group: str) -> dict[Partition, int]:
        positions = dict.fromkeys(self._groups.get(group, ()), 0) | self._stored(group)
        return {(topic, 0): self._ends.get(topic, 0) - position for topic, position in positions.items()}

    async def check(self) -> list[str]:
        return []  # its topics are made when it is opened

    async def health(self) -> dict[str, Any]:
        return {**await self._db.health(), "topics": len(self._topics)}

    def _start_reading(
        self,
        name: str,
        cursor: dict[str, int],
        take: Callable[[Sequence[Raw]], Awaitable[None]],
        finish: Callable[[], Awaitable[None]],
    ) -> Subscription:
        subscription = Subscription(heard=self._clock())
        stopping = asyncio.Event()
        task = asyncio.create_task(self._keep_reading(name, cursor, take, subscription, stopping))

        async def stop() -> None:
            if stopping.is_set():
                await asyncio.wait([task])
                return
            stopping.set()
            await finish()
            task.cancel()
            await asyncio.wait([task])

        subscription.stop = stop
        return subscription

    async def _keep_reading(
        self,
        name: str,
        cursor: dict[str, int],
        take: Callable[[Sequence[Raw]], Awaitable[None]],
        subscription: Subscription,
        stopping: asyncio.Event,
    ) -> None:
        woken = asyncio.Event()
        self._readers[woken] = frozenset(cursor)
        try:
            while not stopping.is_set():
                woken.clear()
                try:
                    batch = self._next_batch(cursor)
                except Unavailable as error:
                    log.warning("bus_not_readable", group=name, reason=error.slug())
                    await asyncio.sleep(RETRY_SECONDS)
                    continue
                subscription.heard = self._clock()
                if batch:
                    await take(batch)
                    await asyncio.sleep(0)  # a backlog must not keep the loop from anybody else
                else:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(woken.wait(), IDLE_SECONDS)
        except Exception:
            log.exception("reader_died", group=name)
        finally:
            subscription.alive = False
            del self._readers[woken]

    def _next_batch(self, cursor: dict[str, int]) -> list[Raw]:
        """Records of all topics that have some, each given its share, in order of their time."""
        behind = [topic for topic, position in cursor.items() if position < self._ends[topic]]
        batch: list[Raw] = []
        moved: dict[str, int] = {}
        for topic in behind:
            records = self._fetch(topic, cursor[topic], max(1, BATCH_AT_MOST // len(behind)))
            # What retention took away is skipped; an empty answer means that all up to the end is gone.
            moved[topic] = records[-1].offset + 1 if records else self._ends[topic]
            batch.extend(records)
        cursor.update(moved)
        return sorted(batch, key=lambda raw: raw.time) if len(behind) > 1 else batch

    def _fetch(self, topic: str, start: int, limit: int) -> list[Raw]:
        latest = self._latest.get(topic)
        if latest and start >= latest[0].offset:
            skipped = start - latest[0].offset
            return list(islice(latest, skipped, skipped + limit))
        rows = self._db.read(
            "SELECT offset, time, key, headers, value FROM record WHERE topic=? AND offset>=? ORDER BY offset LIMIT ?",
            (topic, start, limit),
        )
        return [
            Raw(
                topic,
                0,
                offset,
                key,
                tuple((name, text.encode("latin-1")) for name, text in json.loads(headers)),
                value,
                moment_of(time),
            )
            for offset, time, key, headers, value in rows
        ]

    def _first_since(self, topic: str, since: datetime) -> int:
        """The offset of the first record not older than `since`: offsets and times grow together, so halve."""
        wanted = micros_of(since)
        low, high = 0, self._ends[topic]
        while low < high:
            middle = (low + high) // 2
            rows = self._db.read(_FIRST_SINCE, (topic, middle))
            if rows and rows[0][1] < wanted:
                low = rows[0][0] + 1
            else:
                high = middle
        return low

    def _stored(self, group: str) -> dict[str, int]:
        return dict(self._db.read("SELECT topic, next FROM position WHERE reader=?", (group,)))

    def _check(self, topics: Iterable[str]) -> None:
        for topic in topics:
            if topic not in self._topics:
                raise NoSuchTopic(topic=topic)

    # -------------------------------------------------------------------------------------------- tidying

    async def tidy(self) -> int:
        """Delete what is past its retention and, in compacted topics, what a later record of the key replaced."""
        gone = 0
        for spec in self._topics.values():
            if here := await (self._compact(spec.name) if spec.compacted else self._expire(spec)):
                self._latest.pop(spec.name, None)
                gone += here
        return gone

    async def _expire(self, spec: TopicSpec) -> int:
        """In pieces: a long statement would hold up the loop."""
        first_kept = self._first_since(spec.name, self._clock() - spec.retention)
        gone = 0
        while piece := await self._db.write(partial(_delete_before, topic=spec.name, offset=first_kept)):
            gone += piece
        return gone

    async def _compact(self, topic: str) -> int:
        tombstones_until = micros_of(self._clock() - TOMBSTONES_KEPT)

        def compact(at: sqlite3.Connection) -> int:
            replaced = at.execute(
                "DELETE FROM record WHERE topic=?1 AND offset NOT IN"
                " (SELECT max(offset) FROM record WHERE topic=?1 GROUP BY key)",
                (topic,),
            ).rowcount
            old = at.execute(
                "DELETE FROM record WHERE topic=? AND value IS NULL AND time<?", (topic, tombstones_until)
            ).rowcount
            return replaced + old

        return await self._db.write(compact)

    async def _keep_tidy(self) -> None:
        while True:
            try:
                await self.tidy()
            except Unavailable as error:
                log.warning("bus_not_tidied", reason=error.slug())
            await asyncio.sleep(TIDY_SECONDS)


def _delete_before(at: sqlite3.Connection, *, topic: str, offset: int) -> int:
    return at.execute(
        "DELETE FROM record WHERE topic=?1 AND offset IN"
        " (SELECT offset FROM record WHERE topic=?1 AND offset<?2 ORDER BY offset LIMIT 1000)",
        (topic, offset),
    ).rowcount


async def _nothing_to_finish() -> None:
    return None
