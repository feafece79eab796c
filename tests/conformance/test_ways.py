"""The way to real servers that ask for a password and speak TLS; and where there is none, why, in one line."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from pymongo import MongoClient

from services.chassis.backends.kafka import KafkaBus
from services.chassis.backends.kafka_way import KafkaNotReached, KafkaNotUsable, KafkaWay
from services.chassis.backends.mongo import MongoStore
from services.chassis.backends.mongo_way import MongoNotReached, MongoNotUsable, MongoWay
from services.chassis.ids import token
from services.chassis.ports import Commit, Partition, Raw, Record, TopicSpec
from services.chassis.views import Projector
from tests import servers
from tests.servers.mongo import Mongod
from tests.servers.process import free_port
from tests.servers.secured import PASSWORD, USER, Authority, SecuredKafka, SecuredMongod
from tests.support import run

CALLED = TopicSpec("queue-called", partitions=1)


@dataclass
class Secured:
    kafka: KafkaWay
    mongo: MongoWay
    stranger: Path
    """An authority that neither of them has to do with."""


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    program = servers.natively()
    folder = tmp_path_factory.mktemp("secured")
    authority, stranger = Authority(folder / "ours"), Authority(folder / "others")
    kafka = SecuredKafka(folder / "kafka", authority)
    mongo = SecuredMongod(program, folder / "mongo", free_port(), authority)
    try:
        kafka.start()
        mongo.start()
        yield Secured(
            KafkaWay(kafka.servers, "SASL_SSL", "SCRAM-SHA-512", USER, PASSWORD, authority.ca),
            MongoWay(mongo.url, "motor", USER, PASSWORD, authority.ca),
            stranger.ca,
        )
    finally:
        kafka.stop()
        mongo.stop()


# ---------------------------------------------------------------------------------------------------------- Kafka


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "PLAIN"])
def test_a_record_goes_out_and_comes_back_over_tls_with_a_password(secured: Secured, mechanism: str) -> None:
    async def story() -> None:
        bus = KafkaBus(replace(secured.kafka, mechanism=mechanism), namespace=f"{token(8)}-")
        await bus.open([CALLED])
        await bus.provision([CALLED])
        assert await bus.check() == []
        assert await bus.publish([Record("queue-called", b"31186", [], b"{}")]) == 1
        assert [raw.value for raw in await bus.read("queue-called")] == [b"{}"]
        await bus.close()

    run(story())


def test_a_group_reads_over_tls_with_a_password(secured: Secured) -> None:
    async def story() -> None:
        bus = KafkaBus(secured.kafka, namespace=f"{token(8)}-")
        await bus.open([CALLED])
        await bus.provision([CALLED])
        hand = Hand()
        reader = await bus.subscribe("ward", ["queue-called"], hand)
        await bus.publish([Record("queue-called", b"31186", [], b"{}")])
        assert await asyncio.wait_for(hand.taken, 60) == b"{}"
        await reader.stop()
        await bus.close()

    run(story(), 90)


class Hand:
    """A worker that keeps the first thing that it is given."""

    def __init__(self) -> None:
        self.taken: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()

    async def take(self, batch: Sequence[Raw], commit: Commit) -> None:
        if not self.taken.done():
            self.taken.set_result(batch[0].value)

    async def forget(self, partitions: Iterable[Partition]) -> None:
        return None

    async def finish(self) -> None:
        return None


def asked_of_kafka(way: KafkaWay) -> str:
    """What is said by who cannot use it as things are, though it answers."""
    with pytest.raises(KafkaNotUsable) as found:
        run(way.probe())
    assert PASSWORD not in str(found.value) + repr(way)
    return str(found.value)


def test_kafka_says_what_is_wrong_with_who_comes(secured: Secured) -> None:
    kafka = secured.kafka
    assert "wrong user or password; see CAUNOI_KAFKA_USER" in asked_of_kafka(replace(kafka, password="guess"))
    assert "does not verify" in asked_of_kafka(replace(kafka, ca=secured.stranger))
    assert "CAUNOI_KAFKA_MECHANISM" in asked_of_kafka(replace(kafka, mechanism="SCRAM-SHA-256"))


def test_a_broker_hangs_up_on_who_speaks_in_the_clear_instead_of_tls_or_the_other_way_round(secured: Secured) -> None:
    for way in (KafkaWay(secured.kafka.servers), KafkaWay(servers.kafka().address, "SSL")):
        with pytest.raises(KafkaNotReached, match="hung up; see CAUNOI_KAFKA_SECURITY"):
            run(way.probe())


def test_a_broker_that_is_down_or_has_no_name_now_is_waited_for() -> None:
    with pytest.raises(KafkaNotReached, match=r"127\.0\.0\.1:1: "):
        run(KafkaWay("127.0.0.1:1").probe())
    with pytest.raises(
        KafkaNotReached, match=r"the name of kafka\.invalid:9092 does not resolve; see CAUNOI_KAFKA_SERVERS"
    ):
        run(KafkaWay("kafka.invalid:9092").probe())


def test_one_broker_that_answers_is_enough() -> None:
    run(KafkaWay(f"127.0.0.1:1,{servers.kafka().address}").probe())


# -------------------------------------------------------------------------------------------------------- MongoDB


def store(way: MongoWay) -> MongoStore:
    return MongoStore(way, f"t-{token(10)}", Projector((), {}, {}))


@pytest.mark.parametrize("client", ["motor", "pymongo"])
def test_a_store_is_opened_over_tls_with_a_password(secured: Secured, client: str) -> None:
    async def story() -> None:
        opened = store(replace(secured.mongo, by=client))
        await opened.open()
        assert (await opened.health())["replica_set"] == "rs0"
        await opened.close()

    run(story())


def asked_of_mongo(way: MongoWay) -> str:
    with pytest.raises(MongoNotUsable) as found:
        run(store(way).open())
    assert PASSWORD not in str(found.value) + repr(way)
    return str(found.value)


@pytest.mark.parametrize("client", ["motor", "pymongo"])
def test_mongodb_says_what_is_wrong_with_who_comes(secured: Secured, client: str) -> None:
    mongo = replace(secured.mongo, by=client)
    assert "wrong user or password; see CAUNOI_MONGO_USER" in asked_of_mongo(replace(mongo, password="guess"))
    assert "may not read and write" in asked_of_mongo(replace(mongo, user="", password=""))
    assert "does not verify; see CAUNOI_MONGO_CA" in asked_of_mongo(replace(mongo, ca=secured.stranger))


def test_a_mongodb_that_is_no_replica_set_cannot_be_used(tmp_path: Path) -> None:
    program = servers.natively()
    alone = Standalone(program, tmp_path / "alone", free_port())
    alone.start()
    try:
        assert "is no replica set; start mongod with --replSet" in asked_of_mongo(MongoWay(alone.url))
        assert "is no replica set" in asked_of_mongo(MongoWay(f"mongodb://127.0.0.1:{alone.port}/"))
    finally:
        alone.stop()


class Standalone(Mongod):
    REPLICA_SET = ()

    def _wait_for_primary(self, seconds: float = 30) -> None:
        with MongoClient("127.0.0.1", self.port, serverSelectionTimeoutMS=int(seconds * 1000)) as client:
            client.admin.command("ping")


def test_another_replica_set_than_the_one_meant_cannot_be_used() -> None:
    other = servers.mongo().url.replace("rs0", "rs7")
    assert "is of the replica set rs0, CAUNOI_MONGO_URL says rs7" in asked_of_mongo(MongoWay(other))


def test_a_name_that_does_not_resolve_and_an_address_that_is_none_are_said() -> None:
    assert "does not resolve; see CAUNOI_MONGO_URL" in asked_of_mongo(MongoWay("mongodb://mongo.invalid/?replicaSet=a"))
    assert "CAUNOI_MONGO_URL: " in asked_of_mongo(MongoWay("mongodb://a:b:c/"))


def test_a_mongodb_that_is_down_is_waited_for() -> None:
    with pytest.raises(MongoNotReached, match=r"[Cc]onnection refused"):
        run(store(MongoWay("mongodb://127.0.0.1:1/?replicaSet=rs0")).open())


@pytest.mark.parametrize(("schema", "said"), [(0, "older"), (99, "newer")])
def test_data_of_another_schema_are_left_alone(schema: int, said: str) -> None:
    async def story() -> None:
        first = store(MongoWay(servers.mongo().url))
        await first.open()
        await first._db["schema"].update_one({"_id": "schema"}, {"$set": {"version": schema}})
        with pytest.raises(MongoNotUsable, match=f"schema {schema}, this program knows 1; take the {said} version"):
            await MongoStore(MongoWay(servers.mongo().url), first._database, Projector((), {}, {})).open()
        await first.close()

    run(story())
