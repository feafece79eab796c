"""One project of `docker compose`: name, ports, volumes and image of its own, gone without a trace when it is left."""

import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.books import Books, ServerBooks
from tests.servers.process import free_port

ROOT = Path(__file__).parents[2]
FILES = ("docker-compose.yml", "tests/compose/outside.yml")


class StackFailed(Exception):
    """What the engine said."""


@dataclass(frozen=True)
class State:
    """Of one container, as the engine sees it."""

    status: str
    health: str
    restarts: int
    exit_code: int
    out_of_memory: bool


class Stack:
    """Is a `FrontDoor`: `data` holds the keys, copied out of their volume once it is up."""

    def __init__(self, folder: Path, project: str) -> None:
        self.data = folder
        self.project = project
        self.http, self.https, self.kafka, self.mongo, self.prometheus = _ports(5)
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("COMPOSE_")} | {
            "CAUNOI_VERSION": project,
            "CAUNOI_DEMO": "true",
            "GATEWAY_HTTP_PORT": str(self.http),
            "GATEWAY_HTTPS_PORT": str(self.https),
            "PROMETHEUS_PORT": str(self.prometheus),
            "CHECKER_KAFKA_PORT": str(self.kafka),
            "CHECKER_MONGO_PORT": str(self.mongo),
        }

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.http}"

    @property
    def operator(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {(self.data / 'secrets/operator.token').read_text().strip()}"}

    @contextmanager
    def books(self) -> Iterator[Books]:
        mongo = f"mongodb://127.0.0.1:{self.mongo}/?directConnection=true"
        books = ServerBooks(f"127.0.0.1:{self.kafka}", mongo, "")
        try:
            yield books
        finally:
            books.close()

    # ------------------------------------------------------------------------------------------ from end to end

    def up(self, *more: str) -> None:
        """All of it, as `docker compose up` leaves it: started in order, each once what it needs is healthy."""
        self.compose("up", "--build", "--detach", *more, seconds=600)
        self.compose("cp", "queue:/var/lib/caunoi/secrets", str(self.data / "secrets"))

    def down(self) -> None:
        self.compose("--profile", "*", "down", "--volumes", "--remove-orphans", "--rmi", "local", "--timeout", "5")
        docker("image", "rm", "--force", f"caunoi:{self.project}")

    # --------------------------------------------------------------------------------------------- one container

    def state(self, service: str) -> State:
        found = json.loads(docker("inspect", self._container(service)))[0]
        state = found["State"]
        health = state.get("Health", {}).get("Status", "none")
        return State(state["Status"], health, found["RestartCount"], state["ExitCode"], state["OOMKilled"])

    def crash(self, service: str) -> None:
        """SIGKILL to all that runs in it, as when it runs out of memory: the engine starts it again by itself."""
        docker("exec", self._container(service), "sh", "-c", "kill -9 -1", ends=(0, 137))

    def start(self, service: str) -> None:
        """It alone; `docker compose start` would also do again what was done once."""
        docker("start", self._container(service))

    def run_in(self, service: str, *command: str) -> str:
        return docker("exec", self._container(service), *command)

    def until(self, what: str, service: str, true: Any, seconds: float = 120) -> State:
        deadline = time.monotonic() + seconds
        while not true(state := self.state(service)):
            if time.monotonic() > deadline:
                probes = docker("inspect", "--format", "{{json .State.Health}}", self._container(service))
                logs = self.compose("logs", "--tail", "30", "--no-log-prefix", service)
                raise StackFailed(f"{service} is not {what}: {state}\n{probes}\n{logs}")
            time.sleep(0.2)
        return state

    def _container(self, service: str) -> str:
        return f"{self.project}-{service}-1"

    def compose(self, *arguments: str, seconds: float = 180) -> str:
        files = [word for file in FILES for word in ("--file", str(ROOT / file))]
        command = ["compose", "--project-directory", str(ROOT), "--env-file", "/dev/null", *files]
        return docker(
            *command, "--project-name", self.project, *arguments, environment=self._environment, seconds=seconds
        )


def docker(
    *arguments: str, environment: dict[str, str] | None = None, seconds: float = 60, ends: Sequence[int] = (0,)
) -> str:
    """What it says on standard output. Raises `StackFailed`."""
    done = subprocess.run(
        ["docker", *arguments], env=environment, capture_output=True, text=True, timeout=seconds, check=False
    )
    if done.returncode not in ends:
        raise StackFailed(f"docker {' '.join(arguments)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def _ports(count: int) -> list[int]:
    found: list[int] = []
    while len(found) < count:
        port = free_port()
        if port not in found:
            found.append(port)
    return found


@contextmanager
def started(folder: Path, project: str, *, keep: bool) -> Iterator[Stack]:
    """`keep`: whoever wants to look at it afterwards removes it himself."""
    stack = Stack(folder, project)
    try:
        yield stack
    finally:
        if not keep:
            stack.down()
