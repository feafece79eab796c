"""The two ports, store and bus, and the records that pass through them. Two backends stand behind each.

What a backend promises beyond the least is declared (`StorePromises`, `BusPromises`) and drives `tests/conformance`.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from services.contracts.words import Fact

# ------------------------------------------------------------------------------------------------------ store

DocumentKey = tuple[str, str]
"""(kind, id), as in ("hall", "31186-20261124")."""


class Entry(NamedTuple):
    """One fact of one document, as the journal keeps it. `id` is the event id; `topic` is None unless it is owed."""

    id: str
    source: str
    sequence: int
    type: str
    time: datetime
    body: bytes
    topic: str | None = None
    key: str = ""
    subject: str = ""
    dataschema: str = ""
    traceparent: str | None = None
    by: str | None = None
    """The reference of who gave the command; None for a handler or a timer."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A document as it lies in the store. `body` is opaque to the store; `tokens` are those of its last 16 writes."""

    version: int
    body: bytes
    tokens: tuple[str, ...] = ()
    pending: tuple[Entry, ...] = ()
    """Facts that the journal does not have yet (a store with `journal_in_commit` has none)."""


@dataclass(frozen=True, slots=True)
class Write:
    """The whole document anew, on condition that it still has `base` (0: that there is none)."""

    kind: str
    id: str
    base: int
    token: str
    body: bytes
    due: datetime | None
    entries: tuple[Entry, ...]
    facts: tuple[Fact, ...] = ()
    """What the entries say, not yet turned into bytes: spares a store that folds views the reading."""
    tokens: tuple[str, ...] = ()
    """Those of the document's last writes, this one's not among them."""

    @property
    def key(self) -> DocumentKey:
        return self.kind, self.id


class Written(Enum):
    DURABLE = "durable"
    CONFLICT = "conflict"
    """Somebody else's write came first; nothing of this one was done."""
    REFUSED = "refused"
    """The store will not have this one document (too large, say); nothing of it was done."""
    FULL = "full"
    """No room: nothing was done; reading goes on."""
    UNREACHED = "unreached"
    """There was nobody to write it: nothing was done."""
    UNKNOWN = "unknown"
    """The reply was lost: `settle` finds out."""


@dataclass(frozen=True, slots=True)
class StorePromises:
    exclusive: bool
    """No other process writes these documents: the cached copy is current, `versions` is never asked."""
    journal_in_commit: bool
    """Facts are in the journal, and views folded, by the same atomic write."""
    atomic_group: bool
    """All of a group or nothing of it (otherwise: each document for itself)."""


class Store(Protocol):
    """Documents, journal and views of one service. Errors of the driver come out as `Unavailable`."""

    promises: StorePromises
    restored: datetime | None
    """When a backup was last put back here: what was done before then may be written down nowhere."""

    async def open(self) -> None:
        """Raises `Misconfigured` where waiting does not help, another `Unavailable` while nobody answers."""
        ...

    async def close(self) -> None: ...

    async def load(self, keys: Sequence[DocumentKey]) -> dict[DocumentKey, Stored]:
        """Durable documents; those that do not exist are missing from the answer."""
        ...

    async def versions(self, keys: Sequence[DocumentKey]) -> dict[DocumentKey, int]:
        """Present versions, one query; 0 for a document that does not exist."""
        ...

    async def commit(self, group: Sequence[Write]) -> list[Written]:
        """Write a group; the outcome of each in order. DURABLE only after it would survive a power cut."""
        ...

    async def settle(self, group: Sequence[Write]) -> list[Written]:
        """What became of writes of unknown outcome, by reading their tokens: DURABLE, CONFLICT or UNKNOWN still."""
        ...

    async def due(self, before: datetime, limit: int) -> list[DocumentKey]:
        """Documents whose next due time is not after `before`, earliest first."""
        ...

    async def owed(self, limit: int) -> list[Entry]:
        """Facts with a topic that were not yet marked as published, in order per source."""
        ...

    async def published(self, entries: Sequence[Entry]) -> None:
        """The bus has these (a prefix of what `owed` gave): keep that position."""
        ...

    async def owed_summary(self) -> tuple[int, datetime | None]:
        """How many events are owed, and the time of the oldest."""
        ...

    async def facts(self, source: str, first: int, count: int) -> list[Entry]:
        """Entries of one source from sequence `first` on, at most `count`, those still pending included."""
        ...

    async def journal(self, after: str | None, limit: int, since: datetime | None = None) -> tuple[list[Entry], str]:
        """All entries in an order that keeps each source's; `after` is an opaque cursor that the last call gave."""
        ...

    async def rewind(self, since: datetime) -> int:
        """Owe again every event not older than `since`: how many."""
        ...

    async def note_restored(self, at: datetime) -> None: ...

    async def view(self, name: str, key: str) -> bytes | None:
        """One view document."""
        ...

    async def find(
        self, name: str, where: Mapping[str, str | int], *, after: str | None = None, limit: int = 100
    ) -> list[tuple[str, bytes]]:
        """View documents (key, body) by declared index fields, in order of key, keys after `after`."""
        ...

    async def rebuild(self, progress: Callable[[int], None]) -> int:
        """All views anew from the journal; how many entries were folded."""
        ...

    async def subject_key(self, subject: str, fresh: bytes | None) -> bytes | None:
        """The wrapped key of `subject`; `fresh` becomes it if there is none. Not part of a backup of the documents."""
        ...

    async def forget_subject(self, subject: str) -> bool:
        """Delete its key: what was sealed with it can never be opened again."""
        ...

    async def health(self) -> dict[str, Any]:
        """What `/readyz` shows, `backed_up` among it: when the last backup began, or None. Raises `Unavailable` with
        one line when it cannot take a write."""
        ...


# -------------------------------------------------------------------------------------------------------- bus


@dataclass(frozen=True, slots=True)
class Record:
    """What is put on the bus. Bytes throughout, so that a dead letter goes back exactly as it came."""

    topic: str
    key: bytes | None
    headers: Sequence[tuple[str, bytes]]
    value: bytes | None


class Raw(NamedTuple):
    """What is read from the bus, exactly as it lies there; nothing was decoded."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    value: bytes | None
    time: datetime


Partition = tuple[str, int]
Positions = Mapping[Partition, int]
"""Per (topic, partition) the offset to go on from."""

Commit = Callable[[Positions], Awaitable[None]]


class Worker(Protocol):
    """Takes batches of one group. When `take` returns it wants more; it commits on its own, later, what is finished."""

    async def take(self, batch: Sequence[Raw], commit: Commit) -> None: ...

    async def forget(self, partitions: Iterable[Partition]) -> None:
        """These were given to another process: commit what is finished, drop all that is known of them."""
        ...

    async def finish(self) -> None:
        """No more batches come: end what is running, commit what is finished. A `take` still waiting returns."""
        ...


@dataclass(frozen=True, slots=True)
class TopicSpec:
    name: str
    partitions: int = 6
    retention: timedelta = timedelta(days=14)
    compacted: bool = False


class Cluster(Protocol):
    """A bus of servers that several systems may share: its topics are made by command, and others may read it."""

    async def provision(self, topics: Sequence[TopicSpec]) -> list[str]:
        """Make what is missing; the names of those made."""
        ...

    async def drift(self, topics: Sequence[TopicSpec]) -> list[str]:
        """Where contract and cluster differ, a line each; nothing is changed."""
        ...

    async def readers(self, groups: Sequence[str]) -> dict[str, int]:
        """How many processes read as each of these groups now."""
        ...


@dataclass(frozen=True, slots=True)
class BusPromises:
    survives_kill: bool
    partitions: bool
    """More than one partition a topic."""
    many_processes: bool


async def _nothing() -> None:
    return None


@dataclass(slots=True)
class Subscription:
    """A running reader; `alive` is False once its task has ended for any reason; `heard` is the last answered poll.

    `stop` fetches no more, lets the worker finish while it can still commit, then ends; a second one does nothing.
    """

    alive: bool = True
    heard: datetime | None = None
    stop: Callable[[], Awaitable[None]] = _nothing


class Bus(Protocol):
    """A log of records with topics, keys and groups: at least once, in order per key. A driver's errors come out as
    `Unavailable`."""

    promises: BusPromises

    async def open(self, topics: Sequence[TopicSpec]) -> None: ...
    async def close(self) -> None: ...

    async def publish(self, records: Sequence[Record]) -> int:
        """Durable when it returns, in order per key. Gives how many of them, from the first on, the bus surely has;
        fewer than all only when something failed on the way. Raises `Unavailable` when it has none."""
        ...

    async def subscribe(self, group: str, topics: Sequence[str], worker: Worker) -> Subscription:
        """Read as a group: from its stored position, or from the start of the log. At most 500 records a batch."""
        ...

    async def tail(
        self, topics: Sequence[str], since: datetime, receive: Callable[[Sequence[Raw]], Awaitable[None]]
    ) -> Subscription:
        """Read every partition from a time on, keeping no position."""
        ...

    async def read(self, topics: str | Sequence[str], start: Positions | None = None, limit: int = 1_000) -> list[Raw]:
        """What lies in topics now, from `start` (the beginning where it says nothing), oldest first by partition.

        Less than `limit` records: there is no more. Dead letters are looked at this way.
        """
        ...

    async def forward(self, group: str, topics: Sequence[str]) -> None:
        """Set the stored position of a group that is not running behind all that lies in these topics, and in those
        that it ever read: it is of a time that was given up."""
        ...

    async def lag(self, group: str) -> dict[Partition, int]:
        """Records that the group has not committed past, in the topics that it reads here or ever committed."""
        ...

    async def check(self) -> list[str]:
        """Where its topics differ from those that it was opened with, a line each. Raises `Unavailable` that says why
        there is no way to it; a `Misconfigured` where none will be until somebody sees to it."""
        ...

    async def health(self) -> dict[str, Any]: ...


# -------------------------------------------------------------------------------------------------------- copies


class Copies(Protocol):
    """Copies of what services keep, taken while they run, and put back while nobody runs. Names are those of the files
    in a backup. Errors come out as `Unavailable`."""

    kind: str
    """A backup of another kind is not put back."""
    with_views: bool
    """Views are in it; otherwise they are rebuilt after it was put back."""

    @property
    def data(self) -> Sequence[str]: ...

    @property
    def keys(self) -> Sequence[str]:
        """Keys of subjects, which go into a backup of their own."""
        ...

    def occupied(self) -> bool:
        """Something is kept here already."""
        ...

    def take(self, names: Sequence[str], into: Path, before: datetime) -> Iterator[str]:
        """Write copies into a directory, each of one consistent moment with facts from `before` on; gives each name
        that there was something of."""
        ...

    def note(self, begun: datetime) -> None:
        """A backup that began then is done: `health` of the stores says so."""
        ...

    def check(self, file: Path) -> None:
        """It is whole: raises `Unavailable` unless every page or document can be read."""
        ...

    def put(self, names: Sequence[str], unpacked: Path, aside: str) -> None:
        """Make these what is kept. What was there stays, under the name `aside`."""
        ...
