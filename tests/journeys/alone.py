"""One service in a process of its own: `python -m services.queue`, as in a container."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from tests.journeys.system import ROOT, RunningSystem


@dataclass
class RunningService(RunningSystem):
    """Like `RunningSystem`, of one service; its operator has no token of the command line's."""

    service: str = "queue"

    def start(self, *, wait: bool = True) -> None:
        with self.data.with_suffix(".out").open("ab") as out, self.data.with_suffix(".log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", f"services.{self.service}"],
                cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, stdout=out, stderr=log,
            )  # fmt: skip
        if wait:
            self.wait_until_ready()

    def _ready(self) -> bool:
        try:
            return bool(self.http.get("/startupz").status_code == 200)
        except httpx2.TransportError:
            return False


@contextmanager
def alone(service: str, data: Path, **settings: str) -> Iterator[RunningService]:
    """Started and ready; ended when you leave, whatever happened."""
    system = RunningService(data, settings=settings, service=service)
    try:
        system.start()
        yield system
    finally:
        if system.process and system.process.poll() is None:
            system.stop(seconds=60)
        system.http.close()
