"""The command line of who keeps a city, on MongoDB and Kafka: keys and topics made by one command each; dead letters,
journals, a backup and its return; and a doctor who sees what is not right.
"""

import json
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from services.chassis.access import Access
from services.chassis.backends.kafka import KafkaBus
from services.chassis.clock import system_clock
from services.chassis.ids import token
from services.chassis.ports import Record
from services.chassis.service import topic_specs
from services.chassis.settings import Settings
from tests import servers
from tests.journeys.inline import Done, caunoi
from tests.journeys.system import RunningSystem
from tests.journeys.test_command_line import environment
from tests.journeys.ward import QUEUE_PART
from tests.support import run

HALL = "/queue/centres/31186"


def city(folder: Path, **more: str) -> dict[str, str]:
    """Settings of services on servers. Nobody answers at the gateway unless it is said where."""
    return {
        "CAUNOI_BACKEND": "distributed",
        "CAUNOI_SECRETS": str(folder),
        "CAUNOI_MONGO_URL": servers.mongo().url,
        "CAUNOI_KAFKA_SERVERS": servers.kafka().address,
        "CAUNOI_NAMESPACE": f"{token(8)}-",
        "CAUNOI_GATEWAY_URL": "http://127.0.0.1:1",
        **more,
    }


@dataclass
class City(RunningSystem):
    """`caunoi up` on servers, with a ward that is open. It is its own gateway."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.settings = city(self.data, CAUNOI_GATEWAY_URL=self.address)

    def prepare(self) -> None:
        for command in (("secrets", str(self.data)), ("topics",)):
            assert self.told(*command).returncode == 0
        self.start()
        assert self.http.put(HALL, json=QUEUE_PART, headers=self.operator).status_code < 300

    def told(self, *arguments: str) -> Done:
        return caunoi(*arguments, environment=self.environment)

    @property
    def staff(self) -> dict[str, str]:
        tokens = Access(Settings(secrets=self.data), system_clock).tokens
        return {"Authorization": f"Bearer {tokens.issue('a-000001', ['staff'], ['31186']).token}"}

    def take_number(self) -> str:
        answer = self.http.post(f"{HALL}/tickets", json={"service": "ho-tich"}, headers=self.staff)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["ticket_id"])

    def knows(self, ticket: str) -> bool:
        return bool(self.get(f"/queue/tickets/{ticket}", headers=self.staff).status_code == 200)

    def owed(self) -> int:
        return int(self.get("/readyz").json()["services"]["queue"]["owed"])


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    system = City(tmp_path_factory.mktemp("city") / "data")
    try:
        system.prepare()
        yield system
    finally:
        system.end()


# -------------------------------------------------------------------------------------------------- keys and topics


def test_keys_and_the_operators_token_are_made_once(tmp_path: Path) -> None:
    where = tmp_path / "secrets"
    assert caunoi("secrets", str(where), environment={}).returncode == 0
    first = {file.name: file.read_bytes() for file in where.iterdir()}
    assert caunoi("secrets", str(where), environment={}).returncode == 0
    assert {file.name: file.read_bytes() for file in where.iterdir()} == first
    assert {stat.S_IMODE(file.stat().st_mode) for file in where.iterdir()} == {0o600}
    assert {"token.key", "sealing.key", "operator.token"} <= set(first)


def test_a_service_makes_no_keys_that_it_should_share(tmp_path: Path) -> None:
    done = caunoi("up", environment=environment(tmp_path / "data", CAUNOI_BACKEND="distributed"))
    assert done.returncode == 2
    assert "caunoi secrets" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "data" / "secrets").exists()


def test_topics_are_made_once_and_missing_ones_are_told(tmp_path: Path) -> None:
    where = environment(tmp_path, **city(tmp_path))
    missing = caunoi("topics", "--check", environment=where)
    assert missing.returncode == 1
    assert "queue-called: missing; run `caunoi topics`" in missing.stdout
    assert caunoi("topics", environment=where).returncode == 0
    assert caunoi("topics", "--check", environment=where).returncode == 0


def test_where_there_is_no_cluster_there_are_no_topics_to_make(tmp_path: Path) -> None:
    done = caunoi("topics", environment=environment(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")


def test_without_kafka_topics_say_so_in_one_line(tmp_path: Path) -> None:
    where = environment(tmp_path, **city(tmp_path, CAUNOI_KAFKA_SERVERS="127.0.0.1:1"))
    done = caunoi("topics", environment=where)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Kafka cannot be reached: 127.0.0.1:1: " in done.stderr


# ------------------------------------------------------------------------------------------------------------ doctor


def found_by_doctor(environment: Mapping[str, str]) -> dict[str, list[str]]:
    done = caunoi("doctor", "--json", environment=environment)
    found: dict[str, list[str]] = {"well": [], "look": [], "ill": []}
    assert done.stdout, done.stderr
    for finding in json.loads(done.stdout):
        found[finding["level"]].append(finding["what"])
        assert finding["do"] or finding["level"] == "well"
    assert done.returncode == bool(found["ill"])
    return found


def test_a_doctor_sees_servers_and_services_and_what_is_missing(system: City) -> None:
    system.wait_for("read by notify", 120, lambda: "notify: 1 tiến trình đọc" in " ".join(healthy(system)))
    found = found_by_doctor(system.environment)
    assert found["ill"] == []
    assert any("chủ đề đúng như hợp đồng" in what for what in found["well"])
    assert "queue: mỗi câu trả lời đều chờ đa số máy ghi xuống đĩa (majority, journalled)" in found["well"]
    assert "MongoDB: tập rs0 chỉ có một máy" in found["look"]
    assert "Chưa có tài khoản cán bộ hay điều phối viên" in found["look"]


def healthy(system: City) -> list[str]:
    return found_by_doctor(system.environment)["well"]


def test_a_doctor_tells_of_servers_that_are_not_there(tmp_path: Path) -> None:
    away = city(tmp_path, CAUNOI_KAFKA_SERVERS="127.0.0.1:1", CAUNOI_MONGO_URL="mongodb://127.0.0.1:1/")
    caunoi("secrets", str(tmp_path), environment={})
    ill = found_by_doctor(environment(tmp_path, **away))["ill"]
    assert [what.partition(":")[0] for what in ill] == [
        *("Không kết nối được MongoDB", "Không kết nối được Kafka", "queue", "volunteers", "training", "notify"),
    ]


# ----------------------------------------------------------------------------------------------- letters and journals


def test_a_dead_letter_is_seen_and_discarded_though_no_service_is_asked(system: City) -> None:
    async def poison() -> None:
        bus = KafkaBus(system.settings["CAUNOI_KAFKA_SERVERS"], namespace=system.settings["CAUNOI_NAMESPACE"])
        await bus.open(topic_specs())
        await bus.publish([Record("queue-called", b"31186", [], b"{")])
        await bus.close()

    run(poison())
    system.wait_for("a dead letter", 120, lambda: json.loads(system.told("dlq", "ls", "--json").stdout))
    (letter,) = json.loads(system.told("dlq", "ls", "--json").stdout)
    assert (letter["group"], letter["topic"]) == ("notify", "queue-called")
    assert "missing-attribute" in system.told("dlq", "show", letter["reference"]).stdout
    assert system.told("dlq", "discard", letter["reference"], "--why", "test-data").returncode == 0
    assert json.loads(system.told("dlq", "ls", "--json").stdout) == []


def test_the_journal_tells_what_happened_to_a_ticket_and_can_be_told_again(system: City) -> None:
    ticket = system.take_number()
    told = json.loads(system.told("journal", "ls", "--about", ticket, "--json").stdout)
    assert [(entry["type"], entry["by"]) for entry in told] == [("TicketIssued", "a-000001")]
    again = system.told("journal", "republish", "--since", "1h", "--service", "queue")
    assert again.returncode == 0, again.stderr
    assert int(again.stdout.split()[1]) >= 2
    system.wait_for("all published again", 120, lambda: system.owed() == 0)


@pytest.mark.parametrize("since", ["yesterday", "400d"])
def test_a_time_that_is_none_or_too_long_ago_is_refused_in_words(system: City, since: str) -> None:
    done = system.told("journal", "republish", "--since", since)
    assert done.returncode == 1
    assert ("--since" in done.stderr) == (since == "yesterday")


# ------------------------------------------------------------------------------------------------ backup and restore


def test_what_must_be_at_rest_is_refused_while_a_service_runs(system: City, tmp_path: Path) -> None:
    system.told("backup", str(tmp_path / "all.tar.gz"))
    for command in (("restore", str(tmp_path / "all.tar.gz"), "--replace"), ("rebuild",)):
        done = system.told(*command)
        assert (done.returncode, "running; stop the services first" in done.stderr) == (2, True), done.stderr


def test_the_age_of_the_last_backup_is_shown(system: City, tmp_path: Path) -> None:
    assert system.told("backup", str(tmp_path / "all.tar.gz")).returncode == 0
    assert 0 < system.sampled("caunoi_backup_age_seconds") < 600
    assert any("Bản sao lưu mới nhất cách đây" in what for what in found_by_doctor(system.environment)["well"])


def test_a_backup_of_a_running_city_comes_to_life_in_its_place_and_elsewhere(system: City, tmp_path: Path) -> None:
    before = system.take_number()
    files = (str(tmp_path / "all.tar.gz"), "--keys", str(tmp_path / "keys.tar.gz"))
    taken = system.told("backup", *files)
    assert taken.returncode == 0, taken.stderr
    after = system.take_number()
    system.stop(seconds=60)

    kept = system.told("restore", *files)
    assert (kept.returncode, "--replace" in kept.stderr) == (2, True), kept.stderr
    restored = system.told("restore", *files, "--replace")
    assert restored.returncode == 0, restored.stderr
    system.start()
    assert (system.knows(before), system.knows(after)) == (True, False)
    assert system.take_number() not in (before, after)
    told = json.loads(system.told("journal", "ls", "--about", before, "--json").stdout)
    assert [entry["type"] for entry in told] == ["TicketIssued"]

    elsewhere = environment(tmp_path, **city(tmp_path / "fresh"))
    assert caunoi("topics", environment=elsewhere).returncode == 0
    moved = caunoi("restore", *files, environment=elsewhere)
    assert moved.returncode == 0, moved.stderr
    with MongoClient[dict[str, Any]](servers.mongo().url) as client:
        kinds = client[f"{elsewhere['CAUNOI_NAMESPACE']}caunoi-queue"]["documents"].distinct("kind")
        assert sorted(kinds) == ["centre", "hall"]


def test_views_are_made_again_while_nobody_runs(system: City) -> None:
    ticket = system.take_number()
    system.stop(seconds=60)
    done = system.told("rebuild")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("bảng đọc") == 4
    system.start()
    assert system.knows(ticket)


def test_a_backup_of_files_is_not_put_into_mongodb(tmp_path: Path) -> None:
    ward = environment(tmp_path / "ward")
    added = ("accounts", "add", "canbo", "--role", "staff", "--centre", "31186", "--password-stdin")
    assert caunoi(*added, environment=ward, stdin="ba quả dừa nước\n").returncode == 0
    assert caunoi("backup", str(tmp_path / "ward.tar.gz"), environment=ward).returncode == 0
    done = caunoi("restore", str(tmp_path / "ward.tar.gz"), environment=environment(tmp_path, **city(tmp_path)))
    assert (done.returncode, "see CAUNOI_BACKEND" in done.stderr) == (1, True), done.stderr
