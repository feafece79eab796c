"""The one consumer runtime: events of a group, in order per subject, effects durable before a position moves.

    batch -> event_of -> lane of the subject -> handlers -> done | dead letter -> position of the lowest unfinished

What becomes of a delivery follows from the kind of the error (`errors`):

    refused, stale           done, counted
    invalid, forbidden       dead letter at once; likewise what cannot be read or is older than `too_old`
    not_found, any other     tried again for `missing` seconds, then dead letter
    unavailable              tried again without limit; while the store itself is away nothing more is taken

A lane that waits is parked: what follows of its subject waits behind it, other subjects go on, but never more than
`ahead_records` or `ahead_seconds` ahead of it: then it is dead-lettered, so that one subject cannot hold up a ward.
"""

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog

from services.chassis import metrics
from services.chassis.clock import Clock
from services.chassis.deadletters import DeadLetters
from services.chassis.envelope import Unreadable, event_of
from services.chassis.errors import Refusal, Unavailable
from services.chassis.failpoints import reach
from services.chassis.ports import Bus, Commit, Partition, Raw, Subscription
from services.chassis.trace import traceparent
from services.contracts.words import Event

Handle = Callable[[Event], Awaitable[None]]
"""A handler with everything in its hands but the event. It returns when its effects are durable."""

YIELD_EVERY = 50


log = structlog.get_logger()


@dataclass(frozen=True)
class Patience:
    """How long and how far, in seconds and records."""

    retry_first: float = 0.05
    retry_most: float = 5.0
    missing: float = 60.0
    ahead_seconds: float = 60.0
    ahead_records: int = 1_000
    attempt: float = 10.0
    """How long one try of a handler may take before it counts as failed."""
    probe: float = 0.5
    """How often a store that is away is asked whether it is back."""
    finish: float = 2.0
    """How long what is running may go on once the consumer was told to finish, and its last position be on its way."""
    too_old: timedelta = timedelta(days=45)
    at_once: int = 128
    """Handlers running at one moment."""


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a try did not succeed. `final`: another one would not either; `away`: something is not available."""

    reason: str
    detail: str = ""
    final: bool = False
    away: bool = False


@dataclass(slots=True, eq=False)
class _Item:
    """A record on its way. Finished when no handler is `left` and, if there is a `doom`, the letter is written."""

    raw: Raw
    event: Event | None
    left: list[Handle]
    doom: _Failure | None = None
    failed_since: float | None = None
    missing_since: float | None = None


@dataclass(slots=True, eq=False)
class _Lane:
    """Records of one subject in one partition, in order, and the task that carries out the first of them."""

    items: deque[_Item] = field(default_factory=deque)
    parked: bool = False
    evicted: asyncio.Event = field(default_factory=asyncio.Event)
    """Set: others are too far ahead of its first record; no further try."""
    task: asyncio.Task[None] | None = None
    too_slow: bool = False
    """Set by the watch together with a cancellation: the try is over, the lane is not."""


@dataclass(slots=True, eq=False)
class _Line:
    """One partition: what is not finished, by offset (ascending, as it came), and where the next batch goes on."""

    partition: Partition
    next: int
    commit: Commit
    committed: int
    unfinished: dict[int, tuple[_Item, _Lane]] = field(default_factory=dict)
    lanes: dict[str, _Lane] = field(default_factory=dict)

    @property
    def position(self) -> int:
        return next(iter(self.unfinished), self.next)


class Consumer:
    """Reads topics as a group. `handlers` are those of each topic; `well` raises when the group's store is away."""

    def __init__(
        self,
        group: str,
        handlers: Mapping[str, Sequence[Handle]],
        bus: Bus,
        publishers: Mapping[str, str],
        clock: Clock,
        *,
        well: Callable[[], Awaitable[object]],
        patience: Patience = Patience(),
    ) -> None:
        self._group = group
        self._handlers = handlers
        self._bus = bus
        self._publishers = publishers
        self._clock = clock
        self._ask_store = well
        self._patience = patience
        self._received = {topic: metrics.received.labels(group, topic) for topic in handlers}
        self._done = {topic: metrics.done.labels(group, topic) for topic in handlers}
        self._letters = DeadLetters(bus, clock)
        self._lines: dict[Partition, _Line] = {}
        self._moved: set[_Line] = set()
        self._committing: asyncio.Task[None] | None = None
        self._slots = asyncio.Semaphore(patience.at_once)
        self._busy = 0
        """Lanes at work, those parked not counted."""
        self._pulse = asyncio.Event()
        """Something changed: whoever waits looks again."""
        self._store_well = asyncio.Event()
        self._store_well.set()
        self._probing: asyncio.Task[None] | None = None
        self._asking = False
        self._finishing = False
        self._broken: BaseException | None = None
        self._subscription: Subscription | None = None
        self._trying: dict[_Lane, float] = {}
        """Lanes whose handler is running, and since when, earliest first."""
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> Subscription:
        """Begin to read. Its subscription says whether it is alive; stop it by `stop` or there."""
        for topic in self._handlers:
            metrics.lag.labels(self._group, topic).set_function(partial(self.lag, topic))
        metrics.parked.labels(self._group).set_function(lambda: self.parked)
        metrics.reader_up.labels(self._group).set_function(lambda: self.alive)
        self._watch = asyncio.create_task(self._keep_watch())
        self._subscription = await self._bus.subscribe(self._group, list(self._handlers), self)
        return self._subscription

    async def stop(self) -> None:
        """Finish what is running, commit it, end. What is parked will be delivered again."""
        if self._subscription:
            await self._subscription.stop()
        for topic in self._handlers:
            metrics.lag.remove(self._group, topic)
        metrics.parked.remove(self._group)
        metrics.reader_up.remove(self._group)

    @property
    def alive(self) -> bool:
        return self._subscription is not None and self._subscription.alive

    @property
    def parked(self) -> int:
        """Subjects that wait for a retry."""
        return sum(lane.parked for line in self._lines.values() for lane in line.lanes.values())

    def lag(self, topic: str | None = None) -> float:
        """Age in seconds of the oldest record taken and not finished."""
        times = [
            next(iter(line.unfinished.values()))[0].raw.time
            for line in self._lines.values()
            if line.unfinished and topic in (None, line.partition[0])
        ]
        return max(0.0, (self._clock() - min(times)).total_seconds()) if times else 0.0

    def state(self) -> dict[str, Any]:
        """What `/readyz` shows."""
        heard: datetime | None = self._subscription.heard if self._subscription else None
        return {
            "alive": self.alive,
            "heard": heard.isoformat() if heard else None,
            "parked": self.parked,
            "lag_seconds": self.lag(),
            "store_away": not self._store_well.is_set(),
        }

    # -------------------------------------------------------------------------------- what the bus calls (`Worker`)

    async def take(self, batch: Sequence[Raw], commit: Commit) -> None:
        if self._broken:
            raise self._broken
        ends = {(raw.topic, raw.partition): raw.offset + 1 for raw in batch}
        for partition, end in ends.items():
            if partition in self._lines:
                await self._make_room(self._lines[partition], end)
        for count, raw in enumerate(batch, start=1):
            if self._finishing:
                return
            self._accept(raw, commit)
            if count % YIELD_EVERY == 0:
                await asyncio.sleep(0)
        await self._until(lambda: self._busy == 0 and self._store_well.is_set() and not self._broken)

    async def forget(self, partitions: Iterable[Partition]) -> None:
        lines = [line for partition in partitions if (line := self._lines.pop(partition, None))]
        await self._end_lanes(lines)
        self._moved.difference_update(lines)
        for line in lines:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(2):
                    await line.commit({line.partition: line.position})
        self._pulse.set()

    async def finish(self) -> None:
        self._finishing = True
        self._pulse.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience.finish):
                while self._busy and self._store_well.is_set():
                    self._pulse.clear()
                    await self._pulse.wait()
        await self._end_lanes(list(self._lines.values()))
        if self._committing:
            await asyncio.wait([self._committing], timeout=self._patience.finish)
        for task in (self._committing, self._probing, self._watch):
            if task:
                task.cancel()

    async def _end_lanes(self, lines: Sequence[_Line]) -> None:
        tasks = [lane.task for line in lines for lane in line.lanes.values() if lane.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --------------------------------------------------------------------------------------------- taking a batch

    async def _until(self, true: Callable[[], bool]) -> None:
        while not true() and not self._finishing:
            await self._change()

    async def _change(self) -> None:
        """Wait for the next change. A bug of the runtime itself ends the reader, which `alive` then shows."""
        if self._broken:
            raise self._broken
        self._pulse.clear()
        await self._pulse.wait()

    async def _make_room(self, line: _Line, end: int) -> None:
        """Give up what others would be too far ahead of, one after the other; what was not tried yet gets its try."""
        patience = self._patience
        while self._lines.get(line.partition) is line and line.unfinished and not self._finishing:
            offset, (item, lane) = next(iter(line.unfinished.items()))
            too_long = item.failed_since is not None and self._time() - item.failed_since >= patience.ahead_seconds
            if not too_long and end - offset <= patience.ahead_records:
                return
            if lane.parked and self._store_well.is_set():
                lane.evicted.set()
            await self._change()

    def _accept(self, raw: Raw, commit: Commit) -> None:
        partition = raw.topic, raw.partition
        line = self._lines.get(partition)
        if line is None:
            line = self._lines[partition] = _Line(partition, raw.offset, commit, raw.offset)
        if raw.offset < line.next:
            return  # it is in hand, or finished
        line.next, line.commit = raw.offset + 1, commit
        self._received[raw.topic].inc()
        item = self._read(raw)
        subject = item.event.about if item.event else f"unreadable {raw.offset}"
        lane = line.lanes.get(subject)
        if lane is None:
            lane = line.lanes[subject] = _Lane()
        lane.items.append(item)
        line.unfinished[raw.offset] = item, lane
        if lane.task is None:
            self._busy += 1
            lane.task = asyncio.create_task(self._carry_out_all(line, subject, lane))
            lane.task.add_done_callback(lambda task: self._lane_ended(line, subject, lane, task))

    def _read(self, raw: Raw) -> _Item:
        try:
            event = event_of(raw, self._publishers)
        except Unreadable as error:
            return _Item(raw, None, [], doom=_Failure(error.reason, error.detail, final=True))
        if event.at < self._clock() - self._patience.too_old:
            return _Item(raw, event, [], doom=_Failure("too-old", final=True))
        return _Item(raw, event, list(self._handlers[raw.topic]))

    # -------------------------------------------------------------------------------------------- carrying out

    async def _carry_out_all(self, line: _Line, subject: str, lane: _Lane) -> None:
        while lane.items:
            item = lane.items[0]
            await self._carry_out(item, lane)
            lane.items.popleft()
            del line.unfinished[item.raw.offset]
            self._unpark(lane)
            self._position_moved(line)
            self._pulse.set()
        del line.lanes[subject]  # in the same step as the look at `items`: nothing can be added to a lane that ended

    def _lane_ended(self, line: _Line, subject: str, lane: _Lane, task: asyncio.Task[None]) -> None:
        """Also for one that was cancelled, even before its first step."""
        if not task.cancelled() and (bug := task.exception()):
            self._broken = self._broken or bug
        if line.lanes.get(subject) is lane:
            del line.lanes[subject]
        self._park(lane)
        lane.parked = False
        self._pulse.set()

    async def _carry_out(self, item: _Item, lane: _Lane) -> None:
        topic = item.raw.topic
        pause = self._patience.retry_first
        while item.left:
            await self._store_well.wait()
            async with self._slots:
                if not self._store_well.is_set():
                    continue  # it went away while this one waited for its turn
                failure = await self._try_handlers(item, lane)
            if failure is None:
                break
            metrics.retried.labels(self._group, topic).inc()
            if failure.away:
                await self._look_after_store()
            if self._store_well.is_set():
                self._note_failure(item, failure)
            if self._given_up(item, lane):
                item.left, item.doom = [], item.doom or failure
                break
            self._park(lane)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(lane.evicted.wait(), pause * random.uniform(0.7, 1.0))  # noqa: S311
            pause = min(self._patience.retry_most, pause * 2)
        if item.doom:
            await self._bury(item, item.doom, lane)
        else:
            reach("consumer:after-effect")
            self._done[topic].inc()

    def _note_failure(self, item: _Item, failure: _Failure) -> None:
        now = self._time()
        item.failed_since = now if item.failed_since is None else item.failed_since
        if not failure.away and item.missing_since is None:
            item.missing_since = now

    def _given_up(self, item: _Item, lane: _Lane) -> bool:
        missing = item.missing_since is not None and self._time() - item.missing_since >= self._patience.missing
        return missing or (lane.evicted.is_set() and self._store_well.is_set())

    async def _try_handlers(self, item: _Item, lane: _Lane) -> _Failure | None:
        """Each handler that is left, in order; a failure to be tried again, if there is one."""
        assert item.event is not None
        traceparent.set(item.event.origin.traceparent)
        reach("consumer:before-effect")
        again: _Failure | None = None
        left = []
        for handle in item.left:
            failure = await self._try(handle, item, lane)
            if failure is None:
                continue
            if failure.final:
                item.doom = item.doom or failure
            else:
                again = again or failure
                left.append(handle)
        item.left = left
        return again

    async def _try(self, handle: Handle, item: _Item, lane: _Lane) -> _Failure | None:
        assert item.event is not None
        topic = item.raw.topic
        self._trying[lane] = self._time()
        try:
            await handle(item.event)
        except Refusal as refusal:
            match refusal.kind:
                case "refused" | "stale":
                    metrics.refused.labels(self._group, topic).inc()
                    return None
                case "unavailable":
                    return _Failure(refusal.slug(), away=True)
                case "not_found":
                    return _Failure(refusal.slug())
                case _:
                    return _Failure(refusal.slug(), final=True)
        except asyncio.CancelledError:
            assert lane.task
            if lane.too_slow:
                lane.too_slow = False
                if not lane.task.uncancel():
                    return _Failure("bug", "TimeoutError")
            if lane.task.cancelling():
                raise
            return _Failure("bug", "CancelledError")  # a driver's way of reporting a lost connection
        except Exception as bug:
            if item.missing_since is None:  # the first time; the tries after it are in a metric
                log.warning("handler_failed", group=self._group, topic=topic, offset=item.raw.offset, exc_info=bug)
            return _Failure("bug", type(bug).__name__)
        finally:
            del self._trying[lane]
        return None

    async def _keep_watch(self) -> None:
        """Ends tries that take too long. One task for all: a timer for each would cost more than most handlers."""
        while True:
            await asyncio.sleep(self._patience.attempt / 10)
            for lane, since in list(self._trying.items()):
                if self._time() - since < self._patience.attempt:
                    break
                if lane.task and not lane.too_slow:
                    lane.too_slow = True
                    lane.task.cancel()

    async def _bury(self, item: _Item, doom: _Failure, lane: _Lane) -> None:
        """The letter must be acknowledged before the position may move: without the bus the lane waits."""
        pause = self._patience.retry_first
        while True:
            try:
                await self._letters.put(item.raw, group=self._group, reason=doom.reason, detail=doom.detail)
                break
            except Exception as error:
                reason = error.slug() if isinstance(error, Unavailable) else type(error).__name__
                log.warning("dead_letter_waits", group=self._group, topic=item.raw.topic, reason=reason)
            self._park(lane)
            await asyncio.sleep(pause)
            pause = min(self._patience.retry_most, pause * 2)
        metrics.dead_letters.labels(self._group, item.raw.topic, doom.reason).inc()
        log.warning(
            "dead_letter",
            group=self._group,
            topic=item.raw.topic,
            partition=item.raw.partition,
            offset=item.raw.offset,
            reason=doom.reason,
            text=doom.detail,
        )

    def _park(self, lane: _Lane) -> None:
        if not lane.parked:
            lane.parked = True
            self._busy -= 1
            self._pulse.set()

    def _unpark(self, lane: _Lane) -> None:
        lane.evicted.clear()
        if lane.parked:
            lane.parked = False
            self._busy += 1

    @staticmethod
    def _time() -> float:
        return asyncio.get_running_loop().time()

    # ------------------------------------------------------------------------------------------------ the store

    async def _look_after_store(self) -> None:
        """Something said `unavailable`: is it the store itself? Then nothing goes on until it is back."""
        if self._asking or not self._store_well.is_set():
            return
        self._asking = True
        try:
            if not await self._store_answers():
                log.warning("store_away", group=self._group)
                self._store_well.clear()
                self._probing = asyncio.create_task(self._probe())
        finally:
            self._asking = False

    async def _probe(self) -> None:
        """Until it answers."""
        while not await self._store_answers():  # noqa: ASYNC110  (a store does not say by itself that it is back)
            await asyncio.sleep(self._patience.probe)
        log.info("store_back", group=self._group)
        # The time without a store counts for nobody: each subject gets its whole patience again.
        for line in self._lines.values():
            for item, _ in line.unfinished.values():
                item.failed_since = item.missing_since = None
        self._store_well.set()
        self._pulse.set()

    async def _store_answers(self) -> bool:
        try:
            async with asyncio.timeout(self._patience.attempt):
                await self._ask_store()
        except Exception:
            return False
        return True

    # ------------------------------------------------------------------------------------------------ positions

    def _position_moved(self, line: _Line) -> None:
        if self._lines.get(line.partition) is line:
            self._moved.add(line)
            if self._committing is None or self._committing.done():
                self._committing = asyncio.create_task(self._commit_moved())

    async def _commit_moved(self) -> None:
        """All that moved at one moment in one call; what finishes meanwhile goes with the next."""
        pause = self._patience.retry_first
        await asyncio.sleep(0)
        while self._moved:
            lines, self._moved = self._moved, set()
            positions = {line: line.position for line in lines}
            by_commit: dict[Commit, dict[Partition, int]] = {}
            for line, position in positions.items():
                if position != line.committed:
                    by_commit.setdefault(line.commit, {})[line.partition] = position
            try:
                for commit, some in by_commit.items():
                    await commit(some)
            except Exception as error:
                log.warning("position_not_kept", group=self._group, error=type(error).__name__)
                self._moved |= {line for line in lines if self._lines.get(line.partition) is line}
                await asyncio.sleep(pause)
                pause = min(self._patience.retry_most, pause * 2)
                continue
            for line, position in positions.items():
                line.committed = position
            if by_commit:
                reach("consumer:after-position")
            pause = self._patience.retry_first
