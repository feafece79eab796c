"""The four services as processes of their own, on real MongoDB and Kafka, behind one address: as they run in a city.

with apart(tmp_path / "city", queue=2) as city:
    city.get("/queue/centres/31186/board")
    city.queue[1].kill(); city.queue[1].start()
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from services.chassis.access import Access
from services.chassis.backends.kafka import KafkaBus
from services.chassis.clock import system_clock
from services.chassis.ids import token
from services.chassis.service import topic_specs
from services.chassis.settings import Settings
from tests import servers
from tests.faults.books import ServerBooks
from tests.journeys.system import Served, client
from tests.servers.kafka import Kafka
from tests.servers.mongo import Mongod
from tests.servers.process import free_port

NAMES = ("queue", "volunteers", "training", "notify")


@dataclass
class OneService(Served):
    """One process of one service."""

    service: str = ""
    flaw: str | None = None
    """What is broken in it on purpose, as `tests.faults.broken` names it."""

    @property
    def command(self) -> Sequence[str]:
        return (
            ["-m", "tests.faults.broken", self.flaw, self.service] if self.flaw else ["-m", f"services.{self.service}"]
        )


@dataclass
class GatewayProcess(Served):
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
    """`data` holds the shared secrets and a directory a process; `namespace` keeps it apart on shared servers."""

    data: Path
    kafka: Kafka
    mongo: Mongod
    processes: Mapping[str, int] = field(default_factory=dict)
    """How many of a service; one where it says nothing."""
    flaw: str | None = None
    namespace: str = field(default_factory=lambda: f"{token(8)}-")
    services: dict[str, list[OneService]] = field(init=False)
    gateway: GatewayProcess = field(init=False)
    http: httpx2.Client = field(init=False)

    def __post_init__(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        self.access = Access(Settings(data=self.data), system_clock)  # makes the keys that all of them share
        self.services = {
            name: [self._service(name, number) for number in range(1, self.processes.get(name, 1) + 1)]
            for name in NAMES
        }
        routes = [f"{name}={','.join(one.address for one in found)}" for name, found in self.services.items()]
        self.gateway = GatewayProcess(self.data / "gateway", free_port(), routes=routes)
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
            "CAUNOI_SIGN_INS_PER_ADDRESS": "1000",
        }

    @property
    def address(self) -> str:
        return self.gateway.address

    @property
    def all(self) -> list[OneService]:
        return [one for found in self.services.values() for one in found]

    @property
    def operator(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access.tokens.issue('a-000000operator', ['operator']).token}"}

    def start(self) -> None:
        """All at once, as after a power failure; topics are there before."""
        asyncio.run(self._make_topics())
        for one in [*self.all, self.gateway]:
            one.start(wait=False)
        for one in [*self.all, self.gateway]:
            one.wait_until_ready()

    async def _make_topics(self) -> None:
        bus = KafkaBus(self.kafka.address, namespace=self.namespace)
        await bus.provision(topic_specs())
        await bus.close()

    def end(self) -> None:
        for one in [self.gateway, *self.all]:
            one.end()
        self.http.close()

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
def apart(data: Path, *, flaw: str | None = None, **processes: int) -> Iterator[City]:
    """Started and ready, on the session's servers; ended when you leave. `processes`: how many of a service."""
    city = City(data, servers.kafka(), servers.mongo(), processes, flaw)
    try:
        city.start()
        yield city
    finally:
        city.end()
