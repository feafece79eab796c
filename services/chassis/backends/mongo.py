"""The distributed store: MongoDB, majority and journalled, one unordered bulk of whole documents a group.

Two clients drive it, chosen by one setting: Motor, which the design card names, and PyMongo's own. Only calls that both
share stand here. Other processes may write the same documents: a version is confirmed before it is answered from.

Facts ride in their document (`pending`) until `owed` has copied them into the journal and folded them into the views;
then they are pulled out, at the latest by a write of their own a second later. Per source, `positions` keeps how far
the journal was folded and published; both go only over a run without gaps, so two processes may do it at once.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from pymongo import InsertOne, ReadPreference, ReplaceOne, UpdateOne
from pymongo.errors import BulkWriteError, ConnectionFailure, DuplicateKeyError, NotPrimaryError, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from services.chassis.backends.mongo_way import MongoAway, MongoNotUsable, MongoWay, closed, moment, no_way
from services.chassis.clock import Clock, system_clock
from services.chassis.errors import Unavailable
from services.chassis.failpoints import reach
from services.chassis.ports import DocumentKey, Entry, Stored, StorePromises, Write, Written
from services.chassis.views import Folded, Projector
from services.contracts.words import Fact

SCHEMA = 1
TOKENS = 16
TOO_LARGE = 15_000_000
"""Bytes; MongoDB takes 16 MiB."""
PULL_AFTER = 1.0
CRASH_AFTER = timedelta(seconds=5)
"""Facts that ride in a document for longer were left by a process that died."""
DUPLICATE, NO_SPACE = 11000, 14031

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
        self._riding: dict[DocumentKey, list[Entry]] = {}
        """Facts that ride in a document, as far as this process knows."""
        self._copied: dict[str, tuple[DocumentKey, float]] = {}
        """Ids of those among them that the journal has, with the time of copying."""
        self._read_at: dict[str, int] = {}
        """Per source the published position when `owed` was last read."""
        self._looked = 0.0
        self._copying = asyncio.Lock()

    async def open(self) -> None:
        self._client = self._way.client()
        self._db = self._client.get_database(
            self._database,
            read_preference=ReadPreference.PRIMARY,
            read_concern=ReadConcern("majority"),
            write_concern=WriteConcern(w="majority", j=True, wtimeout=5_000),
        )
        try:
            await self._check()
            await self._make_indexes()
        except (ConnectionFailure, NotPrimaryError):  # of all servers together it says little
            await self.close()
            raise await self._way.why_not() from None
        except PyMongoError as error:
            await self.close()
            raise no_way(error) from error
        except Unavailable:
            await self.close()
            raise
        self._docs, self._journal = self._db["documents"], self._db["journal"]
        self._positions, self._keys = self._db["positions"], self._db["keys"]

    async def close(self) -> None:
        await closed(self._client)

    async def _check(self) -> None:
        hello = await self._client.admin.command("hello")
        if "setName" not in hello:
            raise MongoNotUsable(why="it is no replica set; start mongod with --replSet and initiate it")
        found = await self._db["schema"].find_one_and_update(
            {"_id": "schema"}, {"$setOnInsert": {"version": SCHEMA}}, upsert=True, return_document=True
        )
        if found.get("restoring"):
            raise MongoNotUsable(why=f"a restore into {self._database} did not end; run it again with --replace")
        if found["version"] != SCHEMA:
            newer = "newer" if found["version"] > SCHEMA else "older"
            raise MongoNotUsable(
                why=f"the data in {self._database} are of schema {found['version']}, this program knows {SCHEMA}; "
                f"take the {newer} version that wrote them"
            )

    async def _make_indexes(self) -> None:
        docs, journal, positions = self._db["documents"], self._db["journal"], self._db["positions"]
        await docs.create_index("due", sparse=True)
        await docs.create_index("pending_since", sparse=True)
        await journal.create_index([("source", 1), ("seq", 1)], unique=True)
        await journal.create_index([("time", 1), ("source", 1), ("seq", 1)])
        await journal.create_index("kept", expireAfterSeconds=int(self._keep.total_seconds()))
        await positions.create_index("owes_since", sparse=True)
        for view in self._projector.views:
            for field in view.indexes:
                await self._db[f"view_{view.name}"].create_index([(f"index.{field}", 1), ("_id", 1)])

    # ------------------------------------------------------------------------------------------- documents

    async def load(self, keys: Sequence[DocumentKey]) -> dict[DocumentKey, Stored]:
        found: dict[DocumentKey, Stored] = {}
        async with _answered():
            async for raw in self._docs.find({"_id": {"$in": [_name(key) for key in keys]}}):
                key = (raw["kind"], raw["id"])
                pending = tuple(_entry(one) for one in raw["pending"])
                found[key] = Stored(raw["v"], bytes(raw["body"]), tuple(raw["tokens"]), pending)
        for key in keys:
            self._riding.pop(key, None)
            if key in found and found[key].pending:
                self._riding[key] = list(found[key].pending)
        return found

    async def versions(self, keys: Sequence[DocumentKey]) -> dict[DocumentKey, int]:
        versions = dict.fromkeys(keys, 0)
        async with _answered():
            cursor = self._docs.find({"_id": {"$in": [_name(key) for key in keys]}}, {"v": 1, "kind": 1, "id": 1})
            async for raw in cursor:
                versions[raw["kind"], raw["id"]] = raw["v"]
        return versions

    async def commit(self, group: Sequence[Write]) -> list[Written]:
        bodies = [self._replacement(write) for write in group]
        outcomes = [_size(body) for body in bodies]
        sent = [place for place, outcome in enumerate(outcomes) if outcome is Written.DURABLE]
        if sent:
            replacements = [
                ReplaceOne({"_id": bodies[at]["_id"], "v": group[at].base}, bodies[at], True) for at in sent
            ]
            for at, outcome in zip(sent, await self._bulk(replacements), strict=True):
                outcomes[at] = outcome
        for write, outcome in zip(group, outcomes, strict=True):
            if outcome is Written.DURABLE:
                self._rides(write)
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
        except PyMongoError:
            log.warning("mongo_write_unknown", exc_info=True)
            return [Written.UNKNOWN] * len(replacements)
        return [Written.DURABLE] * len(replacements)

    def _replacement(self, write: Write) -> dict[str, Any]:
        """The whole document; of the facts that ride in it those that the journal has by now get off."""
        riding = [entry for entry in self._riding.get(write.key, ()) if entry.id not in self._copied]
        pending = [*riding, *write.entries]
        body = {
            "_id": _name(write.key),
            "kind": write.kind,
            "id": write.id,
            "v": write.base + 1,
            "tokens": [*write.tokens[-(TOKENS - 1) :], write.token],
            "body": write.body,
            "pending": [_raw(entry) for entry in pending],
        }
        if write.due is not None:
            body["due"] = write.due
        if pending:
            body["pending_since"] = pending[0].time
        return body

    def _rides(self, write: Write) -> None:
        """Remember which facts ride in the document now, for `owed` to copy."""
        before = self._riding.pop(write.key, [])
        riding = [entry for entry in before if entry.id not in self._copied]
        for entry in before:
            self._copied.pop(entry.id, None)
        if riding or write.entries:
            self._riding[write.key] = [*riding, *write.entries]

    async def settle(self, group: Sequence[Write]) -> list[Written]:
        tokens: dict[str, Sequence[str]] = {}
        async with _answered():
            cursor = self._docs.find({"_id": {"$in": [_name(write.key) for write in group]}}, {"tokens": 1})
            async for raw in cursor:
                tokens[raw["_id"]] = raw["tokens"]
        outcomes = [
            Written.DURABLE if write.token in tokens.get(_name(write.key), ()) else Written.CONFLICT for write in group
        ]
        for write, outcome in zip(group, outcomes, strict=True):
            if outcome is Written.DURABLE:
                self._rides(write)
        return outcomes

    async def due(self, before: datetime, limit: int) -> list[DocumentKey]:
        async with _answered():
            cursor = self._docs.find({"due": {"$lte": before}}, {"kind": 1, "id": 1}).sort("due", 1).limit(limit)
            return [(raw["kind"], raw["id"]) async for raw in cursor]

    # --------------------------------------------------------------------------------------------- journal

    async def owed(self, limit: int) -> list[Entry]:
        async with self._copying, _answered():
            await self._copy()
            self._read_at = {}
            owed: list[Entry] = []
            cursor = self._positions.find({"owes_since": {"$exists": True}}).sort("owes_since", 1).limit(limit)
            async for position in cursor:
                owed.extend(await self._owed_of(position["_id"], position.get("published", 0), limit - len(owed)))
                if len(owed) >= limit:
                    break
            return owed

    async def _owed_of(self, source: str, published: int, limit: int) -> list[Entry]:
        """What is to be published next of a source: no further than the first gap, which another process will fill."""
        self._read_at[source] = published
        run = await self._run(source, published, max(limit, 100))
        owed = [entry for entry in run if entry.topic][:limit]
        if run and not owed:
            await self._note_published(source, run[-1].sequence)
        return owed

    async def _run(self, source: str, after: int, limit: int) -> list[Entry]:
        """Entries of a source from `after` on, without gaps."""
        run: list[Entry] = []
        cursor = self._journal.find({"source": source, "seq": {"$gt": after}}).sort("seq", 1).limit(limit)
        async for raw in cursor:
            if raw["seq"] != after + len(run) + 1:
                break
            run.append(_entry(raw))
        return run

    async def _copy(self) -> None:
        """Facts that ride in documents into the journal, then into the views; then let them get off."""
        await self._look_for_the_left_behind()
        if fresh := self._uncopied():
            entries = [entry for _, entry in fresh]
            await self._insert(entries)
            reach("store:after-journal")
            await self._note_journalled(entries)
            now = time.monotonic()
            self._copied.update({entry.id: (key, now) for key, entry in fresh})
            await self._fold_sources({entry.source for entry in entries})
            reach("store:after-fold")
        await self._pull()

    def _uncopied(self) -> list[tuple[DocumentKey, Entry]]:
        return [
            (key, entry) for key, entries in self._riding.items() for entry in entries if entry.id not in self._copied
        ]

    async def _insert(self, entries: Sequence[Entry]) -> None:
        kept = self._clock()
        try:
            await self._journal.bulk_write(
                [InsertOne(_raw(entry) | {"kept": kept}) for entry in entries], ordered=False
            )
        except BulkWriteError as error:
            details = error.details or {}
            others = [one for one in details.get("writeErrors", ()) if one["code"] != DUPLICATE]
            if others or details.get("writeConcernErrors"):
                raise

    async def _note_journalled(self, entries: Sequence[Entry]) -> None:
        last: dict[str, int] = {}
        for entry in entries:
            last[entry.source] = max(entry.sequence, last.get(entry.source, 0))
        since = self._clock()
        await self._positions.bulk_write(
            [
                UpdateOne({"_id": source}, {"$max": {"last": sequence}, "$min": {"owes_since": since}}, upsert=True)
                for source, sequence in last.items()
            ],
            ordered=False,
        )

    async def _look_for_the_left_behind(self) -> None:
        """The crash path: facts that have been riding for long belong to a process that died."""
        if time.monotonic() - self._looked < CRASH_AFTER.total_seconds():
            return
        self._looked = time.monotonic()
        before = self._clock() - CRASH_AFTER
        async for raw in self._docs.find({"pending_since": {"$lte": before}}, {"kind": 1, "id": 1, "pending": 1}).limit(
            500
        ):
            key = (raw["kind"], raw["id"])
            known = {entry.id for entry in self._riding.get(key, ())}
            found = [_entry(one) for one in raw["pending"]]
            self._riding[key] = [*(one for one in found if one.id not in known), *self._riding.get(key, ())]

    async def _pull(self) -> None:
        """Take out of their documents what no later write took out within a second."""
        before = time.monotonic() - PULL_AFTER
        old = {id: key for id, (key, at) in self._copied.items() if at <= before}
        if not old:
            return
        by_key: dict[DocumentKey, list[str]] = {}
        for id, key in old.items():
            by_key.setdefault(key, []).append(id)
        updates = []
        for key, ids in by_key.items():
            updates.append(UpdateOne({"_id": _name(key)}, {"$pull": {"pending": {"_id": {"$in": ids}}}}))
            updates.append(UpdateOne({"_id": _name(key), "pending": []}, {"$unset": {"pending_since": ""}}))
        await self._docs.bulk_write(updates)
        for id, key in old.items():
            self._copied.pop(id, None)
            riding = [entry for entry in self._riding.get(key, ()) if entry.id != id]
            if riding:
                self._riding[key] = riding
            else:
                self._riding.pop(key, None)

    async def published(self, entries: Sequence[Entry]) -> None:
        last = {entry.source: entry.sequence for entry in entries}
        async with _answered():
            for source, sequence in last.items():
                await self._note_published(source, sequence)

    async def _note_published(self, source: str, sequence: int) -> None:
        ours: dict[str, Any] = {"_id": source}
        if read_at := self._read_at.get(source):
            ours["published"] = {"$gte": read_at}  # not if somebody has rewound it since we read what is owed
        done = await self._positions.update_one(
            ours | {"last": {"$lte": sequence}}, {"$max": {"published": sequence}, "$unset": {"owes_since": ""}}
        )
        if not done.matched_count:
            await self._positions.update_one(ours, {"$max": {"published": sequence}})

    async def owed_summary(self) -> tuple[int, datetime | None]:
        count, oldest = 0, None
        async with _answered():
            async for position in self._positions.find({"owes_since": {"$exists": True}}):
                published = position.get("published", 0)
                owed = {"source": position["_id"], "seq": {"$gt": published}, "topic": {"$ne": None}}
                count += await self._journal.count_documents(owed)
                first = await self._journal.find_one(owed, sort=[("seq", 1)])
                if first and (oldest is None or moment(first["time"]) < oldest):
                    oldest = moment(first["time"])
        riding = [entry for _, entry in self._uncopied() if entry.topic]
        times = [entry.time for entry in riding] + ([oldest] if oldest else [])
        return count + len(riding), min(times, default=None)

    async def facts(self, source: str, first: int, count: int) -> list[Entry]:
        """From the journal, and what still rides in the document."""
        async with _answered():
            found = {}
            asked = {"source": source, "seq": {"$gte": first, "$lt": first + count}}
            async for raw in self._journal.find(asked):
                found[raw["seq"]] = _entry(raw)
            if len(found) < count:
                _, _, kind, id = source.split("/", 3)
                document = await self._docs.find_one({"_id": _name((kind, id))}, {"pending": 1})
                for raw in document["pending"] if document else ():
                    if first <= raw["seq"] < first + count:
                        found.setdefault(raw["seq"], _entry(raw))
        return [found[sequence] for sequence in sorted(found)]

    async def journal(self, after: str | None, limit: int, since: datetime | None = None) -> tuple[list[Entry], str]:
        where: dict[str, Any] = {"time": {"$gte": since}} if since else {}
        if after:
            moment, source, sequence = _cursor(after)
            where = {
                "$or": [
                    {"time": {"$gt": moment}},
                    {"time": moment, "source": {"$gt": source}},
                    {"time": moment, "source": source, "seq": {"$gt": sequence}},
                ]
            }
        async with _answered(), self._copying:
            await self._copy()
            cursor = self._journal.find(where).sort([("time", 1), ("source", 1), ("seq", 1)]).limit(limit)
            entries = [_entry(raw) async for raw in cursor]
        if not entries:
            return [], after or ""
        last = entries[-1]
        return entries, f"{last.time.isoformat()}|{last.sequence}|{last.source}"

    async def rewind(self, since: datetime) -> int:
        async with _answered():
            first: dict[str, int] = {}
            async for raw in self._journal.find({"time": {"$gte": since}}, {"source": 1, "seq": 1}):
                first[raw["source"]] = min(raw["seq"], first.get(raw["source"], raw["seq"]))
            now = self._clock()
            updates = [
                UpdateOne({"_id": source}, {"$min": {"published": sequence - 1, "owes_since": now}})
                for source, sequence in first.items()
            ]
            if updates:
                await self._positions.bulk_write(updates, ordered=False)
        return (await self.owed_summary())[0]

    # ----------------------------------------------------------------------------------------------- views

    async def _fold_sources(self, sources: Iterable[str]) -> None:
        for source in filter(self._projector.follows, sources):
            position = await self._positions.find_one({"_id": source}, {"folded": 1})
            folded = position.get("folded", 0) if position else 0
            while run := await self._run(source, folded, 500):
                await self._fold(run)
                folded = run[-1].sequence
                await self._positions.update_one({"_id": source}, {"$max": {"folded": folded}})

    async def _fold(self, run: Sequence[Entry]) -> None:
        """Fold a run; where another process was faster, read again and fold on that."""
        facts = self._projector.facts_of(run)
        while True:
            current = await self._current(run, facts)
            folded = self._projector.fold(run, partial(_kept, current), facts)
            bases = {(one.view, one.key): current.get((one.view, one.key), (0, b""))[0] for one in folded}
            fresh = [one for one in folded if one.mark > bases[one.view, one.key]]
            if all([await self._put(one, bases[one.view, one.key]) for one in fresh]):
                return

    async def _current(self, run: Sequence[Entry], facts: Sequence[Fact]) -> dict[tuple[str, str], tuple[int, bytes]]:
        found = {}
        for view, keys in self._projector.touched(run, facts).items():
            async for raw in self._db[f"view_{view}"].find({"_id": {"$in": sorted(keys)}}):
                found[view, raw["_id"]] = (raw["mark"], bytes(raw["body"]))
        return found

    async def _put(self, one: Folded, base: int) -> bool:
        body = {"source": one.source, "mark": one.mark, "body": one.body, "index": dict(one.index)}
        try:
            await self._db[f"view_{one.view}"].replace_one({"_id": one.key, "mark": base}, body, upsert=True)
        except DuplicateKeyError:
            return False
        return True

    async def view(self, name: str, key: str) -> bytes | None:
        """With what this process wrote and did not fold yet folded first: whoever changed a thing sees it changed."""
        async with _answered():
            if self._uncopied():
                async with self._copying:
                    await self._copy()
            raw = await self._db[f"view_{name}"].find_one({"_id": key}, {"body": 1})
        return bytes(raw["body"]) if raw else None

    async def find(
        self, name: str, where: Mapping[str, str | int], *, after: str | None = None, limit: int = 100
    ) -> list[tuple[str, bytes]]:
        asked: dict[str, Any] = {f"index.{field}": wanted for field, wanted in where.items()}
        asked["_id"] = {"$gt": after or ""}
        async with _answered():
            cursor = self._db[f"view_{name}"].find(asked, {"body": 1}).sort("_id", 1).limit(limit)
            return [(raw["_id"], bytes(raw["body"])) async for raw in cursor]

    async def rebuild(self, progress: Callable[[int], None]) -> int:
        async with _answered(), self._copying:
            await self._copy()
            for view in self._projector.views:
                await self._db[f"view_{view.name}"].delete_many({})
            await self._positions.update_many({}, {"$unset": {"folded": ""}})
            done = 0
            async for position in self._positions.find({}, {"last": 1}):
                await self._fold_sources([position["_id"]])
                done += position["last"]
                progress(done)
        return done

    # ------------------------------------------------------------------------------------- keys and health

    async def subject_key(self, subject: str, fresh: bytes | None) -> bytes | None:
        async with _answered():
            if fresh is not None:
                with contextlib.suppress(DuplicateKeyError):
                    await self._keys.insert_one({"_id": subject, "wrapped": fresh})
            found = await self._keys.find_one({"_id": subject})
        return bytes(found["wrapped"]) if found else None

    async def forget_subject(self, subject: str) -> bool:
        async with _answered():
            gone: int = (await self._keys.delete_one({"_id": subject})).deleted_count
        return gone > 0

    async def health(self) -> dict[str, Any]:
        async with _answered():
            hello = await self._client.admin.command("hello")
        if not hello.get("isWritablePrimary"):
            raise MongoAway(retry_after=1)
        return {
            "replica_set": hello["setName"],
            "write_concern": "majority, journalled",
            "client": self._way.by,
            "clock_ahead_seconds": round((self._clock() - moment(hello["localTime"])).total_seconds()),
        }


_FATE = {DUPLICATE: Written.CONFLICT, NO_SPACE: Written.FULL}


@asynccontextmanager
async def _answered() -> AsyncIterator[None]:
    try:
        yield
    except PyMongoError as error:
        log.warning("mongo_away", reason=type(error).__name__)
        raise MongoAway(retry_after=1) from error


def _kept(current: Mapping[tuple[str, str], tuple[int, bytes]], view: str, key: str) -> tuple[int, bytes] | None:
    return current.get((view, key))


def _size(body: Mapping[str, Any]) -> Written:
    size = len(body["body"]) + sum(len(one["body"]) + 400 for one in body["pending"])
    return Written.DURABLE if size < TOO_LARGE else Written.REFUSED


def _name(key: DocumentKey) -> str:
    return f"{key[0]}/{key[1]}"


def _raw(entry: Entry) -> dict[str, Any]:
    """MongoDB keeps milliseconds; the time of a fact has microseconds, so these are kept beside it."""
    return {
        "_id": entry.id,
        "source": entry.source,
        "seq": entry.sequence,
        "type": entry.type,
        "time": entry.time,
        "micros": entry.time.microsecond,
        "body": entry.body,
        "topic": entry.topic,
        "key": entry.key,
        "subject": entry.subject,
        "dataschema": entry.dataschema,
        "traceparent": entry.traceparent,
        "by": entry.by,
    }


def _entry(raw: Mapping[str, Any]) -> Entry:
    return Entry(
        raw["_id"],
        raw["source"],
        raw["seq"],
        raw["type"],
        moment(raw["time"]).replace(microsecond=raw["micros"]),
        bytes(raw["body"]),
        raw["topic"],
        raw["key"],
        raw["subject"],
        raw["dataschema"],
        raw["traceparent"],
        raw["by"],
    )


def _cursor(text: str) -> tuple[datetime, str, int]:
    moment, sequence, source = text.split("|", 2)
    at = datetime.fromisoformat(moment)
    return at.replace(microsecond=at.microsecond // 1000 * 1000), source, int(sequence)
