"""The distributed store: MongoDB, majority and journalled, one unordered bulk of whole documents a group.

Two clients drive it, chosen by one setting: Motor, which the design card names, and PyMongo's own. Only calls that both
share stand here. Other processes may write the same documents: a version is confirmed before it is answered from.

Facts ride in their document until the journal has them (`mongo_journal`).
"""

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import structlog
from pymongo import ReadPreference, ReplaceOne
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DuplicateKeyError,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from services.chassis.backends.mongo_journal import MongoJournal, entry_of, name_of, raw_of
from services.chassis.backends.mongo_views import DUPLICATE, MongoViews
from services.chassis.backends.mongo_way import MongoAway, MongoNotUsable, MongoWay, closed, moment, no_way, one_line
from services.chassis.clock import Clock, system_clock
from services.chassis.errors import Unavailable
from services.chassis.ports import DocumentKey, Entry, Stored, StorePromises, Write, Written
from services.chassis.views import Projector

SCHEMA = 1
TOKENS = 16
TOO_LARGE = 15_000_000
"""Bytes; MongoDB takes 16 MiB."""
NO_SPACE = 14031
INTERRUPTED = {50, 262, 11601}
"""Codes of a server that gave up on the way."""

log = structlog.get_logger()


class MongoStore:
    """`Store` on one database; see `services.chassis.ports`."""

    promises = StorePromises(exclusive=False, journal_in_commit=False, atomic_group=False)

    def __init__(
        self,
        way: MongoWay,
        database: str,
        projector: Projector,
        *,
        keep: timedelta = timedelta(days=400),
        clock: Clock = system_clock,
    ) -> None:
        self._way = way
        self._database = database
        self._projector = projector
        self._keep = keep
        self._clock = clock
        self._sent: dict[str, Sequence[Entry]] = {}
        """By token, what rides in a write whose outcome is not known yet."""
        self._nobody_until = 0.0
        self.restored: datetime | None = None

    async def open(self) -> None:
        self._client = self._way.client()
        self._db = self._client.get_database(
            self._database,
            read_preference=ReadPreference.PRIMARY,
            read_concern=ReadConcern("majority"),
            write_concern=WriteConcern(w="majority", j=True, wtimeout=5_000),
        )
        self._docs, self._keys = self._db["documents"], self._db["keys"]
        self._views = MongoViews(self._db, self._projector)
        self._journal = MongoJournal(self._db, self._views, self._keep, self._clock)
        try:
            await self._check()
            await self._docs.create_index("due", sparse=True)
            await self._views.make_indexes()
            await self._journal.start()
        except (ConnectionFailure, NotPrimaryError):  # of all servers together it says little
            await self.close()
            raise await self._way.why_not() from None
        except PyMongoError as error:
            await self.close()
            raise no_way(error) from error
        except Unavailable:
            await self.close()
            raise

    async def close(self) -> None:
        await self._journal.stop()
        await closed(self._client)

    async def _check(self) -> None:
        hello = await self._client.admin.command("hello")
        if "setName" not in hello:
            raise MongoNotUsable(why="it is no replica set; start mongod with --replSet and initiate it")
        found = await self._db["schema"].find_one_and_update(
            {"_id": "schema"}, {"$setOnInsert": {"version": SCHEMA}}, upsert=True, return_document=True
        )
        self.restored = found.get("restored")
        if found.get("restoring"):
            raise MongoNotUsable(why=f"a restore into {self._database} did not end; run it again with --replace")
        if found["version"] != SCHEMA:
            newer = "newer" if found["version"] > SCHEMA else "older"
            raise MongoNotUsable(
                why=f"the data in {self._database} are of schema {found['version']}, this program knows {SCHEMA}; "
                f"take the {newer} version that wrote them"
            )

    # ------------------------------------------------------------------------------------------- documents

    async def load(self, keys: Sequence[DocumentKey]) -> dict[DocumentKey, Stored]:
        found: dict[DocumentKey, Stored] = {}
        async with self._answered():
            async for raw in self._docs.find({"_id": {"$in": [name_of(key) for key in keys]}}):
                key = (raw["kind"], raw["id"])
                pending = tuple(entry_of(one) for one in raw["pending"])
                found[key] = Stored(raw["v"], bytes(raw["body"]), tuple(raw["tokens"]), pending)
        for key in keys:
            self._journal.found(key, found[key].pending if key in found else ())
        return found

    async def versions(self, keys: Sequence[DocumentKey]) -> dict[DocumentKey, int]:
        versions = dict.fromkeys(keys, 0)
        async with self._answered():
            cursor = self._docs.find({"_id": {"$in": [name_of(key) for key in keys]}}, {"v": 1, "kind": 1, "id": 1})
            async for raw in cursor:
                versions[raw["kind"], raw["id"]] = raw["v"]
        return versions

    async def commit(self, group: Sequence[Write]) -> list[Written]:
        for write in group:
            self._sent[write.token] = [*self._journal.aboard(write.key), *write.entries]
        bodies = [self._replacement(write) for write in group]
        outcomes = [_size(body) for body in bodies]
        sent = [place for place, outcome in enumerate(outcomes) if outcome is Written.DURABLE]
        if sent:
            replacements = [
                ReplaceOne({"_id": bodies[at]["_id"], "v": group[at].base}, bodies[at], True) for at in sent
            ]
            for at, outcome in zip(sent, await self._write(replacements), strict=True):
                outcomes[at] = outcome
        self._note(group, outcomes)
        return outcomes

    def _note(self, group: Sequence[Write], outcomes: Sequence[Written]) -> None:
        for write, outcome in zip(group, outcomes, strict=True):
            if outcome is Written.UNKNOWN:
                continue
            pending = self._sent.pop(write.token, ())
            if outcome is Written.DURABLE:
                self._journal.boarded(write, pending)

    async def _write(self, replacements: Sequence[ReplaceOne[Any]]) -> list[Written]:
        """As one; if the server will not have it so, one by one: a bad document must not fail the others."""
        outcomes = await self._bulk(replacements)
        if outcomes[0] is Written.REFUSED and len(set(outcomes)) == 1 and len(outcomes) > 1:
            return [(await self._bulk([one]))[0] for one in replacements]
        return outcomes

    async def _bulk(self, replacements: Sequence[ReplaceOne[Any]]) -> list[Written]:
        try:
            await self._docs.bulk_write(list(replacements), ordered=False)
        except BulkWriteError as error:
            details = error.details or {}
            outcome = Written.UNKNOWN if details.get("writeConcernErrors") else Written.DURABLE
            outcomes = [outcome] * len(replacements)
            for failed in details.get("writeErrors", ()):
                outcomes[failed["index"]] = _FATE.get(failed["code"], Written.REFUSED)
            return outcomes
        except ServerSelectionTimeoutError as error:
            self._note_away(error)
            return [Written.UNREACHED] * len(replacements)
        except OperationFailure as error:
            log.warning("mongo_refuses", reason=one_line(error))
            outcome = Written.UNKNOWN if error.code in INTERRUPTED else Written.REFUSED
            return [outcome] * len(replacements)
        except PyMongoError as error:
            log.warning("mongo_write_unknown", reason=type(error).__name__)
            return [Written.UNKNOWN] * len(replacements)
        return [Written.DURABLE] * len(replacements)

    def _replacement(self, write: Write) -> dict[str, Any]:
        """The whole document; of the facts that ride in it those that the journal has by now get off."""
        pending = self._sent[write.token]
        body = {
            "_id": name_of(write.key),
            "kind": write.kind,
            "id": write.id,
            "v": write.base + 1,
            "tokens": [*write.tokens[-(TOKENS - 1) :], write.token],
            "body": write.body,
            "pending": [raw_of(entry) for entry in pending],
        }
        if write.due is not None:
            body["due"] = write.due
        if pending:
            body["pending_since"] = pending[0].time
        return body

    async def settle(self, group: Sequence[Write]) -> list[Written]:
        tokens: dict[str, Sequence[str]] = {}
        async with self._answered():
            cursor = self._docs.find({"_id": {"$in": [name_of(write.key) for write in group]}}, {"tokens": 1})
            async for raw in cursor:
                tokens[raw["_id"]] = raw["tokens"]
        outcomes = [
            Written.DURABLE if write.token in tokens.get(name_of(write.key), ()) else Written.CONFLICT
            for write in group
        ]
        self._note(group, outcomes)
        return outcomes

    async def due(self, before: datetime, limit: int) -> list[DocumentKey]:
        async with self._answered():
            cursor = self._docs.find({"due": {"$lte": before}}, {"kind": 1, "id": 1}).sort("due", 1).limit(limit)
            return [(raw["kind"], raw["id"]) async for raw in cursor]

    # ------------------------------------------------------------------------------- journal, bus, views

    async def owed(self, limit: int) -> list[Entry]:
        async with self._answered():
            return await self._journal.owed(limit)

    async def published(self, entries: Sequence[Entry]) -> None:
        async with self._answered():
            await self._journal.published(entries)

    async def owed_summary(self) -> tuple[int, datetime | None]:
        async with self._answered():
            return await self._journal.summary()

    async def facts(self, source: str, first: int, count: int) -> list[Entry]:
        async with self._answered():
            return await self._journal.facts(source, first, count)

    async def journal(self, after: str | None, limit: int, since: datetime | None = None) -> tuple[list[Entry], str]:
        async with self._answered():
            await self._journal.copy()
            return await self._journal.page(after, limit, since)

    async def note_restored(self, at: datetime) -> None:
        async with self._answered():
            await self._db["schema"].update_one({"_id": "schema"}, {"$set": {"restored": at}})
        self.restored = at

    async def rewind(self, since: datetime) -> int:
        async with self._answered():
            await self._journal.copy()
            return await self._journal.rewind(since)

    async def view(self, name: str, key: str) -> bytes | None:
        async with self._answered():
            await self._journal.look_into(self._projector.document_of(name, key))
            await self._fold_ours()
            return await self._views.get(name, key)

    async def find(
        self, name: str, where: Mapping[str, str | int], *, after: str | None = None, limit: int = 100
    ) -> list[tuple[str, bytes]]:
        async with self._answered():
            await self._fold_ours()
            return await self._views.find(name, where, after, limit)

    async def _fold_ours(self) -> None:
        """What this process wrote, or knows of, and did not fold yet: whoever changed a thing sees it changed."""
        if self._journal.uncopied:
            await self._journal.copy()

    async def rebuild(self, progress: Callable[[int], None]) -> int:
        async with self._answered():
            await self._journal.copy()
            return await self._journal.fold_all(progress)

    # ------------------------------------------------------------------------------------- keys and health

    async def subject_key(self, subject: str, fresh: bytes | None) -> bytes | None:
        async with self._answered():
            if fresh is not None:
                with contextlib.suppress(DuplicateKeyError):
                    await self._keys.insert_one({"_id": subject, "wrapped": fresh})
            found = await self._keys.find_one({"_id": subject})
        return bytes(found["wrapped"]) if found else None

    async def forget_subject(self, subject: str) -> bool:
        async with self._answered():
            gone: int = (await self._keys.delete_one({"_id": subject})).deleted_count
        return gone > 0

    async def health(self) -> dict[str, Any]:
        async with self._answered():
            hello = await self._client.admin.command("hello")
            backup = await self._db["schema"].find_one({"_id": "backup"})
        if not hello.get("isWritablePrimary"):
            raise MongoAway(retry_after=1)
        return {
            "replica_set": hello["setName"],
            "write_concern": "majority, journalled",
            "client": self._way.by,
            "backed_up": moment(backup["begun"]).isoformat() if backup else None,
            "clock_ahead_seconds": round((self._clock() - moment(hello["localTime"])).total_seconds()),
        }

    @asynccontextmanager
    async def _answered(self) -> AsyncIterator[None]:
        """For half a second after nobody was there, the next one is told so at once: a caller waits for several."""
        if time.monotonic() < self._nobody_until:
            raise MongoAway(retry_after=1)
        try:
            yield
            self._nobody_until = 0.0
        except PyMongoError as error:
            self._note_away(error)
            raise MongoAway(retry_after=1) from error

    def _note_away(self, error: PyMongoError) -> None:
        log.warning("mongo_away", reason=type(error).__name__)
        if isinstance(error, ServerSelectionTimeoutError):
            self._nobody_until = time.monotonic() + 0.5


_FATE = {DUPLICATE: Written.CONFLICT, NO_SPACE: Written.FULL}


def _size(body: Mapping[str, Any]) -> Written:
    size = len(body["body"]) + sum(len(one["body"]) + 400 for one in body["pending"])
    return Written.DURABLE if size < TOO_LARGE else Written.REFUSED
