"""Records of the contract for the tests of buses and of what stands on them."""

from collections.abc import Sequence
from datetime import datetime

from services.chassis.envelope import record_of
from services.chassis.ports import Entry, Raw, Record, TopicSpec
from services.contracts.events import EVENTS, QueueCalled, TicketCancelled
from services.contracts.words import Because, Event, TicketEnd
from tests.virtual import NOON

PUBLISHERS = {event.topic(): "queue" for event in EVENTS}
CALLED = QueueCalled.topic()
CANCELLED = TicketCancelled.topic()


def ticket(name: str) -> str:
    """A ticket's reference that ends in a short name."""
    return f"31186-20261124-{name:0>12}"


def called(name: str, sequence: int = 1, at: datetime = NOON) -> Record:
    """`queue-called` of one ticket."""
    event = QueueCalled(
        centre="31186",
        ticket_id=ticket(name),
        code="A012",
        counter=3,
        call_count=1,
        selected_because=Because.LONGEST_WAIT,
    )
    return record_of(entry(event, sequence, at))


def cancelled(name: str, sequence: int = 1, at: datetime = NOON) -> Record:
    event = TicketCancelled(centre="31186", ticket_id=ticket(name), code="A012", reason=TicketEnd.BY_CITIZEN)
    return record_of(entry(event, sequence, at))


def entry(event: Event, sequence: int = 1, at: datetime = NOON) -> Entry:
    return Entry(
        id=f"{event.topic()}-{sequence}",
        source="/queue/hall/31186-20261124",
        sequence=sequence,
        type=type(event).__name__,
        time=at,
        body=event.model_dump_json().encode(),
        topic=event.topic(),
        key=event.key,
        subject=event.about,
        dataschema=event.dataschema(),
    )


def raw(record: Record, offset: int = 0, time: datetime = NOON) -> Raw:
    """The record as a bus would hand it on."""
    return Raw(record.topic, 0, offset, record.key, tuple(record.headers), record.value, time)


def changed(record: Record, **headers: bytes | None) -> Record:
    """The same with some headers replaced (`ce_id=...`), or taken out (None)."""
    kept = [(name, value) for name, value in record.headers if name not in headers]
    added = [(name, value) for name, value in headers.items() if value is not None]
    return Record(record.topic, record.key, kept + added, record.value)


def with_body(record: Record, body: bytes | None) -> Record:
    return Record(record.topic, record.key, record.headers, body)


def poison(name: str = "bad", sequence: int = 900) -> dict[str, Record]:
    """A record of each kind that cannot be read, by the reason it is to be given."""
    good = called(name, sequence)
    nested = b'{"centre":' + b"[" * 20_000 + b"]" * 20_000 + b"}"
    return {
        "not-utf8": changed(good, ce_id=b"\xff\xfe"),
        "missing-attribute": changed(good, ce_id=None),
        "unknown-type": changed(good, ce_type=b"queue-shouted"),
        "unknown-version": changed(good, ce_dataschema=b"urn:caunoi:queue-called:9"),
        "wrong-source": changed(good, ce_source=b"/notify/dispatch/31186"),
        "bad-attribute": changed(good, ce_sequence=b"minus one"),
        "wrong-subject": changed(good, ce_subject=ticket("another").encode()),
        "broken-json": with_body(good, b'{"centre": "31186", '),
        "not-valid": with_body(good, b'{"centre": "Cai Rang"}'),
        "too-deep": with_body(good, nested),
        "tombstone": with_body(good, None),
        "oversize": with_body(good, b'"' + b"x" * 900_000 + b'"'),
    }


def topics(*names: str) -> Sequence[TopicSpec]:
    """These and their dead-letter topics."""
    live = names or (CALLED, CANCELLED)
    return [TopicSpec(name, partitions=1) for name in (*live, *(f"{name}.dlq" for name in live))]
