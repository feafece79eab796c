"""A history: what clients asked and were told, and what lies on the bus afterwards. No product code is used here.

The bus is read from a copy of its file with SQLite alone, so that reading after a kill disturbs nothing.
"""

import asyncio
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from time import monotonic
from typing import Any, Literal

COMPACTED = "account-changed"
"""The one topic of which the bus keeps only the newest of each key."""
Outcome = Literal["ok", "refused", "unknown"]
"""`ok`: 2xx; `refused`: 4xx; `unknown`: no answer, or 5xx: it may have happened once, or not at all."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One time that a command was sent, by the clock of the client (seconds, monotonic)."""

    command: str
    """What was asked, as in the last part of its path: `issue`, `call-next`, `complete`, `accept`, ..."""
    key: str
    """Its Idempotency-Key: all attempts at one command have the same."""
    about: str
    """What its path names: a centre, ticket, offer or ride."""
    begun: float
    ended: float
    outcome: Outcome
    status: int = 0
    answer: Mapping[str, Any] = field(default_factory=dict)
    counter: int | None = None


@dataclass(frozen=True)
class Command:
    """All attempts at one command, in the order in which they were sent."""

    attempts: tuple[Attempt, ...]

    @property
    def name(self) -> str:
        return self.attempts[0].command

    @property
    def key(self) -> str:
        return self.attempts[0].key

    @property
    def about(self) -> str:
        return self.attempts[0].about

    @property
    def counter(self) -> int | None:
        return self.attempts[0].counter

    @property
    def begun(self) -> float:
        return self.attempts[0].begun

    @cached_property
    def acknowledged(self) -> Attempt | None:
        """The first attempt that was answered 2xx."""
        return next((attempt for attempt in self.attempts if attempt.outcome == "ok"), None)

    @property
    def unknown(self) -> bool:
        """Nobody was told whether it was done. A refusal after it says that it was not: the key is remembered."""
        return self.acknowledged is None and self.attempts[-1].outcome == "unknown"

    def __str__(self) -> str:
        told = self.acknowledged or self.attempts[-1]
        return f"{self.name} {self.about} key={self.key} {told.outcome} {told.status} {dict(told.answer)}"


@dataclass(frozen=True, slots=True)
class Published:
    """A record of the bus. The same event may lie there more than once."""

    topic: str
    offset: int
    id: str
    source: str
    sequence: int
    time: str
    key: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    data: Mapping[str, Any] = field(hash=False, compare=False)

    def __str__(self) -> str:
        return f"{self.topic}@{self.offset} {self.source}#{self.sequence} id={self.id} {self.body.decode()}"


@dataclass(frozen=True)
class History:
    """`private`: places (source, sequence) whose fact was not for the world; None when nobody can tell."""

    attempts: Sequence[Attempt]
    records: Sequence[Published]
    private: frozenset[tuple[str, int]] | None = None

    @cached_property
    def commands(self) -> list[Command]:
        ordered = sorted(self.attempts, key=lambda attempt: (attempt.key, attempt.begun))
        return [Command(tuple(group)) for _, group in groupby(ordered, key=attrgetter("key"))]

    @cached_property
    def events(self) -> list[Published]:
        """Each event once, where it lies first; by source, in its order."""
        first: dict[tuple[str, str], Published] = {}
        for record in self.records:
            first.setdefault((record.source, record.id), record)
        return sorted(first.values(), key=lambda event: (event.source, event.sequence))

    @cached_property
    def _found(self) -> dict[tuple[str, str, str], list[Published]]:
        found: dict[tuple[str, str, str], list[Published]] = {}
        for event in self.events:
            for name, value in event.data.items():
                if isinstance(value, str):
                    found.setdefault((event.topic, name, value), []).append(event)
        return found

    def of(self, topic: str, **named: str) -> list[Published]:
        """Events of a topic whose body has that value, as in `of("ticket-issued", ticket_id=ticket)`."""
        ((name, value),) = named.items()
        return self._found.get((topic, name, value), [])

    def any_of(self, topics: Iterable[str], **named: str) -> bool:
        return any(self.of(topic, **named) for topic in topics)

    def threads(self, topics: Iterable[str], name: str) -> dict[str, list[Published]]:
        """Per subject (the field `name`) its events of these topics, in the order of their source."""
        wanted, threads = frozenset(topics), dict[str, list[Published]]()
        for event in self.events:
            if event.topic in wanted:
                threads.setdefault(event.data[name], []).append(event)
        return threads


@contextmanager
def copied(database: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a copy of a database as it lies there, with what is only in its log so far."""
    with tempfile.TemporaryDirectory() as aside:
        for suffix in ("", "-wal"):
            if (part := database.with_name(database.name + suffix)).exists():
                shutil.copy(part, aside)
        with closing(sqlite3.connect(Path(aside) / database.name)) as connection:
            yield connection


def records_of(bus: Path) -> list[Published]:
    """Everything on the bus, dead letters not included."""
    with copied(bus) as connection:
        rows = connection.execute(
            "SELECT topic, offset, key, headers, value FROM record WHERE topic NOT LIKE '%.dlq' ORDER BY topic, offset"
        )
        return [_published(*row) for row in rows]


def dead_letters_of(bus: Path) -> list[tuple[str, dict[str, str]]]:
    """Topic and headers of every dead letter."""
    with copied(bus) as connection:
        rows = connection.execute("SELECT topic, headers FROM record WHERE topic LIKE '%.dlq'")
        return [(topic, dict(json.loads(headers))) for topic, headers in rows]


def _published(topic: str, offset: int, key: bytes, headers: str, value: bytes) -> Published:
    named = dict(json.loads(headers))
    return Published(
        topic=topic,
        offset=offset,
        id=named["ce_id"],
        source=named["ce_source"],
        sequence=int(named["ce_sequence"]),
        time=named["ce_time"],
        key=key.decode(),
        headers=tuple(sorted(named.items())),
        body=value,
        data=json.loads(value),
    )


def private_places(stores: Iterable[Path]) -> frozenset[tuple[str, int]]:
    """What the journals keep to themselves, or the bus only the newest of: places that need no event."""
    places: set[tuple[str, int]] = set()
    for store in stores:
        with copied(store) as connection:
            gone = "SELECT source, sequence FROM journal WHERE topic IS NULL OR topic = ?"
            places.update(connection.execute(gone, (COMPACTED,)))
    return frozenset(places)


def stores_of(data: Path) -> list[Path]:
    return [data / f"{name}.sqlite" for name in ("queue", "volunteers", "training", "notify")]


def unpublished(data: Path) -> int:
    """Events that the journals owe and the bus does not have, as the files lie there."""
    on_the_bus = {record.id for record in records_of(data / "bus.sqlite")}
    return len(owed_ids(stores_of(data)) - on_the_bus)


async def at_rest(data: Path, seconds: float = 30, *, all_published: bool = True) -> None:
    """Until nothing new comes onto the bus any more; and, unless it never will be, all that is owed is there."""
    deadline, quiet, seen = monotonic() + seconds, 0, -1
    while quiet < 4:
        assert monotonic() < deadline, "the system does not come to rest"
        await asyncio.sleep(0.15)
        found = len(await asyncio.to_thread(records_of, data / "bus.sqlite"))
        waits = all_published and await asyncio.to_thread(unpublished, data) > 0
        quiet = quiet + 1 if found == seen and not waits else 0
        seen = found


def owed_ids(stores: Iterable[Path]) -> set[str]:
    """The ids of all events that the journals owe the world, published or not."""
    owed: set[str] = set()
    for store in stores:
        with copied(store) as connection:
            owed.update(id for (id,) in connection.execute("SELECT id FROM journal WHERE topic <> ?", (COMPACTED,)))
    return owed
