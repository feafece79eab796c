"""Copies of MongoDB databases while services write: documents, their journal and keys, as BSON; views are rebuilt.

Documents, positions and the recent journal are of one moment (a snapshot session reads all databases as they were
then), so that no fact is in the journal which its document never heard of: its number would be given again. What is
older never changes, and may take longer than MongoDB keeps a snapshot.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast

from bson import decode_file_iter
from bson.codec_options import CodecOptions
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import PyMongoError
from pymongo.write_concern import WriteConcern

from services.chassis.backends.mongo import SCHEMA
from services.chassis.backends.mongo_way import MongoNotUsable, MongoWay, no_way

BATCH = 500
RAW: CodecOptions[RawBSONDocument] = CodecOptions(RawBSONDocument)
Raws = Collection[RawBSONDocument]


class MongoCopies:
    """`Copies` of the databases of services; see `services.chassis.ports`."""

    kind = "mongodb"
    with_views = False

    def __init__(self, way: MongoWay, databases: Mapping[str, str]) -> None:
        """`databases` by the name of their service."""
        self._way = way
        self._databases = databases
        self.data = tuple(f"{one}.{part}.bson" for one in databases for part in ("documents", "positions", "journal"))
        self.keys = tuple(f"{one}.keys.bson" for one in databases)

    def occupied(self) -> bool:
        with self._opened() as client:
            return any(client[name]["schema"].find_one() for name in self._databases.values())

    def take(self, names: Sequence[str], into: Path, before: datetime) -> Iterator[str]:
        with self._opened() as client, client.start_session(snapshot=True) as moment:
            journals = []
            for name in names:
                service, part, _ = name.split(".")
                collection = _raws(client[self._databases[service]], part)
                recent = {"time": {"$gte": before}} if part == "journal" else {}
                with (into / name).open("wb") as file:
                    _write(file, collection, recent, moment)
                if part == "journal":
                    journals.append((name, collection))
                else:
                    yield name
            for name, collection in journals:
                with (into / name).open("ab") as file:
                    _write(file, collection, {"time": {"$lt": before}}, None)
                yield name

    def note(self, begun: datetime) -> None:
        with self._opened() as client:
            for name in self._databases.values():
                client[name]["schema"].replace_one({"_id": "backup"}, {"begun": begun}, upsert=True)

    def check(self, file: Path) -> None:
        try:
            with file.open("rb") as opened:
                for raw in decode_file_iter(opened, RAW):
                    _ = raw["_id"]
        except (BSONError, KeyError) as error:
            raise MongoNotUsable(why=f"{file.name}: {error}") from None

    def put(self, names: Sequence[str], unpacked: Path, aside: str) -> None:
        with self._opened() as client:
            for name in names:
                service, part, _ = name.split(".")
                database = client[self._databases[service]]
                database["schema"].replace_one({"_id": "schema"}, {"version": SCHEMA, "restoring": True}, upsert=True)
                present = database.list_collection_names()
                if part in present:
                    database[part].rename(f"{aside}.{part}")
                for view in (one for one in present if one.startswith("view_") and part == "documents"):
                    database[view].drop()
                with (unpacked / name).open("rb") as file:
                    _read(file, _raws(database, part))
                if part == "positions":  # nothing is folded yet
                    database[part].update_many({}, {"$unset": {"folded": ""}})
            for name in self._databases.values():
                client[name]["schema"].update_one({"_id": "schema"}, {"$unset": {"restoring": ""}})

    @contextlib.contextmanager
    def _opened(self) -> Iterator["MongoClient[dict[str, Any]]"]:
        options = dict(self._way.options()) | {"serverSelectionTimeoutMS": 5_000, "socketTimeoutMS": 120_000}
        try:
            with MongoClient(self._way.url, **options) as client:
                yield client
        except PyMongoError as error:
            raise no_way(error) from None


def _raws(database: "Database[dict[str, Any]]", part: str) -> Raws:
    concern = WriteConcern(w="majority", j=True)
    return cast(Raws, database.get_collection(part, RAW, write_concern=concern))


def _write(file: BinaryIO, collection: Raws, where: Mapping[str, Any], moment: ClientSession | None) -> None:
    for raw in collection.find(where, session=moment, batch_size=BATCH):
        file.write(raw.raw)


def _read(file: BinaryIO, collection: Raws) -> None:
    documents = decode_file_iter(file, RAW)
    while batch := list(islice(documents, BATCH)):
        collection.insert_many(batch, ordered=False)
