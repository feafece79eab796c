"""The distributed bus: Kafka. Groups are read through FastStream, in batches of raw records that nothing has decoded.

What the framework and the client do by themselves is switched off where it loses records: commits are explicit
(`{partition: offset + 1}`, after the effects are durable), a header that is not UTF-8 reaches us as bytes, topics are
made from the contract and never by a subscriber. Nothing here fails to start because the broker is away.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import OffsetAndMetadata
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage

from services.chassis.backends.kafka_way import ASK_SECONDS, KafkaAway, KafkaWay
from services.chassis.errors import Unavailable
from services.chassis.failpoints import reach
from services.chassis.ports import BusPromises, Partition, Positions, Raw, Record, Subscription, TopicSpec, Worker

BATCH_AT_MOST = 500
POLL_MS = 500
PRODUCED_AT_ONCE = 262_144
"""Bytes for one partition; a larger record goes by itself."""
SEND_SECONDS = 10.0
COMMIT_SECONDS = 5.0
RETRY_MOST = 10.0
KNOWN_TRIES = 150
"""A fifth of a second apart."""
SESSION_MS = 10_000
POLL_AT_LEAST_MS = 3_600_000
"""A worker whose store is away takes nothing for long and must not lose its partitions for that."""
_LOST = (KafkaError, OSError, TimeoutError, asyncio.TimeoutError)

_Batch = tuple[BatchBuilder, TopicPartition]
_partition_of = DefaultPartitioner()

log = structlog.get_logger()


class NoSuchTopic(Unavailable):
    en = "There is no topic {topic}; run `caunoi topics`."
    vi = "Không có chủ đề {topic}; hãy chạy `caunoi topics`."


class TopicNotMade(Unavailable):
    en = "Kafka did not make the topic {topic}: {why}."
    vi = "Kafka không tạo được chủ đề {topic}: {why}."


class KafkaBus:
    """`Bus` on a cluster; see `services.chassis.ports`. `way`: where it is; host:port is enough where nobody asks who
    we are.

    `namespace` stands before every topic and group, so that several systems may share a cluster.
    """

    promises = BusPromises(survives_kill=True, partitions=True, many_processes=True)

    def __init__(self, way: KafkaWay | str, *, namespace: str = "", replication: int = 1) -> None:
        self._way = way if isinstance(way, KafkaWay) else KafkaWay(way)
        self._names = _Names(namespace)
        self._replication = replication
        self._topics: dict[str, TopicSpec] = {}
        self._read_by: dict[str, Sequence[str]] = {}
        """What each group reads that was begun here."""
        self._producer: AIOKafkaProducer | None = None
        self._publishing = asyncio.Lock()
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a thousand lines in an outage of eight seconds

    async def open(self, topics: Sequence[TopicSpec]) -> None:
        self._topics = {spec.name: spec for spec in topics}

    async def close(self) -> None:
        await self._drop_producer()

    # ---------------------------------------------------------------------------------------------- topics

    async def provision(self, topics: Sequence[TopicSpec]) -> list[str]:
        """Make what is missing; the names of those made. Raises when the cluster refuses one."""
        async with _answering(), self._admin() as admin:
            there = set(await admin.list_topics())
            wanted = [spec for spec in topics if self._names.wire(spec.name) not in there]
            if wanted:
                answer = await admin.create_topics([self._new(spec) for spec in wanted])
                for name, code, *message in answer.topic_errors:  # `create_topics` itself raises none of these
                    if code:
                        raise TopicNotMade(topic=self._names.topic(name), why=str(message[0] if message else code))
                await self._until_known(admin, wanted)
        return [spec.name for spec in wanted]

    async def _until_known(self, admin: AIOKafkaAdminClient, wanted: Sequence[TopicSpec]) -> None:
        """Metadata lags behind creation, by seconds where the broker is busy."""
        names = [self._names.wire(spec.name) for spec in wanted]
        for _ in range(KNOWN_TRIES):
            if set(names) <= set(await admin.list_topics()):
                found = await admin.describe_topics(names)
                if all(one["error_code"] == 0 and one["partitions"] for one in found):
                    return
            await asyncio.sleep(0.2)
        raise KafkaAway(retry_after=5)

    async def drift(self, topics: Sequence[TopicSpec]) -> list[str]:
        """Where contract and cluster differ, a line each; nothing when all is as stated."""
        findings = []
        async with _answering(), self._admin() as admin:
            there = set(await admin.list_topics())
            known = [spec for spec in topics if self._names.wire(spec.name) in there]
            findings += [f"{spec.name}: missing; run `caunoi topics`" for spec in topics if spec not in known]
            names = [self._names.wire(spec.name) for spec in known]
            described = {one["topic"]: one for one in await admin.describe_topics(names)}
            for spec in known:
                partitions = described[self._names.wire(spec.name)]["partitions"]
                if len(partitions) != spec.partitions:
                    findings.append(f"{spec.name}: {len(partitions)} partitions, the contract says {spec.partitions}")
                fewest = min((len(one["replicas"]) for one in partitions), default=0)
                if fewest < self._replication:
                    findings.append(f"{spec.name}: {fewest} replicas, {self._replication} are wanted")
            settings = await self._settings_of(admin, names)
            for spec in known:
                for name, wanted in _settings(spec, self._replication).items():
                    found = settings[self._names.wire(spec.name)].get(name)
                    if found != wanted:
                        findings.append(f"{spec.name}: {name}={found}, expected {wanted}")
        return findings

    async def _settings_of(self, admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names])
        for answer in answers:
            for _, _, _, name, entries in answer.resources:
                found[name] = {entry[0]: entry[1] for entry in entries}
        return found

    def _new(self, spec: TopicSpec) -> NewTopic:
        settings = _settings(spec, self._replication)
        return NewTopic(self._names.wire(spec.name), spec.partitions, self._replication, topic_configs=settings)

    def _check(self, topics: Iterable[str]) -> None:
        """A topic that is not of the contract is not made by mistake."""
        for topic in topics:
            if topic not in self._topics:
                raise NoSuchTopic(topic=topic)

    # --------------------------------------------------------------------------------------------- writing

    async def publish(self, records: Sequence[Record]) -> int:
        """One sender, in sequence: many that wait for a send each can break the order of a key in a long outage."""
        self._check(record.topic for record in records)
        async with self._publishing:
            producer = await self._started_producer()
            try:
                async with asyncio.timeout(SEND_SECONDS):
                    batches, batch_of = await self._batches(producer, records)
                    sent = [await producer.send_batch(one, at.topic, partition=at.partition) for one, at in batches]
                    reach("bus:before-acknowledged")
                    answers = await asyncio.gather(*sent, return_exceptions=True)
            except _LOST as error:
                await self._drop_producer()
                raise KafkaAway(retry_after=1) from error
            failed = {at for at, answer in enumerate(answers) if isinstance(answer, BaseException)}
            taken = next((at for at, batch in enumerate(batch_of) if batch in failed), len(records))
            if failed:  # a fatal error stays: only a new producer gets out of it
                log.warning("kafka_publish_failed", reason=type(answers[min(failed)]).__name__)
                await self._drop_producer()
                if taken == 0:
                    raise KafkaAway(retry_after=1)
            return taken

    async def _batches(self, producer: AIOKafkaProducer, records: Sequence[Record]) -> tuple[list[_Batch], list[int]]:
        """What goes to each partition, in order, and for each record the place of its batch. One future for each
        batch: one for each record, as `send` has it, takes most of the time."""
        wires = {topic: self._names.wire(topic) for topic in {record.topic for record in records}}
        numbers = {topic: sorted(await producer.partitions_for(wire)) for topic, wire in wires.items()}
        places: dict[tuple[str, bytes | None], TopicPartition] = {}
        latest: dict[TopicPartition, int] = {}
        batches: list[_Batch] = []
        batch_of: list[int] = []
        for one in records:
            place = places.get((one.topic, one.key))
            if place is None:
                number = _partition_of(one.key, numbers[one.topic], numbers[one.topic])
                place = places[one.topic, one.key] = TopicPartition(wires[one.topic], number)
            at = latest.get(place)
            if at is None or not _put(batches[at][0], one):
                at = latest[place] = len(batches)
                batches.append((producer.create_batch(), place))
                _put(batches[at][0], one)
            batch_of.append(at)
        return batches, batch_of

    async def _started_producer(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = AIOKafkaProducer(
                **self._way.options,
                acks="all",
                enable_idempotence=True,
                linger_ms=0,
                max_batch_size=PRODUCED_AT_ONCE,
                request_timeout_ms=40_000,
                metadata_max_age_ms=60_000,
            )
            try:
                await asyncio.wait_for(producer.start(), ASK_SECONDS)
            except _LOST as error:
                await _bounded(producer.stop())
                raise KafkaAway(retry_after=1) from error
            self._producer = producer
        return self._producer

    async def _drop_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await _bounded(producer.stop())  # with something pending it hangs while the broker is down

    # -------------------------------------------------------------------------------------- reading: groups

    async def subscribe(self, group: str, topics: Sequence[str], worker: Worker) -> Subscription:
        self._check(topics)
        self._read_by[group] = topics
        return _GroupReader(self._way, self._names, group, topics, worker).start()

    # --------------------------------------------------------------------------------------- reading: tails

    async def tail(
        self, topics: Sequence[str], since: datetime, receive: Callable[[Sequence[Raw]], Awaitable[None]]
    ) -> Subscription:
        self._check(topics)
        subscription = Subscription()
        cursor: dict[TopicPartition, int] = {}
        task = asyncio.create_task(self._keep_tailing(topics, since, receive, cursor, subscription))
        task.add_done_callback(partial(_ended, subscription, "tail"))

        async def stop() -> None:
            task.cancel()
            await asyncio.wait([task])

        subscription.stop = stop
        return subscription

    async def _keep_tailing(
        self,
        topics: Sequence[str],
        since: datetime,
        receive: Callable[[Sequence[Raw]], Awaitable[None]],
        cursor: dict[TopicPartition, int],
        subscription: Subscription,
    ) -> None:
        wait = 0.5
        while True:
            try:
                async with self._consumer() as consumer:
                    partitions = await self._partitions(topics)
                    consumer.assign(partitions)
                    fresh = [partition for partition in partitions if partition not in cursor]
                    cursor.update(await self._first_since(consumer, fresh, since))
                    for partition in partitions:
                        consumer.seek(partition, cursor[partition])
                    wait = 0.5
                    await self._tail_on(consumer, receive, cursor, subscription)
            except (*_LOST, NoSuchTopic) as error:
                log.warning("tail_waits_for_kafka", reason=type(error).__name__)
                await asyncio.sleep(wait)
                wait = min(wait * 2, RETRY_MOST)

    async def _tail_on(
        self,
        consumer: AIOKafkaConsumer,
        receive: Callable[[Sequence[Raw]], Awaitable[None]],
        cursor: dict[TopicPartition, int],
        subscription: Subscription,
    ) -> None:
        while True:
            found = await consumer.getmany(timeout_ms=500, max_records=BATCH_AT_MOST)
            batch = self._names.raws(record for records in found.values() for record in records)
            if batch:
                await receive(sorted(batch, key=lambda raw: raw.time))
            for partition, records in found.items():
                cursor[partition] = records[-1].offset + 1
            subscription.heard = _heard(consumer) or subscription.heard

    async def _partitions(self, topics: Sequence[str]) -> list[TopicPartition]:
        if not topics:
            return []
        async with self._admin() as admin:
            described = await admin.describe_topics([self._names.wire(topic) for topic in topics])
        for one in described:
            if one["error_code"]:
                raise NoSuchTopic(topic=self._names.topic(one["topic"]))
        return [TopicPartition(one["topic"], part["partition"]) for one in described for part in one["partitions"]]

    async def _first_since(
        self, consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition], since: datetime
    ) -> dict[TopicPartition, int]:
        """Per partition the offset of its first record not older than `since`, or its end."""
        if not partitions:
            return {}
        millis = max(0, int(since.timestamp() * 1000))
        ends = await consumer.end_offsets(list(partitions))  # asked first: what comes in between is not passed over
        found = await consumer.offsets_for_times(dict.fromkeys(partitions, millis))
        return {one: ends[one] if at is None else at.offset for one, at in found.items()}

    # --------------------------------------------------------------------------------- reading: all there is

    async def read(self, topics: str | Sequence[str], start: Positions | None = None, limit: int = 1_000) -> list[Raw]:
        names = [topics] if isinstance(topics, str) else topics
        self._check(names)
        async with _answering(), self._consumer() as consumer:
            partitions = await self._partitions(names)
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            firsts = await consumer.beginning_offsets(partitions)
            batch: list[Raw] = []
            for partition in partitions:
                here = self._names.topic(partition.topic), partition.partition
                at = max(firsts[partition], (start or {}).get(here, 0))
                batch += await self._read_partition(consumer, partition, at, ends[partition], limit - len(batch))
            return batch

    async def _read_partition(
        self, consumer: AIOKafkaConsumer, partition: TopicPartition, at: int, end: int, limit: int
    ) -> list[Raw]:
        batch: list[Raw] = []
        consumer.seek(partition, at)
        while at < end and len(batch) < limit:
            wait = int(ASK_SECONDS * 1000)
            records = await consumer.getmany(partition, timeout_ms=wait, max_records=limit - len(batch))
            batch += self._names.raws(record for record in records.get(partition, ()) if record.offset < end)
            position = await consumer.position(partition)
            if not records and position == at:
                raise TimeoutError(partition.topic)
            at = position
        return batch

    async def forward(self, group: str, topics: Sequence[str]) -> None:
        async with _answering(), self._admin() as admin:
            partitions = {*await self._stored(admin, group), *await self._partitions(topics)}
            async with self._consumer(group=self._names.group(group)) as consumer:
                consumer.assign(list(partitions))
                if partitions:
                    await consumer.commit(await consumer.end_offsets(list(partitions)))

    async def lag(self, group: str) -> dict[Partition, int]:
        async with _answering(), self._admin() as admin, self._consumer() as consumer:
            stored = await self._stored(admin, group)
            partitions = {*stored, *await self._partitions(self._read_by.get(group, ()))}
            firsts = await consumer.beginning_offsets(list(partitions))
            ends = await consumer.end_offsets(list(partitions))
            at = {one: stored[one].offset if one in stored else firsts[one] for one in partitions}
            return {(self._names.topic(one.topic), one.partition): ends[one] - at[one] for one in partitions}

    async def readers(self, groups: Sequence[str]) -> dict[str, int]:
        members: dict[str, int] = {}
        async with _answering(), self._admin() as admin:
            for name in map(self._names.group, groups):
                answers = await admin.describe_consumer_groups([name], await _coordinator(admin, name))
                members |= {found[1]: len(found[5]) for answer in answers for found in answer.groups}
        return {group: members.get(self._names.group(group), 0) for group in groups}

    async def _stored(self, admin: AIOKafkaAdminClient, group: str) -> dict[TopicPartition, OffsetAndMetadata]:
        name = self._names.group(group)
        offsets: dict[TopicPartition, OffsetAndMetadata]
        offsets = await admin.list_consumer_group_offsets(name, await _coordinator(admin, name))
        return offsets

    async def check(self) -> list[str]:
        await self._way.probe()
        return await self.drift(list(self._topics.values()))

    async def health(self) -> dict[str, Any]:
        async with _answering(), self._admin() as admin:
            cluster = await asyncio.wait_for(admin.describe_cluster(), ASK_SECONDS)
        return {"brokers": len(cluster["brokers"]), "topics": len(self._topics)}

    @asynccontextmanager
    async def _consumer(self, group: str | None = None) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(
            **self._way.options,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=1_048_576,
            fetch_max_wait_ms=100,
            metadata_max_age_ms=60_000,
        )
        try:
            await asyncio.wait_for(consumer.start(), ASK_SECONDS)
            yield consumer
        finally:
            await _bounded(consumer.stop())

    @asynccontextmanager
    async def _admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(**self._way.options, request_timeout_ms=5_000)
        try:
            try:
                await asyncio.wait_for(admin.start(), ASK_SECONDS)
            except _LOST:
                await self._way.probe()  # says why, if there is no way at all
                raise
            yield admin
        finally:
            await _bounded(admin.close())


@dataclass(frozen=True)
class _Names:
    """How topics and groups are called on a cluster that several systems share, and how its records are read."""

    namespace: str

    def wire(self, topic: str) -> str:
        return self.namespace + topic

    def topic(self, wire: str) -> str:
        return wire.removeprefix(self.namespace)

    def group(self, group: str) -> str:
        return f"{self.namespace}caunoi-{group}"

    def raws(self, records: Iterable[ConsumerRecord]) -> list[Raw]:
        """Nothing is decoded. One string a topic, so that whoever looks something up by it hashes it once."""
        topic = cache(self.topic)
        return [
            Raw(
                topic(one.topic),
                one.partition,
                one.offset,
                one.key,
                tuple(one.headers),
                one.value,
                datetime.fromtimestamp(one.timestamp / 1000, UTC),
            )
            for one in records
        ]


class _GroupReader(ConsumerRebalanceListener):  # type: ignore[misc]
    """One member of one group: FastStream's batch subscriber, renewed whenever it ends without being told to."""

    def __init__(self, way: KafkaWay, names: "_Names", group: str, topics: Sequence[str], worker: Worker) -> None:
        self._way = way
        self._names = names
        self._group = names.group(group)
        self._topics = [names.wire(topic) for topic in topics]
        self._worker = worker
        self._subscription = Subscription()
        self._stopping = False
        self._broken = False
        self._broker: KafkaBroker | None = None
        self._consumer: AIOKafkaConsumer | None = None

    def start(self) -> Subscription:
        task = asyncio.create_task(self._keep_reading())
        task.add_done_callback(partial(_ended, self._subscription, self._group))

        async def stop() -> None:
            if not self._stopping:
                self._stopping = True
                await self._worker.finish()
                task.cancel()
            await asyncio.wait([task])

        self._subscription.stop = stop
        return self._subscription

    async def _keep_reading(self) -> None:
        wait = 0.5
        while not self._stopping and not self._broken:
            try:
                subscriber = await self._begin()
                wait = 0.5
                while subscriber.running and not self._broken and not any(task.done() for task in subscriber.tasks):
                    if subscriber.consumer is not None:
                        self._subscription.heard = _heard(subscriber.consumer) or self._subscription.heard
                    await asyncio.sleep(0.5)
                log.error("group_reader_ended", group=self._group)
            except _LOST as error:
                log.warning("group_waits_for_kafka", group=self._group, reason=type(error).__name__)
            finally:
                await self._end()
            if not self._broken:
                await asyncio.sleep(wait)
                wait = min(wait * 2, RETRY_MOST)

    async def _begin(self) -> Any:
        self._broker = KafkaBroker(
            self._way.servers,
            security=self._way.login,
            consumer_only=True,
            allow_auto_create_topics=False,
            logger=None,
            apply_types=False,
            graceful_timeout=1.0,  # who stops has let the worker finish; one that broke is not waited for
        )
        subscriber = self._broker.subscriber(
            *self._topics,
            batch=True,
            group_id=self._group,
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.MANUAL,
            max_records=BATCH_AT_MOST,
            batch_timeout_ms=10,
            fetch_max_wait_ms=100,
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=SESSION_MS // 3,
            max_poll_interval_ms=POLL_AT_LEAST_MS,
            listener=self,
            parser=self._as_it_is,
            decoder=_records,
        )
        subscriber(self._take)
        await asyncio.wait_for(self._broker.start(), 30)
        self._consumer = subscriber.consumer
        assert self._consumer is not None
        self._consumer.getmany = partial(_something, self._consumer.getmany)
        return subscriber

    async def _end(self) -> None:
        broker, self._broker, self._consumer = self._broker, None, None
        if broker is not None:
            await _bounded(broker.stop())

    async def _as_it_is(self, records: tuple[ConsumerRecord, ...]) -> KafkaMessage:
        """No header is decoded here: one that is not UTF-8 would lose its record silently."""
        return KafkaMessage(
            raw_message=records,
            body=records,
            correlation_id="-",
            message_id="-",
            consumer=self._consumer,  # type: ignore[arg-type]
        )

    async def _take(self, records: Sequence[ConsumerRecord]) -> None:
        try:
            await self._worker.take(self._names.raws(records), self._commit)
        except Exception:  # a batch that is not taken is not given again: reading on would skip it
            log.exception("worker_broke", group=self._group)
            self._broken = True
            await asyncio.Event().wait()

    async def _commit(self, positions: Positions) -> None:
        consumer = self._consumer
        if consumer is None:
            raise KafkaAway(retry_after=1)
        mine = consumer.assignment()
        wanted = {TopicPartition(self._names.wire(topic), number): at for (topic, number), at in positions.items()}
        offsets = {partition: at for partition, at in wanted.items() if partition in mine}
        if not offsets:
            return
        try:
            await asyncio.wait_for(consumer.commit(offsets), COMMIT_SECONDS)
        except _LOST as error:
            raise KafkaAway(retry_after=1) from error

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        await self._worker.forget([(self._names.topic(one.topic), one.partition) for one in revoked])

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        log.info("partitions_assigned", group=self._group, count=len(list(assigned)))


def _put(batch: BatchBuilder, record: Record) -> bool:
    """Whether there was room for it."""
    given = batch.append(timestamp=None, key=record.key, value=record.value, headers=list(record.headers))
    return given is not None


async def _something(getmany: Callable[..., Awaitable[Any]], *, timeout_ms: int, max_records: int | None) -> Any:
    """FastStream sleeps after an empty poll, as long again as it asked (`timeout_ms`), and blind: it is given none."""
    while not (found := await getmany(timeout_ms=POLL_MS, max_records=max_records)):
        pass
    return found


def _ended(subscription: Subscription, group: str, task: asyncio.Task[None]) -> None:
    """However it ended: a reader that is believed to be alive reads nothing, and nobody looks."""
    subscription.alive = False
    if not task.cancelled() and (bug := task.exception()):
        log.error("reader_died", group=group, exc_info=bug)


async def _coordinator(admin: AIOKafkaAdminClient, group: str) -> int:
    """Who keeps the group's positions. On a cluster that never had any the first question makes it be found."""
    for _ in range(KNOWN_TRIES):
        try:
            return int(await admin.find_coordinator(group))
        except GroupCoordinatorNotAvailableError:
            await asyncio.sleep(0.2)
    raise KafkaAway(retry_after=1)


async def _records(message: KafkaMessage) -> Any:
    return message.raw_message


async def _bounded(ending: Awaitable[Any]) -> None:
    """Ending something while the broker is down may hang, or end in a cancellation that is not ours."""
    task = asyncio.ensure_future(ending)
    await asyncio.wait([task], timeout=COMMIT_SECONDS)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await asyncio.wait([task], timeout=1)
        task.exception() if task.done() and not task.cancelled() else None


@asynccontextmanager
async def _answering() -> AsyncIterator[None]:
    try:
        yield
    except _LOST as error:
        raise KafkaAway(retry_after=1) from error


def _settings(spec: TopicSpec, replication: int) -> dict[str, str]:
    return {
        "cleanup.policy": "compact" if spec.compacted else "delete",
        "retention.ms": str(int(spec.retention / timedelta(milliseconds=1))),
        "min.insync.replicas": str(min(2, replication)),
    }


def _heard(consumer: AIOKafkaConsumer) -> datetime | None:
    """When the broker last answered a fetch."""
    polls = [consumer.last_poll_timestamp(partition) for partition in consumer.assignment()]
    latest = max((poll for poll in polls if poll), default=None)
    return datetime.fromtimestamp(latest / 1000, UTC) if latest else None
