"""What becomes of a delivery, by the kind of the error; hours of patience pass in virtual time, on the embedded bus."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from services.chassis import metrics
from services.chassis.backends.sqlite_bus import SqliteBus
from services.chassis.consumer import Consumer, Patience
from services.chassis.deadletters import DeadLetters, Letter
from services.chassis.errors import Forbidden, Invalid, NotFound, Refused, Stale, Unavailable
from services.chassis.ports import Partition, Positions, Record
from services.chassis.trace import traceparent
from services.contracts.words import Event
from tests.conformance.bus_records import CALLED, CANCELLED, PUBLISHERS, called, cancelled, changed, ticket, topics
from tests.virtual import NOON, run_virtual, virtual_clock

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


PATIENCE = Patience()


@dataclass
class Ward:
    """A group that reads two topics; what it did, and what it is told to do."""

    bus: SqliteBus
    done: list[str] = field(default_factory=list)
    """`ticket:sequence` of every effect, in order."""
    tried: list[tuple[str, float]] = field(default_factory=list)
    errors: dict[str, list[Exception]] = field(default_factory=dict)
    """Per ticket the errors of its next tries; the last one stays."""
    store_away: bool = False
    consumer: Consumer = field(init=False)

    async def effect(self, event: Event) -> None:
        name = event.about[-12:].lstrip("0")
        self.tried.append((name, asyncio.get_running_loop().time()))
        await asyncio.sleep(0.001)
        if self.store_away:
            raise Unavailable()
        if errors := self.errors.get(name):
            raise errors.pop(0) if len(errors) > 1 else errors[0]
        self.done.append(f"{name}:{event.origin.sequence}")

    async def store_health(self) -> None:
        if self.store_away:
            raise Unavailable()

    async def publish(self, *records: Record) -> None:
        await self.bus.publish(records)

    async def letters(self) -> list[Letter]:
        return await DeadLetters(self.bus, virtual_clock).open([CALLED, CANCELLED])

    async def lag(self) -> int:
        lags: dict[Partition, int] = await self.bus.lag("ward")
        return sum(lags.values())

    def tries(self, name: str) -> list[float]:
        return [time for tried, time in self.tried if tried == name]


@asynccontextmanager
async def a_ward(path: Path, patience: Patience = PATIENCE, group: str = "ward") -> AsyncIterator[Ward]:
    bus = SqliteBus(path / "bus.sqlite", virtual_clock)
    await bus.open(topics())
    ward = Ward(bus)
    ward.consumer = Consumer(
        group,
        {CALLED: [ward.effect], CANCELLED: [ward.effect]},
        bus,
        PUBLISHERS,
        virtual_clock,
        well=ward.store_health,
        patience=patience,
    )
    await ward.consumer.start()
    try:
        yield ward
    finally:
        await ward.consumer.stop()
        await bus.close()


def in_a_ward(path: Path, story: Callable[[Ward], Awaitable[None]], patience: Patience = PATIENCE) -> None:
    async def play() -> None:
        async with a_ward(path, patience) as ward:
            await story(ward)

    run_virtual(play())


def received(group: str) -> float:
    labels = {"group": group, "topic": CALLED}
    return metrics.registry.get_sample_value("caunoi_events_received_total", labels) or 0


def test_events_are_handled_in_order_and_the_position_follows(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        await ward.publish(*(called("a", sequence) for sequence in range(1, 21)))
        await asyncio.sleep(1)
        assert ward.done == [f"a:{sequence}" for sequence in range(1, 21)]
        assert await ward.lag() == 0

    in_a_ward(tmp_path, story)


def test_subjects_are_handled_beside_each_other(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        await ward.publish(*(called(f"t{number}") for number in range(100)))
        await asyncio.sleep(0.002)
        assert len(ward.done) == 100  # one after the other would have taken 0.1 s

    in_a_ward(tmp_path, story, Patience(at_once=100))


@pytest.mark.parametrize("error", [Refused(), Stale()])
def test_a_refusal_by_a_rule_is_the_end_of_it(tmp_path: Path, error: Exception) -> None:
    async def story(ward: Ward) -> None:
        ward.errors["a"] = [error]
        await ward.publish(called("a"), called("b"))
        await asyncio.sleep(100)
        assert len(ward.tries("a")) == 1
        assert await ward.letters() == []
        assert await ward.lag() == 0

    in_a_ward(tmp_path, story)


@pytest.mark.parametrize("error", [Invalid(), Forbidden()])
def test_what_will_never_be_possible_is_a_dead_letter_at_once(tmp_path: Path, error: Exception) -> None:
    async def story(ward: Ward) -> None:
        ward.errors["a"] = [error]
        await ward.publish(called("a"), called("b"))
        await asyncio.sleep(0.1)
        assert [letter.reason for letter in await ward.letters()] == [type(error).__name__.lower()]
        assert ward.done == ["b:1"]
        assert await ward.lag() == 0

    in_a_ward(tmp_path, story)


@pytest.mark.parametrize(("error", "reason"), [(NotFound(), "not-found"), (KeyError("Mrs Thủy"), "bug")])
def test_what_may_still_come_is_tried_for_a_minute(tmp_path: Path, error: Exception, reason: str) -> None:
    async def story(ward: Ward) -> None:
        ward.errors["a"] = [error]
        await ward.publish(called("a"))
        await asyncio.sleep(59)
        assert await ward.letters() == []
        await asyncio.sleep(10)
        (letter,) = await ward.letters()
        assert letter.reason == reason
        assert "Thủy" not in str(letter.shown())
        assert 10 < len(ward.tries("a")) < 40

    in_a_ward(tmp_path, story)


def test_what_comes_in_time_is_no_dead_letter(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        ward.errors["a"] = [NotFound()]
        await ward.publish(called("a"))
        await asyncio.sleep(30)
        del ward.errors["a"]
        await asyncio.sleep(30)
        assert ward.done == ["a:1"]
        assert await ward.letters() == []

    in_a_ward(tmp_path, story)


def test_what_is_not_available_is_tried_without_limit(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        ward.errors["a"] = [Unavailable()]
        await ward.publish(called("a"))
        await asyncio.sleep(3600)
        assert await ward.letters() == []
        del ward.errors["a"]
        await asyncio.sleep(6)
        assert ward.done == ["a:1"]

    in_a_ward(tmp_path, story)


def test_tries_come_further_apart_but_never_further_than_five_seconds(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        ward.errors["a"] = [Unavailable()]
        await ward.publish(called("a"))
        await asyncio.sleep(60)
        times = ward.tries("a")
        pauses = [later - earlier for earlier, later in pairwise(times)]
        assert pauses[0] < 0.1
        assert max(pauses) <= 5.01
        assert pauses[-1] > 3

    in_a_ward(tmp_path, story)


def test_a_stuck_subject_parks_itself_and_not_its_neighbours(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        ward.errors["stuck"] = [NotFound()]
        await ward.publish(called("stuck", 1), called("a", 2), called("stuck", 3), called("b", 4))
        await asyncio.sleep(1)
        await ward.publish(called("stuck", 5), called("c", 6))
        await asyncio.sleep(1)
        assert ward.done == ["a:2", "b:4", "c:6"]
        assert ward.consumer.parked == 1
        del ward.errors["stuck"]
        await asyncio.sleep(5)
        assert ward.done[3:] == ["stuck:1", "stuck:3", "stuck:5"]
        assert ward.consumer.parked == 0

    in_a_ward(tmp_path, story)


def test_the_position_is_that_of_the_lowest_unfinished(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        ward.errors["stuck"] = [NotFound()]
        await ward.publish(called("a"), called("stuck"), called("b"), called("c"))
        await asyncio.sleep(1)
        assert await ward.lag() == 3
        del ward.errors["stuck"]
        await asyncio.sleep(5)
        assert await ward.lag() == 0

    in_a_ward(tmp_path, story)


def test_nobody_gets_more_than_a_thousand_records_ahead(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        ward.errors["stuck"] = [Unavailable()]
        await ward.publish(called("stuck", 1), called("stuck", 2))
        await ward.publish(*(called(f"t{number}") for number in range(997)))
        await asyncio.sleep(5)
        assert await ward.letters() == []
        await ward.publish(called("x"), called("y"))
        await asyncio.sleep(5)
        assert [letter.offset for letter in await ward.letters()] == [0]
        del ward.errors["stuck"]
        await asyncio.sleep(5)
        assert "stuck:2" in ward.done

    in_a_ward(tmp_path, story)


def test_nobody_gets_more_than_a_minute_ahead(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        ward.errors["stuck"] = [Unavailable()]
        await ward.publish(called("stuck"))
        await asyncio.sleep(70)
        assert await ward.letters() == []  # nobody came after it
        await ward.publish(called("a"))
        await asyncio.sleep(5)
        (letter,) = await ward.letters()
        assert (letter.reason, letter.offset) == ("unavailable", 0)
        assert ward.done == ["a:1"]

    in_a_ward(tmp_path, story)


def test_a_backlog_behind_a_stuck_subject_is_worked_off_whole(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        ward.errors["stuck"] = [NotFound()]
        await ward.publish(called("stuck"))
        for start in range(0, 3_000, 500):
            await ward.publish(*(called(f"t{number}") for number in range(start, start + 500)))
        await asyncio.sleep(20)
        assert len(ward.done) == 3_000
        assert [letter.offset for letter in await ward.letters()] == [0]
        assert await ward.lag() == 0

    in_a_ward(tmp_path, story)


def test_while_the_store_is_away_nothing_is_taken_and_nothing_dies(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        before = received("ward")
        ward.store_away = True
        await ward.publish(called("first"))
        await asyncio.sleep(600)
        await ward.publish(*(called(f"t{number}") for number in range(2_000)))
        await asyncio.sleep(600)
        assert received("ward") - before == 1
        assert ward.consumer.state()["store_away"]
        assert await ward.letters() == []
        ward.store_away = False
        await asyncio.sleep(20)
        assert len(ward.done) == 2_001
        assert await ward.lag() == 0

    in_a_ward(tmp_path, story)


def test_when_the_store_goes_only_what_was_under_way_meets_it(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        ward.store_away = True
        await ward.publish(*(called(f"t{number}") for number in range(500)))
        await asyncio.sleep(600)
        assert len(ward.tried) <= 128

    in_a_ward(tmp_path, story)


def test_a_parked_subject_does_not_lose_its_patience_while_the_store_is_away(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        ward.errors["a"] = [NotFound()]
        await ward.publish(called("a"))
        await asyncio.sleep(50)
        ward.store_away = True
        await asyncio.sleep(600)
        ward.store_away = False
        await asyncio.sleep(50)
        assert await ward.letters() == []
        await asyncio.sleep(20)
        assert len(await ward.letters()) == 1

    in_a_ward(tmp_path, story)


def test_a_handler_that_never_returns_is_a_bug_of_its_own_subject(tmp_path: Path) -> None:
    async def hang(event: Event) -> None:
        if event.about == ticket("hangs"):
            await asyncio.Event().wait()

    async def play() -> None:
        async with a_ward(tmp_path) as ward:
            await ward.consumer.stop()
            consumer = Consumer(
                "other", {CALLED: [hang, ward.effect]}, ward.bus, PUBLISHERS, virtual_clock, well=ward.store_health
            )
            await consumer.start()
            await ward.publish(called("hangs"), called("a"))
            await asyncio.sleep(200)
            assert [(letter.reason, letter.detail) for letter in await ward.letters()] == [("bug", "TimeoutError")]
            await consumer.stop()

    run_virtual(play())


def test_a_handler_that_failed_is_tried_again_without_those_that_did_not(tmp_path: Path) -> None:
    seen: list[str] = []

    async def quick(event: Event) -> None:
        seen.append(event.about)

    async def play() -> None:
        async with a_ward(tmp_path) as ward:
            ward.errors["a"] = [Unavailable(), Unavailable(), Refused()]
            consumer = Consumer(
                "two", {CALLED: [ward.effect, quick]}, ward.bus, PUBLISHERS, virtual_clock, well=ward.store_health
            )
            await ward.consumer.stop()
            await consumer.start()
            await ward.publish(called("a"))
            await asyncio.sleep(10)
            assert len(ward.tries("a")) == 3
            assert seen == [ticket("a")]
            await consumer.stop()

    run_virtual(play())


def test_an_event_older_than_45_days_is_never_applied(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        await ward.publish(called("old", at=NOON - timedelta(days=45, seconds=9)), called("a", at=NOON))
        await asyncio.sleep(1)
        assert [letter.reason for letter in await ward.letters()] == ["too-old"]
        assert ward.done == ["a:1"]

    in_a_ward(tmp_path, story)


def test_the_same_subject_of_two_topics_does_not_wait_for_itself(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        await ward.publish(called("a", 1), cancelled("a", 2))
        await asyncio.sleep(0.01)
        assert sorted(ward.done) == ["a:1", "a:2"]

    in_a_ward(tmp_path, story)


def test_the_trace_reaches_the_handler(tmp_path: Path) -> None:
    traces: list[str | None] = []

    async def note(_: Event) -> None:
        traces.append(traceparent.get())

    async def play() -> None:
        async with a_ward(tmp_path) as ward:
            await ward.consumer.stop()
            consumer = Consumer("t", {CALLED: [note]}, ward.bus, PUBLISHERS, virtual_clock, well=ward.store_health)
            await consumer.start()
            await ward.publish(changed(called("a"), traceparent=TRACE.encode()), called("b"))
            await asyncio.sleep(1)
            assert traces == [TRACE, None]
            await consumer.stop()

    run_virtual(play())


def test_stopping_finishes_what_runs_and_leaves_what_is_parked(tmp_path: Path) -> None:
    async def play() -> None:
        async with a_ward(tmp_path) as ward:
            ward.errors["stuck"] = [NotFound()]
            await ward.publish(called("a"), called("stuck"), *(called(f"t{number}") for number in range(300)))
            await asyncio.sleep(0.0005)
            await ward.consumer.stop()
            assert len(ward.done) >= 1
            assert await ward.bus.lag("ward") == {(CALLED, 0): 301}
            assert not ward.consumer.alive
        async with a_ward(tmp_path) as ward:
            await asyncio.sleep(5)
            assert ward.done[0] == "stuck:1"
            assert await ward.lag() == 0

    run_virtual(play())


def test_stopping_takes_no_longer_than_it_may_with_the_store_away(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        ward.store_away = True
        await ward.publish(*(called(f"t{number}") for number in range(700)))
        await asyncio.sleep(60)
        before = asyncio.get_running_loop().time()
        await ward.consumer.stop()
        assert asyncio.get_running_loop().time() - before < 5
        assert ward.done == []

    in_a_ward(tmp_path, story)


def test_forgotten_partitions_leave_nothing_running(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        ward.errors["stuck"] = [NotFound()]
        await ward.publish(called("a"), called("stuck"), called("b"))
        await asyncio.sleep(1)
        await ward.consumer.forget([(CALLED, 0)])
        before = len(ward.tried)
        await asyncio.sleep(100)
        assert len(ward.tried) == before
        assert ward.consumer.parked == 0
        assert await ward.letters() == []
        assert await ward.lag() == 2

    in_a_ward(tmp_path, story)


def test_a_partition_that_comes_back_begins_where_it_was_left(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        ward.errors["stuck"] = [NotFound()]
        await ward.publish(called("a"), called("stuck"), called("b"))
        await asyncio.sleep(1)
        await ward.consumer.forget([(CALLED, 0)])
        del ward.errors["stuck"]
        positions: list[int] = []

        async def commit(moved: Positions) -> None:
            positions.extend(moved.values())

        await ward.consumer.take((await ward.bus.read(CALLED))[1:], commit)
        await asyncio.sleep(1)
        assert ward.done == ["a:1", "b:1", "stuck:1", "b:1"]
        assert positions[-1] == 3

    in_a_ward(tmp_path, story)


def test_what_is_left_of_a_batch_is_not_taken_once_its_partition_is_forgotten(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        async def commit(_: Positions) -> None:
            return None

        await ward.consumer.stop()
        consumer = Consumer(
            "late", {CALLED: [ward.effect]}, ward.bus, PUBLISHERS, virtual_clock, well=ward.store_health
        )
        ward.errors["stuck"] = [NotFound()]
        await ward.publish(called("stuck"), *(called(f"t{number}") for number in range(200)))
        batch = await ward.bus.read(CALLED)
        taking = asyncio.create_task(consumer.take(batch, commit))
        await asyncio.sleep(0)
        await consumer.forget([(CALLED, 0)])
        await taking
        assert len(ward.done) < 100
        del ward.errors["stuck"]
        await consumer.take(batch, commit)  # it comes back, from where it was left: nothing of it counts as finished
        await asyncio.sleep(1)
        assert set(ward.done) == {"stuck:1", *(f"t{number}:1" for number in range(200))}

    in_a_ward(tmp_path, story)


def test_positions_are_kept_at_once_but_not_for_every_event(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        kept: list[float] = []

        async def commit(_: Positions) -> None:
            kept.append(asyncio.get_running_loop().time())

        async def quick(_: Event) -> None:
            await asyncio.sleep(0.001)

        consumer = Consumer("late", {CALLED: [quick]}, ward.bus, PUBLISHERS, virtual_clock, well=ward.store_health)
        await ward.publish(*(called("a") for _ in range(500)))
        batch, begun = await ward.bus.read(CALLED), asyncio.get_running_loop().time()
        await consumer.take(batch, commit)
        await asyncio.sleep(1)
        assert kept[0] - begun < 0.005
        assert 8 <= len(kept) <= 12  # in half a second

    in_a_ward(tmp_path, story)


def test_a_bug_of_the_runtime_itself_is_seen_from_outside(tmp_path: Path) -> None:
    class Odd(Refused):
        @classmethod
        def slug(cls) -> str:
            raise ZeroDivisionError

        kind = "not_found"

    async def story(ward: Ward) -> None:
        ward.errors["a"] = [Odd()]
        await ward.publish(called("a"))
        await asyncio.sleep(1)
        assert not ward.consumer.alive
        assert await ward.lag() == 1

    in_a_ward(tmp_path, story)


def test_what_is_in_hand_or_finished_is_not_begun_again(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        async def commit(_: Positions) -> None:
            return None

        ward.errors["stuck"] = [NotFound()]
        await ward.publish(called("a"), called("stuck"), called("b"))
        await asyncio.sleep(1)
        await ward.consumer.take(await ward.bus.read(CALLED), commit)
        del ward.errors["stuck"]
        await asyncio.sleep(10)
        assert ward.done == ["a:1", "b:1", "stuck:1"]

    in_a_ward(tmp_path, story)


def test_what_happens_is_counted(tmp_path: Path) -> None:
    def count(name: str, **labels: str) -> float:
        return metrics.registry.get_sample_value(name, {"group": "counted", "topic": CALLED, **labels}) or 0

    async def play() -> None:
        async with a_ward(tmp_path, group="counted") as ward:
            ward.errors |= {"r": [Refused()], "i": [Invalid()], "n": [NotFound()]}
            await ward.publish(called("a"), called("r"), called("i"), called("n"))
            await asyncio.sleep(30)
            assert count("caunoi_events_received_total") == 4
            assert count("caunoi_events_done_total") == 2
            assert count("caunoi_events_refused_total") == 1
            assert count("caunoi_dead_letters_total", reason="invalid") == 1
            assert metrics.registry.get_sample_value("caunoi_parked_subjects", {"group": "counted"}) == 1
            assert count("caunoi_lag_seconds") == pytest.approx(30, abs=1)

    run_virtual(play())


def test_a_backlog_does_not_hold_up_the_loop(tmp_path: Path) -> None:
    done: list[str] = []

    async def quick(event: Event) -> None:
        done.append(event.about)

    async def play() -> None:
        async with a_ward(tmp_path) as ward:
            for _ in range(4):
                await ward.publish(*(called(f"t{number}") for number in range(500)))
            await ward.consumer.stop()
            well = ward.store_health
            consumer = Consumer("backlog", {CALLED: [quick]}, ward.bus, PUBLISHERS, virtual_clock, well=well)
            await consumer.start()
            most_read, most_done = 0.0, 0
            while len(done) < 2_000:
                before = received("backlog"), len(done)
                await asyncio.sleep(0)  # somebody else's turn
                most_read, most_done = (
                    max(most_read, received("backlog") - before[0]),
                    max(most_done, len(done) - before[1]),
                )
            assert 0 < most_read <= 50
            assert 0 < most_done <= 128
            await consumer.stop()

    run_virtual(play())
