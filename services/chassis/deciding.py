"""Deciding in memory: commands on one document, in order, into facts, a state and the write that keeps both.

Nothing here waits, and nothing here is told to a caller: `documents` does both, once the write is durable.
"""

import asyncio
import secrets
import struct
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

import structlog
from pydantic import TypeAdapter

from services.chassis import metrics
from services.chassis.errors import Invalid, Refusal
from services.chassis.marks import Answered, Marks, same_body
from services.chassis.once import Once
from services.chassis.ports import DocumentKey, Entry, Stored, Write
from services.contracts.words import Event, Fact

S = TypeVar("S")
Rule = Callable[..., Sequence[Fact]]
"""`rule(state, now=...)` looks at the state, changes nothing, and returns facts or raises a `Refusal`."""

TOKENS_KEPT = 16
TIMER_BACKOFF = timedelta(seconds=30)
BEFORE_ALL = datetime.min.replace(tzinfo=UTC)

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


def name_of(state: type) -> str:
    """The name of a kind, as in its documents' keys and in the source of its events."""
    return state.__name__.lower()


class KeyReused(Invalid):
    en = "This Idempotency-Key was used for another request; send this one with a new key."
    vi = "Idempotency-Key này đã dùng cho một yêu cầu khác; hãy gửi yêu cầu này với một khoá mới."


class Broken(Exception):
    """A rule or `evolve` raised something that is no refusal: a bug, answered with 500."""


@dataclass(slots=True, eq=False)
class Command:
    """What waits in a mailbox: a rule to decide, a look at the state, or (neither) a tick of the clock."""

    answer: asyncio.Future[Any]
    now: datetime
    rule: Rule | None = None
    look: Callable[[Any], Any] | None = None
    by: str | None = None
    once: Once | None = None
    because: Event | None = None
    trace: str | None = None
    tried: dict[str, "Outcome"] = field(default_factory=dict)
    """By token: what it would have been told after a write that may yet turn out to have been done."""

    def refuse(self, error: BaseException) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


@dataclass(slots=True)
class Outcome:
    """What a command will be told once it may be told."""

    command: Command
    value: Any = None
    error: BaseException | None = None
    repeat: tuple[int, int] | None = None
    """(first sequence, count) of the facts in the journal that answer a repeated key."""


@dataclass(slots=True, eq=False)
class Held:
    """A document in memory, and what waits for it. A state of None: not loaded."""

    key: DocumentKey
    kind: Kind[Any]
    adapter: TypeAdapter[Any]
    waiting: deque[Command] = field(default_factory=deque)
    state: Any = None
    version: int = 0
    sequence: int = 0
    time: datetime = BEFORE_ALL
    """Of its latest fact: time never goes back for a document."""
    marks: Marks = field(default_factory=Marks)
    answered: Answered = field(default_factory=Answered)
    due: datetime | None = None
    hold_timer_until: datetime | None = None
    armed: datetime | None = None
    """The moment for which it stands in the heap of timers."""
    closed: bool = False
    """A write of unknown outcome is being settled: nothing is decided meanwhile."""
    overdue: bool = False
    """That takes so long that nobody is let in to wait for it."""
    touched: float = 0.0
    tokens: tuple[str, ...] = ()
    """Of its last writes."""

    def forget(self) -> None:
        """Throw the copy away; what waits stays."""
        self.state, self.version, self.sequence, self.time, self.due = None, 0, 0, BEFORE_ALL, None
        self.marks, self.answered, self.tokens = Marks(), Answered(), ()

    def written(self, token: str) -> None:
        self.version += 1
        self.tokens = (*self.tokens, token)[-TOKENS_KEPT:]

    def take(self, stored: Stored | None) -> None:
        """Become what lies in the store. A waiting command whose token shows up was carried out: it is answered."""
        if stored is None:
            self.state = self.kind.new(self.key[1])
        else:
            self.version, self.tokens = stored.version, stored.tokens
            self.sequence, self.time, marks, answered, state = _unpacked(stored.body)
            self.marks, self.answered = Marks(marks), Answered(answered)
            self.state = self.adapter.validate_json(state)
            for command in list(self.waiting):
                if _was_done(command, stored.tokens):
                    self.waiting.remove(command)
        self.due = self.kind.due(self.state)

    def refuse_waiting(self, error: Exception) -> None:
        while self.waiting:
            self.waiting.popleft().refuse(error)

    def packed(self) -> bytes:
        state = self.adapter.dump_json(self.state)
        return _pack(self.sequence, self.time, self.marks.packed(), self.answered.packed(), state)

    def timer(self) -> datetime | None:
        """When it wants to be woken."""
        if self.state is None or self.due is None:
            return None
        return max(self.due, self.hold_timer_until or self.due)


def _was_done(command: Command, tokens: Sequence[str]) -> bool:
    for token in command.tried.keys() & set(tokens):
        outcome = command.tried[token]
        if outcome.repeat is not None:
            continue
        if outcome.error is not None:
            command.refuse(outcome.error)
        elif not command.answer.done():
            command.answer.set_result(outcome.value)
        return True
    return False


class Round:
    """What was decided on one document at one moment. `dirty`: there is something to write."""

    def __init__(self, service: str, held: Held) -> None:
        self.held = held
        self.token = secrets.token_hex(8)
        self.outcomes: list[Outcome] = []
        self.dirty = False
        self.write: Write | None = None
        self._service = service
        self._source = f"/{service}/{held.key[0]}/{held.key[1]}"
        self._entries: list[Entry] = []
        self._facts: list[Fact] = []

    @property
    def owes(self) -> bool:
        return any(entry.topic for entry in self._entries)

    def decide(self, command: Command) -> Outcome:
        held = self.held
        now = max(command.now, held.time)
        self._fire_timer(now)
        if command.rule is None:
            try:
                return Outcome(command, command.look(held.state) if command.look else None)
            except Refusal as refusal:
                return Outcome(command, error=refusal)
        if command.because and command.because in held.marks:
            metrics.repeated.labels(self._service, command.because.topic()).inc()
            return Outcome(command, [])
        if command.once and (answer := held.answered.get(command.once)):
            if not same_body(answer, command.once):
                return Outcome(command, error=KeyReused())
            metrics.repeated_commands.labels(self._service).inc()
            return Outcome(command, repeat=(answer.first, answer.count))
        first = held.sequence + 1
        try:
            facts = list(command.rule(held.state, now=now))
        except Refusal as refusal:
            if command.because and refusal.kind in ("refused", "stale"):
                self._mark(command.because, now)
            return Outcome(command, error=refusal)
        for fact in facts:
            self._evolve(fact, now, command.by, command.trace)
        if command.because:
            self._mark(command.because, now)
        if command.once and facts:
            held.answered.add(command.once, first, len(facts), now)
        return Outcome(command, facts)

    def seal(self) -> None:
        """Make the write: the whole document."""
        held = self.held
        entries, facts = tuple(self._entries), tuple(self._facts)
        self.write = Write(*held.key, held.version, self.token, held.packed(), held.due, entries, facts, held.tokens)

    def _fire_timer(self, now: datetime) -> None:
        held = self.held
        if held.due is None or held.due > now or (held.hold_timer_until and now < held.hold_timer_until):
            return
        held.hold_timer_until = now + TIMER_BACKOFF
        try:
            facts = list(held.kind.when_due(held.state, now=now))
        except Exception:
            log.exception("timer_broken", kind=held.key[0], document=held.key[1])
            return
        for fact in facts:
            self._evolve(fact, now, None, None)
        if held.due is None or held.due > now:
            held.hold_timer_until = None
        else:
            log.error("timer_stuck", kind=held.key[0], document=held.key[1])

    def _evolve(self, fact: Fact, now: datetime, by: str | None, trace: str | None) -> None:
        held = self.held
        self.dirty = True
        held.kind.evolve(held.state, fact, now)
        held.sequence += 1
        held.time = now
        held.due = held.kind.due(held.state)
        event = fact if isinstance(fact, Event) else None
        self._facts.append(fact)
        self._entries.append(
            Entry(
                id=f"{self.token}-{len(self._entries)}",
                source=self._source,
                sequence=held.sequence,
                type=type(fact).__name__,
                time=now,
                body=fact.__pydantic_serializer__.to_json(fact),
                topic=event.topic() if event else None,
                key=event.key if event else "",
                subject=event.about if event else "",
                dataschema=event.dataschema() if event else "",
                traceparent=trace,
                by=by,
            )
        )

    def _mark(self, event: Event, now: datetime) -> None:
        self.held.marks.add(event, now)
        self.dirty = True


def decide(service: str, held: Held) -> Round:
    """Decide all that waits, in order, on the state in memory.

    A bug in a rule is its own command's; the others are decided again without it. If the state was changed by then the
    copy is thrown away and they wait for a fresh one.
    """
    commands = [command for command in held.waiting if not command.answer.done()]
    held.waiting.clear()
    broken: list[Outcome] = []
    while True:
        round = Round(service, held)
        bug = _decide_all(round, commands)
        if bug is None:
            break
        broken.append(bug)
        commands.remove(bug.command)
        if round.dirty:
            held.forget()
            held.waiting.extend(commands)
            round = Round(service, held)
            break
    round.outcomes.extend(broken)
    return round


def _decide_all(round: Round, commands: Sequence[Command]) -> Outcome | None:
    for command in commands:
        try:
            round.outcomes.append(round.decide(command))
        except Exception as bug:
            log.exception("rule_broken", kind=round.held.key[0])
            return Outcome(command, error=Broken(f"{type(bug).__name__} in {round.held.key[0]}"))
    return None


_HEAD = struct.Struct("<BQdII")
_FORMAT = 1


def _pack(sequence: int, at: datetime, marks: bytes, answered: bytes, state: bytes) -> bytes:
    seconds = at.timestamp() if at > BEFORE_ALL else 0.0
    return _HEAD.pack(_FORMAT, sequence, seconds, len(marks), len(answered)) + marks + answered + state


def _unpacked(body: bytes) -> tuple[int, datetime, bytes, bytes, bytes]:
    _, sequence, seconds, marks, answered = _HEAD.unpack_from(body)
    first, second = _HEAD.size + marks, _HEAD.size + marks + answered
    at = datetime.fromtimestamp(seconds, UTC) if seconds else BEFORE_ALL
    return sequence, at, body[_HEAD.size : first], body[first:second], body[second:]
