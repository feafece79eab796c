"""The heart: one aggregate = one document = one atomic write.

    caller -> Collection.change -> mailbox of the document -> decided in memory, in order -> one group commit -> answers

A rule looks at the state and returns facts or raises a refusal; only `evolve` changes the state (`deciding`). All
documents with something to write at one moment go to the store in one group. Whatever is answered (facts, refusals,
reads) waits until the version it was decided on is durable and, where other processes may write too, confirmed to be
current. After a conflict, a lost reply or a bug the copy in memory is thrown away and what waits is decided again.
"""

import asyncio
import contextlib
import heapq
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Generic, TypeVar, cast

import structlog
from pydantic import TypeAdapter

from services.chassis import metrics, tracing
from services.chassis.clock import Clock
from services.chassis.deciding import Broken, Command, Held, KeyReused, Kind, Round, Rule, decide, name_of, nothing_due
from services.chassis.errors import Unavailable
from services.chassis.failpoints import reach
from services.chassis.once import Once
from services.chassis.ports import DocumentKey, Entry, Store, Written
from services.chassis.trace import traceparent
from services.contracts.words import Event, Fact, Origin

__all__ = [
    "Broken",
    "Collection",
    "Documents",
    "KeyReused",
    "Kind",
    "MailboxFull",
    "OutcomeUnknown",
    "StorageFull",
    "the",
]

S = TypeVar("S")
T = TypeVar("T")
F = TypeVar("F", bound=Fact)

IDLE_SECONDS = 600
UNKNOWN_SECONDS = 1.8
"""How long a caller waits for the truth about a write whose reply was lost, counted from the write."""
POLL_SECONDS = 2.0

log = structlog.get_logger()


class MailboxFull(Unavailable):
    en = "Too many requests for this at once; try again in {retry_after} s."
    vi = "Đang có quá nhiều yêu cầu cùng lúc, vui lòng thử lại sau {retry_after} giây."


class StorageFull(Unavailable):
    en = "The disk is full: nothing new can be kept until there is room. Reading goes on."
    vi = "Ổ đĩa đã đầy: chưa thể ghi thêm cho đến khi có chỗ trống. Vẫn xem được dữ liệu."


class OutcomeUnknown(Unavailable):
    en = "It is not known yet whether this was done; ask again with the same Idempotency-Key."
    vi = "Chưa biết việc này đã được ghi hay chưa, vui lòng gửi lại với cùng Idempotency-Key."


def the(facts: Sequence[Fact], kind: type[F]) -> F:
    """The one fact of that type among those that a change gave."""
    return next(fact for fact in facts if isinstance(fact, kind))


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
        if not tracing.on:
            return await self._change(id, rule, now=now, by=by, once=once, because=because)
        kind = name_of(self._state)
        said = {"caunoi.document.kind": kind, "caunoi.rule": _name_of_rule(rule)}
        with tracing.span(f"change {kind}", "internal", said) as spanned:
            facts = await self._change(id, rule, now=now, by=by, once=once, because=because)
            spanned.say({"caunoi.facts": len(facts)})
            return facts

    async def _change(
        self, id: str, rule: Rule, *, now: datetime, by: str | None, once: Once | None, because: Event | None
    ) -> list[Fact]:
        submit = self._documents.submit
        before = self._documents.kind_of(self._state).previous(id, now) if once else None
        if before and (found := await submit(self._state, before, now=now, rule=nothing_due, once=once)):
            return cast(list[Fact], found)
        facts = await submit(self._state, id, now=now, rule=rule, by=by, once=once, because=because)
        return cast(list[Fact], facts)

    async def read(self, id: str, look: Callable[[S], T]) -> T:
        """What `look` sees in the durable, current state (blank if there is no such document), or the refusal that it
        raises. It must not keep the state."""
        return cast(T, await self._documents.look(self._state, id, look))


class Documents:
    """The mailboxes of one service, and the two tasks: one decides and commits, one keeps the time."""

    def __init__(
        self,
        service: str,
        kinds: Mapping[type, Kind[Any]],
        facts: Mapping[str, type[Fact]],
        store: Store,
        clock: Clock,
        woken: Callable[[], None] = lambda: None,
        mailbox: int = 1_000,
    ) -> None:
        """`facts` by class name; `woken` is called after something owed to the world became durable; `mailbox` is how
        many commands may wait for one document."""
        self._service = service
        self._kinds = kinds
        self._facts = facts
        self._store = store
        self._clock = clock
        self._woken = woken
        self._mailbox = mailbox
        self._collections: dict[type, Collection[Any]] = {state: Collection(self, state) for state in kinds}
        self._names = {state: name_of(state) for state in kinds}
        self._by_name = {self._names[state]: (kind, TypeAdapter[Any](state)) for state, kind in kinds.items()}
        self._held: dict[DocumentKey, Held] = {}
        self._ready: dict[DocumentKey, Held] = {}
        self._busy: frozenset[DocumentKey] = frozenset()
        self._wake = asyncio.Event()
        self._timers: list[tuple[datetime, DocumentKey]] = []
        self._timers_changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._settling: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._groups = metrics.commit_group.labels(service)
        self._took = metrics.commit_seconds.labels(service)
        self._conflicts = metrics.conflicts.labels(service)
        metrics.mailbox_depth.labels(service).set_function(lambda: self.waiting)
        metrics.documents_held.labels(service).set_function(lambda: self.in_memory)

    # ------------------------------------------------------------------------------------- what callers use

    def __getitem__(self, state: type[S]) -> Collection[S]:
        return self._collections[state]

    def kind_of(self, state: type[S]) -> Kind[S]:
        return self._kinds[state]

    async def submit(self, state: type, id: str, *, now: datetime, **what: Any) -> Any:
        """Put a command (the fields of `Command`) into the mailbox of a document and wait for its answer."""
        held = self._hold((self._names[state], id))
        if held.overdue:
            raise Unavailable(retry_after=2)
        if len(held.waiting) >= self._mailbox:
            raise MailboxFull(retry_after=1)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        held.waiting.append(Command(answer, now, trace=traceparent.get(), **what))
        self._make_ready(held)
        return await answer

    async def look(self, state: type, id: str, look: Callable[[Any], Any]) -> Any:
        held = self._held.get((self._names[state], id))
        now = self._clock()
        if held and self._may_look_at_once(held, now):
            held.touched = time.monotonic()
            return look(held.state)
        return await self.submit(state, id, now=now, look=look)

    def _may_look_at_once(self, held: Held, now: datetime) -> bool:
        """The copy is durable and current, and no timer waits to be decided first."""
        idle = held.state is not None and not held.waiting and not held.closed and held.key not in self._busy
        return idle and self._store.promises.exclusive and (held.due is None or held.due > now)

    def parse(self, entry: Entry) -> Fact:
        """The fact that an entry of the journal is; an event comes with its origin."""
        fact = self._facts[entry.type].model_validate_json(entry.body)
        if isinstance(fact, Event):
            fact.comes_from(Origin(entry.id, entry.source, entry.sequence, entry.time, entry.traceparent))
        return fact

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

    async def start(self) -> None:
        self._tasks = [asyncio.create_task(self._beat()), asyncio.create_task(self._keep_time())]

    async def stop(self, within: float = 3.0) -> None:
        """Carry out what waits, within so many seconds, then end."""
        self._stopping = True
        deadline = time.monotonic() + within
        while (self._ready or self._busy) and time.monotonic() < deadline:  # noqa: ASYNC110  (the beat sets no event)
            await asyncio.sleep(0.01)
        for task in (*self._tasks, *self._settling):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._settling, return_exceptions=True)
        for held in self._held.values():
            held.refuse_waiting(Unavailable(retry_after=2))

    # ------------------------------------------------------------------------------------------- the beat

    def _hold(self, key: DocumentKey) -> Held:
        if self._stopping:
            raise Unavailable(retry_after=2)
        held = self._held.get(key)
        if held is None:
            held = self._held[key] = Held(key, *self._by_name[key[0]])
        held.touched = time.monotonic()
        return held

    def _make_ready(self, held: Held) -> None:
        if not held.closed:
            self._ready[held.key] = held
            self._wake.set()

    async def _beat(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(0)  # whoever is ready in this turn of the loop joins the group
            self._wake.clear()
            ready, self._ready = list(self._ready.values()), {}
            self._busy = frozenset(held.key for held in ready)
            await self._serve(ready)
            self._busy = frozenset()
            for held in ready:
                self._arm(held)
                if held.waiting:
                    self._make_ready(held)

    async def _serve(self, ready: list[Held]) -> None:
        await self._load([held for held in ready if held.state is None])
        rounds = [decide(self._service, held) for held in ready if held.state is not None]
        if quiet := [round for round in rounds if not round.dirty]:
            await self._answer_quiet(quiet)
        if sealed := [round for round in rounds if round.dirty and self._seal(round)]:
            await self._commit(sealed)

    async def _load(self, cold: list[Held]) -> None:
        if not cold:
            return
        try:
            found = await self._store.load([held.key for held in cold])
        except Unavailable as error:
            for held in cold:
                held.refuse_waiting(error)
            return
        for held in cold:
            try:
                held.take(found.get(held.key))
            except Exception:
                log.exception("document_not_readable", service=self._service, kind=held.key[0], document=held.key[1])
                held.refuse_waiting(Broken(held.key[0]))

    async def _answer_quiet(self, quiet: list[Round]) -> None:
        """Nothing to write; but only a store that is ours alone proves that the copy is current."""
        versions: dict[DocumentKey, int] = {}
        if not self._store.promises.exclusive:
            try:
                versions = await self._store.versions([round.held.key for round in quiet])
            except Unavailable as error:
                for round in quiet:
                    self._give_up(round, error)
                return
        for round in quiet:
            if versions.get(round.held.key, round.held.version) == round.held.version:
                await self._answer(round)
            else:
                self._again(round)

    def _seal(self, round: Round) -> bool:
        """A state that cannot be written is a bug of its service."""
        try:
            round.seal()
        except Exception:
            log.exception("state_not_writable", service=self._service, kind=round.held.key[0])
            self._give_up(round, Broken(round.held.key[0]))
            return False
        return True

    async def _commit(self, rounds: list[Round]) -> None:
        group = [round.write for round in rounds if round.write]
        self._groups.observe(len(group))
        reach("store:before-write")
        begun = time.perf_counter()
        try:
            outcomes = await self._store.commit(group)
        except Exception:  # whatever it was, nobody knows what became of the group
            log.exception("commit_failed", service=self._service)
            outcomes = [Written.UNKNOWN] * len(group)
        self._took.observe(time.perf_counter() - begun)
        reach("store:after-write")
        durable = [round for round, outcome in zip(rounds, outcomes, strict=True) if outcome is Written.DURABLE]
        for round in durable:
            round.held.written(round.token)
        for round, outcome in zip(rounds, outcomes, strict=True):
            match outcome:
                case Written.CONFLICT:
                    self._conflicts.inc()
                    self._again(round)
                case Written.FULL:
                    self._give_up(round, StorageFull(retry_after=30))
                case Written.REFUSED:
                    self._give_up(round, Unavailable(retry_after=60))
                case Written.UNREACHED:
                    self._give_up(round, Unavailable(retry_after=1))
                case Written.UNKNOWN:
                    round.held.closed = True
                    task = asyncio.create_task(self._settle(round, begun))
                    self._settling.add(task)
                    task.add_done_callback(self._settling.discard)
        reach("store:before-answer")
        for round in durable:
            await self._answer(round)
        if any(round.owes for round in durable):
            self._woken()

    async def _answer(self, round: Round) -> None:
        for outcome in round.outcomes:
            answer = outcome.command.answer
            if answer.done():
                continue
            if outcome.error is not None:
                answer.set_exception(outcome.error)
            elif outcome.repeat is not None:
                try:
                    answer.set_result(await self._recall(round.held.key, *outcome.repeat))
                except Unavailable as error:
                    answer.set_exception(error)
            else:
                answer.set_result(outcome.value)

    async def _recall(self, key: DocumentKey, first: int, count: int) -> list[Fact]:
        source = f"/{self._service}/{key[0]}/{key[1]}"
        return [self.parse(entry) for entry in await self._store.facts(source, first, count)]

    def _again(self, round: Round) -> None:
        """Decide these commands again, first in line, on a fresh copy."""
        round.held.forget()
        for outcome in reversed(round.outcomes):
            if round.write:
                outcome.command.tried[round.token] = outcome
            round.held.waiting.appendleft(outcome.command)
        if round.write:
            asyncio.get_running_loop().call_later(random.uniform(0, 0.004), self._make_ready, round.held)  # noqa: S311
        else:
            self._make_ready(round.held)

    def _give_up(self, round: Round, error: Exception) -> None:
        round.held.forget()
        _refuse_all((outcome.command for outcome in round.outcomes), error)

    async def _settle(self, round: Round, begun: float) -> None:
        """Read until it is known what became of a write; the mailbox stays closed meanwhile."""
        assert round.write is not None
        held, wait, outcome = round.held, 0.02, Written.UNKNOWN
        left = max(0.0, begun + UNKNOWN_SECONDS - time.monotonic())
        patience = asyncio.get_running_loop().call_later(left, self._tell_unknown, round)
        while outcome is Written.UNKNOWN:
            try:
                (outcome,) = await self._store.settle([round.write])
            except Unavailable:
                pass
            except Exception:
                log.exception("settling_failed", service=self._service, kind=held.key[0])
            if outcome is Written.UNKNOWN:
                await asyncio.sleep(wait)
                wait = min(wait * 2, 1.0)
        patience.cancel()
        held.closed = held.overdue = False
        if outcome is Written.DURABLE:
            held.written(round.token)
            await self._answer(round)
            if round.owes:
                self._woken()
        else:
            self._again(round)
        self._arm(held)
        self._make_ready(held)

    def _tell_unknown(self, round: Round) -> None:
        """Whoever waits for this write has waited long enough, and whoever waits behind it."""
        round.held.overdue = True
        _refuse_all((told.command for told in round.outcomes), OutcomeUnknown(retry_after=2))
        round.held.refuse_waiting(OutcomeUnknown(retry_after=2))

    # --------------------------------------------------------------------------------------------- time

    def _arm(self, held: Held) -> None:
        """Put it into the heap of timers, once for each new moment."""
        moment = held.timer()
        if moment is not None and moment != held.armed:
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
                await self._poll(now)
                self._let_idle_go()
            wait = POLL_SECONDS
            if self._timers:
                wait = min(wait, max(0.0, (self._timers[0][0] - now).total_seconds()))
            self._timers_changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._timers_changed.wait(), max(wait, 0.005))

    async def _poll(self, now: datetime) -> None:
        try:
            due = await self._store.due(now - timedelta(seconds=POLL_SECONDS), limit=500)
        except Exception:
            log.warning("due_poll_failed", service=self._service, exc_info=True)
            return
        for key in due:
            if key[0] in self._by_name:
                self._tick(key, now)

    def _tick(self, key: DocumentKey, now: datetime) -> None:
        held = self._hold(key)
        held.armed = None
        if not held.waiting:
            answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            answer.add_done_callback(lambda done: done.exception())
            held.waiting.append(Command(answer, now))
            self._make_ready(held)

    def _let_idle_go(self) -> None:
        before = time.monotonic() - IDLE_SECONDS
        for key, held in list(self._held.items()):
            if held.touched < before and not held.waiting and not held.closed and key not in self._busy:
                del self._held[key]


def _name_of_rule(rule: Rule) -> str:
    while isinstance(rule, partial):
        rule = rule.func
    return getattr(rule, "__name__", "rule")


def _refuse_all(commands: Iterable[Command], error: Exception) -> None:
    for command in commands:
        command.refuse(error)
