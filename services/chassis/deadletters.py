"""Dead letters: what could not be handled lies in `<topic>.dlq` until somebody replays or discards it.

A letter is the original record, byte for byte, with `x-dlq-*` headers added. What became of it is a further record of
the same topic that names its offset, so that it works alike on every bus and nothing is ever changed in place.

    letters = DeadLetters(bus, clock)
    for letter in await letters.open(topics): letter.reference, letter.shown()
    await letters.replay("queue-called/0/12", by="a-k3y7qd")
    await letters.discard("queue-called/0/12", by="a-k3y7qd", why="test-data")
"""

import re
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import structlog
from pydantic import ValidationError

from services.chassis.clock import Clock
from services.chassis.errors import Invalid, NotFound, Refused
from services.chassis.ports import Bus, Partition, Raw, Record
from services.contracts.events import BY_TOPIC

SUFFIX = ".dlq"
PAGE = 1_000
KEPT = timedelta(days=30)
"""How long the log keeps a dead letter."""
_OURS = "x-dlq-"
_REFERENCE = re.compile(r"([a-z][a-z-]{0,80})/(\d{1,6})/(\d{1,15})")
_WORD = re.compile(r"[a-z][a-z0-9-]{0,39}")
_SHOWN_HEADERS = ("ce_id", "ce_source", "ce_type", "ce_time", "ce_dataschema", "ce_sequence", "traceparent")
_PLAIN = re.compile(rb"[!-~]{1,120}")

log = structlog.get_logger()

Fate = Literal["replayed", "discarded"]


class NoSuchLetter(NotFound):
    en = "There is no dead letter {reference}."
    vi = "Không có thư chết {reference}."


class LetterResolved(Refused):
    en = "The dead letter {reference} was {what} already."
    vi = "Thư chết {reference} đã được xử lý trước đó ({what})."


class NotAWord(Invalid):
    en = "{field} must be one word of a to z, digits and hyphens (free text could hold a name)."
    vi = "{field} phải là một từ gồm chữ a đến z, chữ số và dấu gạch nối (văn bản tự do có thể chứa tên người)."


@dataclass(frozen=True, slots=True)
class Resolution:
    """What became of a letter, by whose hand and when."""

    what: Fate
    by: str
    when: datetime
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter. `reference` (`topic/partition/offset` in the dead-letter topic) is what commands take."""

    reference: str
    topic: str
    partition: int
    offset: int
    """Where the original lay."""
    group: str
    reason: str
    detail: str
    when: datetime
    raw: Raw
    resolution: Resolution | None

    def shown(self) -> dict[str, Any]:
        """For people. A body is shown as the contract reads it; what is no event could hold anything and is not."""
        return {
            "reference": self.reference,
            "group": self.group,
            "reason": self.reason,
            "detail": self.detail,
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "when": self.when.isoformat(),
            "headers": {
                name: value.decode()
                for name, value in self.raw.headers
                if name in _SHOWN_HEADERS and _PLAIN.fullmatch(value)
            },
            "bytes": len(self.raw.value or b""),
            "event": self._event(),
        }

    def _event(self) -> dict[str, Any] | None:
        kind = BY_TOPIC.get(self.topic)
        if kind is None or self.raw.value is None:
            return None
        try:
            return kind.model_validate_json(self.raw.value).model_dump(mode="json")
        except ValidationError:
            return None

    def original(self) -> Record:
        """The record as it was before it died."""
        return Record(self.topic, self.raw.key, _without_ours(self.raw.headers), self.raw.value)


class DeadLetters:
    """The dead-letter topics of a bus."""

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock

    async def put(self, raw: Raw, *, group: str, reason: str, detail: str = "") -> None:
        """Durable when it returns, so that the position may move on. Raises `Unavailable`."""
        about = {
            "group": group,
            "reason": reason,
            "detail": detail,
            "topic": raw.topic,
            "partition": str(raw.partition),
            "offset": str(raw.offset),
            "time": self._clock().isoformat(),
        }
        headers = [*_without_ours(raw.headers), *_ours(about)]
        await self._bus.publish([Record(raw.topic + SUFFIX, raw.key, headers, raw.value)])

    async def open(self, topics: Iterable[str]) -> list[Letter]:
        """Letters of these topics that nobody has replayed or discarded yet, oldest first by topic."""
        return [letter for letter in await self.all(topics) if letter.resolution is None]

    async def all(self, topics: Iterable[str]) -> list[Letter]:
        """Letters of these topics, those resolved included."""
        return await self._letters(list(topics))

    async def find(self, reference: str) -> Letter:
        """The letter of that reference; raises `NoSuchLetter`."""
        match = _REFERENCE.fullmatch(reference)
        if match and match[1] in BY_TOPIC:
            for letter in await self._letters([match[1]]):
                if letter.reference == reference:
                    return letter
        raise NoSuchLetter(reference=reference[:80])

    async def replay(self, reference: str, *, by: str) -> Letter:
        """Publish the original again, for every group; marks make it harmless to those that had handled it.

        Published first and noted after: a crash in between leaves the letter open and a second replay does no harm.
        Raises `NoSuchLetter`, `LetterResolved` (only for a discarded one: replaying twice is allowed), `Unavailable`.
        """
        _a_word("by", by)
        letter = await self.find(reference)
        if letter.resolution is not None and letter.resolution.what == "discarded":
            raise LetterResolved(reference=reference, what="discarded")
        await self._bus.publish([letter.original()])
        await self._resolve(letter, "replayed", by, None)
        return letter

    async def discard(self, reference: str, *, by: str, why: str) -> Letter:
        """Leave it be for good. `why` is a word (`test-data`). Raises `NoSuchLetter`, `LetterResolved`, `NotAWord`."""
        _a_word("by", by)
        _a_word("why", why)
        letter = await self.find(reference)
        if letter.resolution is not None:
            raise LetterResolved(reference=reference, what=letter.resolution.what)
        await self._resolve(letter, "discarded", by, why)
        return letter

    async def _resolve(self, letter: Letter, what: Fate, by: str, why: str | None) -> None:
        about = {"resolves": f"{letter.raw.partition}/{letter.raw.offset}", "what": what, "by": by}
        about |= {"why": why} if why else {}
        about["time"] = self._clock().isoformat()
        await self._bus.publish([Record(letter.raw.topic, letter.raw.key, _ours(about), None)])

    async def _letters(self, topics: Sequence[str]) -> list[Letter]:
        records = [raw async for raw in _come(self._bus, [topic + SUFFIX for topic in topics], {})]
        resolutions: dict[tuple[str, str], Resolution] = {}
        letters = []
        for raw in reversed(records):
            said = _said(raw)
            try:
                if "resolves" in said:
                    resolutions[raw.topic, said["resolves"]] = _resolution(said)
                else:
                    resolution = resolutions.get((raw.topic, f"{raw.partition}/{raw.offset}"))
                    letters.append(_letter(raw.topic.removesuffix(SUFFIX), raw, said, resolution))
            except (KeyError, ValueError):
                log.warning("no_dead_letter", topic=raw.topic, partition=raw.partition, offset=raw.offset)
        return letters[::-1]


class LettersLeft:
    """How many letters of each of these topics nobody has replayed or discarded. A look reads what came since the one
    before, so that however many there are none is read twice.
    """

    def __init__(self, bus: Bus, topics: Iterable[str]) -> None:
        self._bus = bus
        self._open: dict[str, dict[str, datetime]] = {topic + SUFFIX: {} for topic in topics}
        """By dead-letter topic: where each letter lies there, and since when."""
        self._next: dict[Partition, int] = {}

    async def look(self) -> None:
        """Raises `Unavailable`; what was known is known still."""
        async for raw in _come(self._bus, list(self._open), self._next):
            self._take(raw)

    def _take(self, raw: Raw) -> None:
        said = _said(raw)
        if "resolves" in said:
            self._open[raw.topic].pop(said["resolves"], None)
        elif "reason" in said:
            self._open[raw.topic][f"{raw.partition}/{raw.offset}"] = raw.time

    def counted(self, now: datetime) -> dict[str, int]:
        """By the topic that they came from. Those that are older than the log keeps are gone."""
        return {
            topic.removesuffix(SUFFIX): sum(now - since < KEPT for since in found.values())
            for topic, found in self._open.items()
        }


async def _come(bus: Bus, topics: Sequence[str], start: dict[Partition, int]) -> AsyncIterator[Raw]:
    """All that these topics have by now, from `start` on, which goes along. Raises `Unavailable`."""
    more = bool(topics)
    while more:
        page = await bus.read(topics, start, PAGE)
        for raw in page:
            start[raw.topic, raw.partition] = raw.offset + 1
            yield raw
        more = len(page) == PAGE


def _a_word(field: str, text: str) -> None:
    if not _WORD.fullmatch(text):
        raise NotAWord(field=field)


def _letter(topic: str, raw: Raw, said: dict[str, str], resolution: Resolution | None) -> Letter:
    return Letter(
        reference=f"{topic}/{raw.partition}/{raw.offset}",
        topic=said["topic"],
        partition=int(said["partition"]),
        offset=int(said["offset"]),
        group=said["group"],
        reason=said["reason"],
        detail=said["detail"],
        when=datetime.fromisoformat(said["time"]),
        raw=raw,
        resolution=resolution,
    )


def _resolution(said: dict[str, str]) -> Resolution:
    what: Fate = "replayed" if said["what"] == "replayed" else "discarded"
    return Resolution(what, said["by"], datetime.fromisoformat(said["time"]), said.get("why"))


def _said(raw: Raw) -> dict[str, str]:
    return {
        name.removeprefix(_OURS): value.decode(errors="replace")
        for name, value in raw.headers
        if name.startswith(_OURS)
    }


def _ours(about: dict[str, str]) -> list[tuple[str, bytes]]:
    return [(_OURS + name, value.encode()) for name, value in about.items()]


def _without_ours(headers: Sequence[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    return [(name, value) for name, value in headers if not name.startswith(_OURS)]
