"""The golden examples: what was published once is understood for ever, and is published in the same way today."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from services.caunoi.generate import EXAMPLES, ROOT, schema_of
from services.chassis.envelope import event_of, record_of
from services.chassis.ports import Entry, Raw
from services.contracts.events import BY_TOPIC
from services.contracts.words import Event

FILES = sorted((ROOT / EXAMPLES).glob("*.json"))
every_example = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


def read(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text())


def understood(example: dict[str, Any]) -> Event:
    headers = tuple((name, value.encode()) for name, value in example["headers"].items())
    raw = Raw(
        topic=example["topic"],
        partition=0,
        offset=0,
        key=example["key"].encode(),
        headers=headers,
        value=json.dumps(example["body"]).encode(),
        time=datetime(2026, 10, 12, tzinfo=UTC),
    )
    return event_of(raw, {example["topic"]: example["headers"]["ce_source"].split("/")[1]})


def test_every_event_has_an_example() -> None:
    assert {read(file)["topic"] for file in FILES} == set(BY_TOPIC)


@every_example
def test_an_example_fits_the_schema(file: Path) -> None:
    example = read(file)
    Draft202012Validator(schema_of(BY_TOPIC[example["topic"]])).validate(example["body"])


@every_example
def test_a_consumer_understands_an_example(file: Path) -> None:
    example = read(file)
    event = understood(example)
    assert event.key == example["key"]
    assert event.about == example["headers"]["ce_subject"]
    assert event.at == datetime.fromisoformat(example["headers"]["ce_time"])


@every_example
def test_a_publisher_says_today_what_the_example_says(file: Path) -> None:
    example = read(file)
    event = understood(example)
    entry = Entry(
        id=event.origin.id,
        source=event.origin.source,
        sequence=event.origin.sequence,
        type=type(event).__name__,
        time=event.at,
        body=event.model_dump_json().encode(),
        topic=event.topic(),
        key=event.key,
        subject=event.about,
        dataschema=event.dataschema(),
        traceparent=event.origin.traceparent,
    )
    record = record_of(entry)
    assert (record.topic, record.key) == (example["topic"], example["key"].encode())
    assert {name: value.decode() for name, value in record.headers} == example["headers"]
    assert example["body"].items() <= json.loads(record.value or b"").items()


@every_example
def test_a_consumer_of_tomorrow_may_read_a_field_that_is_not_there_yet(file: Path) -> None:
    example = read(file)
    plain = understood(example)
    example["body"]["not_yet_known"] = {"of": "a later version"}
    assert understood(example) == plain
