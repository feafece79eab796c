"""What goes over the bus, and what is believed of what comes from it."""

from datetime import UTC, timedelta

import pytest

from services.chassis.backends.sqlite_bus import SqliteBus
from services.chassis.envelope import Unreadable, event_of, reading, record_of
from services.contracts.events import QueueCalled
from services.contracts.words import Because
from tests.conformance.bus_records import PUBLISHERS, called, changed, entry, poison, raw, ticket, with_body
from tests.virtual import NOON


def test_an_event_comes_out_as_it_went_in() -> None:
    event = event_of(raw(called("a", sequence=7)), PUBLISHERS)
    assert isinstance(event, QueueCalled)
    assert (event.ticket_id, event.counter) == (ticket("a"), 3)
    assert (event.origin.sequence, event.origin.source) == (7, "/queue/hall/31186-20261124")
    assert event.at == NOON
    assert event.at.tzinfo == UTC


def test_where_all_share_a_process_a_record_is_read_once_however_many_read_it() -> None:
    read = reading(SqliteBus.promises)
    first, second = raw(called("a")), raw(called("a"))
    assert read(first, PUBLISHERS) is read(second, PUBLISHERS)
    assert read(first._replace(offset=first.offset + 1), PUBLISHERS) is not read(first, PUBLISHERS)


def test_every_attribute_of_cloudevents_is_sent() -> None:
    headers = dict(called("a").headers)
    assert headers["ce_specversion"] == b"1.0"
    assert headers["ce_type"] == b"queue-called"
    assert headers["ce_subject"] == ticket("a").encode()
    assert headers["ce_dataschema"] == b"urn:caunoi:queue-called:1"
    assert headers["content-type"] == b"application/json"


def test_the_key_is_the_centre() -> None:
    assert called("a").key == b"31186"


def test_the_trace_travels() -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    event = event_of(raw(changed(called("a"), traceparent=trace.encode())), PUBLISHERS)
    assert event.origin.traceparent == trace


def test_an_unusable_trace_costs_the_trace_and_not_the_event() -> None:
    assert event_of(raw(changed(called("a"), traceparent=b"\xff" * 55)), PUBLISHERS).origin.traceparent is None


def test_headers_of_others_are_not_even_looked_at() -> None:
    assert event_of(raw(changed(called("a"), their_header=b"\xff\xfe")), PUBLISHERS)


def test_what_a_later_version_added_is_ignored() -> None:
    body = called("a").value
    assert body
    newer = with_body(called("a"), body.replace(b"{", b'{"printed_by": {"kiosk": 4}, ', 1))
    assert event_of(raw(newer), PUBLISHERS).centre == "31186"


@pytest.mark.parametrize("reason", poison())
def test_poison_is_refused_with_its_reason(reason: str) -> None:
    with pytest.raises(Unreadable) as refusal:
        event_of(raw(poison()[reason]), PUBLISHERS)
    assert refusal.value.reason == reason


def test_a_time_without_a_zone_is_not_guessed_at() -> None:
    with pytest.raises(Unreadable, match="ce_time"):
        event_of(raw(changed(called("a"), ce_time=b"2026-11-24T05:00:00")), PUBLISHERS)


def test_a_refusal_never_repeats_what_was_in_the_record() -> None:
    person = "Mrs Thủy 0912345678"
    bodies = (f'{{"centre": "{person}"}}', f'"{person}"', f'{{"{person}": [', f'{{"{person}": 1}}')
    for body in bodies:
        with pytest.raises(Unreadable) as refusal:
            event_of(raw(with_body(called("a"), body.encode())), PUBLISHERS)
        assert "0912345678" not in f"{refusal.value} {refusal.value.says('vi')} {refusal.value!r}"


def test_a_topic_nobody_publishes_has_no_right_source() -> None:
    with pytest.raises(Unreadable, match="wrong-source"):
        event_of(raw(called("a")), {})


def test_only_a_fact_with_a_topic_can_be_published() -> None:
    event = QueueCalled(
        centre="31186", ticket_id=ticket("a"), code="A001", counter=1, call_count=1, selected_because=Because.RATIO
    )
    assert record_of(entry(event, at=NOON + timedelta(seconds=1))).topic == "queue-called"
