"""A real Kafka broker (KRaft, one node), natively: the jars from Maven Central, fetched once and kept in a cache."""

import asyncio
import base64
import fcntl
import os
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from tests.servers.process import Server, free_port

VERSION = "4.3.1"
_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>caunoi</groupId><artifactId>broker-for-tests</artifactId><version>1</version><dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency>
<dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
</dependencies></project>"""
HEAP, SPARING = ("-Xmx512m", "-Xms128m"), ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_JVM = [
    *HEAP,
    *SPARING,
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
]


def cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "caunoi-tests" / f"kafka-{VERSION}"


def impossible() -> str | None:
    """Why there can be no broker here, or None."""
    missing = [tool for tool in ("java", "mvn") if not shutil.which(tool)]
    return f"no {' and no '.join(missing)}" if missing and not jars_there() else None


def jars_there() -> bool:
    return (cache() / "complete").exists()


def fetch() -> Path:
    """The folder of jars; Maven brings them the first time."""
    where = cache()
    where.mkdir(parents=True, exist_ok=True)
    with (where / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another worker may be at it
        if not jars_there():
            _fetch(where)
    return where / "jars"


def _fetch(where: Path) -> None:
    (where / "pom.xml").write_text(_POM)
    copy = ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=jars"]
    subprocess.run(copy, cwd=where, check=True, timeout=300, stdout=subprocess.DEVNULL)
    (where / "complete").touch()


class Kafka(Server):
    """One broker."""

    FORMAT: Sequence[str] = ()
    """What more it is told when its storage is made."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port()
        self._controller = free_port()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def lose_disk(self) -> None:
        """Whatever lay on its disk is gone; the next `start` begins with an empty one."""
        self.kill()
        shutil.rmtree(self._folder)

    def start(self) -> None:
        jars = fetch()
        java = ["java", *_JVM, "-cp", f"{jars}/*"]
        config = self._folder / "server.properties"
        if not config.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            config.write_text(self._settings())
            format = [*java, "kafka.tools.StorageTool", "format", "-t", _cluster(), "-c", str(config), *self.FORMAT]
            subprocess.run(format, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)
        with (self._folder / "kafka.log").open("ab") as log:
            self._process = subprocess.Popen([*java, "kafka.Kafka", str(config)], stdout=log, stderr=log)
        self._wait()

    def _settings(self) -> str:
        return f"""process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self._controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{self.port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.quorum.voters=1@127.0.0.1:{self._controller}
log.dirs={self._folder / "log"}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=5
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
auto.create.topics.enable=false
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
log.cleaner.dedupe.buffer.size=16777216
log.retention.check.interval.ms=1000
"""

    def _wait(self, seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                listening = probe.connect_ex(("127.0.0.1", self.port)) == 0
            if listening and asyncio.run(self._answers()):
                return
            time.sleep(0.1)
        raise TimeoutError("kafka did not answer")

    async def _answers(self) -> bool:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.address, request_timeout_ms=2_000)
        try:
            await admin.start()
            await admin.describe_cluster()
        except (KafkaError, OSError):
            return False
        finally:
            await admin.close()
        return True


def _cluster() -> str:
    """Its first letter is never the `-` that one in 64 would begin with: that would be read as an option."""
    return base64.urlsafe_b64encode(b"\0" + uuid.uuid4().bytes[1:]).decode().rstrip("=")
