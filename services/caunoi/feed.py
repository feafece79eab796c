"""The event feed as the command line reads it: SSE over HTTP, resumed where it broke off."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

import httpx2

from services.caunoi.client import Caller
from services.caunoi.failures import Failed

PATH: Final = "/notify/feed"
OPEN: Final = "open"
SILENT_FOR: Final = 40.0
"""Seconds without even a heartbeat after which the connection is taken for dead."""


@dataclass(frozen=True)
class Told:
    """One message. `topic` is an event's name, `open` (from now on nothing is missed), or `reset` (something was)."""

    id: str
    topic: str
    data: dict[str, Any]

    @property
    def event(self) -> dict[str, Any]:
        """The event's own fields."""
        inner = self.data.get("data")
        return inner if isinstance(inner, dict) else self.data


async def follow(caller: Caller, *, centre: str | None = None, after: str | None = None) -> AsyncIterator[Told]:
    """For ever: reconnects by itself and goes on after the last message. Raises `Failed` when it is refused."""
    while True:
        try:
            async for told in _connection(caller, centre, after):
                after = told.id or after
                yield told
        except httpx2.HTTPError:
            pass
        await asyncio.sleep(1)


async def _connection(caller: Caller, centre: str | None, after: str | None) -> AsyncIterator[Told]:
    headers = {"Accept": "text/event-stream"}
    if caller.credentials:
        headers["Authorization"] = caller.credentials
    if after:
        headers["Last-Event-ID"] = after
    query = {"centre": centre} if centre else {}
    timeout = httpx2.Timeout(10, read=SILENT_FOR)
    async with caller.http.stream("GET", PATH, headers=headers, params=query, timeout=timeout) as answer:
        if answer.status_code >= 400:
            await answer.aread()
            raise Failed(f"Không theo dõi được sự kiện (HTTP {answer.status_code}).", f"{answer.text[:200]}")
        fields: dict[str, str] = {}
        async for line in answer.aiter_lines():
            if line:
                name, _, value = line.partition(":")
                value = value.removeprefix(" ")
                fields[name] = f"{fields[name]}\n{value}" if name == "data" and name in fields else value
            else:
                if fields.keys() & {"event", "id", "retry"}:  # with what waited already a feed opens without an id
                    yield Told(fields.get("id", ""), fields.get("event", OPEN), _json(fields.get("data", "")))
                fields = {}


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
