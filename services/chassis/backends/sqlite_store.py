"""The embedded store: one SQLite file a service, FULL synchronous, one fsync a group. It has its file to itself.

Documents, the journal of all facts and the views are written by the same transaction. Keys of sealed subjects lie in a
file of their own, so that a backup of the documents cannot bring back what was erased.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from services.chassis.backends.sqlite import Database, DiskFull, micros_of, moment_of
from services.chassis.clock import Clock, system_clock
from services.chassis.datadir import BACKUP
from services.chassis.errors import Unavailable
from services.chassis.ports import DocumentKey, Entry, Stored, StorePromises, Write, Written
from services.chassis.views import Folded, Projector, View
from services.contracts.words import Fact

POSITION_LATER = 0.5
"""Seconds after which a position published that no commit carried is written on its own."""

_TABLES = """
CREATE TABLE position (published INTEGER NOT NULL);
INSERT INTO position VALUES (0);
CREATE TABLE documents (
    n INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, token TEXT NOT NULL,
    due INTEGER, body BLOB NOT NULL, UNIQUE (kind, id));
CREATE INDEX documents_due ON documents (due) WHERE due IS NOT NULL;
CREATE TABLE journal (
    n INTEGER PRIMARY KEY, id TEXT NOT NULL, source TEXT NOT NULL, sequence INTEGER NOT NULL, type TEXT NOT NULL,
    time INTEGER NOT NULL, body BLOB NOT NULL, topic TEXT, key TEXT NOT NULL, subject TEXT NOT NULL,
    dataschema TEXT NOT NULL, traceparent TEXT, by TEXT, UNIQUE (source, sequence));
CREATE INDEX journal_time ON journal (time)
"""
_RESTORED = "ALTER TABLE position ADD COLUMN restored INTEGER"
_KEYS = "CREATE TABLE keys (subject TEXT PRIMARY KEY, wrapped BLOB NOT NULL) WITHOUT ROWID"

_ENTRY = "id, source, sequence, type, time, body, topic, key, subject, dataschema, traceparent, by"
_ADD_ENTRY = f"INSERT INTO journal ({_ENTRY}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"  # noqa: S608
_CREATE = "INSERT OR IGNORE INTO documents (kind, id, version, token, due, body) VALUES (?,?,1,?,?,?)"
_POSITION = "UPDATE position SET published=?"
_REPLACE = "UPDATE documents SET version=version+1, token=?, due=?, body=? WHERE kind=? AND id=? AND version=?"


class SqliteStore:
    """`Store` on one file; see `services.chassis.ports`."""

    promises = StorePromises(exclusive=True, journal_in_commit=True, atomic_group=True)

    def __init__(
        self, path: Path, projector: Projector, keep: timedelta = timedelta(days=400), clock: Clock = system_clock
    ) -> None:
        self._db = Database(path, [_TABLES, _RESTORED])
        self._backup = path.with_name(BACKUP)
        self._keys = Database(path.with_suffix(".keys.sqlite"), [_KEYS])
        self._projector = projector
        self._views = {view.name: _ViewTable(view) for view in projector.views}
        self._keep = keep
        self._clock = clock
        self._owed_at: dict[str, int] = {}
        self._published = 0
        self._position_written = 0
        self._later: asyncio.Task[None] | None = None
        self.restored: datetime | None = None

    async def open(self) -> None:
        await self._db.open()
        await self._keys.open()
        ((self._published, restored),) = self._db.read("SELECT published, restored FROM position")
        self._position_written = self._published
        self.restored = moment_of(restored) if restored else None
        await self._db.write(self._make_ready)

    def _make_ready(self, at: Connection) -> None:
        for table in self._views.values():
            for statement in table.schema:
                at.execute(statement)
        oldest = micros_of(self._clock() - self._keep)
        at.execute("DELETE FROM journal WHERE time < ? AND n <= ?", (oldest, self._published))

    async def close(self) -> None:
        if self._later:
            self._later.cancel()
        with contextlib.suppress(Unavailable):
            await self._write_position()
        await self._db.close()
        await self._keys.close()

    # ------------------------------------------------------------------------------------------- documents

    async def load(self, keys: Sequence[DocumentKey]) -> dict[DocumentKey, Stored]:
        found = {}
        for key in keys:
            rows = self._db.read("SELECT version, body, token FROM documents WHERE kind=? AND id=?", key)
            if rows:
                version, body, token = rows[0]
                found[key] = Stored(version, body, (token,))
        return found

    async def versions(self, keys: Sequence[DocumentKey]) -> dict[DocumentKey, int]:
        found = await self.load(keys)
        return {key: found[key].version if key in found else 0 for key in keys}

    async def commit(self, group: Sequence[Write]) -> list[Written]:
        position = self._published
        try:
            outcomes = await self._db.write(lambda at: self._write_group(at, group, position))
            self._position_written = position
            return outcomes
        except DiskFull:
            return [Written.FULL] * len(group)
        except Unavailable:
            return [Written.UNKNOWN] * len(group)

    def _write_group(self, at: Connection, group: Sequence[Write], position: int) -> list[Written]:
        outcomes: list[Written] = []
        entries: list[Entry] = []
        facts: list[Fact] = []
        for write in group:
            due = None if write.due is None else micros_of(write.due)
            if write.base == 0:
                done = at.execute(_CREATE, (write.kind, write.id, write.token, due, write.body)).rowcount == 1
            else:
                values = (write.token, due, write.body, write.kind, write.id, write.base)
                done = at.execute(_REPLACE, values).rowcount == 1
            outcomes.append(Written.DURABLE if done else Written.CONFLICT)
            if done:
                entries.extend(write.entries)
                facts.extend(write.facts)
        at.executemany(_ADD_ENTRY, map(_entry_row, entries))
        self._fold(at, entries, facts)
        if position != self._position_written:
            at.execute(_POSITION, (position,))
        return outcomes

    async def settle(self, group: Sequence[Write]) -> list[Written]:
        found = await self.load([write.key for write in group])
        return [
            Written.DURABLE if write.key in found and write.token in found[write.key].tokens else Written.CONFLICT
            for write in group
        ]

    async def due(self, before: datetime, limit: int) -> list[DocumentKey]:
        sql = "SELECT kind, id FROM documents WHERE due <= ? ORDER BY due LIMIT ?"
        return [(kind, id) for kind, id in self._db.read(sql, (micros_of(before), limit))]

    # --------------------------------------------------------------------------------------------- journal

    async def owed(self, limit: int) -> list[Entry]:
        sql = f"SELECT {_ENTRY}, n FROM journal WHERE n > ? AND topic IS NOT NULL ORDER BY n LIMIT ?"  # noqa: S608
        rows = self._db.read(sql, (self._published, limit))
        self._owed_at = {row[0]: row[-1] for row in rows}
        return [_entry(row) for row in rows]

    async def published(self, entries: Sequence[Entry]) -> None:
        """Kept in memory at once, on disk by the next commit or half a second later (a crash: published twice)."""
        for entry in entries:
            self._published = max(self._published, self._owed_at.get(entry.id, 0))
        if self._later is None or self._later.done():
            self._later = asyncio.create_task(self._write_position_later())

    async def _write_position_later(self) -> None:
        await asyncio.sleep(POSITION_LATER)
        with contextlib.suppress(Unavailable):
            await self._write_position()

    async def _write_position(self) -> None:
        position = self._published
        if position != self._position_written:
            await self._db.write(lambda at: at.execute(_POSITION, (position,)))
            self._position_written = position

    async def owed_summary(self) -> tuple[int, datetime | None]:
        sql = "SELECT count(*), min(time) FROM journal WHERE n > ? AND topic IS NOT NULL"
        count, oldest = self._db.read(sql, (self._published,))[0]
        return count, None if oldest is None else moment_of(oldest)

    async def facts(self, source: str, first: int, count: int) -> list[Entry]:
        sql = f"SELECT {_ENTRY} FROM journal WHERE source=? AND sequence>=? ORDER BY sequence LIMIT ?"  # noqa: S608
        return [_entry(row) for row in self._db.read(sql, (source, first, count))]

    async def journal(self, after: str | None, limit: int, since: datetime | None = None) -> tuple[list[Entry], str]:
        sql = f"SELECT {_ENTRY}, n FROM journal WHERE n > ? AND time >= ? ORDER BY n LIMIT ?"  # noqa: S608
        rows = self._db.read(sql, (int(after or 0), micros_of(since) if since else 0, limit))
        return [_entry(row) for row in rows], str(rows[-1][-1]) if rows else after or "0"

    async def note_restored(self, at: datetime) -> None:
        await self._db.write(lambda db: db.execute("UPDATE position SET restored=?", (micros_of(at),)))
        self.restored = at

    async def rewind(self, since: datetime) -> int:
        first = self._db.read("SELECT min(n) FROM journal WHERE time >= ?", (micros_of(since),))[0][0]
        if first is not None:
            self._published = min(self._published, first - 1)
            self._owed_at = {}  # what is just being published leaves the position alone
            await self._write_position()
        return (await self.owed_summary())[0]

    # ----------------------------------------------------------------------------------------------- views

    def _fold(self, at: Connection, entries: Sequence[Entry], facts: Sequence[Fact]) -> None:
        folded = self._projector.fold(entries, lambda view, key: self._views[view].current(at, key), facts)
        for name, those in groupby(folded, key=attrgetter("view")):
            self._views[name].put(at, those)

    async def view(self, name: str, key: str) -> bytes | None:
        rows = self._db.read(f"SELECT body FROM {self._views[name].table} WHERE key=?", (key,))  # noqa: S608
        return rows[0][0] if rows else None

    async def find(
        self, name: str, where: Mapping[str, str | int], *, after: str | None = None, limit: int = 100
    ) -> list[tuple[str, bytes]]:
        sql, values = self._views[name].query(where, after, limit)
        return self._db.read(sql, values)

    async def rebuild(self, progress: Callable[[int], None]) -> int:
        return await self._db.write(lambda at: self._rebuild(at, progress))

    def _rebuild(self, at: Connection, progress: Callable[[int], None]) -> int:
        for table in self._views.values():
            at.execute(f"DELETE FROM {table.table}")  # noqa: S608
        last, done = 0, 0
        while True:
            sql = f"SELECT {_ENTRY}, n FROM journal WHERE n > ? ORDER BY n LIMIT 1000"  # noqa: S608
            rows = at.execute(sql, (last,)).fetchall()
            if not rows:
                return done
            entries = [_entry(row) for row in rows]
            self._fold(at, entries, ())
            last, done = rows[-1][-1], done + len(rows)
            progress(done)

    # ------------------------------------------------------------------------------------- keys and health

    async def subject_key(self, subject: str, fresh: bytes | None) -> bytes | None:
        rows = self._keys.read("SELECT wrapped FROM keys WHERE subject=?", (subject,))
        if rows or fresh is None:
            return bytes(rows[0][0]) if rows else None
        await self._keys.write(lambda at: at.execute("INSERT OR IGNORE INTO keys VALUES (?,?)", (subject, fresh)))
        return await self.subject_key(subject, None)

    async def forget_subject(self, subject: str) -> bool:
        gone = await self._keys.write(lambda at: at.execute("DELETE FROM keys WHERE subject=?", (subject,)).rowcount)
        return gone > 0

    async def health(self) -> dict[str, Any]:
        try:
            backed_up = self._backup.read_text()
        except FileNotFoundError:
            backed_up = None
        return await self._db.health() | {"backed_up": backed_up}


class _ViewTable:
    """Where the documents of one view lie: a table with the declared fields as columns, each with an index."""

    def __init__(self, view: View[Any]) -> None:
        self.table = f"view_{view.name}"
        self.fields = view.indexes
        columns = "".join(f', "{field}"' for field in self.fields)
        self.schema = [
            f"CREATE TABLE IF NOT EXISTS {self.table} ("
            f"key TEXT PRIMARY KEY, source TEXT NOT NULL, mark INTEGER NOT NULL, body BLOB NOT NULL{columns})"
        ] + [
            f'CREATE INDEX IF NOT EXISTS {self.table}_{field} ON {self.table} ("{field}", key)' for field in self.fields
        ]
        names = ("key", "source", "mark", "body", *(f'"{field}"' for field in self.fields))
        changed = ", ".join(f"{name}=excluded.{name}" for name in names[2:])
        self._put = (
            f"INSERT INTO {self.table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608
            f" ON CONFLICT (key) DO UPDATE SET {changed}"
        )
        self._current = f"SELECT mark, body FROM {self.table} WHERE key=?"  # noqa: S608

    def current(self, at: Connection, key: str) -> tuple[int, bytes] | None:
        row: tuple[int, bytes] | None = at.execute(self._current, (key,)).fetchone()
        return row

    def put(self, at: Connection, folded: Iterable[Folded]) -> None:
        rows = ((one.key, one.source, one.mark, one.body, *map(one.index.get, self.fields)) for one in folded)
        at.executemany(self._put, rows)

    def query(self, where: Mapping[str, str | int], after: str | None, limit: int) -> tuple[str, tuple[str | int, ...]]:
        unknown = where.keys() - set(self.fields)
        if unknown:
            raise KeyError(f"{self.table} has no index on {', '.join(sorted(unknown))}")
        conditions = [f'"{field}"=?' for field in where] + ["key > ?"]
        sql = f"SELECT key, body FROM {self.table} WHERE {' AND '.join(conditions)} ORDER BY key LIMIT ?"  # noqa: S608
        return sql, (*where.values(), after or "", limit)


def _entry_row(entry: Entry) -> tuple[Any, ...]:
    return (
        entry.id, entry.source, entry.sequence, entry.type, micros_of(entry.time), entry.body, entry.topic, entry.key,
        entry.subject, entry.dataschema, entry.traceparent, entry.by,
    )  # fmt: skip


def _entry(row: Sequence[Any]) -> Entry:
    id, source, sequence, type, time, body, topic, key, subject, dataschema, traceparent, by, *_ = row
    return Entry(id, source, sequence, type, moment_of(time), body, topic, key, subject, dataschema, traceparent, by)
