"""What `make bench` measures on MongoDB and Kafka: real servers, started for it. Ratios side by side in one run."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from pydantic import TypeAdapter
from pymongo import MongoClient
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from services.chassis import logs
from services.chassis.backends.kafka import KafkaBus
from services.chassis.backends.mongo import MongoStore
from services.chassis.backends.mongo_way import MongoWay
from services.chassis.clock import local_day, local_midnight_after, system_clock
from services.chassis.consumer import Consumer, Handle
from services.chassis.envelope import event_of, record_of
from services.chassis.ids import token
from services.chassis.keys import Keys
from services.chassis.once import Once
from services.chassis.ports import Commit, Entry, Partition, Positions, Raw, Record, Subscription, Worker, Write
from services.chassis.relay import Relay
from services.chassis.service import System, topic_specs
from services.chassis.settings import Settings
from services.contracts.events import QueueCalled
from services.contracts.words import Because, TicketEnd
from services.notify.app import service as notify
from services.queue import domain
from services.queue.app import service as queue
from services.queue.hall import DayPlan, Hall, PlannedService
from tests.bench.measures import FIFTY, HOT, WAITING, Load, Row, Server, bursts, describe, loading, token_for
from tests.conformance.bus_records import CALLED, PUBLISHERS
from tests.conformance.tally import projector
from tests.journeys.alone import OneService
from tests.servers.kafka import Kafka, impossible
from tests.servers.mongo import Mongod, binary
from tests.servers.process import free_port
from tests.wire import Wire, request

CALLERS = 64
EVENTS = 20_000
OWED = 4_000
"""As many as wait in memory: what a relay has when it keeps up."""
CALLS = 200
WARDS = 3_321
"""Wards and communes of the country."""


@dataclass(frozen=True)
class Servers:
    """One MongoDB and one Kafka, and a directory for what is started on them."""

    mongo: str
    kafka: str
    where: Path

    def settings(self) -> dict[str, str]:
        """A system of its own on them, with keys of its own."""
        folder = self.where / token(8)
        Keys.at(folder / "secrets")
        return {
            "CAUNOI_DATA": str(folder),
            "CAUNOI_BACKEND": "distributed",
            "CAUNOI_SECRETS": str(folder / "secrets"),
            "CAUNOI_MONGO_URL": self.mongo,
            "CAUNOI_KAFKA_SERVERS": self.kafka,
            "CAUNOI_NAMESPACE": f"{token(8)}-",
            "CAUNOI_LOG_LEVEL": "error",
        }


def read(settings: dict[str, str]) -> Settings:
    return Settings(**{name.removeprefix("CAUNOI_").lower(): value for name, value in settings.items()})  # type: ignore[arg-type]


@contextmanager
def real_servers(where: Path) -> Iterator[Servers]:
    program = binary()
    assert program and impossible() is None, "no mongod, or no java"
    mongo, kafka = Mongod(program, where / "mongo", free_port()), Kafka(where / "kafka")
    try:
        mongo.start()
        kafka.start()
        yield Servers(mongo.url, kafka.address, where)
    finally:
        kafka.stop()
        mongo.stop()


def distributed(where: Path, rounds: int) -> Iterator[tuple[str, Callable[[], list[Row]]]]:
    """What there is to measure, each under its letter, in the order in which it is done."""
    with real_servers(where) as servers:
        logs.start("error")
        gc.freeze()  # as a service does
        gc.set_threshold(100_000, 50, 50)
        for letter, measure in (
            ("g", commands_against_one_write_each),
            ("h", consuming_against_aiokafka),
            ("i", relaying_against_aiokafka),
        ):
            yield letter, lambda measure=measure: asyncio.run(measure(servers, rounds))  # type: ignore[misc]
        yield "j", lambda: call_to_intent(servers)
        yield "k", lambda: many_centres(servers, rounds)


def compared(what: str, pairs: Sequence[tuple[float, float]], goal: float | None, unit: str) -> Row:
    """Pairs of (ours, beside it), each a rate."""
    ratio = median(ours / beside for ours, beside in pairs)
    ours, beside = (median(side) for side in zip(*pairs, strict=True))
    measure = f"{ratio:.2f} x"
    if goal is None:
        return Row(what, f"{ours:,.0f} {unit}", f"{beside:,.0f} {unit}", measure)
    return Row(what, f"{ours:,.0f} {unit}", f"{beside:,.0f} {unit}", measure, f">= {goal:g}", ratio >= goal)


async def in_turns(
    rounds: int, ours: Callable[[], Awaitable[float]], *others: Callable[[], Awaitable[float]]
) -> list[list[float]]:
    """One of each first, unmeasured; then in turns, another one first each time."""
    sides = [ours, *others]
    for side in sides:
        await side()
    found: list[list[float]] = []
    for place in range(rounds):
        order = [(place + step) % len(sides) for step in range(len(sides))]
        rates = {at: await sides[at]() for at in order}
        found.append([rates[at] for at in range(len(sides))])
    return found


# -------------------------------------------------------------------------------------------------- (g) commands


def plan() -> DayPlan:
    day = local_day(system_clock())
    service = PlannedService(series="A", counters=tuple(range(1, 50)))
    return DayPlan(
        revision=1,
        day=day,
        services={"ho-tich": service},
        hours=(),
        always_open=True,
        ends=local_midnight_after(day),
        in_a_row=2,
        ageing_minutes=45,
    )


class Queue:
    """The service `queue` in this process, without HTTP."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.store = system.running["queue"].store

    async def command(self, hall: str, rule: Any) -> None:
        once = Once("a-bench", token(), b"")
        await self.system[Hall].change(hall, rule, now=system_clock(), by="a-bench", once=once)

    async def issue(self, hall: str) -> str:
        ticket = f"{hall}-{token()}"
        await self.command(hall, partial(domain.issue_ticket, ticket_id=ticket, service="ho-tich"))
        return ticket

    async def come_and_go(self, hall: str) -> None:
        """Two commands: the hall is afterwards as full as before."""
        ticket = await self.issue(hall)
        await self.command(hall, partial(domain.cancel, ticket_id=ticket, by=TicketEnd.BY_STAFF))

    async def open(self, halls: Sequence[str]) -> None:
        for hall in halls:
            await self.command(hall, partial(domain.plan_day, plan=plan()))
            await asyncio.gather(*(self.issue(hall) for _ in range(WAITING)))

    async def at_rest(self) -> None:
        """Everything is published."""
        while (await self.store.owed_summary())[0]:
            await asyncio.sleep(0.02)


@asynccontextmanager
async def inside(settings: Settings, *services: Any) -> AsyncIterator[System]:
    system = System(list(services), settings)
    assert isinstance(system.bus, KafkaBus)
    await system.bus.provision(topic_specs())
    await system.start()
    try:
        yield system
    finally:
        await system.stop()


class OneWriteACommand:
    """What one would write first: the centre's counter incremented, then the ticket inserted with its event."""

    def __init__(self, store: MongoStore) -> None:
        concerns = {"read_concern": ReadConcern("majority"), "write_concern": WriteConcern(w="majority", j=True)}
        db = store._client.get_database(f"{token(8)}-beside", **concerns)
        self.counters, self.tickets = db["counters"], db["tickets"]

    async def issue(self, hall: str) -> None:
        counted = await self.counters.find_one_and_update(
            {"_id": hall}, {"$inc": {"last": 1}}, upsert=True, return_document=True
        )
        number, ticket = counted["last"], f"{hall}-{token()}"
        event = {"_id": token(), "type": "ticket-issued", "time": system_clock(), "ticket": ticket, "number": number}
        await self.tickets.insert_one(
            {"_id": ticket, "hall": hall, "number": number, "state": "waiting", "owed": [event]}
        )


async def calling(each: Callable[[str], Awaitable[object]], halls: Sequence[str], times: int) -> None:
    """So many callers, each of which does `each` so often and waits for it."""

    async def caller(number: int) -> None:
        for _ in range(times):
            await each(halls[number % len(halls)])

    await asyncio.gather(*(caller(number) for number in range(CALLERS)))


async def commands_against_one_write_each(servers: Servers, rounds: int) -> list[Row]:
    rows = []
    async with inside(read(servers.settings()), queue) as system:
        ours = Queue(system)
        assert isinstance(ours.store, MongoStore)
        beside = OneWriteACommand(ours.store)
        for centres, times, goal in (([HOT], 20, 15.0), (FIFTY, 10, 3.5)):
            halls = [domain.hall_of(centre, system_clock()) for centre in centres]
            await ours.open(halls)
            with_all: list[float] = []

            async def commands(halls: list[str] = halls, times: int = times, with_all: list[float] = with_all) -> float:
                begun = time.perf_counter()
                await calling(ours.come_and_go, halls, times)
                answered = time.perf_counter() - begun
                await ours.at_rest()
                with_all.append(2 * CALLERS * times / (time.perf_counter() - begun))
                return 2 * CALLERS * times / answered

            async def one_write_each(halls: list[str] = halls, times: int = times) -> float:
                begun = time.perf_counter()
                await calling(beside.issue, halls, times // 4)
                return CALLERS * (times // 4) / (time.perf_counter() - begun)

            found = await in_turns(rounds, commands, one_write_each)
            what = f"(g) commands on MongoDB, {len(centres)} centre{'s' * (len(centres) > 1)}, {CALLERS} callers"
            rows.append(compared(what, [(one, other) for one, other in found], goal, "commands/s"))
            until_published = [(every, other) for every, (_, other) in zip(with_all[1:], found, strict=True)]
            rows.append(compared("(g) the same until all is on Kafka", until_published, None, "commands/s"))
    return rows


# --------------------------------------------------------------------------------------------------- (h) consuming


def called(number: int, *, contact: bool = False) -> Entry:
    centre = f"32{number % 100:03d}"
    event = QueueCalled(
        centre=centre,
        ticket_id=f"{centre}-20261124-{number:012d}",
        code="A012",
        counter=3,
        call_count=1,
        selected_because=Because.LONGEST_WAIT,
        **({"contact_ref": f"c-{number:026d}"} if contact else {}),
    )
    return Entry(
        f"{number:016d}-0",
        f"/queue/hall/{centre}-20261124",
        number // 100 + 1,
        "QueueCalled",
        system_clock(),
        event.model_dump_json().encode(),
        CALLED,
        centre,
        event.about,
        event.dataschema(),
    )


async def filled(settings: Settings, count: int, *, contact: bool = False) -> "Watched":
    """A bus with so many events in the topic."""
    bus = Watched(settings.kafka_servers, namespace=settings.namespace)
    await bus.provision(topic_specs())
    await bus.open(topic_specs())
    records = [record_of(called(number, contact=contact)) for number in range(count)]
    for start in range(0, count, 1_000):
        assert await bus.publish(records[start : start + 1_000]) == len(records[start : start + 1_000])
    return bus


async def by_hand(settings: Settings, validate: Callable[[Sequence[Any]], object]) -> float:
    """getmany, validate, commit: events a second from the first on."""
    topic = f"{settings.namespace}{CALLED}"
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=settings.kafka_servers,
        group_id=token(8),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    seen, begun = 0, 0.0
    while seen < EVENTS:
        found = await consumer.getmany(timeout_ms=1_000, max_records=500)
        begun = begun or time.perf_counter()
        for records in found.values():
            validate(records)
            seen += len(records)
        if found:
            await consumer.commit({partition: records[-1].offset + 1 for partition, records in found.items()})
    taken = time.perf_counter() - begun
    await consumer.stop()
    return EVENTS / taken


class Watched(KafkaBus):
    """It tells how many records its reader has left behind it."""

    done = 0

    async def subscribe(self, group: str, topics: Sequence[str], worker: Worker) -> Subscription:
        return await super().subscribe(group, topics, _Watched(self, worker))


class _Watched:
    def __init__(self, bus: Watched, worker: Worker) -> None:
        self._bus, self._worker, self._kept = bus, worker, dict[Partition, int]()
        self.forget, self.finish = worker.forget, worker.finish

    async def take(self, batch: Sequence[Raw], commit: Commit) -> None:
        self._commit = commit
        await self._worker.take(batch, self._note)

    async def _note(self, positions: Positions) -> None:
        await self._commit(positions)
        self._kept |= positions
        self._bus.done = sum(self._kept.values())


async def by_the_runtime(bus: Watched, count: int, handle: Handle, well: Callable[[], Awaitable[Any]]) -> float:
    """Events a second, from the first one handled until the last position is kept."""
    begun, bus.done = 0.0, 0

    async def noting(event: Any) -> None:
        nonlocal begun
        begun = begun or time.perf_counter()
        await handle(event)

    consumer = Consumer(token(8), {CALLED: [noting]}, bus, PUBLISHERS, system_clock, well=well)
    await consumer.start()
    while bus.done < count:
        await asyncio.sleep(0.002)
    taken = time.perf_counter() - begun
    await consumer.stop()
    return count / taken


async def consuming_against_aiokafka(servers: Servers, rounds: int) -> list[Row]:
    settings = read(servers.settings())
    bus = await filled(settings, EVENTS)
    body = TypeAdapter(QueueCalled).validate_json

    async def nothing(_: Any = None) -> None:
        return None

    found = await in_turns(
        rounds,
        lambda: by_the_runtime(bus, EVENTS, nothing, nothing),
        lambda: by_hand(settings, lambda records: [body(record.value) for record in records]),
        lambda: by_hand(settings, lambda records: [event_of(raw, PUBLISHERS) for raw in bus._names.raws(records)]),
    )
    await bus.close()
    rows = [
        compared(
            "(h) consume, no effect, beside aiokafka with the body validated",
            [(a, b) for a, b, _ in found],
            0.8,
            "events/s",
        ),
        compared(
            "(h) the same beside aiokafka with the envelope read too", [(a, c) for a, _, c in found], None, "events/s"
        ),
    ]
    return [*rows, *await consuming_for_real(servers, rounds, median(b for _, b, _ in found))]


async def consuming_for_real(servers: Servers, rounds: int, beside: float) -> list[Row]:
    """What the notifier does with a call: the intent of a message is stored, once."""
    rates, count = [], EVENTS // 10
    for _ in range(min(rounds, 3)):
        settings = read(servers.settings())
        bus = await filled(settings, count, contact=True)
        async with inside(settings.model_copy(update={"namespace": f"{token(8)}-"}), notify) as system:
            running = system.running["notify"]
            handle = running.bound(running.service.handlers()[QueueCalled][0])
            rates.append(await by_the_runtime(bus, count, handle, running.store.health))
        await bus.close()
    return [
        compared(
            "(h) consume, an intent of an SMS stored on MongoDB for each",
            [(one, beside) for one in rates],
            None,
            "events/s",
        )
    ]


# ---------------------------------------------------------------------------------------------------- (i) relaying


async def relaying_against_aiokafka(servers: Servers, rounds: int) -> list[Row]:
    settings = read(servers.settings())
    bus = await filled(settings, 0)
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_servers, acks="all", enable_idempotence=True)
    await producer.start()

    async def relay() -> float:
        store = MongoStore(MongoWay(settings.mongo_url, settings.mongo_client), f"t{token(16)}", projector())
        await store.open()
        entries = [called(number) for number in range(OWED)]
        of_centre: dict[str, list[Entry]] = {}
        for entry in entries:
            of_centre.setdefault(entry.source, []).append(entry)
        await store.commit(
            [Write("hall", source[12:], 0, token(), b"", None, tuple(some)) for source, some in of_centre.items()]
        )
        await store.view("totals", "none")  # the journal has them: that is not what is measured
        relaying = Relay("queue", store, bus)
        begun = time.perf_counter()
        while await relaying._publish_some():
            pass
        taken = time.perf_counter() - begun
        await store.close()
        return OWED / taken

    async def by_hand() -> float:
        topic = f"{settings.namespace}{CALLED}"
        records = [record_of(called(number)) for number in range(OWED)]
        begun = time.perf_counter()
        for start in range(0, OWED, 1_000):
            some = records[start : start + 1_000]
            sent = [await producer.send(topic, one.value, one.key, headers=list(one.headers)) for one in some]
            await asyncio.gather(*sent)
        return OWED / (time.perf_counter() - begun)

    found = await in_turns(rounds, relay, by_hand)
    await producer.stop()
    await bus.close()
    return [
        compared(
            "(i) relay from MongoDB, keyed, acks=all, beside aiokafka's send",
            [(a, b) for a, b in found],
            0.8,
            "events/s",
        )
    ]


# --------------------------------------------------------------------------------------------- (j) call to intent


@contextmanager
def services(servers: Servers, *names: str) -> Iterator[tuple[str, list[Server]]]:
    """Each in a process of its own, on one system's keys and topics: its namespace, and they."""
    settings = servers.settings()
    data = Path(settings["CAUNOI_DATA"])

    async def make_topics() -> None:
        bus = KafkaBus(settings["CAUNOI_KAFKA_SERVERS"], namespace=settings["CAUNOI_NAMESPACE"])
        await bus.provision(topic_specs())

    asyncio.run(make_topics())
    with ExitStack() as stack:
        served = []
        for name in names:
            one = OneService(data / name, settings=settings | {"CAUNOI_DATA": str(data / name)}, service=name)
            stack.callback(one.end)
            one.start()
            assert one.process
            served.append(Server(one.address, token_for(data, [HOT, *FIFTY]), one.process.pid, data))
        yield settings["CAUNOI_NAMESPACE"], served


def call_to_intent(servers: Servers) -> list[Row]:
    """From `call-next` pressed to the intent of an SMS durable in the notifier's database, as others see it."""
    with services(servers, "queue", "notify") as (namespace, (calls, tells)):
        ours, beside = asyncio.run(_calls(servers, f"{namespace}caunoi-notify", calls, tells))
    p99, other = (sorted(times)[int(0.99 * len(times))] * 1000 for times in (ours, beside))
    p50 = median(ours) * 1000
    return [
        Row(
            "(j) call-next pressed to SMS intent stored, p99, beside a bare round trip",
            f"{p99:.1f} ms (p50 {p50:.1f} ms)",
            f"{other:.1f} ms (p50 {median(beside) * 1000:.1f} ms)",
            f"{p99 / other:.2f} x",
            "<= 3",
            p99 <= 3 * other,
        )
    ]


async def _calls(servers: Servers, notifier: str, calls: Server, tells: Server) -> tuple[list[float], list[float]]:
    describe(calls, [HOT])
    queue_wire, notify_wire = await Wire.to(calls.at), await Wire.to(tells.at)

    async def post(wire: Wire, path: str, body: Any = None) -> Any:
        answer = await wire.ask(request("POST", path, body, token=calls.token))
        assert answer.status < 300, f"{path}: {answer.status} {answer.body!r}"
        return answer.json

    await post(queue_wire, f"/queue/centres/{HOT}/counters/1/open")
    ours, beside = [], []
    with MongoClient[dict[str, Any]](servers.mongo) as client:
        messages = client[notifier]["documents"].with_options(read_concern=ReadConcern("majority"))
        async with bare_round_trip(servers.kafka) as round_trip:
            for number in range(CALLS + 10):
                wanted = {"phone": f"0912{number:06d}", "purposes": ["queue_sms"], "centre": HOT}
                contact = await post(notify_wire, "/notify/contacts", wanted)
                wanted = {"service": "ho-tich", "contact_ref": contact["contact_ref"]}
                ticket = (await post(queue_wire, f"/queue/centres/{HOT}/tickets", wanted))["ticket_id"]
                await asyncio.sleep(0.03)
                begun = time.perf_counter()
                await post(queue_wire, f"/queue/centres/{HOT}/counters/1/call-next")
                while messages.find_one({"_id": f"message/{ticket}-called"}, {"_id": 1}) is None:
                    assert time.perf_counter() - begun < 10, "no SMS was planned"
                if number >= 10:
                    ours.append(time.perf_counter() - begun)
                await post(queue_wire, f"/queue/tickets/{ticket}/no-show")
                await asyncio.sleep(0.03)
                taken = await round_trip()
                if number >= 10:
                    beside.append(taken)
    return ours, beside


@asynccontextmanager
async def bare_round_trip(kafka: str) -> AsyncIterator[Callable[[], Awaitable[float]]]:
    """What aiokafka needs from `send` to the record in `getmany` of the same process. Not in `getone`: it holds on to
    what it read until it is called again, is fetched for without that partition, and the next record waits until that
    fetch comes back empty, up to 500 ms.
    """
    bus, name = KafkaBus(kafka, namespace=f"{token(8)}-"), CALLED
    await bus.provision([one for one in topic_specs() if one.name == name])
    topic = bus._names.wire(name)
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=kafka, group_id=token(8), auto_offset_reset="earliest")
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", enable_idempotence=True)
    await consumer.start()
    await producer.start()
    record: Record = record_of(called(1))

    async def round_trip() -> float:
        begun = time.perf_counter()
        reading = asyncio.create_task(consumer.getmany(timeout_ms=10_000))
        await producer.send_and_wait(topic, record.value, record.key, headers=list(record.headers))
        assert await reading
        return time.perf_counter() - begun

    try:
        yield round_trip
    finally:
        await producer.stop()
        await consumer.stop()


# --------------------------------------------------------------------------------------------- (k) many centres


def many_centres(servers: Servers, rounds: int) -> list[Row]:
    """Tickets over HTTP: in one centre that is alone, in one of many, and spread over many."""
    country = [HOT, *(f"{number:05d}" for number in range(40_000, 40_000 + WARDS - 1))]
    rows = []
    with services(servers, "queue") as (_, (alone,)), services(servers, "queue") as (_, (many,)), loading() as load:
        everywhere = replace(many, tokens={centre: token_for(many.data, [centre]) for centre in country})
        describe(alone, [HOT])
        describe(everywhere, country)
        load(everywhere, "issue", country, count=WARDS, drain=True)
        warm = memory(many.pid)
        spread = {"one of 3,321": [HOT], "spread over 100": country[:100], "spread over 3,321": country}
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in spread}
        for place in range(rounds + 1):
            beside = issued(load, alone, [HOT])
            for name, centres in spread.items():
                rate = issued(load, everywhere, centres)
                if place:
                    found[name].append((rate, beside))
        after = memory(many.pid)
    for name, pairs in found.items():
        rows.append(
            compared(f"(k) tickets over HTTP, {name} centres, beside one centre alone", pairs, 0.9, "requests/s")
        )
    measure = f"{after / warm:.2f} x"
    rows.append(
        Row(
            "(k) memory after the load, beside after the warm-up",
            f"{after:.0f} MB",
            f"{warm:.0f} MB",
            measure,
            "<= 1.1",
            after <= 1.1 * warm,
        )
    )
    return rows


def issued(load: Load, server: Server, centres: Sequence[str]) -> float:
    return bursts(load, server, centres, 800, times=2, drain=True).rate


def memory(pid: int) -> float:
    """In MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS:")).split()[1]) / 1000
