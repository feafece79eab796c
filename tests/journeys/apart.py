"""The four services as processes of their own, on real MongoDB and Kafka, behind one address: as they run in a city.

with apart(tmp_path / "city", queue=2) as city:
    city.get("/queue/centres/31186/board")
    city.services["queue"][1].kill()
"""

import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from services.chassis.ids import token
from tests import servers
from tests.faults.books import ServerBooks
from tests.journeys.alone import OneService
from tests.journeys.system import Served, cli, client
from tests.servers.kafka import Kafka
from tests.servers.mongo import Mongod, ThreeMembers
from tests.servers.process import free_port

NAMES = ("queue", "volunteers", "training", "notify")
READERS = ("queue", "volunteers", "notify")
"""Those that handle events."""


@dataclass
class Gateway(Served):
    routes: Sequence[str] = ()

    @property
    def command(self) -> Sequence[str]:
        return ["-m", "tests.journeys.gateway", str(self.port), *self.routes]

    def _ready(self) -> bool:
        try:
            self.http.get("/livez")
        except httpx2.TransportError:
            return False
        return True


@dataclass
class City:
    """`data` holds the shared secrets, and what the processes print; `namespace` keeps it apart on shared servers."""

    data: Path
    kafka: Kafka
    mongo: Mongod | ThreeMembers
    processes: Mapping[str, int] = field(default_factory=dict)
    """How many of a service; one where it says nothing."""
    flaw: str | None = None
    more: Mapping[str, str] = field(default_factory=dict)
    """Further settings of all of them."""
    namespace: str = field(default_factory=lambda: f"{token(8)}-")
    services: dict[str, list[OneService]] = field(init=False)
    gateway: Gateway = field(init=False)
    http: httpx2.Client = field(init=False)

    def __post_init__(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        self.gateway = Gateway(self.data / "gateway", free_port())
        self.services = {
            name: [self._service(name, number) for number in range(1, self.processes.get(name, 1) + 1)]
            for name in NAMES
        }
        self.gateway.routes = [f"{name}={','.join(self.ways(name))}" for name in NAMES]
        self.http = client(self.address)

    def _service(self, name: str, number: int) -> OneService:
        return OneService(self.data / f"{name}-{number}", free_port(), self.settings, service=name, flaw=self.flaw)

    @property
    def settings(self) -> dict[str, str]:
        return {
            "CAUNOI_BACKEND": "distributed",
            "CAUNOI_SECRETS": str(self.data / "secrets"),
            "CAUNOI_MONGO_URL": self.mongo.url,
            "CAUNOI_KAFKA_SERVERS": self.kafka.address,
            "CAUNOI_NAMESPACE": self.namespace,
            "CAUNOI_GATEWAY_URL": self.address,
            "CAUNOI_QUEUE_URL": self.address,
        } | dict(self.more)

    @property
    def address(self) -> str:
        return self.gateway.address

    @property
    def all(self) -> list[OneService]:
        return [one for found in self.services.values() for one in found]

    @property
    def operator(self) -> dict[str, str]:
        """Headers of the command line's own account."""
        return {"Authorization": f"Bearer {(self.data / 'secrets' / 'operator.token').read_text().strip()}"}

    def start(self) -> None:
        """Keys and topics first; then all at once, as after a power failure."""
        for command in (("secrets", str(self.data / "secrets")), ("topics",)):
            done = self.cli(*command)
            assert done.returncode == 0, done.stdout + done.stderr
        for one in [*self.all, self.gateway]:
            one.start(wait=False)
        for one in [*self.all, self.gateway]:
            one.wait_until_ready()
        self.wait_until_all_read()

    def wait_until_all_read(self, seconds: float = 180) -> None:
        """Every process has its share of what its service reads: until then nothing follows from anything."""
        with self.books() as books:
            until = time.monotonic() + seconds
            for service in READERS:
                while books.members(service) != len(self.services[service]):
                    assert time.monotonic() < until, f"{service} does not read"
                    time.sleep(0.05)

    def join(self, service: str) -> OneService:
        """One more process of a service."""
        one = self._service(service, len(self.services[service]) + 1)
        one.start()
        self.services[service].append(one)
        return one

    def leave(self, one: OneService) -> None:
        self.services[one.service].remove(one)
        one.end()

    def end(self) -> None:
        for one in [self.gateway, *self.all]:
            one.end()
        self.http.close()

    def cli(self, *arguments: str, stdin: str = "", seconds: float = 180) -> "subprocess.CompletedProcess[str]":
        """Run `caunoi <arguments>` as whoever keeps this city."""
        keeper = OneService(self.data, self.gateway.port, self.settings)
        return cli(*arguments, environment=keeper.environment, stdin=stdin, seconds=seconds)

    def get(self, path: str, **given: Any) -> Any:
        return self.http.get(path, **given)

    def ways(self, service: str) -> list[str]:
        """Addresses of the processes of a service."""
        return [one.address for one in self.services[service]]

    @contextmanager
    def books(self) -> Iterator[ServerBooks]:
        books = ServerBooks(self.kafka.address, self.mongo.url, self.namespace)
        try:
            yield books
        finally:
            books.close()


@contextmanager
def apart(
    data: Path, *, flaw: str | None = None, settings: Mapping[str, str] | None = None, **processes: int
) -> Iterator[City]:
    """Started and ready, on the session's servers; ended when you leave. `processes`: how many of a service."""
    city = City(data, servers.kafka(), servers.mongo(), processes, flaw, settings or {})
    try:
        city.start()
        yield city
    finally:
        city.end()
