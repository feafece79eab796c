"""What Kafka's clients and FastStream do by themselves that would lose, reorder or hold up events: each trap that the
bus steps around, and the test that fails for whoever steps back into it.

| the trap (FastStream 0.7.8, aiokafka 0.14) | here, or where |
|---|---|
| the default policy commits before the handler; `ACK` commits what failed | test_bus: was_not_committed_comes_again |
| `NACK_ON_ERROR` gives poison again at once, for ever | test_bus: poison; test_consumer: tries_come_further_apart |
| batch `nack()` and `ack()` touch every partition | a_commit_moves_only_what_it_names; no_such_word |
| a handler that raises is passed over by the next commit | what_a_worker_broke_on_comes_again |
| a header that is not UTF-8 loses its record | test_bus: poison[not-utf8], comes_out_byte_for_byte |
| a failed commit is only logged; `commit()` has no time limit | a_position_that_cannot_be_kept_is_said |
| `publish_batch` sprays keys over partitions | records_of_one_key_lie_in_one_partition |
| `max_workers` breaks order, drops a topic, is ignored for batches | test_bus: each_in_order; no_such_word |
| many that wait for a send each break the order in an outage | an_outage_costs_no_record_and_no_order |
| the AsyncAPI page mounts an open `POST .../try` | no_such_word |
| `ping` is green over a dead consumer | test_service: a_reader_that_was_killed_is_seen |
| subscribers make topics, with one partition; a missing one blocks 40 s | a_missing_topic_is_waited_for |
| `create_topics` raises no topic's error; metadata lags | a_topic_that_is_refused_is_said; test_topics |
| `start()` without a broker fails once and for all | who_reads_before_there_is_a_broker |
| `stop()` without a broker hangs, or is a cancellation | everything_ends_though_the_broker_is_gone |
| a thousand log lines in an outage of eight seconds | an_outage_is_not_a_thousand_lines |
| an empty poll is followed by a blind sleep | no_poll_is_empty |
| its loop sleeps five seconds after an error | an_outage_costs_no_record_and_no_order (it goes on by itself) |
| error 15 until the positions' topic exists | every first test on a fresh broker |
| cooperative-sticky groups are refused for ever | no_such_word; test_rebalance |
| lz4, snappy and zstd want more packages | no_such_word |

Of one broker among several that is dead (`NodeNotReadyError` from the admin client) nothing is made here: it comes out
as `Unavailable`, and whoever asked asks again.
"""

import asyncio
import contextlib
import logging
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import pytest

from services.chassis.backends.kafka import KafkaBus, _something
from services.chassis.errors import Unavailable
from services.chassis.ids import token
from services.chassis.ports import Commit, Raw, Record, TopicSpec
from tests import servers
from tests.conformance.bus_records import CALLED, CANCELLED, called, cancelled
from tests.conformance.test_bus import Reader, names, until
from tests.journeys.system import ROOT
from tests.servers.kafka import Kafka
from tests.support import run
from tests.virtual import NOON

SIX = [TopicSpec(CALLED, partitions=6), TopicSpec(CANCELLED, partitions=6)]
EVER = NOON - timedelta(days=9_000)


def on_kafka(story: Callable[[KafkaBus, Kafka], Awaitable[None]], *, made: bool = True, seconds: float = 120) -> None:
    broker = servers.kafka()

    async def play() -> None:
        bus = KafkaBus(broker.address, namespace=f"{token(8)}-")
        if made:
            await bus.provision(SIX)
        await bus.open(SIX)
        try:
            await story(bus, broker)
        finally:
            await bus.close()

    try:
        run(play(), seconds)
    finally:
        with socket.socket() as probe:
            gone = probe.connect_ex(("127.0.0.1", broker.port))
        if gone:  # the next test wants it
            broker.start()


def keyed(record: Record, key: str) -> Record:
    return Record(record.topic, key.encode(), record.headers, record.value)


async def insist(bus: KafkaBus, records: Sequence[Record]) -> None:
    """As the relay does: from where the bus said it has them."""
    while records:
        try:
            records = records[await bus.publish(records) :]
        except Unavailable:
            await asyncio.sleep(0.2)


def test_records_of_one_key_lie_in_one_partition_in_order() -> None:
    async def story(bus: KafkaBus, broker: Kafka) -> None:
        keys = [f"32{number:03d}" for number in range(12)]
        await bus.publish([keyed(called(f"k{key}n{number}"), key) for number in range(20) for key in keys])
        found = await bus.read(CALLED)
        assert len({raw.partition for raw in found}) > 1
        for key in keys:
            own = [raw for raw in found if raw.key == key.encode()]
            assert len({raw.partition for raw in own}) == 1
            assert names(own) == [f"k{key}n{number}" for number in range(20)]

    on_kafka(story)


def test_a_commit_moves_only_what_it_names() -> None:
    class Half(Reader):
        async def take(self, batch: Sequence[Raw], commit: Commit) -> None:
            await commit({(raw.topic, raw.partition): raw.offset + 1 for raw in batch if raw.topic == CALLED})
            await super().take(batch, commit)

    async def story(bus: KafkaBus, broker: Kafka) -> None:
        reader = Half(commits=False)
        subscription = await bus.subscribe("ward", [CALLED, CANCELLED], reader)
        await bus.publish([called("a"), cancelled("b"), cancelled("c")])
        await until(lambda: len(reader.names) == 3)
        await subscription.stop()
        lag = await bus.lag("ward")
        assert sum(count for (topic, _), count in lag.items() if topic == CALLED) == 0
        assert sum(count for (topic, _), count in lag.items() if topic == CANCELLED) == 2

    on_kafka(story)


def test_what_a_worker_broke_on_comes_again() -> None:
    class Breaks(Reader):
        async def take(self, batch: Sequence[Raw], commit: Commit) -> None:
            raise ZeroDivisionError

    async def story(bus: KafkaBus, broker: Kafka) -> None:
        broken = await bus.subscribe("ward", [CALLED], Breaks())
        await bus.publish([called("a")])
        await until(lambda: not broken.alive)
        await bus.publish([called("b")])
        reader = Reader()
        subscription = await bus.subscribe("ward", [CALLED], reader)
        await until(lambda: reader.names == ["a", "b"])
        await subscription.stop()

    on_kafka(story)


@pytest.mark.slow
def test_a_position_that_cannot_be_kept_is_said_and_can_be_kept_later() -> None:
    class Keeps(Reader):
        commit: Commit

        async def take(self, batch: Sequence[Raw], commit: Commit) -> None:
            self.commit = commit
            await super().take(batch, commit)

    async def story(bus: KafkaBus, broker: Kafka) -> None:
        reader = Keeps(commits=False)
        subscription = await bus.subscribe("ward", [CALLED], reader)
        await bus.publish([called("a")])
        await until(lambda: reader.names == ["a"])
        (raw,) = reader.batches[0]
        await asyncio.to_thread(broker.kill)
        with pytest.raises(Unavailable):
            await reader.commit({(CALLED, raw.partition): raw.offset + 1})
        await asyncio.to_thread(broker.start)
        async with asyncio.timeout(60):
            while sum((await bus.lag("ward")).values()):
                try:
                    await reader.commit({(CALLED, raw.partition): raw.offset + 1})
                except Unavailable:
                    await asyncio.sleep(0.2)
        await subscription.stop()

    on_kafka(story)


def test_a_missing_topic_is_waited_for_and_not_made() -> None:
    async def story(bus: KafkaBus, broker: Kafka) -> None:
        reader, heard = Reader(), list[str]()

        async def receive(batch: Sequence[Raw]) -> None:
            heard.extend(names(batch))

        subscriptions = [await bus.subscribe("ward", [CALLED], reader), await bus.tail([CALLED], EVER, receive)]
        await asyncio.sleep(2)
        assert [line.split(":")[0] for line in await bus.drift(SIX)] == [CALLED, CANCELLED]
        await bus.provision(SIX)
        await insist(bus, [called("a")])
        await until(lambda: reader.names == heard == ["a"], 60)
        for subscription in subscriptions:
            await subscription.stop()

    on_kafka(story, made=False)


def test_a_topic_that_is_refused_is_said() -> None:
    address = servers.kafka().address

    async def story() -> None:
        with pytest.raises(Unavailable, match=CALLED):
            await KafkaBus(address, namespace=f"{token(8)}-", replication=3).provision(SIX)

    run(story())


@pytest.mark.slow
def test_who_reads_before_there_is_a_broker_reads_once_there_is_one() -> None:
    async def story(bus: KafkaBus, broker: Kafka) -> None:
        await asyncio.to_thread(broker.kill)
        reader, heard = Reader(), list[str]()

        async def receive(batch: Sequence[Raw]) -> None:
            heard.extend(names(batch))

        subscriptions = [await bus.subscribe("ward", [CALLED], reader), await bus.tail([CALLED], EVER, receive)]
        with pytest.raises(Unavailable):
            await bus.publish([called("a")])
        await asyncio.to_thread(broker.start)
        await insist(bus, [called("b")])
        await until(lambda: "b" in reader.names and "b" in heard, 60)
        for subscription in subscriptions:
            await subscription.stop()

    on_kafka(story)


@pytest.mark.slow
def test_everything_ends_though_the_broker_is_gone() -> None:
    async def story(bus: KafkaBus, broker: Kafka) -> None:
        async def receive(_: Sequence[Raw]) -> None:
            return None

        subscriptions = [await bus.subscribe("ward", [CALLED], Reader()), await bus.tail([CALLED], EVER, receive)]
        await bus.publish([called("a")])
        await asyncio.to_thread(broker.kill)
        sending = asyncio.create_task(bus.publish([called("b")]))
        await asyncio.sleep(0.1)
        async with asyncio.timeout(60):
            await asyncio.gather(*(subscription.stop() for subscription in subscriptions))
            assert not any(subscription.alive for subscription in subscriptions)
            with pytest.raises(Unavailable):
                await sending
            await bus.close()

    on_kafka(story)


@pytest.mark.slow
def test_an_outage_costs_no_record_and_no_order() -> None:
    class Patient(Reader):
        async def take(self, batch: Sequence[Raw], commit: Commit) -> None:
            with contextlib.suppress(Unavailable):
                await commit({(raw.topic, raw.partition): raw.offset + 1 for raw in batch})
            await super().take(batch, commit)

    async def story(bus: KafkaBus, broker: Kafka) -> None:
        reader = Patient(commits=False)
        subscription = await bus.subscribe("ward", [CALLED], reader)

        async def publisher(who: int) -> None:
            for number in range(60):
                await insist(bus, [keyed(called(f"w{who}x{number}"), f"3200{who}")])
                await asyncio.sleep(0.02)

        publishing = asyncio.gather(*(publisher(who) for who in range(6)))
        await until(lambda: len(reader.names) > 30)
        await asyncio.to_thread(broker.kill)
        await asyncio.sleep(2)
        await asyncio.to_thread(broker.start)
        await publishing
        everything = {f"w{who}x{number}" for who in range(6) for number in range(60)}
        await until(lambda: set(reader.names) == everything, 60)
        for who in range(6):
            first = list(dict.fromkeys(name for name in reader.names if name.startswith(f"w{who}x")))
            assert first == [f"w{who}x{number}" for number in range(60)]
        await subscription.stop()

    on_kafka(story)


def test_an_outage_is_not_a_thousand_lines() -> None:
    KafkaBus("127.0.0.1:1")
    assert not logging.getLogger("aiokafka.client").isEnabledFor(logging.ERROR)


def test_no_poll_is_empty() -> None:
    polls = [{}, {}, {"a partition": ["a record"]}]

    async def getmany(*, timeout_ms: int, max_records: int | None) -> object:
        return polls.pop(0)

    assert run(_something(getmany, timeout_ms=1, max_records=500)) == {"a partition": ["a record"]}


WORDS = (
    r"\bmax_workers\b|\bpublish_batch\b|\.n?ack\(|AckPolicy\.(?!MANUAL)|AsyncAPIRoute|make_asyncapi_asgi|\.publisher\("
    r"|\bcompression_type\b|\bpartition_assignment_strategy\b"
)


def test_no_such_word_is_in_the_product() -> None:
    """What is offered under these names loses events, their order, or the reader."""
    found = [
        f"{file.relative_to(ROOT)}: {match.group()}"
        for file in sorted((ROOT / "services").rglob("*.py"))
        for match in re.finditer(WORDS, file.read_text())
    ]
    assert found == []


def test_there_is_one_consumer_runtime() -> None:
    """A second way of reading would have to learn all of this again."""
    subscribes = [file.name for file in (ROOT / "services").rglob("*.py") if ".subscriber(" in file.read_text()]
    assert subscribes == ["kafka.py"]
