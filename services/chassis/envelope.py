"""CloudEvents 1.0 in Kafka's binary mode: an entry of the journal to a record of the bus, and a raw record to an event.

`ce_type` is the topic, `ce_dataschema` ends in the version, the key is the event's. Reading trusts nothing; its errors
say what is wrong and never repeat what was in the record, for they reach logs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from pydantic import TypeAdapter, ValidationError

from services.chassis.errors import Invalid
from services.chassis.ports import BusPromises, Entry, Raw, Record
from services.contracts.events import BY_TOPIC
from services.contracts.words import Event, Origin

BODY_AT_MOST = 65_536
HEADER_AT_MOST = 512
SHARED_AT_MOST = 512


class Unreadable(Invalid):
    """A record that is no event of the contract. `reason` is one of a few words, `detail` a name or nothing."""

    en = "The record cannot be read: {reason} {detail}"
    vi = "Không đọc được bản ghi: {reason} {detail}"

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason=reason, detail=detail)
        self.reason = reason
        self.detail = detail


def record_of(entry: Entry) -> Record:
    """What the bus carries of a fact that is owed to the world."""
    assert entry.topic is not None, "only a fact with a topic is published"
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", entry.id.encode()),
        ("ce_source", entry.source.encode()),
        ("ce_type", entry.topic.encode()),
        ("ce_time", entry.time.isoformat().encode()),
        ("ce_subject", entry.subject.encode()),
        ("ce_dataschema", entry.dataschema.encode()),
        ("ce_sequence", b"%d" % entry.sequence),
        ("content-type", b"application/json"),
    ]
    if entry.traceparent:
        headers.append(("traceparent", entry.traceparent.encode()))
    return Record(entry.topic, entry.key.encode(), headers, entry.body)


Read = Callable[[Raw, Mapping[str, str]], Event]


def reading(bus: BusPromises) -> Read:
    """How records of this bus are read: where all services share a process, each once for all of them. Elsewhere there
    is seldom a second reader, and remembering would cost a third of the reading."""
    return event_of if bus.many_processes else _shared


def event_of(raw: Raw, publishers: Mapping[str, str]) -> Event:
    """The event in a record. `publishers` says for every topic which service publishes it. Raises `Unreadable`."""
    return _read(raw, publishers.get(raw.topic, ""))


def _shared(raw: Raw, publishers: Mapping[str, str]) -> Event:
    return _read_once(raw, publishers.get(raw.topic, ""))


def _read(raw: Raw, publisher: str) -> Event:
    if raw.topic not in BY_TOPIC:
        raise Unreadable("unknown-type")
    if raw.value is None:
        raise Unreadable("tombstone")
    if len(raw.value) > BODY_AT_MOST:
        raise Unreadable("oversize", "body")
    expected = _expected(raw.topic, publisher)
    headers = dict(raw.headers)
    for name, wanted, reason in expected.always:
        if headers.get(name) != wanted:
            raise _unusable(name, headers) or Unreadable(reason, name)
    texts = []
    for name in _TEXTS:
        value = headers.get(name)
        if not value or len(value) > HEADER_AT_MOST:
            raise _unusable(name, headers) or Unreadable("missing-attribute", name)
        try:
            texts.append(value.decode())
        except UnicodeDecodeError:
            raise Unreadable("not-utf8", name) from None
    id, source, subject, sequence, time = texts
    if not source.startswith(expected.source_starts):
        raise Unreadable("wrong-source", "ce_source")
    origin = Origin(id, source, _sequence(sequence), _time(time), _traceparent(headers))
    try:
        event = expected.body.validate_json(raw.value)
    except ValidationError as error:
        raise _unreadable_body(error) from None
    if event.about != subject:
        raise Unreadable("wrong-subject", "ce_subject")
    event.comes_from(origin)
    return event


_read_once = lru_cache(maxsize=SHARED_AT_MOST)(_read)
"""An event never changes."""

_TEXTS = ("ce_id", "ce_source", "ce_subject", "ce_sequence", "ce_time")


@dataclass(frozen=True)
class _Expected:
    """What a topic's records look like."""

    always: tuple[tuple[str, bytes, str], ...]
    """Attributes that are the same in all of them, and what one that is not is called."""
    source_starts: str
    body: TypeAdapter[Event]


@lru_cache(maxsize=1_000)
def _expected(topic: str, publisher: str) -> _Expected:
    kind = BY_TOPIC[topic]
    always = (
        ("ce_specversion", b"1.0", "unknown-version"),
        ("ce_type", topic.encode(), "unknown-type"),
        ("ce_dataschema", kind.dataschema().encode(), "unknown-version"),
    )
    return _Expected(always, f"/{publisher}/", TypeAdapter(kind))


def _unusable(name: str, headers: Mapping[str, bytes]) -> Unreadable | None:
    """Whatever it was to say: it says nothing, or too much."""
    value = headers.get(name)
    if not value:
        return Unreadable("missing-attribute", name)
    return Unreadable("oversize", name) if len(value) > HEADER_AT_MOST else None


def _sequence(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 16:  # 16 digits: beyond any journal
        return int(text)
    raise Unreadable("bad-attribute", "ce_sequence")


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise Unreadable("bad-attribute", "ce_time") from None
    if time.tzinfo is None:
        raise Unreadable("bad-attribute", "ce_time")
    return time


def _traceparent(headers: Mapping[str, bytes]) -> str | None:
    """Only a convenience: one that is unusable is dropped, the event is not."""
    value = headers.get("traceparent", b"")
    return value.decode() if len(value) == 55 and value.isascii() else None  # the length W3C gives it


def _unreadable_body(error: ValidationError) -> Unreadable:
    """Pydantic's own text quotes the input: keep the kind of the first error and the field."""
    first = error.errors(include_url=False, include_context=True, include_input=False)[0]
    if first["type"] == "json_invalid":
        deep = "recursion limit" in str(first.get("ctx", {}).get("error", ""))
        return Unreadable("too-deep" if deep else "broken-json")
    return Unreadable("not-valid", f"{'.'.join(map(str, first['loc']))} {first['type']}".strip())
