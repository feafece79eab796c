"""What a service owes the world, carried from its journal to the bus in order: at least once, never out of line.

Only the position that the bus has acknowledged is kept. With the bus away it goes on trying; the journal waits.
"""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from services.chassis import metrics, tracing
from services.chassis.clock import Clock, system_clock
from services.chassis.envelope import record_of
from services.chassis.errors import Unavailable
from services.chassis.failpoints import reach
from services.chassis.ports import Bus, Entry, Store

log = structlog.get_logger()


@dataclass(frozen=True)
class RelayTimes:
    """In seconds."""

    poll: float = 5.0
    """How often it looks without being woken: the crash path, and what another process left behind."""
    retry_first: float = 1.0
    retry_most: float = 30.0
    last_pass: float = 3.0
    """How long it may go on publishing once it was told to stop."""
    last_tries: float = 0.25
    """And how long after one that failed it tries again then: a broker may be about to give way to another."""


class Relay:
    """One a service. `wake` it after something owed is durable; `alive` is False once its task has ended."""

    def __init__(
        self,
        service: str,
        store: Store,
        bus: Bus,
        *,
        clock: Clock = system_clock,
        times: RelayTimes = RelayTimes(),
        batch: int = 1_000,
    ) -> None:
        self._service = service
        self._store = store
        self._bus = bus
        self._clock = clock
        self._times = times
        self._batch = batch
        self._woken = asyncio.Event()
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.trouble: str | None = None
        """Why the last attempt failed; None when all is well."""

    @property
    def alive(self) -> bool:
        return self._task is not None and not self._task.done()

    def wake(self) -> None:
        self._woken.set()

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Publish what is owed if the bus takes it, within `last_pass` seconds, then end."""
        if self._task is None:
            return
        self._stopping.set()
        self._woken.set()
        await asyncio.wait([self._task], timeout=self._times.last_pass)
        self._task.cancel()
        await asyncio.wait([self._task])

    async def state(self) -> dict[str, Any]:
        """What `/readyz` and `/metrics` show."""
        count, oldest = await self._store.owed_summary()
        age = self._age(oldest)
        metrics.owed.labels(self._service).set(count)
        metrics.owed_oldest.labels(self._service).set(age)
        return {"owed": count, "oldest_seconds": age, "trouble": self.trouble}

    def _age(self, oldest: datetime | None) -> float:
        return max(0.0, (self._clock() - oldest).total_seconds()) if oldest else 0.0

    async def _run(self) -> None:
        failures = 0
        while True:
            self._woken.clear()
            try:
                more = await self._publish_some()
                failures, self.trouble = 0, None
            except Exception as error:
                failures += 1
                self._note(error)
                await self._pause(failures)
                continue
            if more:
                continue
            if self._stopping.is_set():
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), self._times.poll)

    async def _publish_some(self) -> bool:
        """One step; whether there was something to do. Raises when the bus did not take all of it."""
        owed = await self._store.owed(self._batch)
        if not owed:
            return False
        reach("relay:before-publish")
        taken = await (self._publish_traced(owed) if tracing.on else self._publish(owed))
        reach("relay:after-publish")
        await self._keep_position(owed[:taken])
        if taken < len(owed):
            raise Unavailable(taken=taken)
        return True

    async def _publish(self, owed: Sequence[Entry]) -> int:
        return await self._bus.publish([record_of(entry) for entry in owed])

    async def _publish_traced(self, owed: Sequence[Entry]) -> int:
        """What the record carries stays as the command said it, so that a repeat is the same record."""
        spans = []
        for entry in owed:
            if entry.topic and entry.traceparent:
                spans.append(tracing.begin(f"publish {entry.topic}", "producer", entry.traceparent))
                spans[-1].say({"messaging.destination.name": entry.topic, "caunoi.service": self._service})
        try:
            return await self._publish(owed)
        except Exception as error:
            for span in spans:
                span.failed(type(error).__name__)
            raise
        finally:
            for span in spans:
                span.end()

    async def _keep_position(self, taken: Sequence[Entry]) -> None:
        if taken:
            await self._store.published(taken)
            for topic, count in Counter(entry.topic for entry in taken).items():
                metrics.published.labels(self._service, topic).inc(count)
            reach("relay:after-position")

    def _note(self, error: Exception) -> None:
        if isinstance(error, Unavailable):
            self.trouble = error.slug()
            log.warning("relay_waits", service=self._service, reason=self.trouble)
        else:
            self.trouble = type(error).__name__
            log.error("relay_failed", service=self._service, exc_info=error)

    async def _pause(self, failures: int) -> None:
        """Longer each time; being woken does not shorten it, being stopped does."""
        times = self._times
        if self._stopping.is_set():
            await asyncio.sleep(times.last_tries)
            return
        pause = min(times.retry_most, times.retry_first * 2 ** min(failures - 1, 10))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), pause * random.uniform(0.8, 1.0))  # noqa: S311
