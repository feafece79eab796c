"""Events are thin: references, codes, numbers and enumerations, and nothing that belongs to a person."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator
from pydantic import ValidationError

from services.caunoi.generate import schema_of
from services.contracts.events import BY_TOPIC, EVENTS, HelpWanted
from services.contracts.words import Event

every_event = pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.topic())

PRIVATE = [
    "0912345678",
    "+84912345678",
    "092171001234",
    "Nguyễn Thị Thủy",
    "Thuy",
    "thuy@example.vn",
    "12/4 Lê Bình, khu vực 5",
    "Bà cụ bị đau chân",
    "thuy\n",
    "",
]
OF_A_PERSON = {"name", "phone", "mobile", "email", "address", "street", "destination", "birth", "born", "age", "gender"}
FREE_TEXT = {"note", "notes", "text", "comment", "message", "description", "title", "remark"}


def strings(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every place of a schema where a string may stand, with its path."""

    def walk(node: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
        if isinstance(node, dict):
            if node.get("type") == "string":
                yield path, node
            for name, below in node.items():
                yield from walk(below, f"{path}/{name}")
        elif isinstance(node, list):
            for place, below in enumerate(node):
                yield from walk(below, f"{path}/{place}")

    return walk(schema, "")


def field_names(schema: dict[str, Any]) -> set[str]:
    found = set(schema["properties"])
    for definition in schema.get("$defs", {}).values():
        found |= set(definition.get("properties", {}))
    return found


@every_event
def test_no_string_of_an_event_is_free_text(event: type[Event]) -> None:
    bare = [
        path
        for path, schema in strings(schema_of(event))
        if "pattern" not in schema
        and "enum" not in schema
        and "const" not in schema
        and schema.get("format") not in {"date", "date-time"}
    ]
    assert bare == []


@every_event
def test_no_string_of_an_event_could_be_what_belongs_to_a_person(event: type[Event]) -> None:
    for path, schema in strings(schema_of(event)):
        if schema.get("format"):
            continue
        fits = Draft202012Validator(schema).is_valid
        assert [private for private in PRIVATE if fits(private)] == [], path


@every_event
def test_no_field_is_named_like_what_belongs_to_a_person(event: type[Event]) -> None:
    words = {word for name in field_names(schema_of(event)) for word in name.split("_")}
    assert words & (OF_A_PERSON | FREE_TEXT) == set()


@every_event
def test_every_pattern_covers_the_whole_string(event: type[Event]) -> None:
    for path, schema in strings(schema_of(event)):
        pattern = schema.get("pattern", "^$")
        assert pattern.startswith("^"), path
        assert pattern.endswith("$"), path


@every_event
def test_every_event_says_its_centre_and_what_it_is_about(event: type[Event]) -> None:
    required = schema_of(event)["required"]
    assert "centre" in required
    assert event.subject in required


@every_event
def test_an_event_ignores_fields_that_it_does_not_know(event: type[Event]) -> None:
    assert event.model_config["extra"] == "ignore"
    assert "additionalProperties" not in schema_of(event)


def test_topics_are_the_names_with_hyphens_and_none_is_used_twice() -> None:
    assert len(BY_TOPIC) == len(EVENTS)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", topic) for topic in BY_TOPIC)
    assert {"queue-called", "case-completed", "ride-home-requested"} <= BY_TOPIC.keys()


def test_an_event_refuses_a_name_where_a_language_belongs() -> None:
    with pytest.raises(ValidationError):
        HelpWanted(centre="31186", ticket_id="31186-20261012-7k3m9p2q4r8t", code="A012", language="Thủy")


def test_the_walk_finds_a_bare_string_wherever_it_hides() -> None:
    hidden = {"properties": {"many": {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]}}}
    assert [path for path, _ in strings(hidden)] == ["/properties/many/anyOf/0/items"]
