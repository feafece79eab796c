"""What a document remembers so that a repeat is harmless, as packed bytes: events applied, idempotency keys answered.

Packed because the whole document is written each time: 500 marks as JSON strings cost two thirds of the throughput.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b

from services.chassis.once import Once
from services.contracts.words import Event

MARKS_KEPT = timedelta(days=45)
"""An event older than this is dead-lettered, never applied, so its mark may go."""
KEYS_KEPT = timedelta(hours=24)
_KEYS_KEPT_SECONDS = int(KEYS_KEPT.total_seconds())
KEYS_AT_MOST = 512

_DAY = struct.Struct("<HI")
_KEY = struct.Struct("<8s8sIHI")
_SECONDS_A_DAY = 86_400


def digest(*parts: str | bytes) -> bytes:
    """8 bytes that stand for the parts."""
    raw = [part.encode() if isinstance(part, str) else part for part in parts]
    framed = [len(part).to_bytes(4, "little") + part for part in raw]
    return blake2b(b"".join(framed), digest_size=8).digest()


class Marks:
    """The exact events that were applied, in buckets by the day on which that was done."""

    __slots__ = ("_days", "_known")

    def __init__(self, packed: bytes = b"") -> None:
        self._days: dict[int, bytearray] = {}
        self._known: set[bytes] = set()
        position = 0
        while position < len(packed):
            day, count = _DAY.unpack_from(packed, position)
            position += _DAY.size
            digests = packed[position : position + 8 * count]
            position += 8 * count
            self._days[day] = bytearray(digests)
            self._known.update(digests[at : at + 8] for at in range(0, len(digests), 8))

    def __contains__(self, event: Event) -> bool:
        return bool(self._known) and digest(event.origin.source, event.origin.id) in self._known

    def add(self, event: Event, now: datetime) -> None:
        mark = digest(event.origin.source, event.origin.id)
        today = int(now.timestamp()) // _SECONDS_A_DAY
        if today not in self._days:
            self._drop_before(today - MARKS_KEPT.days)
        self._days.setdefault(today, bytearray()).extend(mark)
        self._known.add(mark)

    def _drop_before(self, day: int) -> None:
        for old in [known for known in self._days if known < day]:
            digests = bytes(self._days.pop(old))
            self._known.difference_update(digests[at : at + 8] for at in range(0, len(digests), 8))

    def packed(self) -> bytes:
        return b"".join(_DAY.pack(day, len(digests) // 8) + digests for day, digests in self._days.items())


@dataclass(frozen=True, slots=True)
class Answer:
    """Where the facts of an answered command lie in the journal of its document."""

    body: bytes
    first: int
    count: int


class Answered:
    """Idempotency keys that were answered: of the last 24 hours, at most 512. A refusal is not remembered."""

    __slots__ = ("_answers", "_packed")

    def __init__(self, packed: bytes = b"") -> None:
        self._packed = bytearray(packed)
        self._answers = {key: Answer(body, first, count) for key, body, first, count, _ in self._records()}

    def _records(self) -> Iterator[tuple[bytes, bytes, int, int, int]]:
        return _KEY.iter_unpack(self._packed)

    def get(self, once: Once) -> Answer | None:
        return self._answers.get(digest(once.actor, once.key))

    def add(self, once: Once, first: int, count: int, now: datetime) -> None:
        seconds = int(now.timestamp())
        self._forget(seconds - _KEYS_KEPT_SECONDS)
        key, body = digest(once.actor, once.key), _body(once)
        self._packed.extend(_KEY.pack(key, body, first, count, seconds))
        self._answers[key] = Answer(body, first, count)

    def _forget(self, before: int) -> None:
        size = _KEY.size
        while len(self._packed) >= KEYS_AT_MOST * size or (
            self._packed and _KEY.unpack_from(self._packed, 0)[4] < before
        ):
            self._answers.pop(_KEY.unpack_from(self._packed, 0)[0], None)
            del self._packed[:size]

    def packed(self) -> bytes:
        return bytes(self._packed)


def same_body(answer: Answer, once: Once) -> bool:
    return answer.body == _body(once)


def _body(once: Once) -> bytes:
    return once.body[:8].ljust(8, b"\0")
