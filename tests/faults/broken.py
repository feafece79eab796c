"""Builds that are broken on purpose, to see that the tests notice.

    python -m tests.faults.broken FLAW up --data DIR    the whole system in one process
    python -m tests.faults.broken FLAW queue            one service of a city

The one place of the tests that reaches into the product and changes it, in a child process of its own.
"""

import asyncio
import runpy
import sys
from collections.abc import Callable, Sequence
from typing import Any

from services.chassis.backends import mongo
from services.chassis.backends.sqlite import Database
from services.chassis.documents import Documents
from services.chassis.ports import DocumentKey, Entry
from services.chassis.relay import Relay


def never_waits_for_the_disk() -> None:
    """`synchronous=OFF`, set behind the back of what asserts it."""
    connect = Database._connect

    def carelessly(self: Database) -> None:
        connect(self)
        assert self._writer is not None
        self._writer.execute("PRAGMA synchronous=OFF")

    Database._connect = carelessly  # type: ignore[method-assign]


def answers_before_it_writes() -> None:
    commit = Documents._commit

    async def hastily(self: Documents, rounds: list[Any]) -> None:
        for round in rounds:
            await self._answer(round)
        await asyncio.sleep(0.02)
        await commit(self, rounds)

    Documents._commit = hastily  # type: ignore[method-assign]


def forgets_before_it_publishes() -> None:
    """The relay keeps its position first and publishes after: what a kill finds in between is lost for ever."""

    async def keep_first(self: Relay) -> bool:
        owed: list[Entry] = await self._store.owed(self._batch)
        if not owed:
            return False
        await self._store.published(owed)
        await self._store._write_position()  # type: ignore[attr-defined]
        await asyncio.sleep(0.02)
        await publish(self, owed)
        return True

    async def publish(self: Relay, owed: list[Entry]) -> None:
        from services.chassis.envelope import record_of

        await self._bus.publish([record_of(entry) for entry in owed])

    Relay._publish_some = keep_first  # type: ignore[method-assign]


def looks_at_no_version() -> None:
    """A document is replaced although another process has written it since, and a copy is trusted without asking."""
    replace_one = mongo.ReplaceOne  # type: ignore[attr-defined]

    def carelessly(wanted: dict[str, Any], body: Any, upsert: bool) -> Any:
        return replace_one({"_id": wanted["_id"]}, body, upsert)

    async def none(self: mongo.MongoStore, keys: Sequence[DocumentKey]) -> dict[DocumentKey, int]:
        return {}

    mongo.ReplaceOne = carelessly  # type: ignore[attr-defined]
    mongo.MongoStore.versions = none  # type: ignore[method-assign]


FLAWS: dict[str, Callable[[], None]] = {
    flaw.__name__: flaw
    for flaw in (
        never_waits_for_the_disk,
        answers_before_it_writes,
        forgets_before_it_publishes,
        looks_at_no_version,
    )
}


if __name__ == "__main__":
    from services.caunoi.cli import main
    from services.caunoi.services import SERVICES

    FLAWS[sys.argv.pop(1)]()
    if sys.argv[1] in {service.name for service in SERVICES}:
        runpy.run_module(f"services.{sys.argv[1]}", run_name="__main__")
    else:
        main()
