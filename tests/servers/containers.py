"""The same two servers as containers, by testcontainers, where a Docker engine answers."""

import logging
import os
from functools import cache
from pathlib import Path
from typing import Any

os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")  # it is one more image; what was started is ended here

import docker
from docker.errors import DockerException, ImageNotFound
from testcontainers.core.container import DockerContainer

from tests.servers.kafka import HEAP, SPARING, VERSION, Kafka
from tests.servers.mongo import Mongod
from tests.servers.process import Server, free_port

logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # the port of a container is open before its broker listens

NOWHERE = Path("/nonexistent/in-a-container")
"""Where a contained server has its data, as seen from here."""
KAFKA, MONGO = f"apache/kafka:{VERSION}", "mongo:8.0"


@cache
def engine() -> tuple[str, str]:
    """The version of the engine that answers, and what it has not got of what is needed; ("", why) without one."""
    try:
        with_engine = docker.from_env(timeout=5)
        version = str(with_engine.version()["Version"])
    except DockerException:
        return "", "no Docker engine answers"
    missing = []
    for image in (KAFKA, MONGO):
        try:
            with_engine.images.get(image)
        except ImageNotFound:
            missing.append(image)
    return version, f"Docker {version} has no {' and no '.join(missing)}" if missing else ""


class _Contained(Server):
    """Made at the first start; after that its data and its port stay, whatever happens to it."""

    port: int
    _container: DockerContainer | None = None

    def _made(self) -> DockerContainer:
        raise NotImplementedError

    def _begin(self) -> None:
        if self._container is not None:
            self._here.start()
            return
        self._container = self._made()
        self._container.ports[f"{self.port}/tcp"] = ("127.0.0.1", self.port)  # type: ignore[assignment]
        self._container.start()

    @property
    def _here(self) -> Any:
        assert self._container is not None
        return self._container.get_wrapped_container()

    def kill(self) -> None:
        self._here.kill()

    def stop(self) -> None:
        self._here.stop(timeout=10)

    def remove(self) -> None:
        if self._container is not None:
            self._container.stop(force=True, delete_volume=True)
            self._container = None

    lose_disk = remove
    """What it had is gone with it; the next `start` makes another one on the same port."""


class MongodContained(_Contained, Mongod):
    """It listens inside on the port that it has outside, because a member of a replica set must reach itself."""

    def __init__(self) -> None:
        super().__init__(NOWHERE, NOWHERE, free_port())

    def start(self) -> None:
        self._begin()
        self._wait_for_primary()

    def _made(self) -> DockerContainer:
        command = ["--replSet", "rs0", "--port", str(self.port), "--bind_ip_all", "--wiredTigerCacheSizeGB", "0.25"]
        return DockerContainer(MONGO).with_command([*command, "--quiet"])


class KafkaContained(_Contained, Kafka):
    """The settings of the native one, but for where it listens and what it calls its directory."""

    def __init__(self) -> None:
        super().__init__(NOWHERE)

    def start(self) -> None:
        self._begin()
        self._wait()

    def _made(self) -> DockerContainer:
        settings = dict(line.split("=", 1) for line in self._settings().splitlines())
        settings |= {"log.dirs": "/tmp/kraft-combined-logs"}
        settings["listeners"] = f"PLAINTEXT://:{self.port},CONTROLLER://127.0.0.1:{self._controller}"
        given = {f"KAFKA_{name.upper().replace('.', '_')}": value for name, value in settings.items()}
        return DockerContainer(KAFKA).with_envs(
            **given, KAFKA_HEAP_OPTS=" ".join(HEAP), KAFKA_JVM_PERFORMANCE_OPTS=" ".join(SPARING)
        )
