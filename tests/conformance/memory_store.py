"""A store in memory that several processes might share: the fake that shows what an exclusive store never does.

It passes the same suite as the real ones. What it cannot show: durability, a real driver's errors, its timing.
Faults are put in by hand: `lose_replies` (written, but the answer is lost), `refuse_over` (a document too large),
`away` (no connection), `full`.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.chassis.errors import Unavailable
from services.chassis.ports import DocumentKey, Entry, Stored, StorePromises, Write, Written
from services.chassis.views import Folded, Projector


@dataclass
class Shelf:
    """What two stores share, as two processes share a server."""

    documents: dict[DocumentKey, tuple[Stored, datetime | None]] = field(default_factory=dict)
    journal: list[Entry] = field(default_factory=list)
    published: int = 0
    views: dict[tuple[str, str], Folded] = field(default_factory=dict)
    keys: dict[str, bytes] = field(default_factory=dict)
    restored: datetime | None = None


class MemoryStore:
    promises = StorePromises(exclusive=False, journal_in_commit=True, atomic_group=False)

    def __init__(self, projector: Projector, shelf: Shelf | None = None) -> None:
        self._projector = projector
        self._shelf = shelf or Shelf()
        self.restored = self._shelf.restored
        self.away = False
        self.full = False
        self.lose_replies = 0
        self.unsettled = 0
        self.refuse_over: int | None = None

    async def _reach(self) -> None:
        await asyncio.sleep(0)
        if self.away:
            raise Unavailable(retry_after=1)

    async def open(self) -> None:
        return None

    async def close(self) -> None:
        return None

    async def load(self, keys: Sequence[DocumentKey]) -> dict[DocumentKey, Stored]:
        await self._reach()
        return {key: self._shelf.documents[key][0] for key in keys if key in self._shelf.documents}

    async def versions(self, keys: Sequence[DocumentKey]) -> dict[DocumentKey, int]:
        await self._reach()
        return {key: self._version(key) for key in keys}

    def _version(self, key: DocumentKey) -> int:
        return self._shelf.documents[key][0].version if key in self._shelf.documents else 0

    async def commit(self, group: Sequence[Write]) -> list[Written]:
        await self._reach()
        outcomes = [self._write(write) for write in group]
        if self.lose_replies:
            self.lose_replies -= 1
            return [Written.UNKNOWN] * len(group)
        return outcomes

    def _write(self, write: Write) -> Written:
        if self.full:
            return Written.FULL
        if self.refuse_over is not None and len(write.body) > self.refuse_over:
            return Written.REFUSED
        if self._version(write.key) != write.base:
            return Written.CONFLICT
        old = self._shelf.documents.get(write.key)
        tokens = (*(old[0].tokens if old else ()), write.token)[-16:]
        self._shelf.documents[write.key] = (Stored(write.base + 1, write.body, tokens), write.due)
        self._shelf.journal.extend(write.entries)
        self._fold(write.entries)
        return Written.DURABLE

    def _fold(self, entries: Sequence[Entry]) -> None:
        def current(view: str, key: str) -> tuple[int, bytes] | None:
            kept = self._shelf.views.get((view, key))
            return (kept.mark, kept.body) if kept else None

        for one in self._projector.fold(entries, current):
            self._shelf.views[one.view, one.key] = one

    async def settle(self, group: Sequence[Write]) -> list[Written]:
        await self._reach()
        if self.unsettled:
            self.unsettled -= 1
            return [Written.UNKNOWN] * len(group)
        found = await self.load([write.key for write in group])
        return [
            Written.DURABLE if write.key in found and write.token in found[write.key].tokens else Written.CONFLICT
            for write in group
        ]

    async def due(self, before: datetime, limit: int) -> list[DocumentKey]:
        await self._reach()
        due = [(at, key) for key, (_, at) in self._shelf.documents.items() if at is not None and at <= before]
        return [key for _, key in sorted(due)[:limit]]

    async def owed(self, limit: int) -> list[Entry]:
        await self._reach()
        self._read_at = self._shelf.published
        return [entry for entry in self._shelf.journal[self._shelf.published :] if entry.topic][:limit]

    async def published(self, entries: Sequence[Entry]) -> None:
        await self._reach()
        if self._shelf.published < self._read_at:
            return  # rewound meanwhile
        for entry in entries:
            self._shelf.published = max(self._shelf.published, self._shelf.journal.index(entry) + 1)

    async def owed_summary(self) -> tuple[int, datetime | None]:
        owed = [entry for entry in self._shelf.journal[self._shelf.published :] if entry.topic]
        return len(owed), owed[0].time if owed else None

    async def facts(self, source: str, first: int, count: int) -> list[Entry]:
        await self._reach()
        found = [entry for entry in self._shelf.journal if entry.source == source and entry.sequence >= first]
        return sorted(found, key=lambda entry: entry.sequence)[:count]

    async def journal(self, after: str | None, limit: int, since: datetime | None = None) -> tuple[list[Entry], str]:
        start = int(after or 0)
        found = self._shelf.journal[start : start + limit]
        return [entry for entry in found if since is None or entry.time >= since], str(start + len(found))

    async def note_restored(self, at: datetime) -> None:
        self.restored = self._shelf.restored = at

    async def rewind(self, since: datetime) -> int:
        older = [place for place, entry in enumerate(self._shelf.journal) if entry.time < since]
        self._shelf.published = min(self._shelf.published, older[-1] + 1 if older else 0)
        return (await self.owed_summary())[0]

    async def view(self, name: str, key: str) -> bytes | None:
        kept = self._shelf.views.get((name, key))
        return kept.body if kept else None

    async def find(
        self, name: str, where: Mapping[str, str | int], *, after: str | None = None, limit: int = 100
    ) -> list[tuple[str, bytes]]:
        rows = [
            (key, one.body)
            for (view, key), one in self._shelf.views.items()
            if view == name and key > (after or "") and all(one.index[field] == want for field, want in where.items())
        ]
        return sorted(rows)[:limit]

    async def rebuild(self, progress: Callable[[int], None]) -> int:
        self._shelf.views.clear()
        self._fold(self._shelf.journal)
        progress(len(self._shelf.journal))
        return len(self._shelf.journal)

    async def subject_key(self, subject: str, fresh: bytes | None) -> bytes | None:
        if fresh is not None:
            self._shelf.keys.setdefault(subject, fresh)
        return self._shelf.keys.get(subject)

    async def forget_subject(self, subject: str) -> bool:
        return self._shelf.keys.pop(subject, None) is not None

    async def health(self) -> dict[str, Any]:
        await self._reach()
        return {"documents": len(self._shelf.documents)}
