"""The one consumer runtime: events of a group, in order per subject, effects durable before a position moves.

    batch -> event_of -> its subject's turn -> handlers -> done | dead letter -> position of the lowest unfinished

What becomes of a delivery follows from the kind of the error (`errors`):

    refused, stale           done, counted
    invalid, forbidden       dead letter at once; likewise what cannot be read or is older than `too_old`
    not_found, any other     tried again for `missing` seconds, then dead letter
    unavailable              tried again without limit; while the store itself is away nothing more is taken

A record that waits for another try is parked: what follows of its subject waits behind it, other subjects go on, but
never more than `ahead_records` or `ahead_seconds` ahead of it: then it is dead-lettered, so that one subject cannot
hold up a ward. Hands (tasks) take what is ready, one after the other: handlers that wait for nothing need only one.
"""

import asyncio
import contextlib
import random
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import Any

import structlog

from services.chassis import metrics, tracing
from services.chassis.clock import Clock
from services.chassis.deadletters import DeadLetters
from services.chassis.envelope import Unreadable, reading
from services.chassis.errors import Refusal, Unavailable
from services.chassis.failpoints import reach
from services.chassis.ports import Bus, Commit, Partition, Raw, Subscription
from services.chassis.trace import traceparent
from services.contracts.words import Event

Handle = Callable[[Event], Awaitable[None]]
"""A handler with everything in its hands but the event. It returns when its effects are durable."""

YIELD_EVERY = 50
KEEP_EVERY = 0.05
"""Seconds between two commits of positions: each is a round trip, and costs as much as fifty events."""
ROUNDS = 10
"""In so many parts a try's time is measured: asking for the time costs as much as a small handler."""

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


@dataclass(slots=True)
class _Trouble:
    """What a record has been through that was not done at the first try."""

    pause: float
    failed_since: float | None = None
    missing_since: float | None = None
    evicted: bool = False
    """Others are too far ahead of it: one try more, and no further."""


@dataclass(slots=True, eq=False)
class _Item:
    """A record on its way. Finished when no handler is `left` and, if there is a `doom`, the letter is written."""

    raw: Raw
    line: "_Line"
    subject: str
    event: Event | None
    left: Sequence[Handle]
    doom: _Failure | None = None
    then: "_Item | None" = None
    """The next one of its subject, which waits for this one."""
    trouble: _Trouble | None = None
    hand: asyncio.Task[None] | None = None
    """Who is at it now."""
    too_slow: bool = False
    """Set by the watch together with a cancellation: the try is over, its hand is not."""


@dataclass(slots=True, eq=False)
class _Line:
    """One partition: what is not finished, by offset (ascending, as it came), and where the next batch goes on."""

    partition: Partition
    next: int
    commit: Commit
    committed: int
    unfinished: dict[int, _Item] = field(default_factory=dict)
    last: dict[str, _Item] = field(default_factory=dict)
    """Per subject the last that is not finished: what comes waits for it."""
    gone: bool = False
    """It was given to another process."""

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
        self._event_of = reading(bus.promises)
        self._clock = clock
        self._ask_store = well
        self._patience = patience
        self._received = {topic: metrics.received.labels(group, topic) for topic in handlers}
        self._letters = DeadLetters(bus, clock)
        self._lines: dict[Partition, _Line] = {}
        self._lost: set[Partition] = set()
        """Given to another process while a batch is being taken: what is left of it is not ours."""
        self._ready: deque[_Item] = deque()
        """The first of each subject that somebody may take up."""
        self._parked: dict[_Item, asyncio.TimerHandle | None] = {}
        """The first of each subject that waits for another try, and what ends the wait (None: it is being tried)."""
        self._hands: set[asyncio.Task[None]] = set()
        self._yielding = 0
        """Hands that let others have a turn of the loop and come back by themselves."""
        self._calling = False
        """More hands will be looked for in the next turn."""
        self._done: Counter[str] = Counter()
        """By topic, what was finished since the metric was told."""
        self._moved: set[_Line] = set()
        self._committing: asyncio.Task[None] | None = None
        self._pulse = asyncio.Event()
        """Something changed: whoever waits looks again."""
        self._store_well = asyncio.Event()
        self._store_well.set()
        self._probing: asyncio.Task[None] | None = None
        self._asking = False
        self._finishing = False
        self._broken: BaseException | None = None
        self._subscription: Subscription | None = None
        self._trying: dict[_Item, int] = {}
        """What a handler is running for, and since which round of the watch, earliest first."""
        self._round = 0
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
        return len(self._parked)

    def lag(self, topic: str | None = None) -> float:
        """Age in seconds of the oldest record taken and not finished."""
        times = [
            next(iter(line.unfinished.values())).raw.time
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
        self._lost.clear()
        await self._until(self._store_well.is_set)
        for start in range(0, len(batch), YIELD_EVERY):
            await self._accept(batch[start : start + YIELD_EVERY], commit)
            self._call_hands()
            await asyncio.sleep(0)
        await self._until(lambda: not self._ready and self._store_well.is_set())

    async def forget(self, partitions: Iterable[Partition]) -> None:
        partitions = set(partitions)
        self._lost |= partitions
        lines = [line for partition in partitions if (line := self._lines.pop(partition, None))]
        for line in lines:
            line.gone = True
        self._ready = deque(item for item in self._ready if not item.line.gone)
        await self._drop(lines)
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
                while (self._ready or self._hands) and self._store_well.is_set():
                    self._pulse.clear()
                    await self._pulse.wait()
        self._ready.clear()
        await self._drop(list(self._lines.values()))
        if self._committing:
            await asyncio.wait([self._committing], timeout=self._patience.finish)
        for task in (self._committing, self._probing, self._watch):
            if task:
                task.cancel()

    async def _drop(self, lines: Sequence[_Line]) -> None:
        """Nobody tries any of these any more."""
        items = [item for line in lines for item in line.unfinished.values()]
        for item in items:
            if timer := self._parked.pop(item, None):
                timer.cancel()
        hands = [item.hand for item in items if item.hand]
        for hand in hands:
            hand.cancel()
        await asyncio.gather(*hands, return_exceptions=True)

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

    async def _accept(self, records: Sequence[Raw], commit: Commit) -> None:
        by_partition = [(key, list(some)) for key, some in groupby(records, key=attrgetter("topic", "partition"))]
        for partition, some in by_partition:
            if partition in self._lines:
                await self._make_room(self._lines[partition], some[-1].offset + 1)
        if self._finishing:
            return
        oldest = self._clock() - self._patience.too_old
        for partition, some in by_partition:
            if partition in self._lost:
                continue
            line = self._lines.get(partition)
            if line is None:
                line = self._lines[partition] = _Line(partition, some[0].offset, commit, some[0].offset)
            line.commit = commit
            fresh = [raw for raw in some if raw.offset >= line.next]  # the others are in hand, or finished
            for raw in fresh:
                self._line_up(self._read(raw, line, oldest))
            self._received[partition[0]].inc(len(fresh))

    async def _make_room(self, line: _Line, end: int) -> None:
        """Give up what others would be too far ahead of, one after the other; what was not tried yet gets its try."""
        patience = self._patience
        while line.unfinished and not line.gone and not self._finishing:
            offset, item = next(iter(line.unfinished.items()))
            since = item.trouble.failed_since if item.trouble else None
            too_long = since is not None and self._time() - since >= patience.ahead_seconds
            if not too_long and end - offset <= patience.ahead_records:
                return
            if item.trouble and not item.trouble.evicted and item in self._parked and self._store_well.is_set():
                item.trouble.evicted = True
                self._unpark(item)
            await self._change()

    def _read(self, raw: Raw, line: _Line, oldest: datetime) -> _Item:
        try:
            event = self._event_of(raw, self._publishers)
        except Unreadable as error:
            doom = _Failure(error.reason, error.detail, final=True)
            return _Item(raw, line, f"unreadable {raw.offset}", None, (), doom)
        if event.at < oldest:
            return _Item(raw, line, event.about, event, (), _Failure("too-old", final=True))
        return _Item(raw, line, event.about, event, self._handlers[raw.topic])

    def _line_up(self, item: _Item) -> None:
        line, offset = item.line, item.raw.offset
        before = line.last.get(item.subject)
        line.last[item.subject] = line.unfinished[offset] = item
        line.next = offset + 1
        if before is None:
            self._ready.append(item)
        else:
            before.then = item

    # ------------------------------------------------------------------------------------------------------ hands

    def _call_hands(self) -> None:
        """While there is something to take up, look in each turn of the loop whether more hands would get more done:
        twice as many if each that there is waits for something."""
        self._calling = False
        room = min(len(self._ready), self._patience.at_once - len(self._hands))
        if room <= 0 or not self._store_well.is_set():
            return
        if not self._yielding:
            for _ in range(min(room, max(1, len(self._hands)))):
                hand = asyncio.create_task(self._work())
                self._hands.add(hand)
                hand.add_done_callback(self._hand_ended)
        self._look_for_hands()

    def _look_for_hands(self) -> None:
        if not self._calling:
            self._calling = True
            asyncio.get_running_loop().call_soon(self._call_hands)

    def _hand_ended(self, hand: asyncio.Task[None]) -> None:
        self._hands.discard(hand)
        if not hand.cancelled() and (bug := hand.exception()):
            self._broken = self._broken or bug
            if self._subscription:  # the next batch ends the reader; whoever asks is told at once
                self._subscription.alive = False
        self._pulse.set()
        self._look_for_hands()

    async def _work(self) -> None:
        hand = asyncio.current_task()
        assert hand
        carried = 0
        while self._ready and self._store_well.is_set() and not hand.cancelling():
            item = self._ready.popleft()
            item.hand = hand
            finished = await self._carry_out(item)
            item.hand = None
            if finished:
                self._finished(item)
            else:
                self._park(item)
            self._pulse.set()
            carried += 1
            if carried % YIELD_EVERY == 0:
                self._yielding += 1
                try:
                    await asyncio.sleep(0)
                finally:
                    self._yielding -= 1

    def _finished(self, item: _Item) -> None:
        line = item.line
        del line.unfinished[item.raw.offset]
        if item.trouble:
            self._parked.pop(item, None)
        if line.last[item.subject] is item:
            del line.last[item.subject]
        if line.gone:
            return
        if item.then:
            self._ready.append(item.then)
        self._moved.add(line)
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit_moved())

    def _park(self, item: _Item) -> None:
        trouble = self._trouble(item)
        if not item.line.gone:
            pause = trouble.pause * random.uniform(0.7, 1.0)  # noqa: S311
            self._parked[item] = asyncio.get_running_loop().call_later(pause, self._unpark, item)
        trouble.pause = min(self._patience.retry_most, trouble.pause * 2)

    def _unpark(self, item: _Item) -> None:
        """Somebody may try it again. It stays among the parked until it is finished."""
        if timer := self._parked[item]:
            timer.cancel()
            self._parked[item] = None
            self._ready.append(item)
            self._look_for_hands()

    def _trouble(self, item: _Item) -> _Trouble:
        item.trouble = item.trouble or _Trouble(self._patience.retry_first)
        return item.trouble

    @staticmethod
    def _time() -> float:
        return asyncio.get_running_loop().time()

    # ----------------------------------------------------------------------------------------------- carrying out

    async def _carry_out(self, item: _Item) -> bool:
        """One try of what is left of it; whether it is finished."""
        if item.left and (failure := await (self._traced(item) if tracing.on else self._try(item))):
            await self._consider(item, failure)
        if item.left:
            return False
        if item.doom:
            return await self._buried(item, item.doom)
        reach("consumer:after-effect")
        self._done[item.raw.topic] += 1
        return True

    async def _traced(self, item: _Item) -> _Failure | None:
        assert item.event is not None
        topic = item.raw.topic
        said = {"messaging.destination.name": topic, "messaging.consumer.group.name": self._group}
        parent = item.event.origin.traceparent
        with tracing.span(f"{self._group}: process {topic}", "consumer", said, parent=parent, linked=True) as span:
            failure = await self._try(item, span.traceparent)
            if why := failure or item.doom:
                span.failed(why.reason)
            return failure

    async def _try(self, item: _Item, under: str | None = None) -> _Failure | None:
        """Each handler that is left, in order; a failure to be tried again, if there is one."""
        event = item.event
        assert event is not None
        traceparent.set(under or event.origin.traceparent)
        reach("consumer:before-effect")
        again: _Failure | None = None
        left = []
        for handle in item.left:
            self._trying[item] = self._round
            try:
                await handle(event)
                continue
            except Refusal as refusal:
                failure = self._fate(item, refusal)
            except asyncio.CancelledError:
                if (cut_off := self._cut_off(item)) is None:
                    raise
                failure = cut_off
            except Exception as bug:
                failure = self._bug(item, bug)
            finally:
                del self._trying[item]
            if failure and failure.final:
                item.doom = item.doom or failure
            elif failure:
                again = again or failure
                left.append(handle)
        item.left = left
        return again

    def _fate(self, item: _Item, refusal: Refusal) -> _Failure | None:
        match refusal.kind:
            case "refused" | "stale":
                metrics.refused.labels(self._group, item.raw.topic).inc()
                return None
            case "unavailable":
                return _Failure(refusal.slug(), away=True)
            case "not_found":
                return _Failure(refusal.slug())
            case _:
                return _Failure(refusal.slug(), final=True)

    def _cut_off(self, item: _Item) -> _Failure | None:
        """A cancellation: by the watch, or a driver's way of reporting a lost connection; None: of its hand itself."""
        assert item.hand
        if item.too_slow:
            item.too_slow = False
            if not item.hand.uncancel():
                return _Failure("bug", "TimeoutError")
        return None if item.hand.cancelling() else _Failure("bug", "CancelledError")

    def _bug(self, item: _Item, bug: Exception) -> _Failure:
        if item.trouble is None or item.trouble.missing_since is None:  # only the first time; the others are counted
            log.warning("handler_failed", group=self._group, topic=item.raw.topic, offset=item.raw.offset, exc_info=bug)
        return _Failure("bug", type(bug).__name__)

    async def _consider(self, item: _Item, failure: _Failure) -> None:
        """Note it, unless it is the store that is away; give up what was tried for long enough."""
        metrics.retried.labels(self._group, item.raw.topic).inc()
        if failure.away:
            await self._look_after_store()
        if not self._store_well.is_set():
            return
        trouble, now = self._trouble(item), self._time()
        trouble.failed_since = now if trouble.failed_since is None else trouble.failed_since
        if not failure.away and trouble.missing_since is None:
            trouble.missing_since = now
        missing = trouble.missing_since is not None and now - trouble.missing_since >= self._patience.missing
        if missing or trouble.evicted:
            item.left, item.doom = (), item.doom or failure

    async def _keep_watch(self) -> None:
        """Ends tries that take too long. One task for all: a timer for each would cost more than most handlers."""
        while True:
            await asyncio.sleep(self._patience.attempt / ROUNDS)
            self._round += 1
            for item, since in list(self._trying.items()):
                if self._round - since <= ROUNDS:
                    break
                if item.hand and not item.too_slow:
                    item.too_slow = True
                    item.hand.cancel()

    async def _buried(self, item: _Item, doom: _Failure) -> bool:
        """The letter must be acknowledged before the position may move: without the bus it waits."""
        topic = item.raw.topic
        try:
            await self._letters.put(item.raw, group=self._group, reason=doom.reason, detail=doom.detail)
        except Exception as error:
            reason = error.slug() if isinstance(error, Unavailable) else type(error).__name__
            log.warning("dead_letter_waits", group=self._group, topic=topic, reason=reason)
            return False
        metrics.dead_letters.labels(self._group, topic, doom.reason).inc()
        log.warning(
            "dead_letter",
            group=self._group,
            topic=topic,
            partition=item.raw.partition,
            offset=item.raw.offset,
            reason=doom.reason,
            text=doom.detail,
        )
        return True

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
        for item in self._parked:
            if item.trouble:
                item.trouble.failed_since = item.trouble.missing_since = None
        self._store_well.set()
        self._pulse.set()
        self._look_for_hands()

    async def _store_answers(self) -> bool:
        try:
            async with asyncio.timeout(self._patience.attempt):
                await self._ask_store()
        except Exception:
            return False
        return True

    # ------------------------------------------------------------------------------------------------ positions

    async def _commit_moved(self) -> None:
        """All that moved at one moment in one call; what finishes meanwhile goes with the next."""
        pause = self._patience.retry_first
        await asyncio.sleep(0)
        while self._moved:
            while self._done:
                topic, count = self._done.popitem()
                metrics.done.labels(self._group, topic).inc(count)
            lines, self._moved = self._moved, set()
            positions = {line: line.position for line in lines}
            by_commit: dict[Commit, dict[Partition, int]] = {}
            for line, position in positions.items():
                if position != line.committed:
                    by_commit.setdefault(line.commit, {})[line.partition] = position
            try:
                if by_commit:
                    reach("consumer:before-position")
                for commit, some in by_commit.items():
                    await commit(some)
            except Exception as error:
                log.warning("position_not_kept", group=self._group, error=type(error).__name__)
                self._moved |= {line for line in lines if not line.gone}
                await asyncio.sleep(pause)
                pause = min(self._patience.retry_most, pause * 2)
                continue
            for line, position in positions.items():
                line.committed = position
            if by_commit:
                reach("consumer:after-position")
            pause = self._patience.retry_first
            if not self._finishing:
                await asyncio.sleep(KEEP_EVERY)
