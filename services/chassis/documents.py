"""The heart: one aggregate = one document = one atomic write.

    caller -> Collection.change -> mailbox of the document -> _decide (in memory, in order) -> one group commit -> answers

A rule looks at the state and returns facts or raises a refusal; only `evolve` changes the state. All documents with
something to write at one moment go to the store in one group. Whatever is answered (facts, refusals, reads) waits until
the version it was decided on is durable and, where other processes may write too, confirmed to be current. After a
conflict, a lost reply or a bug the copy in memory is thrown away and what waits is decided again on a fresh one.
"""

import asyncio
import contextlib
import heapq
import random
import secrets
import struct
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar, cast

import structlog
from pydantic import TypeAdapter

from services.chassis.clock import Clock
from services.chassis.errors import Invalid, Refusal, Unavailable
from services.chassis.failpoints import reach
from services.chassis.marks import Answered, Marks, same_body
from services.chassis.once import Once
from services.chassis.ports import DocumentKey, Entry, Store, Stored, Write, Written
from services.chassis.trace import traceparent
from services.contracts.words import Event, Fact, Origin

S = TypeVar("S")
T = TypeVar("T")
F = TypeVar("F", bound=Fact)
Rule = Callable[..., Sequence[Fact]]

MAILBOX_AT_MOST = 1_000
IDLE_SECONDS = 600
UNKNOWN_SECONDS = 2.0
"""How long a caller waits for the truth about a write whose reply was lost."""
POLL_SECONDS = 2.0
TIMER_BACKOFF = timedelta(seconds=30)

log = structlog.get_logger()


def never(_: Any) -> datetime | None:
    return None


def nothing_due(_: Any, *, now: datetime) -> Sequence[Fact]:
    return ()


def no_previous(_: str, __: datetime) -> str | None:
    return None


@dataclass(frozen=True)
class Kind(Generic[S]):
    """How documents of one state class live.

    `new` makes the blank state of one that does not exist yet, from its id. `evolve(state, fact, at)` never raises.
    `due` is the next moment at which `when_due(state, now=...)` must decide; after it, `due` must be later than now.
    `previous(id, now)` names the document in which an idempotency key of a kind named by a date may lie instead.
    """

    new: Callable[[str], S]
    evolve: Callable[[S, Fact, datetime], None]
    due: Callable[[S], datetime | None] = never
    when_due: Rule = nothing_due
    previous: Callable[[str, datetime], str | None] = no_previous


class MailboxFull(Unavailable):
    en = "Too many requests for this at once; try again in {retry_after} s."
    vi = "Đang có quá nhiều yêu cầu cùng lúc, vui lòng thử lại sau {retry_after} giây."


class StorageFull(Unavailable):
    en = "The disk is full: nothing new can be kept until there is room. Reading goes on."
    vi = "Ổ đĩa đã đầy: chưa thể ghi thêm cho đến khi có chỗ trống. Vẫn xem được dữ liệu."


class OutcomeUnknown(Unavailable):
    en = "It is not known yet whether this was done; ask again with the same Idempotency-Key."
    vi = "Chưa biết việc này đã được ghi hay chưa, vui lòng gửi lại với cùng Idempotency-Key."


class KeyReused(Invalid):
    en = "This Idempotency-Key was used for another request."
    vi = "Idempotency-Key này đã dùng cho một yêu cầu khác."


class Broken(Exception):
    """A rule or `evolve` raised something that is no refusal: a bug, answered with 500."""


def the(facts: Sequence[Fact], kind: type[F]) -> F:
    """The one fact of that type among those that a change gave."""
    return next(fact for fact in facts if isinstance(fact, kind))


@dataclass(slots=True, eq=False)
class _Command:
    rule: Rule | None
    """None: a look, or a tick of the clock."""
    look: Callable[[Any], Any] | None
    now: datetime
    by: str | None
    once: Once | None
    because: Event | None
    trace: str | None
    answer: asyncio.Future[Any]
    tried: dict[str, "_Outcome"] = field(default_factory=dict)
    """Tokens of writes that carried this command and whose fate was not known to be bad when it was decided again."""


@dataclass(slots=True)
class _Outcome:
    """What a command will be told once it may be told."""

    command: _Command
    value: Any = None
    error: BaseException | None = None
    repeat: tuple[int, int] | None = None
    """(first sequence, count) of the facts in the journal that answer a repeated key."""


@dataclass(slots=True, eq=False)
class _Held:
    """A document in memory."""

    key: DocumentKey
    kind: Kind[Any]
    waiting: deque[_Command] = field(default_factory=deque)
    state: Any = None
    """None: not loaded."""
    version: int = 0
    sequence: int = 0
    time: datetime = datetime.min.replace(tzinfo=UTC)
    marks: Marks = field(default_factory=Marks)
    answered: Answered = field(default_factory=Answered)
    due: datetime | None = None
    armed: datetime | None = None
    """The moment for which it stands in the heap of timers."""
    hold_timer_until: datetime | None = None
    closed: bool = False
    """A write of unknown outcome is being settled: nothing is decided meanwhile."""
    touched: float = 0.0


@dataclass(slots=True)
class _Round:
    """What was decided on one document at one moment."""

    held: _Held
    token: str
    outcomes: list[_Outcome] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    dirty: bool = False
    write: Write | None = None


class Collection(Generic[S]):
    """All documents of one kind, as routes and handlers see them."""

    def __init__(self, documents: "Documents", state: type[S]) -> None:
        self._documents = documents
        self._state = state

    async def change(
        self,
        id: str,
        rule: Rule,
        *,
        now: datetime,
        by: str | None = None,
        once: Once | None = None,
        because: Event | None = None,
    ) -> list[Fact]:
        """Decide `rule(state, now=...)` on the document and give its facts after they are durable.

        A repeat of `once` gives the first facts again; a repeat of `because` does nothing and gives []. Raises the
        refusal of the rule, `KeyReused`, or an `Unavailable` (mailbox or disk full, store away, outcome unknown).
        """
        kind = self._documents.kind_of(self._state)
        if once and (before := kind.previous(id, now)):
            found = await self._documents.submit(self._state, before, _lookup, now=now, once=once)
            if found:
                return cast(list[Fact], found)
        return cast(
            list[Fact], await self._documents.submit(self._state, id, rule, now=now, by=by, once=once, because=because)
        )

    async def read(self, id: str, look: Callable[[S], T]) -> T:
        """What `look` sees in the durable, current state (blank if there is no such document). It must not keep it."""
        return cast(T, await self._documents.look(self._state, id, look))


def _lookup(_: Any, *, now: datetime) -> Sequence[Fact]:
    return ()


class Documents:
    """The mailboxes of one service and the one task that decides and commits."""

    def __init__(
        self,
        service: str,
        kinds: Mapping[type, Kind[Any]],
        facts: Mapping[str, type[Fact]],
        store: Store,
        clock: Clock,
        woken: Callable[[], None] = lambda: None,
    ) -> None:
        self._service = service
        self._kinds = kinds
        self._facts = facts
        self._store = store
        self._clock = clock
        self._woken = woken
        self._names = {state: state.__name__.lower() for state in kinds}
        self._states = {name: state for state, name in self._names.items()}
        self._adapters = {state: TypeAdapter[Any](state) for state in kinds}
        self._held: dict[DocumentKey, _Held] = {}
        self._ready: dict[DocumentKey, _Held] = {}
        self._wake = asyncio.Event()
        self._timers: list[tuple[datetime, DocumentKey]] = []
        self._timers_changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._settling: set[asyncio.Task[None]] = set()
        self._stopping = False
        self.group_sizes: deque[int] = deque(maxlen=1_000)

    # ------------------------------------------------------------------------------------- what callers use

    def __getitem__(self, state: type[S]) -> Collection[S]:
        if state not in self._kinds:
            raise KeyError(f"{self._service} keeps no {state.__name__}")
        return Collection(self, state)

    def kind_of(self, state: type[S]) -> Kind[S]:
        return self._kinds[state]

    @property
    def alive(self) -> bool:
        """Whether both tasks, of commands and of time, are running."""
        return bool(self._tasks) and not any(task.done() for task in self._tasks)

    @property
    def waiting(self) -> int:
        return sum(len(held.waiting) for held in self._held.values())

    @property
    def in_memory(self) -> int:
        return len(self._held)

    async def submit(
        self,
        state: type,
        id: str,
        rule: Rule | None,
        *,
        now: datetime,
        look: Callable[[Any], Any] | None = None,
        by: str | None = None,
        once: Once | None = None,
        because: Event | None = None,
    ) -> Any:
        """Put a command into the mailbox of a document and wait for its answer."""
        held = self._hold((self._names[state], id))
        if len(held.waiting) >= MAILBOX_AT_MOST:
            raise MailboxFull(retry_after=1)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        held.waiting.append(_Command(rule, look, now, by, once, because, traceparent.get(), answer))
        self._make_ready(held)
        return await answer

    async def look(self, state: type, id: str, look: Callable[[Any], Any]) -> Any:
        held = self._held.get((self._names[state], id))
        now = self._clock()
        current = self._store.promises.exclusive and held is not None and held.state is not None
        if held and current and not held.closed and held.key not in self._busy and not held.waiting:
            if not held.due or held.due > now:
                held.touched = time.monotonic()
                return look(held.state)
        return await self.submit(state, id, None, look=look, now=now)

    async def start(self) -> None:
        self._tasks = [asyncio.create_task(self._beat()), asyncio.create_task(self._keep_time())]

    async def stop(self) -> None:
        """Carry out what waits, then end."""
        self._stopping = True
        deadline = time.monotonic() + 3
        while self._ready and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        for task in (*self._tasks, *self._settling):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._settling, return_exceptions=True)
        for held in self._held.values():
            while held.waiting:
                _refuse(held.waiting.popleft(), Unavailable(retry_after=2))

    # ------------------------------------------------------------------------------------------- the beat

    _busy: frozenset[DocumentKey] = frozenset()

    def _hold(self, key: DocumentKey) -> _Held:
        if self._stopping:
            raise Unavailable(retry_after=2)
        held = self._held.get(key)
        if held is None:
            held = self._held[key] = _Held(key, self._kinds[self._states[key[0]]])
        held.touched = time.monotonic()
        return held

    def _make_ready(self, held: _Held) -> None:
        if not held.closed:
            self._ready[held.key] = held
            self._wake.set()

    async def _beat(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(0)  # whoever is ready in this turn of the loop joins the group
            self._wake.clear()
            ready, self._ready = list(self._ready.values()), {}
            if not ready:
                continue
            self._busy = frozenset(held.key for held in ready)
            await self._serve(ready)
            self._busy = frozenset()
            for held in ready:
                self._arm(held)
                if held.waiting:
                    self._make_ready(held)

    async def _serve(self, ready: list[_Held]) -> None:
        ready = await self._load(ready)
        rounds = [self._decide(held) for held in ready]
        quiet = [round for round in rounds if not round.dirty]
        dirty = [round for round in rounds if round.dirty]
        if quiet:
            await self._answer_quiet(quiet)
        if sealed := [round for round in dirty if self._seal(round)]:
            await self._commit(sealed)

    async def _load(self, ready: list[_Held]) -> list[_Held]:
        cold = [held for held in ready if held.state is None]
        if not cold:
            return ready
        try:
            found = await self._store.load([held.key for held in cold])
        except Unavailable as error:
            for held in cold:
                while held.waiting:
                    _refuse(held.waiting.popleft(), error)
            return [held for held in ready if held.state is not None]
        for held in cold:
            self._unpack(held, found.get(held.key))
        return ready

    def _decide(self, held: _Held) -> _Round:
        """Decide all that waits, in order, on the state in memory. A bug starts again without its command."""
        commands = [command for command in held.waiting if not command.answer.done()]
        held.waiting.clear()
        broken: list[_Outcome] = []
        while True:
            round = _Round(held, secrets.token_hex(8))
            try:
                for command in commands:
                    culprit = command
                    round.outcomes.append(self._decide_one(round, command))
                break
            except Exception as bug:
                log.exception("rule_broken", service=self._service, kind=held.key[0])
                error = Broken(f"{type(bug).__name__} in {held.key[0]}")
                broken.append(_Outcome(culprit, error=error))
                commands.remove(culprit)
                if round.dirty:  # the state was evolved: it must be read again before the others are decided
                    _forget(held)
                    held.waiting.extend(commands)
                    round = _Round(held, secrets.token_hex(8))
                    break
        round.outcomes.extend(broken)
        return round

    def _decide_one(self, round: _Round, command: _Command) -> _Outcome:
        held = round.held
        now = max(command.now, held.time)
        self._fire_timer(round, now)
        if command.rule is None:
            return _Outcome(command, command.look(held.state) if command.look else None)
        if command.because and command.because in held.marks:
            return _Outcome(command, [])
        if command.once and (answer := held.answered.get(command.once)):
            if not same_body(answer, command.once):
                return _Outcome(command, error=KeyReused())
            return _Outcome(command, repeat=(answer.first, answer.count))
        first = held.sequence + 1
        try:
            facts = list(command.rule(held.state, now=now))
        except Refusal as refusal:
            if command.because and refusal.kind in ("refused", "stale"):
                self._mark(round, command.because, now)
            return _Outcome(command, error=refusal)
        for fact in facts:
            self._evolve(round, fact, now, command.by, command.trace)
        if command.because:
            self._mark(round, command.because, now)
        if command.once and facts:
            held.answered.add(command.once, first, len(facts), now)
        return _Outcome(command, facts)

    def _fire_timer(self, round: _Round, now: datetime) -> None:
        held = round.held
        if held.due is None or held.due > now or (held.hold_timer_until and now < held.hold_timer_until):
            return
        held.hold_timer_until = now + TIMER_BACKOFF
        try:
            facts = list(held.kind.when_due(held.state, now=now))
        except Exception:
            log.exception("timer_broken", service=self._service, kind=held.key[0], document=held.key[1])
            return
        for fact in facts:
            self._evolve(round, fact, now, None, None)
        if held.due is None or held.due > now:
            held.hold_timer_until = None
        else:
            log.error("timer_stuck", service=self._service, kind=held.key[0], document=held.key[1])

    def _evolve(self, round: _Round, fact: Fact, now: datetime, by: str | None, trace: str | None) -> None:
        held = round.held
        round.dirty = True
        held.kind.evolve(held.state, fact, now)
        held.sequence += 1
        held.time = now
        held.due = held.kind.due(held.state)
        event = fact if isinstance(fact, Event) else None
        round.facts.append(fact)
        round.entries.append(
            Entry(
                id=f"{round.token}-{len(round.entries)}",
                source=f"/{self._service}/{held.key[0]}/{held.key[1]}",
                sequence=held.sequence,
                type=type(fact).__name__,
                time=now,
                body=fact.model_dump_json().encode(),
                topic=event.topic() if event else None,
                key=event.key if event else "",
                subject=event.about if event else "",
                dataschema=event.dataschema() if event else "",
                traceparent=trace,
                by=by,
            )
        )

    def _mark(self, round: _Round, event: Event, now: datetime) -> None:
        round.held.marks.add(event, now)
        round.dirty = True

    # ------------------------------------------------------------------------------------------ answering

    async def _answer_quiet(self, quiet: list[_Round]) -> None:
        """Nothing to write; but only a store that is ours alone proves that the copy is current."""
        if not self._store.promises.exclusive:
            try:
                versions = await self._store.versions([round.held.key for round in quiet])
            except Unavailable as error:
                for round in quiet:
                    for outcome in round.outcomes:
                        _refuse(outcome.command, error)
                return
            stale = [round for round in quiet if versions[round.held.key] != round.held.version]
            for round in stale:
                self._again(round)
            quiet = [round for round in quiet if round not in stale]
        for round in quiet:
            await self._answer(round)

    async def _answer(self, round: _Round) -> None:
        for outcome in round.outcomes:
            command = outcome.command
            if command.answer.done():
                continue
            if outcome.error is not None:
                command.answer.set_exception(outcome.error)
            elif outcome.repeat is not None:
                try:
                    command.answer.set_result(await self._recall(round.held.key, *outcome.repeat))
                except Unavailable as error:
                    _refuse(command, error)
            else:
                command.answer.set_result(outcome.value)

    async def _recall(self, key: DocumentKey, first: int, count: int) -> list[Fact]:
        source = f"/{self._service}/{key[0]}/{key[1]}"
        return [self.parse(entry) for entry in await self._store.facts(source, first, count)]

    def parse(self, entry: Entry) -> Fact:
        """The fact that an entry of the journal is; an event comes with its origin."""
        fact = self._facts[entry.type].model_validate_json(entry.body)
        if isinstance(fact, Event):
            return fact.from_origin(Origin(entry.id, entry.source, entry.sequence, entry.time, entry.traceparent))
        return fact

    async def _commit(self, dirty: list[_Round]) -> None:
        reach("store:before-write")
        group = [round.write for round in dirty if round.write]
        self.group_sizes.append(len(group))
        try:
            outcomes = await self._store.commit(group)
        except Exception:  # whatever it was, nobody knows what became of the group
            log.exception("commit_failed", service=self._service)
            outcomes = [Written.UNKNOWN] * len(group)
        reach("store:after-write")
        owes = False
        for round, outcome in zip(dirty, outcomes, strict=True):
            match outcome:
                case Written.DURABLE:
                    owes = self._durable(round) or owes
                case Written.CONFLICT:
                    self._again(round)
                case Written.FULL:
                    self._give_up(round, StorageFull(retry_after=30))
                case Written.REFUSED:
                    self._give_up(round, Unavailable(retry_after=60))
                case Written.UNKNOWN:
                    round.held.closed = True
                    task = asyncio.create_task(self._settle(round))
                    self._settling.add(task)
                    task.add_done_callback(self._settling.discard)
        reach("store:before-answer")
        for round, outcome in zip(dirty, outcomes, strict=True):
            if outcome is Written.DURABLE:
                await self._answer(round)
        if owes:
            self._woken()

    def _durable(self, round: _Round) -> bool:
        round.held.version += 1
        return any(entry.topic for entry in round.entries)

    def _again(self, round: _Round) -> None:
        """Decide these commands again, first in line, on a fresh copy."""
        _forget(round.held)
        for outcome in reversed(round.outcomes):
            if round.write:
                outcome.command.tried[round.token] = outcome
            round.held.waiting.appendleft(outcome.command)
        if round.write:
            asyncio.get_running_loop().call_later(random.uniform(0, 0.004), self._make_ready, round.held)  # noqa: S311
        else:
            self._make_ready(round.held)

    def _give_up(self, round: _Round, error: Exception) -> None:
        _forget(round.held)
        for outcome in round.outcomes:
            _refuse(outcome.command, error)

    async def _settle(self, round: _Round) -> None:
        """Read until it is known what became of a write; the mailbox stays closed meanwhile."""
        assert round.write is not None
        held, patience, wait = round.held, time.monotonic() + UNKNOWN_SECONDS, 0.02
        while True:
            try:
                (outcome,) = await self._store.settle([round.write])
            except Unavailable:
                outcome = Written.UNKNOWN
            if outcome is not Written.UNKNOWN:
                break
            if time.monotonic() > patience:
                for told in round.outcomes:
                    _refuse(told.command, OutcomeUnknown(retry_after=2))
            await asyncio.sleep(wait)
            wait = min(wait * 2, 1.0)
        held.closed = False
        if outcome is Written.DURABLE:
            owes = self._durable(round)
            await self._answer(round)
            if owes:
                self._woken()
        else:
            self._again(round)
        self._arm(held)
        self._make_ready(held)

    # -------------------------------------------------------------------------------------- bytes and time

    def _seal(self, round: _Round) -> bool:
        """Make the write of a round: the whole document. A state that cannot be written is a bug of its service."""
        held = round.held
        try:
            state = self._adapters[self._states[held.key[0]]].dump_json(held.state)
        except Exception:
            log.exception("state_not_writable", service=self._service, kind=held.key[0])
            self._give_up(round, Broken(held.key[0]))
            return False
        body = _pack(held.sequence, held.time, held.marks.packed(), held.answered.packed(), state)
        round.write = Write(
            *held.key, held.version, round.token, body, held.due, tuple(round.entries), tuple(round.facts)
        )
        return True

    def _unpack(self, held: _Held, stored: Stored | None) -> None:
        if stored is None:
            held.state = held.kind.new(held.key[1])
        else:
            held.version = stored.version
            held.sequence, held.time, marks, answered, state = _unpacked(stored.body)
            held.marks, held.answered = Marks(marks), Answered(answered)
            held.state = self._adapters[self._states[held.key[0]]].validate_json(state)
            self._done_already(held, stored.tokens)
        held.due = held.kind.due(held.state)

    def _done_already(self, held: _Held, tokens: Sequence[str]) -> None:
        """A command whose token shows up after a reload was carried out: it is answered, not decided again."""
        for command in list(held.waiting):
            for token in command.tried.keys() & set(tokens):
                outcome = command.tried[token]
                if outcome.repeat is not None:
                    continue
                if not command.answer.done():
                    if outcome.error is not None:
                        command.answer.set_exception(outcome.error)
                    else:
                        command.answer.set_result(outcome.value)
                held.waiting.remove(command)
                break

    def _arm(self, held: _Held) -> None:
        """Put it into the heap of timers, once for each new moment."""
        if held.state is None or held.due is None:
            return
        moment = max(held.due, held.hold_timer_until or held.due)
        if moment != held.armed:
            held.armed = moment
            heapq.heappush(self._timers, (moment, held.key))
            if self._timers[0] == (moment, held.key):
                self._timers_changed.set()

    async def _keep_time(self) -> None:
        """Wake documents when they are due: those held here from a heap, those of others (a crash) by a slow poll."""
        polled = 0.0
        while not self._stopping:
            now = self._clock()
            while self._timers and self._timers[0][0] <= now:
                self._tick(heapq.heappop(self._timers)[1], now)
            if time.monotonic() - polled >= POLL_SECONDS:
                polled = time.monotonic()
                try:
                    for key in await self._store.due(now - timedelta(seconds=POLL_SECONDS), limit=500):
                        if key[0] in self._states:
                            self._tick(key, now)
                except Exception:
                    log.warning("due_poll_failed", service=self._service, exc_info=True)
                self._let_idle_go()
            wait = POLL_SECONDS
            if self._timers:
                wait = min(wait, max(0.0, (self._timers[0][0] - now).total_seconds()))
            self._timers_changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._timers_changed.wait(), max(wait, 0.005))

    def _tick(self, key: DocumentKey, now: datetime) -> None:
        held = self._hold(key)
        held.armed = None
        if not held.waiting:
            answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            answer.add_done_callback(lambda done: done.exception())
            held.waiting.append(_Command(None, None, now, None, None, None, None, answer))
            self._make_ready(held)

    def _let_idle_go(self) -> None:
        before = time.monotonic() - IDLE_SECONDS
        for key, held in list(self._held.items()):
            if held.touched < before and not held.waiting and not held.closed and key not in self._busy:
                del self._held[key]


def _forget(held: _Held) -> None:
    held.state, held.version, held.sequence, held.due = None, 0, 0, None
    held.time = datetime.min.replace(tzinfo=UTC)
    held.marks, held.answered = Marks(), Answered()


def _refuse(command: _Command, error: BaseException) -> None:
    if not command.answer.done():
        command.answer.set_exception(error)


_HEAD = struct.Struct("<BQdII")
_FORMAT = 1


def _pack(sequence: int, at: datetime, marks: bytes, answered: bytes, state: bytes) -> bytes:
    return _HEAD.pack(_FORMAT, sequence, _seconds(at), len(marks), len(answered)) + marks + answered + state


def _unpacked(body: bytes) -> tuple[int, datetime, bytes, bytes, bytes]:
    _, sequence, seconds, marks, answered = _HEAD.unpack_from(body)
    first, second = _HEAD.size + marks, _HEAD.size + marks + answered
    at = datetime.fromtimestamp(seconds, UTC) if seconds else datetime.min.replace(tzinfo=UTC)
    return sequence, at, body[_HEAD.size : first], body[first:second], body[second:]


def _seconds(at: datetime) -> float:
    return at.timestamp() if at.year > 1 else 0.0
