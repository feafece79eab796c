"""The journal of a service on MongoDB, and what it owes the world.

A fact rides in its document (`pending`) from the write on. It is copied from there into the journal and folded into the
views a moment later, and taken out of the document by the document's next write, or by an update a second later.

What this process wrote is published from memory and waits for none of that. From the journal comes what another process
left behind, what is owed again, and what is more than memory should hold while the bus is away.

Per source, `positions` keeps how far the journal goes (`last`), was folded and was published. Published only moves on
from where it stands, over a run without gaps: several processes may do all of this at once, and a rewind is not lost.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile, zip_longest
from typing import Any, NamedTuple

import structlog
from pymongo import UpdateOne
from pymongo.errors import BulkWriteError, PyMongoError

from services.chassis.backends.mongo_views import MongoViews, only_duplicates
from services.chassis.backends.mongo_way import moment
from services.chassis.clock import Clock
from services.chassis.failpoints import reach
from services.chassis.ports import DocumentKey, Entry, Write
from services.contracts.words import Fact

GATHER = 0.02
"""Seconds: facts that come within them go into the journal together."""
PULL_AFTER = 1.0
RETRY = 1.0
STOP_WITHIN = 2.0
COPY_AT_MOST = 1_000
FRESH_AT_MOST = 5_000
"""So many facts wait in memory for the bus; more than that wait in the journal alone."""
STEP = 1_000
"""So much of a long list is asked for, or written, at a time: a busy server must answer within a socket's patience."""
CRASH_AFTER = timedelta(seconds=5)
"""What rides in a document, or is owed, for longer was left by a process that died."""
GAP_TRIES, GAP_WAIT = 10, 0.02
"""How often, and how far apart, it is looked whether another process has filled a gap."""
LONG_AGO = datetime.fromtimestamp(0, UTC)

log = structlog.get_logger()


class _Fresh(NamedTuple):
    """A fact that the journal does not have; `fact` is what it says, if this process made it."""

    key: DocumentKey
    entry: Entry
    fact: Fact | None


class MongoJournal:
    """`db`: the service's database. The driver's errors come out as they are."""

    def __init__(self, db: Any, views: MongoViews, keep: timedelta, clock: Clock) -> None:
        self._db, self._views, self._keep, self._clock = db, views, keep, clock
        self._docs, self._entries, self._positions = db["documents"], db["journal"], db["positions"]
        self._aboard: dict[DocumentKey, tuple[Entry, ...]] = {}
        """What rides in each document, as far as this process knows."""
        self._uncopied: dict[str, _Fresh] = {}
        self._copied: dict[str, tuple[DocumentKey, float]] = {}
        """Ids of those that the journal has but that still ride, and since when."""
        self._copying = asyncio.Lock()
        self._come = asyncio.Event()
        """Something to copy."""
        self._looked: float | None = None
        self._fresh: dict[str, deque[Entry]] = {}
        """By source, what this process wrote and the bus does not have yet."""
        self._fresh_count = 0
        self._published: dict[str, int] = {}
        """By source, up to where nothing is owed, as far as this process knows."""
        self._given: dict[str, int] = {}
        """By source, what was published before that which is on its way to the bus."""
        self._quiet: dict[str, tuple[int, int]] = {}
        """By source, from where to where there was nothing to publish: to be noted with the next copying."""
        self._behind: set[str] = set()
        """Sources whose facts are to be taken from the journal."""
        self._swept: float | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._stopping = False

    async def start(self) -> None:
        await self._docs.create_index("pending_since", sparse=True)
        await self._entries.create_index([("source", 1), ("seq", 1)], unique=True)
        await self._entries.create_index([("time", 1), ("source", 1), ("seq", 1)])
        await self._entries.create_index("kept", expireAfterSeconds=int(self._keep.total_seconds()))
        await self._positions.create_index("owes_since", sparse=True)
        self._come.set()  # what a process before this one left behind
        self._keeping = asyncio.create_task(self._keep_at_it())

    async def stop(self) -> None:
        """Told and not cancelled: a driver may swallow that."""
        if self._keeping:
            self._stopping = True
            self._come.set()
            await asyncio.wait([self._keeping], timeout=STOP_WITHIN)
            self._keeping.cancel()

    async def _keep_at_it(self) -> None:
        while not self._stopping:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PULL_AFTER):  # `wait_for` of 3.11 may swallow the end of its task
                    await self._come.wait()
            self._come.clear()
            try:
                await self._look_for_the_left_behind()
                await self._pull()
                if self._uncopied:
                    await asyncio.sleep(GATHER)
                    await self.copy()
            except PyMongoError as error:
                log.warning("journal_waits_for_mongo", reason=type(error).__name__)
                await asyncio.sleep(RETRY)
            except Exception:
                log.exception("journal_failed")
                await asyncio.sleep(RETRY)

    # ------------------------------------------------------------------------------------- riding in documents

    def aboard(self, key: DocumentKey) -> list[Entry]:
        """What must go on riding in the next write of the document: the others have got off."""
        return [entry for entry in self._aboard.get(key, ()) if entry.id not in self._copied]

    def boarded(self, write: Write, pending: Sequence[Entry]) -> None:
        """The write is durable, and with it `pending` rides in the document."""
        self._ride(write.key, pending)
        for entry, fact in zip_longest(write.entries, write.facts):
            self._uncopied[entry.id] = _Fresh(write.key, entry, fact)
        if write.entries:
            self._owe(write.entries)
            self._come.set()

    def found(self, key: DocumentKey, pending: Sequence[Entry]) -> None:
        """This rides in the document as the database has it: maybe nobody else is there to copy it."""
        self._ride(key, pending)
        for entry in pending:
            if entry.id not in self._copied:
                self._uncopied.setdefault(entry.id, _Fresh(key, entry, None))
                self._come.set()

    async def look_into(self, key: DocumentKey) -> None:
        """What rides in the document by another process's hand is to be copied, so that one thing that is asked for is
        shown as it is. Unlike `found` this says nothing of what the next write of this process must carry."""
        document = await self._docs.find_one({"_id": name_of(key)}, {"pending": 1})
        for raw in document["pending"] if document else ():
            if raw["_id"] not in self._copied:
                self._uncopied.setdefault(raw["_id"], _Fresh(key, entry_of(raw), None))

    def _ride(self, key: DocumentKey, pending: Sequence[Entry]) -> None:
        riding = {entry.id for entry in pending}
        for entry in self._aboard.pop(key, ()):
            if entry.id not in riding:
                self._copied.pop(entry.id, None)
        if pending:
            self._aboard[key] = tuple(pending)

    async def _look_for_the_left_behind(self) -> None:
        now = time.monotonic()
        if self._looked is not None and now - self._looked < CRASH_AFTER.total_seconds():
            return
        before = self._clock() - (CRASH_AFTER if self._looked is not None else timedelta(0))
        self._looked = now
        asked = {"pending_since": {"$lte": before}}
        async for raw in self._docs.find(asked, {"kind": 1, "id": 1, "pending": 1}).limit(500):
            key = (raw["kind"], raw["id"])
            if key not in self._aboard and raw["pending"]:
                pending = [entry_of(one) for one in raw["pending"]]
                self.found(key, pending)
                self._fall_behind(pending[0].source)

    async def _pull(self) -> None:
        """Take out of their documents what no later write took out within a second."""
        before = time.monotonic() - PULL_AFTER
        by_key: dict[DocumentKey, list[str]] = {}
        for id, (key, since) in self._copied.items():
            if since > before:
                break  # they stand in the order in which they were copied
            by_key.setdefault(key, []).append(id)
        if not by_key:
            return
        await self._docs.bulk_write(
            [UpdateOne({"_id": name_of(key)}, _without(ids)) for key, ids in by_key.items()], ordered=False
        )
        for key, ids in by_key.items():
            for id in ids:
                self._copied.pop(id, None)
            self._ride(key, [entry for entry in self._aboard.get(key, ()) if entry.id not in ids])

    # ----------------------------------------------------------------------- into the journal and into the views

    @property
    def uncopied(self) -> bool:
        return bool(self._uncopied)

    async def copy(self) -> None:
        """All that rides at this moment into the journal, then into the views."""
        async with self._copying:
            fresh = list(self._uncopied.values())
            for start in range(0, len(fresh), COPY_AT_MOST):
                await self._copy(fresh[start : start + COPY_AT_MOST])

    async def _copy(self, fresh: Sequence[_Fresh]) -> None:
        kept = self._clock()
        try:
            await self._entries.insert_many([raw_of(one.entry) | {"kept": kept} for one in fresh], ordered=False)
        except BulkWriteError as error:
            if not only_duplicates(error):
                raise
        reach("store:after-journal")
        last: dict[str, int] = {}
        for one in fresh:
            last[one.entry.source] = max(one.entry.sequence, last.get(one.entry.source, 0))
        folded = await self._fold(fresh)
        reach("store:after-fold")
        quiet = {source: self._quiet[source] for source in last.keys() & self._quiet.keys()}
        await self._note({source: _moved(at, folded.get(source), quiet.get(source)) for source, at in last.items()})
        for source, (_, at) in quiet.items():
            self._noted(source, at)
        now = time.monotonic()
        for one in fresh:
            del self._uncopied[one.entry.id]
            self._copied[one.entry.id] = (one.key, now)

    async def _note(self, moved: Mapping[str, Mapping[str, Any]]) -> None:
        """Positions, and with them whether the source owes anything."""
        owes = {"$cond": [{"$gt": ["$last", "$published"]}, {"$ifNull": ["$owes_since", self._clock()]}, "$$REMOVE"]}
        await self._positions.bulk_write(
            [
                UpdateOne({"_id": source}, [{"$set": how}, {"$set": {"owes_since": owes}}], upsert=True)
                for source, how in moved.items()
            ],
            ordered=False,
        )

    async def _fold(self, fresh: Sequence[_Fresh]) -> dict[str, int]:
        """Fold these, each source from where it was folded; how far each is now."""
        by_source: dict[str, list[_Fresh]] = {}
        for one in fresh:
            if self._views.projector.follows(one.entry.source):
                by_source.setdefault(one.entry.source, []).append(one)
        if not by_source:
            return {}
        folded = dict.fromkeys(by_source, 0)
        async for raw in self._positions.find({"_id": {"$in": list(by_source)}}, {"folded": 1}):
            folded[raw["_id"]] = raw.get("folded", 0)
        runs: list[_Fresh] = []
        for source, some in by_source.items():
            run = sorted((one for one in some if one.entry.sequence > folded[source]), key=_place)
            if [one.entry.sequence for one in run] == list(range(folded[source] + 1, folded[source] + len(run) + 1)):
                runs += run
                folded[source] += len(run)
            else:  # others wrote in between
                folded[source] = await self.fold_on(source, folded[source])
        if runs:
            facts = [one.fact or self._views.projector.facts_of([one.entry])[0] for one in runs]
            await self._views.fold([one.entry for one in runs], facts)
        return folded

    async def fold_on(self, source: str, position: int) -> int:
        """Fold what the journal has of a source after `position`; how far that is."""
        while run := await self._run(source, position, 500):
            await self._views.fold(run, self._views.projector.facts_of(run))
            position = run[-1].sequence
        return position

    async def fold_all(self, progress: Callable[[int], None]) -> int:
        """All views anew, many sources at a step: a city has tens of thousands of short ones."""
        async with self._copying:
            await self._views.clear()
            await self._positions.update_many({}, {"$unset": {"folded": ""}})
            done, source, at = 0, "", 0
            step: list[Entry] = []
            async for raw in self._entries.find().sort([("source", 1), ("seq", 1)]).batch_size(STEP):
                done += 1
                if raw["source"] != source:
                    source, at = raw["source"], 0
                if raw["seq"] == at + 1:  # what lies behind a gap is folded when that is filled
                    at += 1
                    if self._views.projector.follows(source):
                        step.append(entry_of(raw))
                if len(step) == STEP:
                    await self._fold_step(step)
                    step = []
                    progress(done)
            await self._fold_step(step)
            progress(done)
        return done

    async def _fold_step(self, step: Sequence[Entry]) -> None:
        if step:
            await self._views.fold(step, self._views.projector.facts_of(step))
            await self._note({entry.source: _moved(folded=entry.sequence) for entry in step})

    async def _run(self, source: str, after: int, limit: int) -> list[Entry]:
        """Entries of a source from `after` on, without gaps."""
        run: list[Entry] = []
        cursor = self._entries.find({"source": source, "seq": {"$gt": after}}).sort("seq", 1).limit(limit)
        async for raw in cursor:
            if raw["seq"] != after + len(run) + 1:
                break
            run.append(entry_of(raw))
        return run

    # ------------------------------------------------------------------------------------ owed to the world

    def _owe(self, entries: Sequence[Entry]) -> None:
        """These are durable: from memory they go to the bus, unless it holds too much already."""
        source, first, last = entries[0].source, entries[0].sequence, entries[-1].sequence
        if source in self._behind:
            return
        follows = first == 1 or self._published.get(source) == first - 1
        if follows and source not in self._fresh and not any(entry.topic for entry in entries):
            self._pass_over(source, first - 1, last)
        elif self._fresh_count + len(entries) > FRESH_AT_MOST:
            self._fall_behind(source)
        else:
            self._fresh.setdefault(source, deque()).extend(entries)
            self._fresh_count += len(entries)

    def _pass_over(self, source: str, base: int, last: int) -> None:
        """In this run there is nothing to publish."""
        self._remember(source, last)
        self._quiet[source] = (self._quiet.get(source, (base, 0))[0], last)

    def _noted(self, source: str, upto: int) -> None:
        """So far the position is kept."""
        if quiet := self._quiet.pop(source, None):
            base, last = quiet
            if last > upto:
                self._quiet[source] = (max(base, upto), last)

    def _remember(self, source: str, published: int) -> None:
        if len(self._published) > 4 * FRESH_AT_MOST:
            self._published.clear()  # what is asked for again is read again
        self._published[source] = published

    def _fall_behind(self, source: str) -> None:
        self._behind.add(source)
        self._fresh_count -= len(self._fresh.pop(source, ()))

    async def owed(self, limit: int) -> list[Entry]:
        for _ in range(GAP_TRIES):
            given = await self._from_memory(limit) or await self._from_journal(limit)
            if given or not self._behind:
                return given
            await asyncio.sleep(GAP_WAIT)
        return []

    async def _from_memory(self, limit: int) -> list[Entry]:
        await self._ask_how_far([source for source in self._fresh if source not in self._published])
        given: list[Entry] = []
        for source in list(self._fresh):
            position = self._published.get(source, 0)
            run = self._unpublished(source, position)
            if not run:
                if source in self._fresh:
                    self._fall_behind(source)  # the one before it is another process's
                continue
            owed = [entry for entry in run if entry.topic]
            if owed:
                self._given[source] = position
                given += owed
            else:
                self._pass_over(source, position, run[-1].sequence)
            if len(given) >= limit:
                break
        return given[:limit]

    async def _ask_how_far(self, sources: Sequence[str]) -> None:
        unknown = [source for source in sources if self._fresh[source][0].sequence > 1]
        if unknown:
            asked = {"_id": {"$in": unknown}}
            found = {raw["_id"]: raw.get("published", 0) async for raw in self._positions.find(asked, {"published": 1})}
            for source in unknown:
                self._remember(source, found.get(source, 0))

    def _unpublished(self, source: str, position: int) -> list[Entry]:
        """What memory holds of a source from `position` on, without gaps; what came before it is let go."""
        held = self._fresh[source]
        while held and held[0].sequence <= position:
            held.popleft()
            self._fresh_count -= 1
        if not held:
            del self._fresh[source]
        run: list[Entry] = []
        for entry in held:
            if entry.sequence != position + len(run) + 1:
                break
            run.append(entry)
        return run

    async def _from_journal(self, limit: int) -> list[Entry]:
        """What others left behind is looked for every five seconds, at first at once."""
        now = time.monotonic()
        sweeps = self._swept is None or now - self._swept >= CRASH_AFTER.total_seconds()
        asked: list[dict[str, Any]] = [{"_id": {"$in": list(self._behind)}}] if self._behind else []
        if sweeps:
            before = self._clock() - (CRASH_AFTER if self._swept is not None else timedelta(0))
            asked.append({"owes_since": {"$lte": before}})
        if not asked:
            return []
        given: list[Entry] = []
        async for position in self._positions.find({"$or": asked}).sort("owes_since", 1).limit(limit):
            if position["_id"] not in self._fresh:
                given += await self._owed_of(position, limit - len(given))
                if len(given) >= limit:
                    return given
        if sweeps:
            self._swept = now
        return given

    async def _owed_of(self, position: Mapping[str, Any], limit: int) -> list[Entry]:
        source, published = position["_id"], position.get("published", 0)
        run = await self._run(source, published, max(limit, 100))
        owed = [entry for entry in run if entry.topic][:limit]
        if owed:
            self._given[source] = published
        elif run:
            await self._note({source: _moved(published=(published, run[-1].sequence))})
        elif position.get("last", 0) <= published and not self._copies(source):
            self._remember(source, published)
            self._behind.discard(source)
        return owed

    def _copies(self, source: str) -> bool:
        return any(one.entry.source == source for one in self._uncopied.values())

    async def published(self, entries: Sequence[Entry]) -> None:
        """The bus has these, and with them what follows them and is owed to nobody."""
        last = {entry.source: entry.sequence for entry in entries}
        for source in last.keys() & self._fresh.keys():
            for entry in takewhile(lambda one: one.topic is None, self._unpublished(source, last[source])):
                last[source] = entry.sequence
        moved = {source: (self._given.pop(source, 0), at) for source, at in last.items()}
        # From where the position stands: what was passed over before these may be noted nowhere yet.
        since = {source: min(base, self._quiet.get(source, (base, 0))[0]) for source, (base, _) in moved.items()}
        await self._note({source: _moved(published=(since[source], at)) for source, (_, at) in moved.items()})
        for source, (base, at) in moved.items():
            self._noted(source, at)
            if self._published.get(source, base) >= base:
                self._remember(source, max(at, self._published.get(source, 0)))

    async def summary(self) -> tuple[int, datetime | None]:
        """How many events are owed, and the time of the oldest: by the documents that owe for longest, a thousand."""
        owed = {"$and": [{"$eq": ["$source", "$$source"]}, {"$gt": ["$seq", "$$published"]}]}
        counted = {"_id": None, "count": {"$sum": 1}, "oldest": {"$min": "$time"}}
        answer = await self._db.command(
            {
                "aggregate": "positions",
                "pipeline": [
                    {"$match": {"owes_since": {"$exists": True}}},
                    {"$sort": {"owes_since": 1}},
                    {"$limit": STEP},
                    {
                        "$lookup": {
                            "from": "journal",
                            "let": {"source": "$_id", "published": {"$ifNull": ["$published", 0]}},
                            "pipeline": [{"$match": {"$expr": owed, "topic": {"$ne": None}}}, {"$group": counted}],
                            "as": "owed",
                        }
                    },
                    {"$unwind": "$owed"},
                    {"$group": {"_id": None, "count": {"$sum": "$owed.count"}, "oldest": {"$min": "$owed.oldest"}}},
                ],
                "cursor": {},
            }
        )
        riding = [one.entry for one in self._uncopied.values() if self._is_owed(one.entry)]
        times = [entry.time for entry in riding]
        count = len(riding)
        for found in answer["cursor"]["firstBatch"]:
            count += found["count"]
            times.append(moment(found["oldest"]))
        return count, min(times, default=None)

    def _is_owed(self, entry: Entry) -> bool:
        return entry.topic is not None and entry.sequence > self._published.get(entry.source, 0)

    async def rewind(self, since: datetime) -> int:
        """Owe again every event not older than `since`: how many. In steps, each of which a busy server can answer."""
        first: dict[str, int] = {}
        events = 0
        recent = self._entries.find({"time": {"$gte": since}}, {"source": 1, "seq": 1, "topic": 1}).batch_size(STEP)
        async for raw in recent:
            first[raw["source"]] = min(raw["seq"], first.get(raw["source"], raw["seq"]))
            events += raw["topic"] is not None
        updates = (
            UpdateOne({"_id": source}, {"$min": {"published": at - 1, "owes_since": LONG_AGO}})
            for source, at in first.items()
        )
        while some := list(islice(updates, STEP)):
            await self._positions.bulk_write(some, ordered=False)
        for source in first:
            self._quiet.pop(source, None)
            self._fall_behind(source)
        return events

    # --------------------------------------------------------------------------------------------- reading

    async def facts(self, source: str, first: int, count: int) -> list[Entry]:
        """From the journal, and what still rides in the document."""
        found = {}
        asked = {"source": source, "seq": {"$gte": first, "$lt": first + count}}
        async for raw in self._entries.find(asked):
            found[raw["seq"]] = entry_of(raw)
        if len(found) < count:
            _, _, kind, id = source.split("/", 3)
            document = await self._docs.find_one({"_id": name_of((kind, id))}, {"pending": 1})
            for raw in document["pending"] if document else ():
                if first <= raw["seq"] < first + count:
                    found.setdefault(raw["seq"], entry_of(raw))
        return [found[sequence] for sequence in sorted(found)]

    async def page(self, after: str | None, limit: int, since: datetime | None) -> tuple[list[Entry], str]:
        where: dict[str, Any] = {"time": {"$gte": since}} if since else {}
        if after:
            at, source, sequence = _cursor(after)
            where = {
                "$or": [
                    {"time": {"$gt": at}},
                    {"time": at, "source": {"$gt": source}},
                    {"time": at, "source": source, "seq": {"$gt": sequence}},
                ]
            }
        cursor = self._entries.find(where).sort([("time", 1), ("source", 1), ("seq", 1)]).limit(limit)
        entries = [entry_of(raw) async for raw in cursor]
        if not entries:
            return [], after or ""
        last = entries[-1]
        return entries, f"{last.time.isoformat()}|{last.sequence}|{last.source}"


def name_of(key: DocumentKey) -> str:
    return f"{key[0]}/{key[1]}"


def _place(one: _Fresh) -> int:
    return one.entry.sequence


def _without(ids: Sequence[str]) -> list[dict[str, Any]]:
    """The update of a document from which these get off."""
    stay = {"$filter": {"input": "$pending", "cond": {"$not": [{"$in": ["$$this._id", list(ids)]}]}}}
    waits = {"$cond": [{"$eq": ["$pending", []]}, "$$REMOVE", "$pending_since"]}
    return [{"$set": {"pending": stay}}, {"$set": {"pending_since": waits}}]


def _moved(
    last: int | None = None, folded: int | None = None, published: tuple[int, int] | None = None
) -> dict[str, Any]:
    """What becomes of a position. `published`: from where on, and up to where; nothing if it stands further back."""
    moved: dict[str, Any] = {}
    if last is not None:
        moved["last"] = {"$max": ["$last", last]}
    if folded is not None:
        moved["folded"] = {"$max": ["$folded", folded]}
    if published is not None:
        base, upto = published
        ours = {"$gte": [{"$ifNull": ["$published", 0]}, base]}
        moved["published"] = {"$cond": [ours, {"$max": ["$published", upto]}, "$published"]}
    return moved


def raw_of(entry: Entry) -> dict[str, Any]:
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


def entry_of(raw: Mapping[str, Any]) -> Entry:
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
    time, sequence, source = text.split("|", 2)
    at = datetime.fromisoformat(time)
    return at.replace(microsecond=at.microsecond // 1000 * 1000), source, int(sequence)
