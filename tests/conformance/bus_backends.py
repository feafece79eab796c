"""The buses that are held to the suite of `test_bus.py`, each with what it promises. Another one is another row."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from services.chassis.backends.kafka import KafkaBus
from services.chassis.backends.sqlite_bus import SqliteBus
from services.chassis.clock import system_clock
from services.chassis.ids import token
from services.chassis.ports import Bus, BusPromises, TopicSpec


class Place(Protocol):
    """Where a bus keeps its records: opened, closed and opened again by one test, and by its child processes."""

    where: str
    """What a child process is told to find it."""

    async def open(self, topics: Sequence[TopicSpec]) -> Bus: ...

    async def later(self, by: timedelta) -> None:
        """Let that much time pass, and the bus tidy up. Only asked of a backend whose `ages` is True."""
        ...


@dataclass(frozen=True)
class Backend:
    name: str
    promises: BusPromises
    place: Callable[[str], Place]
    ages: bool
    """Whether its clock can be put forward, for retention and compaction."""


class EmbeddedPlace:
    def __init__(self, where: str) -> None:
        self.where = where
        self._passed = timedelta(0)
        self._bus: SqliteBus | None = None

    def _clock(self) -> datetime:
        return system_clock() + self._passed

    async def open(self, topics: Sequence[TopicSpec]) -> Bus:
        self._bus = SqliteBus(Path(self.where) / "bus.sqlite", self._clock)
        await self._bus.open(topics)
        return self._bus

    async def later(self, by: timedelta) -> None:
        self._passed += by
        assert self._bus
        await self._bus.tidy()


class KafkaPlace:
    """A namespace of its own keeps one test from another."""

    def __init__(self, where: str) -> None:
        self.where = where if "|" in where else self._of_its_own()
        self._address, self._namespace = self.where.split("|")

    @staticmethod
    def _of_its_own() -> str:
        from tests import servers  # a child, which is told where, need not load it

        return f"{servers.kafka().address}|{token(8)}-"

    async def open(self, topics: Sequence[TopicSpec]) -> Bus:
        bus = KafkaBus(self._address, namespace=self._namespace)
        await bus.provision(topics)
        await bus.open(topics)
        return bus

    async def later(self, by: timedelta) -> None:
        raise AssertionError("its clock cannot be put forward")


BACKENDS = (
    Backend("embedded", SqliteBus.promises, EmbeddedPlace, ages=True),
    Backend("kafka", KafkaBus.promises, KafkaPlace, ages=False),
)


def backend(name: str) -> Backend:
    return next(found for found in BACKENDS if found.name == name)
