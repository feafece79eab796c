"""Structured logs: one JSON line a fact, allow-listed fields, references only, the trace id on every line.

A field that is not listed is dropped and named, text is cut, what looks like a phone number is masked, and an exception
is its type and place: a log is read by people who may not know who was helped.
"""

import json
import logging
import re
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from datetime import date
from enum import Enum
from typing import Any, Final, TextIO

import structlog

from services.chassis import metrics
from services.chassis.trace import traceparent

# fmt: off
FIELDS: Final = frozenset({
    "time", "level", "event", "trace", "service", "kind", "slug", "status", "method", "route", "ms", "who", "ref",
    "subject", "document", "version", "sequence", "topic", "group", "partition", "offset", "count", "total", "lag",
    "age", "seconds", "attempt", "error", "where", "path", "address", "port", "reason", "state", "backend", "result",
    "role", "centre", "counter", "view", "work", "text", "library", "limit", "bytes", "degraded",
})
# fmt: on
_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50, "exception": 40}
_PHONE = re.compile(r"(?<![0-9a-zA-Z])(\+?84|0)[\s.-]?\d([\s.-]?\d){7,9}(?![0-9a-zA-Z])")
_LONGEST = 300
_least = _LEVELS["info"]


def start(level: str = "info", stream: TextIO | None = None) -> None:
    """From now on lines of at least `level` go to `stream` (standard error), those of libraries too."""
    global _least
    _least = _LEVELS[level]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            counted,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            traced,
            allowed,
            _line,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_FromLibraries()], level=logging.WARNING, force=True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        library = logging.getLogger(name)
        library.handlers.clear()
        library.setLevel(max(_least, logging.INFO))
        # The path of a request holds passes: our own line has the route instead.
        library.propagate = name != "uvicorn.access"


def shows(level: str) -> bool:
    """Would a line of this level be written? Asked where making one costs more than dropping it."""
    return _LEVELS[level] >= _least


def counted(_: Any, level: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """An error is seen by whoever watches the metrics, too. The names of events are those in this code, no others."""
    if _LEVELS.get(level, 0) >= _LEVELS["error"]:
        metrics.errors.labels(fields["event"]).inc()
    return fields


def traced(_: Any, __: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if parent := traceparent.get():
        fields["trace"] = parent[3:35]
    return fields


def allowed(_: Any, __: str, fields: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Only listed fields, each harmless; the names of the others under `dropped`."""
    error = _exception(fields.pop("exc_info", None))
    if error:
        fields.update(error=type(error).__name__, where=where(error))
    kept = {name: _harmless(value) for name, value in fields.items() if name in FIELDS}
    if len(kept) < len(fields):
        kept["dropped"] = sorted(name for name in fields if name not in FIELDS)
    return kept


def where(error: BaseException) -> list[str]:
    """The frames an error came through, without any value: messages of errors may quote what somebody typed."""
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{'/'.join(frame.filename.split('/')[-2:])}:{frame.lineno} {frame.name}" for frame in frames[-12:]]


def _exception(given: Any) -> BaseException | None:
    if isinstance(given, tuple):
        given = given[1]
    elif given is True:
        given = sys.exc_info()[1]
    return given if isinstance(given, BaseException) else None


def _harmless(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Enum):
        return _harmless(value.value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [_harmless(one) for one in value[:20]]
    if isinstance(value, str):
        return _PHONE.sub("***", " ".join(value[:_LONGEST].splitlines()))
    return type(value).__name__


def _line(_: Any, __: str, fields: MutableMapping[str, Any]) -> str:
    first = {name: fields.pop(name) for name in ("time", "level", "event") if name in fields}
    return json.dumps(first | dict(fields), ensure_ascii=False, separators=(",", ":"))


class _FromLibraries(logging.Handler):
    """What libraries log: the first line of the message as they wrote it, without the values that go into it unless
    all are numbers."""

    def emit(self, record: logging.LogRecord) -> None:
        level = record.levelname.lower()
        numbers = isinstance(record.args, tuple) and all(isinstance(one, int | float) for one in record.args)
        text = record.getMessage() if numbers else str(record.msg)
        structlog.get_logger().log(
            _LEVELS.get(level, record.levelno),
            "library",
            library=record.name,
            text=text.split("\n", 1)[0],
            exc_info=record.exc_info,
        )
