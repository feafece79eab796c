"""Structured logs: one JSON line a fact, allow-listed fields, references only, the trace id on every line.

A field that is not listed is dropped and named, text is cut, and what looks like a phone number is masked: a log is
read by people who may not know who was helped.
"""

import json
import logging
import re
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from datetime import date, datetime
from enum import Enum
from typing import Any, Final, TextIO

import structlog

from services.chassis.trace import traceparent

FIELDS: Final = frozenset(
    """event level time trace service kind slug status method route ms who ref subject document version sequence
    topic group partition offset count total lag age seconds attempt error where path address port reason state
    backend name result role centre counter text library limit bytes degraded""".split()
)
_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
_PHONE = re.compile(r"(?<![0-9a-z])(\+?84|0)[\s.-]?\d([\s.-]?\d){7,9}(?![0-9a-z])")
_LONGEST = 300


class _Sink:
    """Where lines go; `start` sets both once."""

    def __init__(self) -> None:
        self.least = _LEVELS["info"]
        self.stream: TextIO | None = None

    def msg(self, line: str) -> None:
        stream = self.stream or sys.stderr
        stream.write(line + "\n")
        stream.flush()

    debug = info = warning = error = critical = msg


_sink = _Sink()


def _enough(_: Any, method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if _LEVELS.get(method, 50) < _sink.least:
        raise structlog.DropEvent
    fields["level"] = method
    if parent := traceparent.get():
        fields["trace"] = parent[3:35]
    return fields


def allowed(_: Any, __: str, fields: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Only listed fields, each harmless; the names of the others under `dropped`."""
    kept = {name: _harmless(value) for name, value in fields.items() if name in FIELDS}
    if len(kept) < len(fields):
        kept["dropped"] = sorted(name for name in fields if name not in FIELDS)
    return kept


def _harmless(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, list | tuple):
        return [_harmless(one) for one in value[:20]]
    if isinstance(value, str):
        line = value.replace("\n", " ").replace("\r", " ")
        return _PHONE.sub("***", line[:_LONGEST])
    return type(value).__name__


def _line(_: Any, __: str, fields: MutableMapping[str, Any]) -> str:
    first = {name: fields.pop(name) for name in ("time", "level", "event") if name in fields}
    return json.dumps(first | dict(fields), ensure_ascii=False, separators=(",", ":"))


log: Any = structlog.wrap_logger(
    _sink,
    processors=[_enough, structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"), allowed, _line],
    wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
    cache_logger_on_first_use=True,
)
"""`log.info("relay.published", topic=..., count=...)`: what happened in words of one's own, then fields."""


def start(level: str = "info", stream: TextIO | None = None) -> None:
    """From now on lines of at least `level` go to `stream` (standard error), those of libraries too."""
    _sink.least = _LEVELS[level]
    _sink.stream = stream
    logging.basicConfig(handlers=[_FromLibraries()], level=max(_LEVELS[level], logging.INFO), force=True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        library = logging.getLogger(name)
        library.handlers.clear()
        # The path of a request holds passes: our own line has the route instead.
        library.propagate = name != "uvicorn.access"


def where(error: BaseException) -> list[str]:
    """The frames an error came through, without any value: messages of errors may quote what somebody typed."""
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{'/'.join(frame.filename.split('/')[-2:])}:{frame.lineno} {frame.name}" for frame in frames[-12:]]


class _FromLibraries(logging.Handler):
    """What libraries log: the first line of the message as they wrote it, without the values that go into it."""

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, Any] = {"library": record.name, "text": str(record.msg).split("\n", 1)[0]}
        error = record.exc_info[1] if record.exc_info else None
        if error:
            fields |= {"error": type(error).__name__, "where": where(error)}
        level = record.levelname.lower()
        getattr(log, level if level in _LEVELS else "error")("library", **fields)
