"""Read models: folds of one service's own facts, in the order of their source. Pure, and rebuilt by `caunoi rebuild`.

A view document belongs to one source, so the sequence of the last fact folded into it (`mark`) makes folding the
same fact twice harmless. What combines several sources is summed when it is read.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter

from services.chassis.ports import DocumentKey, Entry, Store
from services.contracts.words import Fact

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Stamp:
    """Where and when a fact happened: the id of its document, its sequence there, its time."""

    id: str
    sequence: int
    at: datetime


@dataclass(frozen=True)
class View(Generic[V]):
    """`keys` says which view documents a fact touches (none: not of interest); `fold` gives the new content or None.

    `shape` is a frozen dataclass; `indexes` are those of its fields that `find` may ask for. `document` tells from a
    key the id of the document whose facts are folded into it.
    """

    name: str
    of: type
    shape: type[V]
    keys: Callable[[Fact, Stamp], Sequence[str]]
    fold: Callable[[V | None, Fact, Stamp], V | None]
    indexes: tuple[str, ...] = ()
    document: Callable[[str], str] = str


@dataclass(frozen=True, slots=True)
class Folded:
    """A view document to be written: `mark` is the sequence folded last, `index` the declared fields."""

    view: str
    key: str
    source: str
    mark: int
    body: bytes
    index: Mapping[str, str | int | None]


@dataclass(slots=True)
class _Open:
    """A view document that is being folded."""

    source: str
    mark: int
    content: Any


class Projector:
    """Folds entries of the journal into view documents; a backend decides when, and keeps what comes out."""

    def __init__(
        self, views: Iterable[View[Any]], kind_of: Mapping[type, str], facts: Mapping[str, type[Fact]]
    ) -> None:
        self.views = tuple(views)
        self._facts = facts
        self._document_of = {view.name: (kind_of[view.of], view.document) for view in self.views}
        self._by_kind: dict[str, list[View[Any]]] = {}
        self._adapters = {view.name: TypeAdapter[Any](view.shape) for view in self.views}
        for view in self.views:
            self._by_kind.setdefault(kind_of[view.of], []).append(view)

    def fold(
        self,
        entries: Sequence[Entry],
        current: Callable[[str, str], tuple[int, bytes] | None],
        facts: Sequence[Fact] | None = None,
    ) -> list[Folded]:
        """`current(view, key)` gives (mark, body) of what is kept now. Entries of a source come in order; `facts` are
        theirs, if they are at hand."""
        opened: dict[str, dict[str, _Open]] = {view.name: {} for view in self.views}
        for place, entry in enumerate(entries):
            _, _, kind, document = entry.source.split("/", 3)
            views = self._by_kind.get(kind, ())
            if not views:
                continue
            fact = facts[place] if facts else self._read(entry)
            stamp = Stamp(document, entry.sequence, entry.time)
            for view in views:
                at_hand = opened[view.name]
                for key in view.keys(fact, stamp):
                    held = at_hand.get(key)
                    if held is None:
                        kept = current(view.name, key)
                        content = self._adapters[view.name].validate_json(kept[1]) if kept else None
                        held = at_hand[key] = _Open(entry.source, kept[0] if kept else 0, content)
                    if entry.sequence > held.mark:
                        held.content = view.fold(held.content, fact, stamp)
                        held.mark = entry.sequence
        return [
            Folded(
                view.name,
                key,
                held.source,
                held.mark,
                self._adapters[view.name].dump_json(held.content),
                {field: getattr(held.content, field) for field in view.indexes},
            )
            for view in self.views
            for key, held in opened[view.name].items()
            if held.content is not None
        ]

    def follows(self, source: str) -> bool:
        """Whether any view is folded from what happens to this document."""
        return source.split("/", 3)[2] in self._by_kind

    def document_of(self, name: str, key: str) -> DocumentKey:
        """The document whose facts are folded into this view document."""
        kind, document = self._document_of[name]
        return kind, document(key)

    def facts_of(self, entries: Sequence[Entry]) -> list[Fact]:
        """For a store that needs them more than once."""
        return [self._read(entry) for entry in entries]

    def touched(self, entries: Sequence[Entry], facts: Sequence[Fact]) -> dict[str, set[str]]:
        """Which documents of which views these entries touch: what must be at hand to fold them."""
        touched: dict[str, set[str]] = {}
        for entry, fact in zip(entries, facts, strict=True):
            _, _, kind, document = entry.source.split("/", 3)
            stamp = Stamp(document, entry.sequence, entry.time)
            for view in self._by_kind.get(kind, ()):
                touched.setdefault(view.name, set()).update(view.keys(fact, stamp))
        return touched

    def _read(self, entry: Entry) -> Fact:
        return self._facts[entry.type].model_validate_json(entry.body)

    def parse(self, name: str, body: bytes) -> Any:
        return self._adapters[name].validate_json(body)


class Views:
    """The read models of one service, as faces ask for them."""

    def __init__(self, store: Store, projector: Projector) -> None:
        self._store = store
        self._projector = projector

    async def get(self, view: View[V], key: str) -> V | None:
        body = await self._store.view(view.name, key)
        return None if body is None else self._projector.parse(view.name, body)

    async def find(
        self, view: View[V], *, after: str | None = None, limit: int = 100, **where: str | int
    ) -> list[tuple[str, V]]:
        """(key, content) in order of key; `where` names declared index fields."""
        rows = await self._store.find(view.name, where, after=after, limit=limit)
        return [(key, self._projector.parse(view.name, body)) for key, body in rows]
