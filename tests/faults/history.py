"""A history: what clients asked and were told, and what the books say afterwards. No product code is used here."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import groupby
from operator import attrgetter
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
    retry_after: str = ""


@dataclass(frozen=True, slots=True)
class Outage:
    """`bus` or `store` was away, by the same clock."""

    what: Literal["bus", "store"]
    begun: float
    ended: float

    def covers(self, attempt: Attempt, after: float = 0.0) -> bool:
        return self.begun + after <= attempt.begun and attempt.ended <= self.ended


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
    told: datetime | None = field(default=None, hash=False, compare=False)
    """When its producer put it there, by the bus's own books."""

    def __str__(self) -> str:
        return f"{self.topic}@{self.offset} {self.source}#{self.sequence} id={self.id} {self.body.decode()}"


@dataclass(frozen=True, slots=True)
class Noted:
    """A fact as the journal of its service has it. `topic` is None unless it is owed to the world."""

    id: str
    source: str
    sequence: int
    type: str
    topic: str | None
    body: bytes


@dataclass(frozen=True)
class History:
    """`facts` are those of all journals; None when nobody can tell."""

    attempts: Sequence[Attempt]
    records: Sequence[Published]
    facts: Sequence[Noted] | None = None
    outages: Sequence[Outage] = ()
    retold: str = ""
    """What was said before this time (as in `Published.time`) the bus lost and was told again, after newer things."""
    healed: datetime | None = None
    """When the fault was over."""

    @cached_property
    def private(self) -> frozenset[tuple[str, int]] | None:
        """Places (source, sequence) that need no event: for nobody but their service, or only the newest is kept."""
        if self.facts is None:
            return None
        return frozenset((one.source, one.sequence) for one in self.facts if one.topic in (None, COMPACTED))

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
