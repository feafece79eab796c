"""What a service is (`Service`, the table in its `app.py`), and what comes of it when it runs (`Running`, `System`).

Nothing is registered by importing: the table is read here, once, at start.
"""

import asyncio
import contextlib
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from types import ModuleType
from typing import Annotated, Any, TypeVar, cast, get_args, get_origin, get_type_hints

import structlog
from fastapi import APIRouter

from services.chassis.access import Access, AccountsKnown, Standing, Verified
from services.chassis.askqueue import AskQueue
from services.chassis.backends.chosen import Backend
from services.chassis.clock import Clock, SteadyClock
from services.chassis.consumer import Consumer, Patience
from services.chassis.deadletters import KEPT, LettersLeft
from services.chassis.deciding import name_of
from services.chassis.documents import Collection, Documents, Kind
from services.chassis.envelope import Read, reading
from services.chassis.errors import Misconfigured, Refusal, Unavailable
from services.chassis.ports import Bus, Raw, Subscription, TopicSpec
from services.chassis.relay import Relay, RelayTimes
from services.chassis.sealing import Sealer
from services.chassis.settings import Settings
from services.chassis.views import Projector, View, Views
from services.contracts.events import COMPACTED, EVENTS, PUBLISHER
from services.contracts.words import Event, Fact

S = TypeVar("S")
T = TypeVar("T")
Handler = Callable[..., Awaitable[None]]
FINISH, EMPTY = 0.4, 0.6
"""Shares of `stop_seconds`: for what is in hand; for what waits to be written, and then to be published."""
LOOK_SECONDS, LOOK_EVERY, LOOK_AGAIN = 3.0, 60.0, 5.0
"""How long a look at the way to the bus may take, and how soon the next one comes: sooner when something was wrong."""
SHOWN = 3
"""So many differences are told; `caunoi topics --check` tells all."""
WAIT_MOST = 5.0
ALL_THERE_IS = datetime.fromtimestamp(0, UTC)

log = structlog.get_logger()


@dataclass(frozen=True)
class Tail:
    """Every process reads these topics (None: all) from `since` ago on (None: all there is), keeping no position."""

    topics: tuple[type[Event], ...] | None
    receive: Callable[[Sequence[Event], "Running"], Awaitable[None]]
    since: timedelta | None = timedelta(0)


@dataclass(frozen=True)
class Service:
    """A service at a glance: what it keeps, serves, handles and publishes."""

    name: str
    domain: tuple[ModuleType, ...]
    """The modules in which its facts are defined (or imported)."""
    keeps: Mapping[type, Kind[Any]]
    serves: Sequence[APIRouter]
    handles: Mapping[type[Event], Handler | tuple[Handler, ...]]
    publishes: Sequence[type[Event]]
    views: Sequence[View[Any]] = ()
    tails: Sequence[Tail] = ()
    works: Sequence[Callable[["Running"], Awaitable[None]]] = ()
    """In the background, for ever: `while not running.stopping`, and `running.pause` between two steps."""
    wants_bus_for: tuple[str, ...] = ()
    """What it cannot do while it hears nothing from the bus, in the words of `/readyz?part=`."""
    gauges: Sequence[Callable[["Running"], Awaitable[None]]] = ()
    """Set what `/metrics` shows of its read models, each time it is asked."""
    stands: Callable[["Running", Verified], Awaitable[Standing | None]] | None = None
    """How the account of a token stands: the service that keeps accounts says so, also while the bus is silent."""

    def handlers(self) -> dict[type[Event], tuple[Handler, ...]]:
        return {event: h if isinstance(h, tuple) else (h,) for event, h in self.handles.items()}

    def facts(self) -> dict[str, type[Fact]]:
        """Every fact that its domain modules name, by class name."""
        return {
            name: found
            for module in self.domain
            for name, found in vars(module).items()
            if inspect.isclass(found) and issubclass(found, Fact) and not name.startswith("_")
        }


class Running:
    """One service at work: what its handlers, routes and background works get their hands on."""

    def __init__(self, service: Service, system: "System", backend: Backend) -> None:
        self.service = service
        self.system = system
        facts = service.facts()
        projector = Projector(service.views, {state: name_of(state) for state in service.keeps}, facts)
        self.store = backend.store(service.name, projector)
        times = RelayTimes(last_pass=EMPTY * system.settings.stop_seconds)
        self.relay = Relay(service.name, self.store, system.bus, clock=system.clock, times=times)
        self.documents = Documents(
            service.name,
            service.keeps,
            facts,
            self.store,
            system.clock,
            self.relay.wake,
            system.settings.mailbox_limit,
        )
        self.views = Views(self.store, projector)
        self.sealer = Sealer(self.store, system.access.keys)
        self.consumer: Consumer | None = None
        self.readers: list[Subscription] = []
        self._works: list[asyncio.Task[None]] = []

    def __getitem__(self, state: type[S]) -> Collection[S]:
        return self.documents[state]

    def now(self) -> datetime:
        return self.system.clock()

    def hand(self, kind: Any) -> Any:
        """What a handler's parameter (or a route's) of that annotation is given."""
        if get_origin(kind) is Annotated:
            kind = get_args(kind)[0]
        if get_origin(kind) is Collection:
            return self[get_args(kind)[0]]
        known: dict[Any, Any] = {Views: self.views, Sealer: self.sealer, Running: self}
        return known[kind]

    def bound(self, handler: Handler) -> Callable[[Event], Awaitable[None]]:
        """The handler with everything in its hands but the event and the time."""
        event_name, now_name, given = None, None, {}
        for name, kind in get_type_hints(handler, include_extras=True).items():
            plain = get_args(kind)[0] if get_origin(kind) is Annotated else kind
            if name == "return":
                continue
            if inspect.isclass(plain) and issubclass(plain, Event):
                event_name = name
            elif plain is datetime:
                now_name = name
            else:
                given[name] = self.hand(kind)
        assert event_name, f"{handler.__qualname__} takes no event"

        async def handle(event: Event) -> None:
            now = {now_name: self.now()} if now_name else {}
            await handler(**{event_name: event}, **now, **given)

        return handle

    async def stands(self, verified: Verified) -> Standing | None:
        assert self.service.stands
        return await self.service.stands(self, verified)

    async def start(self) -> None:
        await self._open_store()
        await self.documents.start()
        await self.relay.start()

    async def _open_store(self) -> None:
        """A server that is not up yet is waited for; what waiting does not mend, and a file, ends the start."""
        wait = 0.5
        while True:
            try:
                return await self.store.open()
            except Unavailable as away:
                if isinstance(away, Misconfigured) or self.store.promises.exclusive:
                    raise
                log.warning("waits_for_store", service=self.service.name, text=away.says("en"))
            await asyncio.sleep(wait)
            wait = min(wait * 2, WAIT_MOST)

    async def read(self) -> None:
        """Begin to read the bus and to do what is done in the background."""
        handlers = {
            event.topic(): tuple(self.bound(handler) for handler in found)
            for event, found in self.service.handlers().items()
        }
        if handlers:
            bus, clock = self.system.bus, self.system.clock
            patience = Patience(finish=FINISH * self.system.settings.stop_seconds)
            self.consumer = Consumer(
                self.service.name, handlers, bus, PUBLISHER, clock, well=self.store.health, patience=patience
            )
            self.readers.append(await self.consumer.start())
        for tail in self.service.tails:
            topics = [event.topic() for event in tail.topics or EVENTS]
            since = ALL_THERE_IS if tail.since is None else self.now() - tail.since
            self.readers.append(await self.system.tail(topics, since, partial(self._pass_on, tail)))
        self._works = [asyncio.create_task(self._keep_at(work)) for work in self.service.works]

    async def _pass_on(self, tail: Tail, events: Sequence[Event]) -> None:
        await tail.receive(events, self)

    @property
    def stopping(self) -> bool:
        return self.system.stopping.is_set()

    async def pause(self, seconds: float) -> None:
        """So long, or until it is time to stop."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.system.stopping.wait(), seconds)

    async def _keep_at(self, work: Callable[["Running"], Awaitable[None]]) -> None:
        while not self.stopping:
            try:
                await work(self)
                return
            except Exception:
                log.exception("work_failed", service=self.service.name, work=work.__name__)
                await self.pause(1)

    async def stop(self) -> None:
        """What is in hand is finished: first by those who ask for changes, then the changes, then the telling."""
        if self._works:
            await asyncio.wait(self._works, timeout=FINISH * self.system.settings.stop_seconds)
        for task in self._works:
            task.cancel()
        await asyncio.gather(*self._works, *(reader.stop() for reader in self.readers), return_exceptions=True)
        if self.consumer:
            await self.consumer.stop()
        await self.documents.stop(EMPTY * self.system.settings.stop_seconds)
        await self.relay.stop()
        await self.store.close()


class System:
    """The services of one process on one backend."""

    def __init__(
        self,
        services: Sequence[Service],
        settings: Settings,
        clock: Clock | None = None,
        backend: Backend | None = None,
    ) -> None:
        self.settings = settings
        self.clock: Clock = clock or SteadyClock()
        self.access = Access(settings, self.clock)
        backend = backend or Backend.chosen(settings)
        self.bus: Bus = backend.bus()
        self.leaving = False
        """No more work is to be sent here: `/readyz` says so."""
        self.stopping = asyncio.Event()
        """No more work is taken: whatever goes on by itself ends now, or at its next step."""
        self.bus_trouble: str | None = None
        """Why there is no way to it, in words."""
        self.topics_differ: list[str] = []
        """Where the topics of the bus are not as the contract states them, a line each."""
        self._looking: asyncio.Task[None] | None = None
        self.letters_left = LettersLeft(self.bus, {event.topic() for one in services for event in one.handles})
        self.running = {service.name: Running(service, self, backend) for service in services}
        keeper = next((one for one in self.running.values() if one.service.stands), None)
        self._queue = None if keeper else AskQueue(settings.queue_url)
        self.access.accounts.ask = keeper.stands if keeper else self._queue
        self._owner = {state: running for running in self.running.values() for state in running.service.keeps}

    def __getitem__(self, state: type[S]) -> Collection[S]:
        return self._owner[state][state]

    def own(self, service: str, kind: type[T]) -> T:
        return cast(T, self.running[service].hand(kind))

    def bus_silent(self) -> timedelta:
        """For how long the bus has answered nothing: by the tail of accounts, which every process has."""
        return self.clock() - (self._accounts_heard.heard or self._begun)

    async def start(self) -> None:
        self._begun = self.clock()
        await self.bus.open(topic_specs())
        await self._look_at_the_bus(at_start=True)
        for running in self.running.values():
            await running.start()
        for running in self.running.values():
            await running.read()
        await self._hear_of_accounts()
        self._looking = asyncio.create_task(self._keep_looking_at_the_bus())

    async def _look_at_the_bus(self, *, at_start: bool = False) -> None:
        """A bus that is away keeps nothing from starting; one that answers, but never to us, does: while somebody is
        there who set it up."""
        before = self.bus_trouble, self.topics_differ
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                self.topics_differ = await self.bus.check()
            self.bus_trouble = None
        except Misconfigured as never:
            self.bus_trouble = never.says("en")
            if at_start:
                raise
        except Unavailable as away:
            self.bus_trouble = away.says("en")
        except TimeoutError:
            self.bus_trouble = "the bus does not answer"
        if before != (self.bus_trouble, self.topics_differ):
            for text in filter(None, (self.bus_trouble, *self.topics_differ[:SHOWN])):
                log.warning("bus_not_as_it_should_be", text=text)

    async def _keep_looking_at_the_bus(self) -> None:
        while True:
            try:
                if not self.bus_trouble:
                    with contextlib.suppress(Unavailable):
                        await self.letters_left.look()
                await asyncio.sleep(LOOK_AGAIN if self.bus_trouble or self.topics_differ else LOOK_EVERY)
                await self._look_at_the_bus()
            except Exception:
                log.exception("work_failed", work="look_at_the_bus")

    async def _hear_of_accounts(self) -> None:
        """Every process knows every account: from the compacted topic, read from its start."""
        topics = [event.topic() for event in AccountsKnown.TOPICS]
        self._accounts_heard = await self.tail(topics, ALL_THERE_IS, self.access.accounts.receive)
        self.access.accounts.follow(lambda: self._accounts_heard.heard)

    async def tail(
        self, topics: Sequence[str], since: datetime, receive: Callable[[Sequence[Event]], Awaitable[None]]
    ) -> Subscription:
        """Follow topics as a tail, event by event of the contract."""
        event_of = reading(self.bus.promises)

        async def read(batch: Sequence[Raw]) -> None:
            if events := readable(batch, event_of):
                await receive(events)

        return await self.bus.tail(topics, since, read)

    async def stop(self) -> None:
        self.leaving = True
        self.stopping.set()
        if self._looking:
            self._looking.cancel()
        await self._accounts_heard.stop()
        stopped = await asyncio.gather(*(one.stop() for one in self.running.values()), return_exceptions=True)
        for name, error in zip(self.running, stopped, strict=True):
            if error:
                log.error("stop_failed", service=name, exc_info=error)
        await self.bus.close()
        if self._queue:
            await self._queue.close()


def readable(batch: Sequence[Raw], event_of: Read) -> list[Event]:
    """The events in a batch that is read as a tail; what cannot be read is the consumers' to bury, here only noted."""
    events = []
    for raw in batch:
        try:
            events.append(event_of(raw, PUBLISHER))
        except Refusal as unreadable:
            log.warning("tail_skipped_unreadable", topic=raw.topic, reason=unreadable.slug())
    return events


def topic_specs() -> list[TopicSpec]:
    """Every topic of the contract, and its dead-letter topic."""
    live = [TopicSpec(event.topic(), compacted=event.topic() in COMPACTED) for event in EVENTS]
    dead = [TopicSpec(f"{event.topic()}.dlq", partitions=1, retention=KEPT) for event in EVENTS]
    return live + dead
