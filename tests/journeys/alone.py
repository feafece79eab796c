"""One service in a process of its own: `python -m services.queue`, as in a container."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.journeys.system import Served


@dataclass
class OneService(Served):
    """One process of one service. `flaw`: what is broken in it on purpose, as `tests.faults.broken` names it."""

    service: str = "queue"
    flaw: str | None = None

    @property
    def command(self) -> Sequence[str]:
        broken = ["-m", "tests.faults.broken", self.flaw or "", self.service]
        return broken if self.flaw else ["-m", f"services.{self.service}"]


@contextmanager
def alone(service: str, data: Path, **settings: str) -> Iterator[OneService]:
    """Started and ready; ended when you leave, whatever happened."""
    system = OneService(data, settings=settings, service=service)
    try:
        system.start()
        yield system
    finally:
        system.end()
