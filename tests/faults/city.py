"""What is done to a city under load, one function a fault. Each says what it did; each fails when it did not bite.

`tests/faults/__main__.py` plays them all, `test_city.py` the shortest of them.
"""

import asyncio
import os
import random
import shutil
import signal
import subprocess
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from services.caunoi.services import SERVICES
from services.chassis.clock import system_clock
from tests.faults.books import ServerBooks, at_rest, of_centres
from tests.faults.checker import Injected, Violation, check, poison_isolated, replay_changes_nothing
from tests.faults.diary import Diary
from tests.faults.history import History, Noted, Outage
from tests.faults.load import People, wards_in
from tests.faults.restored import Restored, no_message_again, what_may_be_lost, without_the_lost
from tests.journeys.apart import READERS, City
from tests.servers.mongo import ThreeMembers

_EVERYWHERE = (
    "store:before-write",
    "store:after-write",
    "store:before-answer",
    "store:after-journal",
    "store:after-fold",
    "relay:before-publish",
    "bus:before-acknowledged",
    "relay:after-publish",
    "relay:after-position",
)
_READING = ("consumer:before-effect", "consumer:after-effect", "consumer:before-position", "consumer:after-position")
FAILPOINTS = {
    "queue": _EVERYWHERE,  # it reads changes of its centres alone, of which a morning has none
    "volunteers": _EVERYWHERE + _READING,
    "training": _EVERYWHERE,
    "notify": _EVERYWHERE + _READING,
}
HANDLED = {event.topic(): () for service in SERVICES for event in service.handles}
REST = 600.0


@dataclass
class Stage:
    """A city with people in it, and what was done to it."""

    city: City
    books: ServerBooks
    people: People
    rounds: int
    chance: random.Random
    outages: list[Outage] = field(default_factory=list)
    injected: list[Injected] = field(default_factory=list)
    more: list[Violation] = field(default_factory=list)
    points: Sequence[str] = ()
    """Of the failpoints only these, if any are named."""
    restored: Restored | None = None
    retold: str = ""
    """Before when what was said is told again, as in `History`."""

    @contextmanager
    def away(self, what: Any) -> Iterator[None]:
        begun = monotonic()
        yield
        self.outages.append(Outage(what, begun, monotonic()))


Fault = Callable[[Stage], Awaitable[str]]


@dataclass(frozen=True)
class Found:
    """One row of the table."""

    fault: str
    injected: str
    commands: int
    again: int
    events: int
    seconds: float
    violations: list[Violation]


async def played(
    city: City, books: ServerBooks, fault: Fault, centres: Sequence[str], rounds: int, seed: int,
    pace: float = 0.7, points: Sequence[str] = (),
) -> Found:  # fmt: skip
    """These wards go about their morning, the fault is done to it, everybody goes home, all is judged."""
    begun = monotonic()
    diary = Diary(city.data / f"diary-{centres[0]}.jsonl")
    async with wards_in(city, centres) as wards:
        people = People(city, wards, diary, seed, pace)
        stage = Stage(city, books, people, rounds, random.Random(seed), points=points)
        people.begin()
        await people.meanwhile(asyncio.sleep(2))
        injected = await people.meanwhile(fault(stage))
        healed = system_clock()
        await people.meanwhile(asyncio.sleep(1))
        await people.go_home(REST)
        await at_rest(books, REST)
        if fault in AFTERWARDS:
            injected += await AFTERWARDS[fault](stage)
            healed = system_clock()
    diary.close()
    mine = frozenset(centres)
    records = [one for one in books.records() if one.key in mine]
    facts = [one for one in books.facts() if centre_of(one) in mine]
    history = History(tuple(diary.attempts), records, facts, tuple(stage.outages), stage.retold, healed)
    commands = len(history.commands)
    if stage.restored:
        stage.more += what_may_be_lost(stage.restored)
        stage.more += no_message_again(books.set_aside("notify"), facts)
        history = without_the_lost(history, stage.restored)
    violations = [*check(history), *stage.more, *_dead(stage, books)]
    return Found(
        fault.__name__.replace("_", " "), injected, commands, len(diary.attempts) - commands, len(history.events),
        monotonic() - begun, violations,
    )  # fmt: skip


def times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def centre_of(fact: Noted) -> str:
    return fact.source.split("/", 3)[3][:5]


def _dead(stage: Stage, books: ServerBooks) -> list[Violation]:
    """Of poison, what was injected; of all else nothing."""
    letters = [(one.says("topic"), one.says("group"), one.value) for one in books.dead_letters()]
    injected = _POISONED.setdefault(stage.city.namespace, [])
    injected += stage.injected
    return poison_isolated(injected, letters)


_POISONED: dict[str, list[Injected]] = {}
"""By city, of all faults so far: dead letters stay."""


# ---------------------------------------------------------------------------------------------------- processes


async def killed_at_every_failpoint(stage: Stage) -> str:
    """Each service's process, each time somewhere else, at once restarted to die at the next place."""
    deaths = await asyncio.gather(*(_dies_everywhere(stage, name) for name in FAILPOINTS))
    return f"{sum(deaths)} SIGKILLs, {stage.rounds} at each place of each service"


async def _dies_everywhere(stage: Stage, name: str) -> int:
    (process, *_) = stage.city.services[name]
    points = [point for point in FAILPOINTS[name] if not stage.points or point in stage.points]
    plan = [point for point in points for _ in range(stage.rounds)]
    stage.chance.shuffle(plan)
    await asyncio.to_thread(process.kill)
    for point in plan:
        armed = f"{point}#{stage.chance.randint(1, 3)}"
        await asyncio.to_thread(process.start, CAUNOI_FAILPOINT=armed, wait=False)
        async with asyncio.timeout(240):
            while process.alive:
                await asyncio.sleep(0.05)
        assert process.process is not None
        assert process.process.returncode == -signal.SIGKILL, f"{name} {armed}: {process.log[-2000:]}"
    await asyncio.to_thread(process.start)
    return len(plan)


async def paused_past_its_session(stage: Stage) -> str:
    """A second reader stops as if frozen, loses its partitions to the first, and wakes believing that it has them."""
    for name in ("volunteers", "notify"):
        await asyncio.to_thread(stage.city.join, name)
    await asyncio.sleep(5)
    for _ in range(stage.rounds):
        frozen = [stage.city.services[name][-1] for name in ("volunteers", "notify")]
        for one in frozen:
            assert one.process is not None
            one.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(15)
        for one in frozen:
            assert one.process is not None
            one.process.send_signal(signal.SIGCONT)
        await asyncio.sleep(5)
    for name in ("volunteers", "notify"):
        await asyncio.to_thread(stage.city.leave, stage.city.services[name][-1])
    return f"volunteers and notify, two processes each: one stopped for 15 s, {times(stage.rounds)}"


# ---------------------------------------------------------------------------------------------------- the broker


async def broker_killed(stage: Stage) -> str:
    for _ in range(stage.rounds):
        await asyncio.to_thread(stage.city.kafka.kill)
        with stage.away("bus"):
            await asyncio.sleep(10)
        await asyncio.to_thread(stage.city.kafka.start)
        await asyncio.sleep(4)
    return f"SIGKILL, 10 s away, {times(stage.rounds)}"


async def broker_unreachable(stage: Stage) -> str:
    """It runs, and its port refuses everybody."""
    rule = ["-p", "tcp", "-d", "127.0.0.1", "--dport", str(stage.city.kafka.port), "-j", "REJECT"]
    rule += ["--reject-with", "tcp-reset"]
    for _ in range(stage.rounds):
        await asyncio.to_thread(subprocess.run, ["iptables", "-I", "OUTPUT", *rule], check=True)
        try:
            with stage.away("bus"):
                await asyncio.sleep(10)
        finally:
            await asyncio.to_thread(subprocess.run, ["iptables", "-D", "OUTPUT", *rule], check=True)
        await asyncio.sleep(4)
    return f"port closed for 10 s, {times(stage.rounds)}"


async def broker_disk_lost(stage: Stage) -> str:
    """All that was published is gone; topics are made again and the journal is published once more."""
    await asyncio.to_thread(stage.city.kafka.lose_disk)
    stage.retold = system_clock().isoformat()
    await asyncio.to_thread(stage.city.kafka.start)
    made = await asyncio.to_thread(stage.city.cli, "topics")
    assert made.returncode == 0, made.stdout + made.stderr
    stage.books.forget()
    _POISONED.pop(stage.city.namespace, None)
    await asyncio.sleep(5)
    again = await asyncio.to_thread(stage.city.cli, "journal", "republish", "--since", "1d")
    assert again.returncode == 0, again.stdout + again.stderr
    return "the log directory removed under load, topics made anew, `caunoi journal republish`"


# -------------------------------------------------------------------------------------------------- the database


async def restored_from_a_backup(stage: Stage) -> str:
    """Taken under load; what was said after it is given up, and the city goes on from there, as the README says."""
    city, file = stage.city, stage.city.data / f"{stage.people.wards[0].centre}.tar.gz"
    keys = file.with_suffix(".keys")
    begun, asked = system_clock(), monotonic()
    await _told_by(city, "backup", str(file), "--keys", str(keys))
    await asyncio.sleep(8)
    for one in city.all:
        await asyncio.to_thread(one.stop, seconds=60)
    stopped = monotonic()
    stage.people.restored = True
    await _told_by(city, "restore", str(file), "--keys", str(keys), "--replace")
    centres = frozenset(ward.centre for ward in stage.people.wards)
    lost = of_centres(await asyncio.to_thread(stage.books.give_up), centres)
    stage.restored = Restored(begun, asked, stopped, lost)
    for one in city.all:
        await asyncio.to_thread(one.start, wait=False)
    for one in city.all:
        await asyncio.to_thread(one.wait_until_ready)
    await asyncio.to_thread(city.wait_until_all_read, 180)
    await asyncio.sleep(8)
    tickets = sum(one.topic == "ticket-issued" for one in lost)
    return f"put back what was begun {stopped - asked:.0f} s before: {len(lost)} records, {tickets} tickets given up"


async def _told_by(city: City, *command: str) -> None:
    done = await asyncio.to_thread(city.cli, *command)
    assert done.returncode == 0, done.stdout + done.stderr


async def database_killed(stage: Stage) -> str:
    assert not isinstance(stage.city.mongo, ThreeMembers)
    for _ in range(stage.rounds):
        await asyncio.to_thread(stage.city.mongo.kill)
        with stage.away("store"):
            await asyncio.sleep(6)
        await asyncio.to_thread(stage.city.mongo.start)
        await asyncio.sleep(5)
    return f"SIGKILL, 6 s away, {times(stage.rounds)}"


async def primary_steps_down(stage: Stage) -> str:
    assert isinstance(stage.city.mongo, ThreeMembers)
    for _ in range(stage.rounds):
        await asyncio.to_thread(stage.city.mongo.step_down)
        await asyncio.to_thread(stage.city.mongo.until_primary)
        await asyncio.sleep(4)
    return f"the primary of three steps down, {times(stage.rounds)}"


# ----------------------------------------------------------------------------------------------- what is delivered


async def every_event_delivered_twice(stage: Stage) -> str:
    doubler = _Doubler(stage.city)
    doubler.start()
    await asyncio.sleep(8 * stage.rounds)
    doubler.over.set()
    await asyncio.to_thread(doubler.join, 60)
    assert doubler.count, "nothing was doubled"
    return f"{doubler.count} records put on the bus a second time"


class _Doubler(threading.Thread):
    """Reads what is published from now on and publishes it once more, byte for byte."""

    def __init__(self, city: City) -> None:
        super().__init__(daemon=True)
        self._namespace = city.namespace
        self._servers = {"bootstrap.servers": city.kafka.address, "log_level": 2}
        self.over = threading.Event()
        self.count = 0

    def run(self) -> None:
        reader = Consumer(self._servers | {"group.id": f"{self._namespace}doubler", "auto.offset.reset": "latest"})
        writer = Producer(self._servers)
        live = [
            name
            for name in reader.list_topics(timeout=30).topics
            if name.startswith(self._namespace) and not name.endswith(".dlq")
        ]
        reader.subscribe(live)
        seen: set[bytes] = set()
        while not self.over.is_set():
            for message in reader.consume(100, 0.2):
                headers = dict(message.headers() or ())
                id = headers.get("ce_id", b"")
                if message.error() or id in seen:
                    continue
                seen.add(id)
                where = message.topic(), message.value(), message.key(), message.partition()
                writer.produce(*where, headers=message.headers())  # by itself it would choose another partition
                self.count += 1
        writer.flush(60)
        reader.close()


async def poison(stage: Stage) -> str:
    """Records that are no events, in every topic that somebody handles, among those that are."""
    writer = Producer({"bootstrap.servers": stage.city.kafka.address, "message.max.bytes": 2_000_000})
    kinds = 0
    for topic in HANDLED:
        groups = frozenset(one.name for one in SERVICES if topic in {event.topic() for event in one.handles})
        good = _headers(topic)
        for kind, headers, value in _poison_of(topic, good):
            kinds += 1
            stage.injected.append(Injected(topic, value, groups))
            writer.produce(f"{stage.city.namespace}{topic}", value, b"00000", headers=headers)
            assert kind
    assert writer.flush(60) == 0
    await asyncio.sleep(6)
    return f"{kinds} records: 7 kinds in each of {len(HANDLED)} topics"


def _headers(topic: str) -> dict[str, bytes]:
    publisher = next(one.name for one in SERVICES if topic in {event.topic() for event in one.publishes})
    said = {
        "ce_specversion": "1.0",
        "ce_id": f"poison-{topic}",
        "ce_source": f"/{publisher}/thing/00000",
        "ce_type": topic,
        "ce_time": "2026-11-24T01:00:00+00:00",
        "ce_subject": "00000-x",
        "ce_dataschema": f"urn:caunoi:{topic}:1",
        "ce_sequence": "1",
    }
    return {name: value.encode() for name, value in said.items()}


def _poison_of(topic: str, good: dict[str, bytes]) -> Iterator[tuple[str, Any, bytes | None]]:
    yield "not UTF-8", list((good | {"ce_subject": b"\xff\xfe"}).items()), b'{"kind": 1}'
    yield "broken JSON", list(good.items()), b'{"kind": 2'
    yield "unknown type", list((good | {"ce_type": b"no-such-event"}).items()), b'{"kind": 3}'
    yield "unknown version", list((good | {"ce_dataschema": f"urn:caunoi:{topic}:9".encode()}).items()), b'{"kind": 4}'
    yield "wrong source", list((good | {"ce_source": b"/nobody/thing/00000"}).items()), b'{"kind": 5}'
    yield "tombstone", list(good.items()), None
    yield "1 MiB", list(good.items()), b"6" * (1_048_576 - 600)


async def nothing_at_all(stage: Stage) -> str:
    await asyncio.sleep(8)
    return "a morning on which nothing happens"


async def topics_replayed(stage: Stage) -> str:
    await asyncio.sleep(4)
    return ""


async def _replay(stage: Stage) -> str:
    """All services end, every group is set back to the first record there is, and all begin again."""
    before, city = stage.books.facts(), stage.city
    for one in city.all:
        await asyncio.to_thread(one.stop, seconds=60)
    rewound = await asyncio.to_thread(_set_back, city)
    for one in city.all:
        await asyncio.to_thread(one.start, wait=False)
    for one in city.all:
        await asyncio.to_thread(one.wait_until_ready)
    await asyncio.to_thread(city.wait_until_all_read, 180)
    await at_rest(stage.books, REST)
    stage.more += replay_changes_nothing(before, stage.books.facts())
    return f"{rewound} records read once more from the start"


def _set_back(city: City) -> int:
    admin = AdminClient({"bootstrap.servers": city.kafka.address, "log_level": 2})
    count = 0
    for name in READERS:
        group = f"{city.namespace}caunoi-{name}"
        kept = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result()
        partitions = kept.topic_partitions or []
        count += sum(max(0, one.offset) for one in partitions)
        start = [TopicPartition(one.topic, one.partition, 0) for one in partitions]
        if start:
            admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, start)])[group].result()
    return count


AFTERWARDS: dict[Fault, Fault] = {topics_replayed: _replay}

ON_ONE_DATABASE: tuple[Fault, ...] = (
    nothing_at_all,
    killed_at_every_failpoint,
    broker_killed,
    broker_unreachable,
    database_killed,
    paused_past_its_session,
    every_event_delivered_twice,
    topics_replayed,
    poison,
    broker_disk_lost,
    restored_from_a_backup,
)
ON_THREE: tuple[Fault, ...] = (primary_steps_down,)


def why_not(fault: Fault) -> str | None:
    """Why it cannot be done here."""
    if fault is broker_unreachable and not (shutil.which("iptables") and _is_root()):
        return "needs iptables, and root to use it"
    return None


def _is_root() -> bool:
    return os.geteuid() == 0
