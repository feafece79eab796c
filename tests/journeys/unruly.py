"""A bus that keeps its promises to the letter and no more: everything comes twice, and no topic waits for another."""

import asyncio
import contextlib
import random
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from services.chassis.backends.sqlite_bus import SqliteBus
from services.chassis.ports import Commit, Partition, Raw, Record, Subscription, Worker


class UnrulyBus(SqliteBus):
    """Each group gets each topic when chance wants, up to `late` seconds after it was published."""

    def __init__(self, path: Path, seed: int, late: float = 0.15) -> None:
        super().__init__(path)
        self._chance = random.Random(seed)
        self._late = late
        self.overtaken = 0
        """How many records were delivered after a younger one of another topic."""

    def some_time(self) -> float:
        return self._chance.uniform(0, self._late)

    async def publish(self, records: Sequence[Record]) -> int:
        await super().publish([*records, *records])
        return len(records)

    async def subscribe(self, group: str, topics: Sequence[str], worker: Worker) -> Subscription:
        return await super().subscribe(group, topics, _Shuffling(worker, self))


class _Shuffling:
    def __init__(self, worker: Worker, bus: UnrulyBus) -> None:
        self._worker = worker
        self._bus = bus
        self._youngest: datetime | None = None
        self._one_at_a_time = asyncio.Lock()
        self._held: dict[str, list[Raw]] = {}
        self._deliveries: set[asyncio.Task[None]] = set()
        self._hurry = asyncio.Event()

    async def take(self, batch: Sequence[Raw], commit: Commit) -> None:
        for raw in batch:
            if raw.topic not in self._held:
                self._held[raw.topic] = []
                delivery = asyncio.create_task(self._deliver(raw.topic, commit))
                self._deliveries.add(delivery)
                delivery.add_done_callback(self._deliveries.discard)
            self._held[raw.topic].append(raw)

    async def _deliver(self, topic: str, commit: Commit) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._hurry.wait(), self._bus.some_time())
        async with self._one_at_a_time:
            batch = self._held.pop(topic)
            youngest = max(raw.time for raw in batch)
            self._bus.overtaken += sum(self._youngest is not None and raw.time < self._youngest for raw in batch)
            self._youngest = max(youngest, self._youngest or youngest)
            await self._worker.take(batch, commit)

    async def forget(self, partitions: Iterable[Partition]) -> None:
        await self._worker.forget(partitions)

    async def finish(self) -> None:
        self._hurry.set()
        await asyncio.gather(*self._deliveries)
        await self._worker.finish()
