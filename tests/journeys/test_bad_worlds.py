"""A service alone, started in a world that is not as it should be: it says in one line what to do and ends, where that
alone helps; or it waits, or serves all the same, and says what is missing.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pymongo import MongoClient

from services.chassis.access import Access
from services.chassis.backends.kafka import KafkaBus
from services.chassis.clock import system_clock
from services.chassis.ids import token
from services.chassis.keys import Keys
from services.chassis.service import topic_specs
from services.chassis.settings import Settings
from tests import servers
from tests.faults.syscalls import failing
from tests.journeys.alone import OneService
from tests.journeys.ward import QUEUE_PART
from tests.servers.mongo import Mongod
from tests.servers.process import free_port
from tests.support import run


class Queue(OneService):
    """`python -m services.queue` on servers, with these settings besides."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.secrets = folder
        self.namespace = f"{token(8)}-"
        Keys.at(folder)
        ours = {
            "CAUNOI_BACKEND": "distributed",
            "CAUNOI_SECRETS": str(folder),
            "CAUNOI_NAMESPACE": self.namespace,
            "CAUNOI_MONGO_URL": servers.mongo().url,
            "CAUNOI_KAFKA_SERVERS": servers.kafka().address,
        }
        super().__init__(folder / "queue", settings=ours | settings)

    def refused(self) -> str:
        """What it says when it ends with exit code 2, at once: one line each in two languages."""
        self.start(wait=False)
        assert self.process
        assert self.process.wait(60) == 2
        said = [line for line in self.log.splitlines() if not line.startswith("{")]
        assert len(said) == 2, self.log
        return said[1]

    def until(self, path: str, true: Callable[[httpx2.Response], Any]) -> httpx2.Response:
        """The first answer that is as wanted."""
        answers: list[httpx2.Response] = []

        def as_wanted() -> bool:
            with suppress(httpx2.TransportError):
                answers.append(self.get(path))
            return bool(answers and true(answers[-1]))

        self.wait_for(f"as wanted: {path}", 90, as_wanted)
        return answers[-1]

    def asked(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> httpx2.Response:
        """By the operator, who is also the staff of the ward."""
        tokens = Access(Settings(secrets=self.secrets), system_clock).tokens
        token = tokens.issue("a-000001", ["operator", "staff"], ["31186"]).token
        headers = {"Authorization": f"Bearer {token}"} | ({"Idempotency-Key": key} if key else {})
        return self.http.request(method, path, json=body, headers=headers)

    def begun(self) -> Callable[..., httpx2.Response]:
        """A ward that is open; what is returned takes a number."""
        assert self.asked("PUT", "/queue/centres/31186", QUEUE_PART).status_code < 300
        return partial(self.asked, "POST", "/queue/centres/31186/tickets", {"service": "ho-tich"})


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Callable[..., Queue]]:
    made: list[Queue] = []

    def make(**settings: str) -> Queue:
        made.append(Queue(tmp_path, **settings))
        return made[-1]

    yield make
    for one in made:
        if one.alive:
            one.kill()
        one.http.close()


# --------------------------------------------------------------------------------------- what waiting does not mend


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"CAUNOI_MONGO_USER": "caunoi"}, "wrong user or password; see CAUNOI_MONGO_USER and SECRETS/mongo.password"),
        ({"CAUNOI_MONGO_URL": "mongodb://mongo.invalid/"}, "the name of mongo.invalid:27017 does not resolve"),
        (
            {"CAUNOI_KAFKA_SECURITY": "SASL_PLAINTEXT", "CAUNOI_KAFKA_USER": "caunoi"},
            "takes no login of this kind; see CAUNOI_KAFKA_MECHANISM",
        ),
    ],
)
def test_it_ends_with_what_to_do(
    queue: Callable[..., Queue], tmp_path: Path, settings: Mapping[str, str], said: str
) -> None:
    for server in ("mongo", "kafka"):
        (tmp_path / f"{server}.password").write_text("not the one")
    assert said in queue(**settings).refused()


def test_data_of_a_newer_version_are_left_alone(queue: Callable[..., Queue]) -> None:
    ours = queue()
    with MongoClient[dict[str, Any]](servers.mongo().url) as client:
        client[f"{ours.namespace}caunoi-queue"]["schema"].insert_one({"_id": "schema", "version": 99})
    assert "are of schema 99, this program knows 1; take the newer version that wrote them" in ours.refused()


# ------------------------------------------------------------------------------------------------- what is waited for


def test_a_database_that_is_not_up_yet_is_waited_for(queue: Callable[..., Queue], tmp_path: Path) -> None:
    program = servers.natively()
    late = Mongod(program, tmp_path / "mongo", free_port())
    ours = queue(CAUNOI_MONGO_URL=late.url)
    ours.start(wait=False)
    ours.until("/livez", lambda answer: answer.status_code == 200)
    refused = ours.until("/queue/centres/31186/board", lambda answer: answer.status_code == 503)
    assert refused.headers["retry-after"] == "1"
    assert ours.until("/startupz", lambda answer: True).status_code == 503
    late.start()
    try:
        ours.until("/readyz", lambda answer: answer.status_code == 200)
    finally:
        late.stop()


def test_who_waits_for_a_database_ends_when_told_to(queue: Callable[..., Queue]) -> None:
    ours = queue(CAUNOI_MONGO_URL="mongodb://127.0.0.1:1/?replicaSet=rs0")
    ours.start(wait=False)
    ours.until("/livez", lambda answer: "waits_for_store" in ours.log)
    assert "MongoDB cannot be reached: 127.0.0.1:1: [Errno 111] Connection refused" in ours.log
    assert ours.stop() == 0


def test_a_database_that_goes_is_said_in_time_and_comes_back_by_itself(
    queue: Callable[..., Queue], tmp_path: Path
) -> None:
    going = Mongod(servers.natively(), tmp_path / "mongo", free_port())
    going.start()
    ours = queue(CAUNOI_MONGO_URL=going.url)
    ours.start(wait=False)
    try:
        ours.until("/readyz", lambda answer: answer.status_code == 200)
        tickets = ours.begun()
        assert tickets().json()["code"] == "A001"
        keys = [token(20) for _ in range(6)]
        with ThreadPoolExecutor(len(keys)) as callers:
            going.kill()
            answers = list(callers.map(lambda key: tickets(key=key), keys))
        assert {(answer.status_code, "retry-after" in answer.headers) for answer in answers} == {(503, True)}
        assert min(answer.elapsed for answer in answers) < timedelta(seconds=2)
        going.start()
        codes = [insisted(partial(tickets, key=key)).json()["code"] for key in keys]
        assert sorted(codes) == [f"A{number:03d}" for number in range(2, 8)]
        assert [tickets(key=key).json()["code"] for key in keys] == codes
    finally:
        going.kill()


def insisted(ask: Callable[[], httpx2.Response], seconds: float = 60) -> httpx2.Response:
    """As a client does: again, until it is not told to come later."""
    until = time.monotonic() + seconds
    while (answer := ask()).status_code == 503:
        assert time.monotonic() < until, answer.text
        time.sleep(0.2)
    return answer


@pytest.mark.needs_tool("strace")
def test_what_was_answered_before_the_volume_of_the_database_was_full_is_kept(
    queue: Callable[..., Queue], tmp_path: Path
) -> None:
    """A mongod that cannot write ends itself; to us it is away until somebody has made room and started it."""
    program = servers.natively()
    filling = Mongod(program, tmp_path / "mongo", free_port())
    filling.start()
    ours = queue(CAUNOI_MONGO_URL=filling.url)
    ours.start(wait=False)
    try:
        ours.until("/readyz", lambda answer: answer.status_code == 200)
        tickets = ours.begun()
        given = [tickets().json()["ticket_id"] for _ in range(3)]
        with failing(filling.pid, "pwrite64", "ENOSPC"):
            while (answer := tickets()).status_code == 201:
                given.append(answer.json()["ticket_id"])
        assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
        filling.kill()
        filling.start()
        ours.until("/readyz", lambda answer: answer.status_code == 200)
        kept = [insisted(partial(ours.asked, "GET", f"/queue/tickets/{ticket}")) for ticket in given]
        assert [answer.status_code for answer in kept] == [200] * len(given)
    finally:
        filling.kill()


# --------------------------------------------------------------------------------------------- what is done without


@pytest.mark.parametrize("kafka", ["127.0.0.1:1", "kafka.invalid:9092"])
def test_numbers_are_given_though_there_is_no_kafka(queue: Callable[..., Queue], kafka: str) -> None:
    ours = queue(CAUNOI_KAFKA_SERVERS=kafka)
    ours.start(wait=False)
    assert ours.until("/readyz", lambda answer: answer.status_code == 200).json()["services"]["queue"]["owed"] == 0
    assert f"{kafka}" in ours.log
    assert "bus_not_as_it_should_be" in ours.log


def test_topics_that_are_missing_are_said_until_they_are_there(queue: Callable[..., Queue]) -> None:
    ours = queue()
    ours.start(wait=False)
    ready = ours.until("/readyz", lambda answer: answer.status_code == 200 and answer.json()["degraded"])
    assert "ticket-issued: missing; run `caunoi topics`" in ready.json()["why"]
    run(KafkaBus(servers.kafka().address, namespace=ours.namespace).provision(topic_specs()))
    ours.until("/readyz", lambda answer: answer.json()["degraded"] == [])


def test_fewer_partitions_than_the_contract_states_are_said(queue: Callable[..., Queue]) -> None:
    ours = queue()
    bus = KafkaBus(servers.kafka().address, namespace=ours.namespace)
    run(bus.provision([replace(spec, partitions=1) for spec in topic_specs()]))
    ours.start(wait=False)
    ready = ours.until("/readyz", lambda answer: answer.status_code == 200 and answer.json()["degraded"] == ["topics"])
    assert "ticket-issued: 1 partitions, the contract says 6" in ready.json()["why"]
