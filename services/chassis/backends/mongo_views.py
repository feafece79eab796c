"""The views of a service on MongoDB.

A view document is written on condition of its mark, so that two processes that fold the same facts do it once.
"""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from pymongo import ReplaceOne
from pymongo.errors import BulkWriteError

from services.chassis.ports import Entry
from services.chassis.views import Folded, Projector
from services.contracts.words import Fact

DUPLICATE = 11000


class MongoViews:
    """What `Projector` folds, in a collection a view."""

    def __init__(self, db: Any, projector: Projector) -> None:
        self.projector = projector
        self._of = {view.name: db[f"view_{view.name}"] for view in projector.views}

    async def make_indexes(self) -> None:
        for view in self.projector.views:
            for field in view.indexes:
                await self._of[view.name].create_index([(f"index.{field}", 1), ("_id", 1)])

    async def fold(self, entries: Sequence[Entry], facts: Sequence[Fact]) -> None:
        """Entries of any sources, each source's in order; where another process was faster, again on what it left."""
        while True:
            current = await self._current(entries, facts)
            folded = self.projector.fold(entries, partial(_kept, current), facts)
            fresh = [one for one in folded if one.mark > _mark(current, one)]
            put = [self._put(view, [one for one in fresh if one.view == view], current) for view in self._of]
            if all(await asyncio.gather(*put)):
                return

    async def _current(
        self, entries: Sequence[Entry], facts: Sequence[Fact]
    ) -> dict[tuple[str, str], tuple[int, bytes]]:
        found: dict[tuple[str, str], tuple[int, bytes]] = {}

        async def look(view: str, keys: set[str]) -> None:
            async for raw in self._of[view].find({"_id": {"$in": list(keys)}}):
                found[view, raw["_id"]] = (raw["mark"], bytes(raw["body"]))

        touched = self.projector.touched(entries, facts)
        await asyncio.gather(*(look(view, keys) for view, keys in touched.items()))
        return found

    async def _put(
        self, view: str, folded: Sequence[Folded], current: Mapping[tuple[str, str], tuple[int, bytes]]
    ) -> bool:
        """Whether nobody else had written one of them since."""
        if not folded:
            return True
        writes = [
            ReplaceOne(
                {"_id": one.key, "mark": _mark(current, one)},
                {"source": one.source, "mark": one.mark, "body": one.body, "index": dict(one.index)},
                upsert=True,
            )
            for one in folded
        ]
        try:
            await self._of[view].bulk_write(writes, ordered=False)
        except BulkWriteError as error:
            if not only_duplicates(error):
                raise
            return False
        return True

    async def get(self, name: str, key: str) -> bytes | None:
        raw = await self._of[name].find_one({"_id": key}, {"body": 1})
        return bytes(raw["body"]) if raw else None

    async def find(
        self, name: str, where: Mapping[str, str | int], after: str | None, limit: int
    ) -> list[tuple[str, bytes]]:
        asked: dict[str, Any] = {f"index.{field}": wanted for field, wanted in where.items()}
        asked["_id"] = {"$gt": after or ""}
        cursor = self._of[name].find(asked, {"body": 1}).sort("_id", 1).limit(limit)
        return [(raw["_id"], bytes(raw["body"])) async for raw in cursor]

    async def clear(self) -> None:
        for view in self._of.values():
            await view.delete_many({})


def only_duplicates(error: BulkWriteError) -> bool:
    """Whether all that went wrong is that something was there already."""
    details = error.details or {}
    others = [one for one in details.get("writeErrors", ()) if one["code"] != DUPLICATE]
    return not others and not details.get("writeConcernErrors")


def _kept(current: Mapping[tuple[str, str], tuple[int, bytes]], view: str, key: str) -> tuple[int, bytes] | None:
    return current.get((view, key))


def _mark(current: Mapping[tuple[str, str], tuple[int, bytes]], one: Folded) -> int:
    return current.get((one.view, one.key), (0, b""))[0]
