"""What every bus must do, embedded or not; what one does not promise is skipped by name."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.chassis.clock import system_clock
from services.chassis.consumer import Consumer
from services.chassis.deadletters import DeadLetters
from services.chassis.errors import Invalid, Unavailable
from services.chassis.ports import Bus, Commit, Partition, Raw, Record, TopicSpec
from services.contracts.words import Event
from tests.conformance.bus_backends import BACKENDS, Backend, Place
from tests.conformance.bus_child import FACTS
from tests.conformance.bus_records import CALLED, CANCELLED, PUBLISHERS, called, cancelled, poison, topics
from tests.support import run
from tests.virtual import NOON


@pytest.fixture(params=BACKENDS, ids=lambda backend: backend.name)
def backend(request: pytest.FixtureRequest) -> Backend:
    found: Backend = request.param
    return found


@pytest.fixture
def place(backend: Backend, tmp_path: Path) -> Place:
    return backend.place(str(tmp_path))


class Reader:
    """A worker that notes what it is given and, unless told otherwise, commits it at once."""

    def __init__(self, commits: bool = True) -> None:
        self.batches: list[list[Raw]] = []
        self.commits = commits
        self.hold = asyncio.Event()
        self.hold.set()
        self.finished = False

    @property
    def names(self) -> list[str]:
        return names(raw for batch in self.batches for raw in batch)

    async def take(self, batch: Sequence[Raw], commit: Commit) -> None:
        if self.commits:
            await commit({(raw.topic, raw.partition): raw.offset + 1 for raw in batch})
        self.batches.append(list(batch))  # seen by the test only when it is committed
        await self.hold.wait()

    async def forget(self, partitions: Iterable[Partition]) -> None:
        return None

    async def finish(self) -> None:
        self.finished = True
        self.hold.set()


def names(records: Iterable[Raw]) -> list[str]:
    """The short names of the tickets, in order."""
    return [dict(raw.headers)["ce_subject"].decode()[-12:].lstrip("0") for raw in records]


async def until(true: Callable[[], bool], seconds: float = 50) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.005)


def on(place: Place, story: Callable[[Bus], Awaitable[None]], specs: Sequence[TopicSpec] | None = None) -> None:
    """Play a story on a bus that is opened for it."""

    async def play() -> None:
        bus = await place.open(specs or topics())
        try:
            await story(bus)
        finally:
            await bus.close()

    run(play())


# ------------------------------------------------------------------------------------------------ a log, not a callback


def test_records_come_in_the_order_in_which_they_were_published(place: Place) -> None:
    async def story(bus: Bus) -> None:
        reader = Reader()
        subscription = await bus.subscribe("ward", [CALLED], reader)
        for part in range(10):
            assert await bus.publish([called(f"t{part}n{number}") for number in range(100)]) == 100
        await until(lambda: len(reader.names) >= 1_000)
        assert reader.names == [f"t{part}n{number}" for part in range(10) for number in range(100)]
        await subscription.stop()

    on(place, story)


def test_many_publishers_at_once_each_keep_their_order(place: Place) -> None:
    async def story(bus: Bus) -> None:
        async def publish(who: int) -> None:
            for number in range(20):
                await bus.publish([called(f"w{who}x{number}")])

        await asyncio.gather(*(publish(who) for who in range(8)))
        found = names(await bus.read(CALLED))
        assert len(found) == 160
        for who in range(8):
            assert [name for name in found if name.startswith(f"w{who}x")] == [f"w{who}x{n}" for n in range(20)]

    on(place, story)


def test_a_record_comes_out_byte_for_byte(place: Place) -> None:
    async def story(bus: Bus) -> None:
        strange = [("twice", b"\xff\x00"), ("twice", b""), ("Đường", "Thủy".encode())]
        records = [Record(CALLED, b"31186", strange, b"\x00\xff"), Record(CALLED, b"k", [], None)]
        await bus.publish(records)
        found = await bus.read(CALLED)
        assert [(raw.key, list(raw.headers), raw.value) for raw in found] == [
            (record.key, list(record.headers), record.value) for record in records
        ]

    on(place, story)


def test_offsets_grow_and_times_do_not_go_back(place: Place, backend: Backend) -> None:
    async def story(bus: Bus) -> None:
        before = system_clock() - timedelta(seconds=5)
        await bus.publish([called("a"), called("b")])
        if backend.ages:
            await place.later(timedelta(hours=-1))
        await bus.publish([called("c")])
        found = await bus.read(CALLED)
        assert [raw.offset for raw in found] == sorted({raw.offset for raw in found})
        assert before <= found[0].time <= found[-1].time

    on(place, story)


def test_a_topic_that_does_not_exist_is_not_made_by_mistake(place: Place) -> None:
    async def story(bus: Bus) -> None:
        with pytest.raises(Unavailable):
            await bus.publish([called("a"), Record("queue-shouted", b"k", [], b"{}")])
        assert await bus.read(CALLED) == []

    on(place, story)


def test_reading_goes_on_where_it_is_told(place: Place) -> None:
    async def story(bus: Bus) -> None:
        await bus.publish([called(f"t{number}") for number in range(25)])
        found: list[Raw] = []
        start: dict[Partition, int] = {}
        while page := await bus.read(CALLED, start, limit=10):
            assert len(page) <= 10
            found.extend(page)
            start |= {(CALLED, raw.partition): raw.offset + 1 for raw in page}
        assert names(found) == [f"t{number}" for number in range(25)]

    on(place, story)


def test_several_topics_are_read_at_once_no_more_than_asked_for(place: Place) -> None:
    async def story(bus: Bus) -> None:
        await bus.publish([called("a"), cancelled("b"), called("c")])
        assert names(await bus.read([CANCELLED, CALLED])) == ["b", "a", "c"]
        assert names(await bus.read([CANCELLED, CALLED], limit=2)) == ["b", "a"]
        assert await bus.read([]) == []

    on(place, story)


# ------------------------------------------------------------------------------------------------------------- groups


def test_a_group_that_comes_later_reads_from_the_start_of_the_log(place: Place, backend: Backend) -> None:
    async def story(bus: Bus) -> None:
        await bus.publish([called("a"), called("b")])
        if backend.ages:
            await place.later(timedelta(days=7))
        reader = Reader()
        subscription = await bus.subscribe("newcomer", [CALLED], reader)
        await until(lambda: reader.names == ["a", "b"])
        await subscription.stop()

    on(place, story)


def test_the_position_of_a_group_survives_reopening(place: Place) -> None:
    async def before(bus: Bus) -> None:
        reader = Reader()
        subscription = await bus.subscribe("ward", [CALLED], reader)
        await bus.publish([called("a"), called("b")])
        await until(lambda: len(reader.names) == 2)
        await subscription.stop()

    async def after(bus: Bus) -> None:
        reader = Reader()
        subscription = await bus.subscribe("ward", [CALLED], reader)
        await bus.publish([called("c")])
        await until(lambda: len(reader.names) >= 1)
        assert reader.names == ["c"]
        await subscription.stop()

    on(place, before)
    on(place, after)


def test_what_was_not_committed_comes_again(place: Place) -> None:
    async def story(bus: Bus) -> None:
        await bus.publish([called("a"), called("b"), called("c")])
        for _ in range(2):
            reader = Reader(commits=False)
            subscription = await bus.subscribe("ward", [CALLED], reader)
            await until(lambda reader=reader: reader.names == ["a", "b", "c"])  # type: ignore[misc]
            await subscription.stop()

    on(place, story)


def test_a_position_in_the_middle_is_where_it_goes_on(place: Place) -> None:
    async def story(bus: Bus) -> None:
        class Half(Reader):
            async def take(self, batch: Sequence[Raw], commit: Commit) -> None:
                await commit({(raw.topic, raw.partition): raw.offset for raw in batch if names([raw]) == ["b"]})
                await super().take(batch, commit)

        await bus.publish([called("a"), called("b"), called("c")])
        reader = Half(commits=False)
        subscription = await bus.subscribe("ward", [CALLED], reader)
        await until(lambda: len(reader.names) == 3)
        await subscription.stop()
        assert sum((await bus.lag("ward")).values()) == 2
        again = Reader()
        subscription = await bus.subscribe("ward", [CALLED], again)
        await until(lambda: again.names == ["b", "c"])
        await subscription.stop()

    on(place, story)


def test_two_groups_do_not_know_of_each_other(place: Place) -> None:
    async def story(bus: Bus) -> None:
        first, second = Reader(), Reader(commits=False)
        subscriptions = [await bus.subscribe("first", [CALLED], first), await bus.subscribe("second", [CALLED], second)]
        await bus.publish([called("a"), called("b")])
        await until(lambda: first.names == second.names == ["a", "b"])
        assert sum((await bus.lag("second")).values()) == 2
        for subscription in subscriptions:
            await subscription.stop()
        assert sum((await bus.lag("first")).values()) == 0

    on(place, story)


def test_a_group_reads_several_topics_each_in_order(place: Place) -> None:
    async def story(bus: Bus) -> None:
        reader = Reader()
        await bus.publish([called("a"), cancelled("a"), called("b"), cancelled("b")])
        subscription = await bus.subscribe("ward", [CALLED, CANCELLED], reader)
        await until(lambda: len(reader.names) == 4)
        for topic in (CALLED, CANCELLED):
            assert names(raw for batch in reader.batches for raw in batch if raw.topic == topic) == ["a", "b"]
        await subscription.stop()

    on(place, story)


def test_no_batch_is_larger_than_five_hundred_and_none_comes_before_the_last_was_taken(place: Place) -> None:
    async def story(bus: Bus) -> None:
        for _ in range(3):
            await bus.publish([called("a") for _ in range(600)])
        reader = Reader()
        reader.hold.clear()
        subscription = await bus.subscribe("ward", [CALLED], reader)
        await until(lambda: len(reader.batches) == 1)
        await asyncio.sleep(0.1)
        assert len(reader.batches) == 1
        reader.hold.set()
        await until(lambda: len(reader.names) == 1_800)
        assert max(len(batch) for batch in reader.batches) <= 500
        await subscription.stop()

    on(place, story)


def test_stopping_lets_the_worker_finish_and_twice_does_no_harm(place: Place) -> None:
    async def story(bus: Bus) -> None:
        reader = Reader()
        reader.hold.clear()
        subscription = await bus.subscribe("ward", [CALLED], reader)
        await bus.publish([called("a")])
        await until(lambda: len(reader.batches) == 1)
        assert subscription.alive
        await asyncio.gather(subscription.stop(), subscription.stop())
        assert reader.finished
        assert not subscription.alive

    on(place, story)


def test_a_worker_that_breaks_is_seen_to_be_dead(place: Place) -> None:
    async def story(bus: Bus) -> None:
        class Broken(Reader):
            async def take(self, batch: Sequence[Raw], commit: Commit) -> None:
                raise ZeroDivisionError

        subscription = await bus.subscribe("ward", [CALLED], Broken())
        await bus.publish([called("a")])
        await until(lambda: not subscription.alive)
        await subscription.stop()

    on(place, story)


def test_a_group_that_is_put_forward_reads_nothing_of_what_lay_there(place: Place) -> None:
    async def story(bus: Bus) -> None:
        reader = Reader()
        subscription = await bus.subscribe("ward", [CALLED], reader)
        await bus.publish([called("read")])
        await until(lambda: reader.names == ["read"])
        await subscription.stop()
        await bus.publish([called("unread"), cancelled("other")])
        await bus.forward("ward", [CALLED, CANCELLED])
        await bus.publish([called("new"), cancelled("newer")])
        again = Reader()
        subscription = await bus.subscribe("ward", [CALLED, CANCELLED], again)
        await until(lambda: sorted(again.names) == ["new", "newer"])
        await subscription.stop()

    on(place, story)


def test_a_group_that_never_read_can_be_put_forward(place: Place) -> None:
    async def story(bus: Bus) -> None:
        await bus.publish([called("old")])
        await bus.forward("ward", [CALLED])
        await bus.publish([called("new")])
        reader = Reader()
        subscription = await bus.subscribe("ward", [CALLED], reader)
        await until(lambda: reader.names == ["new"])
        await subscription.stop()

    on(place, story)


def test_lag_counts_what_is_not_committed(place: Place) -> None:
    async def story(bus: Bus) -> None:
        reader = Reader()
        subscription = await bus.subscribe("ward", [CALLED], reader)
        await bus.publish([called("a")])
        await until(lambda: len(reader.names) == 1)
        await subscription.stop()
        await bus.publish([called("b"), called("c")])
        assert sum((await bus.lag("ward")).values()) == 2

    on(place, story)


# --------------------------------------------------------------------------------------------------------------- tails


def test_a_tail_begins_at_a_time_and_goes_on(place: Place) -> None:
    async def story(bus: Bus) -> None:
        await bus.publish([called("early")])
        await asyncio.sleep(0.05)
        moment = system_clock()
        await asyncio.sleep(0.05)
        await bus.publish([called("late"), cancelled("late")])
        heard: list[str] = []

        async def receive(batch: Sequence[Raw]) -> None:
            heard.extend(names(batch))

        subscription = await bus.tail([CALLED, CANCELLED], moment, receive)
        await until(lambda: heard == ["late", "late"])
        await bus.publish([called("now")])
        await until(lambda: heard[2:] == ["now"])
        await subscription.stop()
        assert not subscription.alive

    on(place, story)


def test_a_tail_keeps_no_position_and_every_tail_hears_all(place: Place) -> None:
    async def story(bus: Bus) -> None:
        heard: list[list[str]] = [[], []]
        subscriptions = []
        for ear in heard:

            async def receive(batch: Sequence[Raw], ear: list[str] = ear) -> None:
                ear.extend(names(batch))

            subscriptions.append(await bus.tail([CALLED], NOON - timedelta(days=9_000), receive))
        await bus.publish([called("a"), called("b")])
        await until(lambda: heard == [["a", "b"], ["a", "b"]])
        for subscription in subscriptions:
            await subscription.stop()

    on(place, story)


def test_what_is_published_while_a_tail_begins_is_heard(place: Place) -> None:
    async def story(bus: Bus) -> None:
        for round_ in range(12):
            heard: list[str] = []

            async def receive(batch: Sequence[Raw], heard: list[str] = heard) -> None:
                heard.extend(names(batch))

            fresh = f"fresh-{round_}"  # empty until now: its beginning and its end are one place
            subscription = await bus.tail([fresh], NOON - timedelta(days=9_000), receive)
            await asyncio.sleep(round_ / 200)
            await bus.publish([replace(called(name), topic=fresh) for name in ("a", "b")])
            await until(lambda heard=heard: heard == ["a", "b"])  # type: ignore[misc]
            await subscription.stop()

    on(place, story, [TopicSpec(f"fresh-{round_}", partitions=1) for round_ in range(12)])


# ----------------------------------------------------------------------------------------------- retention, compaction


def test_what_is_past_its_retention_goes_and_the_rest_keeps_its_offsets(place: Place, backend: Backend) -> None:
    if not backend.ages:
        pytest.skip(f"the clock of {backend.name} cannot be put forward")

    async def story(bus: Bus) -> None:
        await bus.publish([called(f"t{number}") for number in range(2_500)])
        await bus.publish([Record(f"{CALLED}.dlq", b"k", [], b"kept longer")])
        await place.later(timedelta(days=10))
        await bus.publish([called("new")])
        before = (await bus.read(CALLED, {(CALLED, 0): 2_500}))[0].offset
        await place.later(timedelta(days=5))
        (kept,) = await bus.read(CALLED)
        assert (names([kept]), kept.offset) == (["new"], before)
        assert len(await bus.read(f"{CALLED}.dlq")) == 1
        reader = Reader()
        subscription = await bus.subscribe("ward", [CALLED], reader)
        await until(lambda: reader.names == ["new"])
        assert sum((await bus.lag("ward")).values()) == 0
        await subscription.stop()

    month = timedelta(days=30)
    on(place, story, [TopicSpec(CALLED, partitions=1), TopicSpec(f"{CALLED}.dlq", partitions=1, retention=month)])


def test_a_compacted_topic_keeps_the_last_of_each_key_for_ever(place: Place, backend: Backend) -> None:
    if not backend.ages:
        pytest.skip(f"the clock of {backend.name} cannot be put forward")

    async def story(bus: Bus) -> None:
        def account(key: str, value: str | None) -> Record:
            return Record("account-changed", key.encode(), [], value.encode() if value else None)

        await bus.publish([account("a", "1"), account("b", "1"), account("a", "2"), account("c", "1")])
        await bus.publish([account("c", None)])
        await place.later(timedelta(days=400))
        found = await bus.read("account-changed")
        assert [(raw.key, raw.value) for raw in found] == [(b"b", b"1"), (b"a", b"2")]

    on(place, story, [TopicSpec("account-changed", partitions=1, compacted=True)])


# ---------------------------------------------------------------------------------- dead letters, poison, the whole way


class Ward:
    """A group that carries events out through the one consumer runtime."""

    def __init__(self, bus: Bus) -> None:
        self.done: list[str] = []
        self.refuses: set[str] = set()
        self.letters = DeadLetters(bus, lambda: NOON)
        self.consumer = Consumer("ward", {CALLED: [self._effect]}, bus, PUBLISHERS, lambda: NOON, well=bus.health)

    async def _effect(self, event: Event) -> None:
        name = event.about[-12:].lstrip("0")
        if name in self.refuses:
            raise Invalid()
        self.done.append(name)


def test_a_dead_letter_is_replayed_to_the_topic_it_came_from(place: Place) -> None:
    async def story(bus: Bus) -> None:
        ward = Ward(bus)
        await ward.consumer.start()
        ward.refuses = {"b"}
        await bus.publish([called("a"), called("b"), called("c")])
        await until(lambda: ward.done == ["a", "c"])
        while not (letters := await ward.letters.open([CALLED])):
            await asyncio.sleep(0.01)
        ward.refuses = set()
        await ward.letters.replay(letters[0].reference, by="a-operator")
        await until(lambda: ward.done == ["a", "c", "b"])
        assert await ward.letters.open([CALLED]) == []
        await ward.consumer.stop()

    on(place, story)


@pytest.mark.parametrize("reason", poison())
def test_poison_does_not_stop_its_neighbours(place: Place, reason: str) -> None:
    async def story(bus: Bus) -> None:
        ward = Ward(bus)
        await bus.publish([called("a"), poison()[reason], called("b")])
        await ward.consumer.start()
        await until(lambda: ward.done == ["a", "b"])
        while sum((await bus.lag("ward")).values()):
            await asyncio.sleep(0.01)
        (letter,) = await ward.letters.open([CALLED])
        assert letter.reason == reason
        assert letter.raw.value == poison()[reason].value
        await ward.consumer.stop()

    on(place, story)


# ------------------------------------------------------------------------------------------------ killed on the way


def child(what: str, backend: Backend, place: Place, directory: Path, failpoint: str = "") -> int:
    """Run a child process to its end; 0, or minus the signal that killed it."""
    command = [sys.executable, "-m", "tests.conformance.bus_child", what, backend.name, place.where, str(directory)]
    environment: dict[str, Any] = {**os.environ, "CAUNOI_FAILPOINT": failpoint}
    return subprocess.run(command, env=environment, timeout=60, check=False).returncode


def survives(backend: Backend) -> None:
    if not backend.promises.survives_kill:
        pytest.skip(f"{backend.name} does not survive a kill")


@pytest.mark.parametrize("failpoint", ["relay:before-publish#3", "relay:after-publish#3", "relay:after-position#3"])
def test_a_relay_killed_on_the_way_loses_nothing_and_keeps_the_order(
    backend: Backend, place: Place, tmp_path: Path, failpoint: str
) -> None:
    survives(backend)
    assert child("relay", backend, place, tmp_path, failpoint) == -signal.SIGKILL
    assert child("relay", backend, place, tmp_path) == 0

    async def story(bus: Bus) -> None:
        sequences = [int(dict(raw.headers)["ce_sequence"]) for raw in await bus.read(CALLED)]
        assert list(dict.fromkeys(sequences)) == list(range(1, FACTS + 1))
        if failpoint.startswith("relay:after-publish"):
            assert len(sequences) > FACTS  # between the two there is a second publish, and marks make it harmless

    on(place, story)


@pytest.mark.parametrize(
    "failpoint",
    [
        pytest.param("consumer:before-effect#20", marks=pytest.mark.slow),
        "consumer:after-effect#20",
        "consumer:after-position#1",
    ],
)
def test_a_consumer_killed_on_the_way_loses_no_effect_and_keeps_the_order(
    backend: Backend, place: Place, tmp_path: Path, failpoint: str
) -> None:
    survives(backend)
    assert child("relay", backend, place, tmp_path) == 0
    assert child("consume", backend, place, tmp_path, failpoint) == -signal.SIGKILL
    assert child("consume", backend, place, tmp_path) == 0
    with sqlite3.connect(tmp_path / "effects.sqlite") as effects:
        rows = effects.execute("SELECT subject, sequence FROM effect ORDER BY n").fetchall()
    assert {sequence for _, sequence in rows} == set(range(1, FACTS + 1))
    for subject in {subject for subject, _ in rows}:
        first = list(dict.fromkeys(sequence for of, sequence in rows if of == subject))
        assert first == sorted(first)
    if failpoint.startswith("consumer:after-effect"):
        assert len(rows) > FACTS  # done before it was noted: done again, and the heart's marks make it once
