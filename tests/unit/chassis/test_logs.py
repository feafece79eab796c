"""Logs: fields that are listed, references only, and nothing that somebody typed."""

import ast
import io
import json
import logging
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

import services
from services.chassis import logs
from services.chassis.logs import FIELDS, allowed
from services.chassis.trace import traceparent

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    logs.start("info", stream)
    yield stream
    structlog.reset_defaults()
    logging.basicConfig(handlers=[], force=True)


def read(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_has_time_level_what_happened_and_the_trace(lines: io.StringIO) -> None:
    token = traceparent.set(f"00-{TRACE}-b7ad6b7169203331-01")
    structlog.get_logger().info("relay_waits", service="queue", count=3)
    traceparent.reset(token)
    [line] = read(lines)
    assert list(line)[:3] == ["time", "level", "event"]
    assert (line["level"], line["event"], line["service"], line["count"]) == ("info", "relay_waits", "queue", 3)
    assert line["trace"] == TRACE


def test_less_than_the_level_is_not_written(lines: io.StringIO) -> None:
    structlog.get_logger().debug("detail")
    assert read(lines) == []
    assert logs.shows("info")
    assert not logs.shows("debug")


def test_a_field_that_is_not_listed_is_dropped_and_named() -> None:
    assert allowed(None, "info", {"event": "x", "phone": "0901234567"}) == {"event": "x", "dropped": ["phone"]}


@pytest.mark.parametrize("phone", ["0901234567", "+84901234567", "84 901 234 567", "090-123-4567", "(0901.234.567)"])
def test_what_looks_like_a_phone_number_is_masked(phone: str) -> None:
    written = allowed(None, "info", {"reason": f"no answer from {phone} today"})["reason"]
    assert "***" in written
    assert "234" not in written


def test_references_and_times_stay_readable() -> None:
    for reference in ("31186-20261124-7hk2m9x4tq0v", "2026-11-24T05:00:00+00:00", "/queue/hall/31186-20261124"):
        assert allowed(None, "info", {"ref": reference})["ref"] == reference


class Colour(Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "written"),
    [(Colour.RED, "red"), ({"name": "Thủy"}, "dict"), (object(), "object"), ([1, "a\nb"], [1, "a b"]), (None, None)],
)
def test_objects_are_not_poured_into_a_line(value: object, written: object) -> None:
    assert allowed(None, "info", {"state": value})["state"] == written


@given(st.text())
def test_no_text_makes_two_lines_of_one(text: str) -> None:
    written = allowed(None, "info", {"reason": text})["reason"]
    assert len(written.splitlines()) <= 1
    assert len(written) <= 300


def test_an_error_is_its_type_and_place_without_its_words(lines: io.StringIO) -> None:
    try:
        raise ValueError("Nguyễn Thị Thủy, 0901234567")
    except ValueError:
        structlog.get_logger().exception("rule_broken", service="queue")
    [line] = read(lines)
    assert (line["level"], line["error"]) == ("error", "ValueError")
    assert line["where"][-1].startswith("chassis/test_logs.py:")
    assert "Thủy" not in lines.getvalue()


def test_libraries_are_quoted_without_the_values_in_their_messages(lines: io.StringIO) -> None:
    logging.getLogger("somewhere").warning("could not reach %s\nbecause", "0901234567")
    [line] = read(lines)
    assert (line["event"], line["library"], line["text"]) == ("library", "somewhere", "could not reach %s")


def test_the_servers_own_access_log_is_off_because_paths_hold_passes(lines: io.StringIO) -> None:
    logging.getLogger("uvicorn.access").info("GET /tickets/31186-20261124-7hk2m9x4tq0v.secret")
    assert read(lines) == []


def test_every_field_that_the_code_logs_is_listed() -> None:
    """A field that is not listed would be dropped silently where it was meant to help."""
    for path in Path(services.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if isinstance(node.func.value, ast.Name) and node.func.value.id == "log":
                unlisted = {keyword.arg for keyword in node.keywords} - FIELDS - {"exc_info", None}
                assert not unlisted, f"{path.name}:{node.lineno}: {unlisted}"
