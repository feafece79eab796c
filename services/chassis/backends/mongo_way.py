"""The way to MongoDB: a client with short time limits, and where there is no way, why not, in one line.

What a server answered (a wrong password, no replica set) does not change by waiting: `MongoNotUsable`. Where nobody
answers, waiting may help: `MongoNotReached`.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

from pymongo.errors import ConfigurationError, OperationFailure, PyMongoError
from pymongo.uri_parser import parse_uri

from services.chassis.errors import Misconfigured, Unavailable

MongoClient = Literal["motor", "pymongo"]
WRONG_PASSWORD, NOT_AUTHORIZED = 18, 13
NO_SUCH_NAME: Final = ("Name or service not known", "nodename nor servname", "No address associated", "does not exist")


class MongoNotUsable(Misconfigured):
    en = "MongoDB cannot be used: {why}."
    vi = "Không dùng được MongoDB: {why}."


class MongoAway(Unavailable):
    en = "MongoDB does not answer; try again in {retry_after} s."
    vi = "MongoDB không trả lời, vui lòng thử lại sau {retry_after} giây."


class MongoNotReached(MongoAway):
    en = "MongoDB cannot be reached: {why}."
    vi = "Không kết nối được MongoDB: {why}."


@dataclass(frozen=True)
class MongoWay:
    """Where it is and who we are to it. `ca`: whose certificates are believed; with it TLS is spoken."""

    url: str
    by: MongoClient = "motor"
    user: str = ""
    password: str = field(default="", repr=False)
    ca: Path | None = None

    def options(self) -> Mapping[str, Any]:
        """For any client. Short time limits: a caller is told within two seconds that nobody answers."""
        options: dict[str, Any] = {
            "serverSelectionTimeoutMS": 800,
            "connectTimeoutMS": 800,
            "socketTimeoutMS": 5_000,
            "tz_aware": True,
            "retryWrites": False,
            "retryReads": True,
            "maxPoolSize": 50,
        }
        if self.user:
            options |= {"username": self.user, "password": self.password}
        if self.ca:
            options |= {"tls": True, "tlsCAFile": str(self.ca)}
        return options

    def client(self, url: str | None = None) -> Any:
        """Raises `MongoNotUsable` for an address that is none."""
        try:
            if self.by == "motor":
                from motor.motor_asyncio import AsyncIOMotorClient

                return AsyncIOMotorClient(url or self.url, **self.options())
            from pymongo import AsyncMongoClient

            return AsyncMongoClient(url or self.url, **self.options())
        except (PyMongoError, ValueError) as error:
            raise MongoNotUsable(why=f"CAUNOI_MONGO_URL: {one_line(error)}") from None

    async def why_not(self) -> Unavailable:
        """Each server is asked alone why the set of them cannot be used."""
        parsed = parse_uri(self.url)
        wanted = parsed["options"].get("replicaSet")
        found = [await self._why_not(f"{host}:{port}", wanted) for host, port in parsed["nodelist"]]
        waiting = [one for one in found if not isinstance(one, MongoNotUsable)]
        return waiting[0] if waiting else found[0]

    async def _why_not(self, server: str, wanted: str | None) -> Unavailable:
        alone = self.client(f"mongodb://{server}/?directConnection=true")
        try:
            hello = await alone.admin.command("hello")
        except PyMongoError as error:
            return no_way(error, server)
        finally:
            await closed(alone)
        name = hello.get("setName")
        if name is None:
            if hello.get("isreplicaset"):
                return MongoNotReached(why=f"{server} waits to be made a replica set; run rs.initiate() on it")
            return MongoNotUsable(why=f"{server} is no replica set; start mongod with --replSet and initiate it")
        if wanted and name != wanted:
            return MongoNotUsable(why=f"{server} is of the replica set {name}, CAUNOI_MONGO_URL says {wanted}")
        return MongoNotReached(why=f"the replica set {name} has no primary that {server} knows")


def no_way(error: PyMongoError, server: str = "it") -> Unavailable:
    """What a failure to begin means to whoever set it up."""
    text = one_line(error)
    code = error.code if isinstance(error, OperationFailure) else None
    if code == WRONG_PASSWORD:
        return MongoNotUsable(why="wrong user or password; see CAUNOI_MONGO_USER and SECRETS/mongo.password")
    if code == NOT_AUTHORIZED:
        return MongoNotUsable(why="the user may not read and write here; see CAUNOI_MONGO_USER and his roles")
    if "certificate verify failed" in text:
        return MongoNotUsable(why=f"the certificate of {server} does not verify; see CAUNOI_MONGO_CA")
    if any(words in text for words in NO_SUCH_NAME):
        return MongoNotUsable(why=f"the name of {server} does not resolve; see CAUNOI_MONGO_URL")
    if isinstance(error, ConfigurationError):
        return MongoNotUsable(why=text)
    return MongoNotReached(why=text)


async def closed(client: Any) -> None:
    closing = client.close()
    if inspect.isawaitable(closing):
        await closing


def moment(kept: datetime) -> datetime:
    """A time as MongoDB gave it; not every answer says that it is UTC."""
    return kept if kept.tzinfo else kept.replace(tzinfo=UTC)


def one_line(error: Exception) -> str:
    """Without what the driver knows of every server."""
    return str(error).splitlines()[0].partition(", Timeout:")[0][:200]
