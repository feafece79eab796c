"""The books of a system, read from outside: every record on its bus, every fact in its journals, every dead letter.

`FileBooks` reads copies of the files with SQLite alone, so that reading after a kill disturbs nothing. `ServerBooks`
reads Kafka with another client library than the product's, and MongoDB with PyMongo.
"""

import asyncio
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

from confluent_kafka import Consumer, ConsumerGroupState, ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from pymongo import MongoClient
from pymongo.database import Database

from tests.faults.history import COMPACTED, Noted, Published

SERVICES = ("queue", "volunteers", "training", "notify")
DEAD = ".dlq"


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter: the topic it lies in, its headers, the record that died."""

    topic: str
    headers: dict[str, bytes]
    value: bytes | None

    def says(self, name: str) -> str:
        return self.headers[f"x-dlq-{name}"].decode()


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a system is: what it has, and what is still to be done."""

    records: int
    facts: int
    unpublished: int
    """Events that the journals owe and the bus does not have."""
    unread: int
    """Records that some group has still to read."""


class Books(Protocol):
    def records(self) -> list[Published]:
        """Every event on the bus; what is none (poison) is left out, and so are dead letters."""
        ...

    def dead_letters(self) -> list[Letter]: ...

    def facts(self) -> list[Noted]:
        """Every fact of every service, those that still ride in their document included."""
        ...

    def standing(self) -> Standing: ...


async def at_rest(books: Books, seconds: float = 60, *, all_published: bool = True) -> None:
    """Until nothing new happens and all was read; and, unless it never will be, all that is owed is on the bus."""
    deadline, quiet, before = monotonic() + seconds, 0, None
    while quiet < 4:
        assert monotonic() < deadline, f"the system does not come to rest: {before}"
        await asyncio.sleep(0.3)
        now = await asyncio.to_thread(books.standing)
        waits = now.unread or (all_published and now.unpublished)
        quiet = quiet + 1 if now == before and not waits else 0
        before = now


def _published(
    topic: str, offset: Any, key: Any, headers: dict[str, str], value: Any, told: datetime | None = None
) -> Published | None:
    """None: it is no event, but poison that a test put there."""
    try:
        return _event(topic, offset, key, headers, value, told)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _event(
    topic: str, offset: int, key: bytes, headers: dict[str, str], value: bytes, told: datetime | None
) -> Published:
    return Published(
        topic=topic,
        offset=offset,
        id=headers["ce_id"],
        source=headers["ce_source"],
        sequence=int(headers["ce_sequence"]),
        time=headers["ce_time"],
        key=key.decode(),
        headers=tuple(sorted(headers.items())),
        body=value,
        data=json.loads(value),
        told=told,
    )


# ------------------------------------------------------------------------------------------------------ files


@contextmanager
def copied(database: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a copy of a database as it lies there, with what is only in its log so far."""
    with tempfile.TemporaryDirectory() as aside:
        begun = None
        while begun is None or _log_begun(database) != begun:  # begun anew meanwhile, it does not belong to the copy
            begun = _log_begun(database)
            for suffix in ("", "-wal"):
                (Path(aside) / (database.name + suffix)).unlink(missing_ok=True)
                with suppress(FileNotFoundError):
                    shutil.copy(database.with_name(database.name + suffix), aside)
        with closing(sqlite3.connect(Path(aside) / database.name)) as connection:
            yield connection


def _log_begun(database: Path) -> bytes:
    """The head of its log, which is another each time that the log is begun anew."""
    with suppress(FileNotFoundError), database.with_name(f"{database.name}-wal").open("rb") as log:
        return log.read(32)
    return b""


@dataclass(frozen=True)
class FileBooks:
    """Of one data directory."""

    data: Path

    def records(self) -> list[Published]:
        asked = (
            "SELECT topic, offset, key, headers, value FROM record WHERE topic NOT LIKE '%.dlq' ORDER BY topic, offset"
        )
        with copied(self.data / "bus.sqlite") as bus:
            rows = [(*row[:3], dict(json.loads(row[3])), row[4]) for row in bus.execute(asked)]
        return [record for row in rows if (record := _published(*row))]

    def dead_letters(self) -> list[Letter]:
        with copied(self.data / "bus.sqlite") as bus:
            rows = bus.execute("SELECT topic, headers, value FROM record WHERE topic LIKE '%.dlq'").fetchall()
        return [
            Letter(topic, {name: text.encode() for name, text in json.loads(headers)}, value)
            for topic, headers, value in rows
        ]

    def facts(self) -> list[Noted]:
        found: list[Noted] = []
        for service in SERVICES:
            with copied(self.data / f"{service}.sqlite") as store:
                rows = store.execute("SELECT id, source, sequence, type, topic, body FROM journal")
                found.extend(Noted(*row) for row in rows)
        return found

    def standing(self) -> Standing:
        """Nothing tells what was read; but what follows follows at once, and `at_rest` waits until nothing does."""
        records, facts = self.records(), self.facts()
        there = {record.id for record in records}
        owed = sum(one.topic not in (None, COMPACTED) and one.id not in there for one in facts)
        return Standing(len(records), len(facts), owed, 0)


# ---------------------------------------------------------------------------------------------------- servers


_RIDING: dict[str, Any] = {"pending": {"$ne": []}}


class ServerBooks:
    """Of one namespace on Kafka and MongoDB. Reads on from where the last look ended."""

    def __init__(self, kafka: str, mongo: str, namespace: str) -> None:
        self._namespace = namespace
        self._groups = [f"{namespace}caunoi-{service}" for service in SERVICES]
        settings = {"bootstrap.servers": kafka, "group.id": f"{namespace}books", "log_level": 2}
        self._kafka = kafka
        self._admin = self._new_admin()
        self._consumer = Consumer(settings | {"enable.auto.commit": False, "auto.offset.reset": "earliest"})
        self._mongo: MongoClient[dict[str, Any]] = MongoClient(mongo, serverSelectionTimeoutMS=30_000)
        self._read: dict[tuple[str, int], int] = {}
        self._records: list[Published] = []
        self._letters: list[Letter] = []

    def _new_admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self._kafka, "log_level": 2})

    def forget(self) -> None:
        """The bus lost all it had: read it from its start."""
        self._read.clear()
        self._records.clear()
        self._letters.clear()

    def give_up(self) -> list[Published]:
        """What is on the bus and, after a restore, in no journal: lost with its time, and left out from now on."""
        known = {fact.id for fact in self.facts()}
        lost = [one for one in self.records() if one.id not in known]
        self._records = [one for one in self._records if one.id in known]
        return lost

    def set_aside(self, service: str) -> list[Noted]:
        """The journal of a service as it was before backups were put back."""
        database = self._mongo[f"{self._namespace}caunoi-{service}"]
        aside = [name for name in database.list_collection_names() if name.startswith("before-restore-")]
        found = {
            raw["_id"]: _noted(raw) for name in aside if name.endswith(".journal") for raw in database[name].find()
        }
        for name in aside:
            if name.endswith(".documents"):
                for document in database[name].find(_RIDING, {"pending": 1}):
                    found |= {raw["_id"]: _noted(raw) for raw in document["pending"]}
        return list(found.values())

    def close(self) -> None:
        self._consumer.close()
        self._mongo.close()

    def records(self) -> list[Published]:
        self._read_on()
        return self._records

    def dead_letters(self) -> list[Letter]:
        self._read_on()
        return self._letters

    def facts(self) -> list[Noted]:
        found: dict[str, Noted] = {}
        for database in self._databases():
            for document in database["documents"].find(_RIDING, {"pending": 1}):
                found |= {raw["_id"]: _noted(raw) for raw in document["pending"]}
            found |= {raw["_id"]: _noted(raw) for raw in database["journal"].find()}
        return list(found.values())

    def standing(self) -> Standing:
        facts = owed = 0
        for database in self._databases():
            riding = sum(len(one["pending"]) for one in database["documents"].find(_RIDING, {"pending._id": 1}))
            facts += riding + database["journal"].estimated_document_count()
            owed += riding + database["journal"].count_documents({"topic": {"$nin": [None, COMPACTED]}})
        try:
            records, unread = self.records(), self._unread()
        except KafkaException:  # just back, and not sure of anything yet; nor is a client that knew it before
            self._admin = self._new_admin()
            return Standing(len(self._records), facts, 0, unread=1)
        there = len({record.id for record in records if record.topic != COMPACTED})
        return Standing(len(records), facts, max(0, owed - there), unread)

    def members(self, service: str) -> int:
        """How many processes read for it; 0 while they are still sharing it out among themselves."""
        group = f"{self._namespace}caunoi-{service}"
        try:
            found = self._admin.describe_consumer_groups([group])[group].result()
        except KafkaException:  # not yet, or not any more, known to who is asked
            return 0
        return len(found.members) if found.state is ConsumerGroupState.STABLE else 0

    def _databases(self) -> list[Database[dict[str, Any]]]:
        return [self._mongo[f"{self._namespace}caunoi-{service}"] for service in SERVICES]

    def _unread(self) -> int:
        ends, unread = self._ends(), 0
        for group in self._groups:
            asked = self._admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)], request_timeout=10)
            answer = asked[group].result()
            for one in answer.topic_partitions or ():
                unread += max(0, ends.get((one.topic, one.partition), 0) - max(one.offset, 0))
        return unread

    def _ends(self) -> dict[tuple[str, int], int]:
        topics = self._admin.list_topics(timeout=10).topics
        mine = [topic for name, topic in topics.items() if name.startswith(self._namespace)]
        asked = {
            TopicPartition(topic.topic, number): OffsetSpec.latest() for topic in mine for number in topic.partitions
        }
        return {
            (one.topic, one.partition): at.result().offset
            for one, at in self._admin.list_offsets(asked, request_timeout=10).items()
        }

    def _read_on(self) -> None:
        """All that lies there now and was not read yet."""
        behind = {place: end for place, end in self._ends().items() if end > self._read.get(place, 0)}
        if not behind:
            return
        self._consumer.assign([TopicPartition(*place, self._read.get(place, 0)) for place in behind])
        deadline = monotonic() + 60
        while behind:
            assert monotonic() < deadline, f"Kafka does not give {behind}"
            message: Any
            for message in self._consumer.consume(1_000, 0.2):
                if message.error():
                    continue
                place = message.topic(), message.partition()
                self._read[place] = message.offset() + 1
                self._take(message)
                if self._read[place] >= behind.get(place, 0):
                    behind.pop(place, None)
        self._consumer.unassign()

    def _take(self, message: Any) -> None:
        topic = message.topic().removeprefix(self._namespace)
        headers = dict(message.headers() or ())
        if topic.endswith(DEAD):
            self._letters.append(Letter(topic, headers, message.value()))
            return
        texts = {name: value.decode(errors="replace") for name, value in headers.items()}
        told = datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC)
        if record := _published(topic, message.offset(), message.key(), texts, message.value(), told):
            self._records.append(record)


def _noted(raw: dict[str, Any]) -> Noted:
    return Noted(raw["_id"], raw["source"], raw["seq"], raw["type"], raw["topic"], bytes(raw["body"]))


def of_centres(found: Sequence[Published], centres: frozenset[str]) -> list[Published]:
    return [one for one in found if one.key in centres]
