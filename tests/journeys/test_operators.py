"""The command line of who keeps a city: keys and topics are made by one command each, and what is not right is said."""

import stat
from pathlib import Path

from services.chassis.ids import token
from tests import servers
from tests.journeys.system import cli
from tests.journeys.test_command_line import environment


def test_keys_and_the_operators_token_are_made_once(tmp_path: Path) -> None:
    where = tmp_path / "secrets"
    assert cli("secrets", str(where)).returncode == 0
    first = {file.name: file.read_bytes() for file in where.iterdir()}
    assert cli("secrets", str(where)).returncode == 0
    assert {file.name: file.read_bytes() for file in where.iterdir()} == first
    assert {stat.S_IMODE(file.stat().st_mode) for file in where.iterdir()} == {0o600}
    assert {"token.key", "sealing.key", "operator.token"} <= set(first)


def test_a_service_makes_no_keys_that_it_should_share(tmp_path: Path) -> None:
    done = cli("up", environment=environment(tmp_path / "data", CAUNOI_BACKEND="distributed"))
    assert done.returncode == 2
    assert "caunoi secrets" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "data" / "secrets").exists()


def test_topics_are_made_once_and_missing_ones_are_told(tmp_path: Path) -> None:
    city = environment(
        tmp_path,
        CAUNOI_BACKEND="distributed",
        CAUNOI_KAFKA_SERVERS=servers.kafka().address,
        CAUNOI_NAMESPACE=f"{token(8)}-",
    )
    missing = cli("topics", "--check", environment=city)
    assert missing.returncode == 1
    assert "queue-called: missing; run `caunoi topics`" in missing.stdout
    assert cli("topics", environment=city).returncode == 0
    assert cli("topics", "--check", environment=city).returncode == 0


def test_where_there_is_no_cluster_there_are_no_topics_to_make(tmp_path: Path) -> None:
    done = cli("topics", environment=environment(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
