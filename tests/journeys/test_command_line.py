"""The command line on a real system: what it does, what it refuses, and that it says why in one line."""

import json
import os
import signal
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from services.caunoi.demo.prepare import WARDS
from services.chassis.backends.sqlite_bus import SqliteBus
from services.chassis.ports import Record
from services.chassis.service import topic_specs
from tests.journeys.system import RunningSystem, cli, running
from tests.support import run

CAI_RANG = next(str(file) for file in WARDS if file.stem == "cai-rang")


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    with running(tmp_path_factory.mktemp("cli") / "data") as system:
        yield system


def environment(data: Path, **more: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CAUNOI_")}
    return inherited | {"CAUNOI_DATA": str(data)} | more


def no_trace(text: str) -> bool:
    return "Traceback" not in text and 'File "' not in text


# ------------------------------------------------------------------------------------------------ starting, ending


def test_a_port_that_is_taken_is_told_with_exit_code_2(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = cli("up", environment=environment(tmp_path / "data", CAUNOI_PORT=port))
    assert done.returncode == 2
    assert "taken" in done.stderr
    assert no_trace(done.stderr)


def test_a_directory_in_use_is_told_with_exit_code_2(system: RunningSystem) -> None:
    done = system.cli("up", "--port", "1025")
    assert done.returncode == 2
    assert "in use" in done.stderr
    assert no_trace(done.stderr)


def test_data_of_a_newer_version_is_told_with_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "version").write_text("99\n")
    done = cli("up", environment=environment(tmp_path))
    assert done.returncode == 2
    assert "newer version" in done.stderr


@pytest.mark.parametrize("setting", [{"CAUNOI_PORT": "many"}, {"CAUNOI_COLOUR": "blue"}])
def test_a_bad_setting_is_one_line_with_exit_code_2(tmp_path: Path, setting: dict[str, str]) -> None:
    done = cli("config", environment=environment(tmp_path, **setting))
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert next(iter(setting)) in done.stderr


def test_a_command_that_is_not_there_is_bad_usage(tmp_path: Path) -> None:
    assert cli("fly", environment=environment(tmp_path)).returncode == 2


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_in_order_within_five_seconds_though_somebody_follows_the_feed(
    tmp_path: Path, sign: signal.Signals
) -> None:
    with running(tmp_path / "data") as system:
        with system.http.stream("GET", "/notify/feed", headers=system.operator) as feed:
            assert feed.status_code == 200
            began = time.monotonic()
            assert system.stop(sign) == 0
            assert time.monotonic() - began < 5
        assert not (system.data / "address").exists()


# ------------------------------------------------------------------------------------------- over HTTP, and without


def test_the_operators_token_is_for_the_owner_alone(system: RunningSystem) -> None:
    assert stat.S_IMODE((system.data / "operator.token").stat().st_mode) == 0o600


def test_an_account_made_while_it_runs_signs_in(system: RunningSystem) -> None:
    made = system.cli("accounts", "add", "ba.nam", "--role", "staff", "--centre", "31186", stdin="sen nở giữa ao sâu\n")
    assert made.returncode == 0, made.stderr
    answer = system.http.post("/session", json={"name": "ba.nam", "password": "sen nở giữa ao sâu"})
    assert answer.status_code == 200


def test_an_account_made_while_nothing_runs_signs_in_later(tmp_path: Path) -> None:
    data = tmp_path / "data"
    made = cli(
        *("accounts", "add", "ong.tu", "--role", "operator"), environment=environment(data), stdin="bảy ghe xuôi về\n"
    )
    assert made.returncode == 0, made.stderr
    with running(data) as system:
        answer = system.http.post("/session", json={"name": "ong.tu", "password": "bảy ghe xuôi về"})
        assert answer.status_code == 200


def test_a_disabled_account_is_listed_as_such_and_signs_in_no_more(system: RunningSystem) -> None:
    system.cli("accounts", "add", "co.ut", "--role", "staff", "--centre", "31186", stdin="mưa trên bến Ninh Kiều\n")
    assert system.cli("accounts", "disable", "co.ut").returncode == 0
    listed = json.loads(system.cli("accounts", "ls", "--json").stdout)
    assert [one["active"] for one in listed if one["name"] == "co.ut"] == [False]
    answer = system.http.post("/session", json={"name": "co.ut", "password": "mưa trên bến Ninh Kiều"})
    assert answer.status_code == 401


def test_a_device_gets_a_token_that_opens_its_own_doors_only(system: RunningSystem) -> None:
    made = system.cli("accounts", "add", "kiosk.1", "--role", "kiosk", "--centre", "31186", "--json")
    token = json.loads(made.stdout)["token"]
    answer = system.http.get("/session", headers={"Authorization": f"Bearer {token}"})
    assert answer.json()["roles"] == ["kiosk"]
    assert system.http.get("/ops/dlq", headers={"Authorization": f"Bearer {token}"}).status_code == 403


def test_a_refusal_of_the_system_is_one_line_with_exit_code_1(system: RunningSystem) -> None:
    done = system.cli("accounts", "add", "x.y", "--role", "staff", "--centre", "31186", stdin="12345678\n")
    assert done.returncode == 1
    assert "password-too-common" in done.stderr
    assert no_trace(done.stderr)


def test_a_directory_that_holds_nothing_is_told(tmp_path: Path) -> None:
    done = cli("messages", environment=environment(tmp_path / "nowhere"))
    assert done.returncode == 2
    assert not (tmp_path / "nowhere").exists()


# --------------------------------------------------------------------------------------------------------- seeding


def test_a_ward_is_seeded_and_the_same_file_again_changes_nothing(system: RunningSystem) -> None:
    assert system.cli("seed", CAI_RANG).returncode == 0
    before = described(system)
    assert system.cli("seed", CAI_RANG).returncode == 0
    assert described(system) == before


def described(system: RunningSystem) -> object:
    return system.http.get("/queue/centres/31186", headers=system.operator).json()


def test_a_yaml_with_a_mistake_changes_nothing(system: RunningSystem, tmp_path: Path) -> None:
    system.cli("seed", CAI_RANG)
    before = described(system)
    wrong = tmp_path / "wrong.yaml"
    text = Path(CAI_RANG).read_text("utf-8").replace("counters: [3, 4]", "counters: [drei, 4]")
    wrong.write_text(text, "utf-8")
    line = text.partition("drei")[0].count("\n") + 1
    done = system.cli("seed", str(wrong))
    assert done.returncode == 1
    assert f"{wrong}:{line}:16: services.dat-dai-chuyen-quyen.counters.0:" in done.stderr
    assert described(system) == before


# ------------------------------------------------------------------------------------------------ looking after it


def test_doctor_finds_a_new_system_well(system: RunningSystem) -> None:
    done = system.cli("doctor", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0
    assert not [one for one in found if one["level"] == "ill"]
    assert any("wal, full" in one["what"] for one in found)


def test_doctor_sees_a_key_that_others_may_read(tmp_path: Path) -> None:
    with running(tmp_path / "data") as system:
        (system.data / "secrets" / "passes.key").chmod(0o644)
        done = system.cli("doctor", "--json")
    assert done.returncode == 1
    assert next(one["do"] for one in json.loads(done.stdout) if one["level"] == "ill").startswith("chmod 600")


def test_there_are_no_dead_letters_in_a_new_system(system: RunningSystem) -> None:
    assert json.loads(system.cli("dlq", "ls", "--json").stdout) == []


def test_a_dead_letter_that_is_not_there_is_told(system: RunningSystem) -> None:
    done = system.cli("dlq", "replay", "queue-called/0/12")
    assert done.returncode == 1
    assert "no-such-letter" in done.stderr


def test_the_settings_are_printed_without_any_secret(system: RunningSystem) -> None:
    printed = system.cli("config").stdout
    assert f"CAUNOI_PORT={system.port}" in printed
    keys = [file.read_text().strip() for file in (system.data / "secrets").glob("*.key")]
    assert keys
    assert not [key for key in keys if key in printed]


def test_the_map_of_events_is_printed_for_people_and_for_machines(system: RunningSystem) -> None:
    assert "queue-called" in system.cli("events").stdout
    rows = json.loads(system.cli("events", "--json").stdout)
    assert {"topic", "published_by", "handled_by"} <= set(rows[0])


# ---------------------------------------------------------------------------------------------------- dead letters


async def leave_poison(data: Path) -> None:
    """What somebody else put on the bus while the system was at rest."""
    bus = SqliteBus(data / "bus.sqlite")
    await bus.open(topic_specs())
    await bus.publish([Record("queue-called", b"31186", [("ce_type", b"queue-called")], b"no event")])
    await bus.close()


def letters(system: RunningSystem, *more: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(system.cli("dlq", "ls", "--json", *more).stdout)
    return found


def test_what_could_not_be_handled_is_listed_shown_replayed_and_discarded(tmp_path: Path) -> None:
    with running(tmp_path / "data") as system:
        system.stop()
        run(leave_poison(system.data))
        system.start()
        system.wait_for("a dead letter", 20, lambda: bool(letters(system)))
        reference = str(letters(system)[0]["reference"])
        assert reference in system.cli("dlq", "ls").stdout
        assert f"reference: {reference}" in system.cli("dlq", "show", reference).stdout
        assert "no event" not in system.cli("dlq", "show", reference).stdout
        assert system.cli("dlq", "replay", reference).returncode == 0
        system.wait_for(
            "its replay to die again", 20, lambda: any(one["reference"] != reference for one in letters(system))
        )
        for letter in letters(system):
            done = system.cli("dlq", "discard", str(letter["reference"]), "--why", "test-data")
            assert done.returncode == 0, done.stderr
        assert letters(system) == []
        assert {one["resolution"]["what"] for one in letters(system, "--all")} == {"replayed", "discarded"}  # type: ignore[index]


# ------------------------------------------------------------------------------------------------ backup and restore


@pytest.mark.slow
def test_a_backup_of_a_running_system_comes_to_life_elsewhere(system: RunningSystem, tmp_path: Path) -> None:
    system.cli("accounts", "add", "chi.hai", "--role", "operator", stdin="đờn ca tài tử đêm trăng\n")
    taken = system.cli("backup", str(tmp_path / "all.tar.gz"), "--keys", str(tmp_path / "keys.tar.gz"))
    assert taken.returncode == 0, taken.stderr
    assert stat.S_IMODE((tmp_path / "all.tar.gz").stat().st_mode) == 0o600
    restored = cli(
        *("restore", str(tmp_path / "all.tar.gz"), "--keys", str(tmp_path / "keys.tar.gz")),
        environment=environment(tmp_path / "new"),
    )
    assert restored.returncode == 0, restored.stderr
    with running(tmp_path / "new") as other:
        answer = other.http.post("/session", json={"name": "chi.hai", "password": "đờn ca tài tử đêm trăng"})
        assert answer.status_code == 200


def test_what_came_after_a_backup_is_gone_and_what_came_before_is_there_once(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data) as system:
        system.cli("seed", CAI_RANG)
        kiosk = {"Authorization": f"Bearer {kiosk_of(system)}"}
        assert take_number(system, kiosk) == "B001"
        assert system.cli("backup", str(tmp_path / "all.tar.gz")).returncode == 0
        assert take_number(system, kiosk) == "B002"
    restored = cli("restore", str(tmp_path / "all.tar.gz"), "--replace", environment=environment(data))
    assert restored.returncode == 0, restored.stderr
    with running(data) as system:
        assert take_number(system, kiosk) == "B002"
        report = json.loads(system.cli("report", "--json").stdout)
        assert report["queue"]["issued"] == report["queue"]["needs_help"] == 2
        assert report["volunteers"]["assistances_open"] == 2
        assert letters(system) == []


def kiosk_of(system: RunningSystem) -> str:
    made = system.cli("accounts", "add", "kiosk.moi", "--role", "kiosk", "--centre", "31186", "--json")
    return str(json.loads(made.stdout)["token"])


def take_number(system: RunningSystem, kiosk: dict[str, str]) -> str:
    wishes = {"service": "chung-thuc", "needs_help": True}
    given = system.http.post("/queue/centres/31186/tickets", json=wishes, headers=kiosk)
    assert given.status_code == 201, given.text
    return str(given.json()["code"])


@pytest.mark.slow
def test_a_restore_into_a_running_system_is_refused(system: RunningSystem, tmp_path: Path) -> None:
    system.cli("backup", str(tmp_path / "all.tar.gz"))
    done = system.cli("restore", str(tmp_path / "all.tar.gz"), "--replace")
    assert done.returncode == 2
    assert "stop it" in done.stderr


@pytest.mark.slow
def test_a_spoiled_backup_is_refused_and_leaves_no_data(system: RunningSystem, tmp_path: Path) -> None:
    system.cli("backup", str(tmp_path / "all.tar.gz"), "--keys", str(tmp_path / "keys.tar.gz"))
    whole = bytearray((tmp_path / "all.tar.gz").read_bytes())
    whole[len(whole) // 2] ^= 0xFF
    (tmp_path / "spoiled.tar.gz").write_bytes(whole)
    done = cli(
        *("restore", str(tmp_path / "spoiled.tar.gz"), "--keys", str(tmp_path / "keys.tar.gz")),
        environment=environment(tmp_path / "new"),
    )
    assert done.returncode == 1
    assert no_trace(done.stderr)
    assert not list((tmp_path / "new").glob("*.sqlite"))


@pytest.mark.slow
def test_a_backup_does_not_hold_the_keys_unless_asked(system: RunningSystem, tmp_path: Path) -> None:
    system.cli("backup", str(tmp_path / "all.tar.gz"))
    done = cli("restore", str(tmp_path / "all.tar.gz"), environment=environment(tmp_path / "new"))
    assert done.returncode == 1
    assert "--keys" in done.stderr


def test_keys_that_can_be_put_nowhere_are_found_out_before_anything_is_written(
    system: RunningSystem, tmp_path: Path
) -> None:
    done = system.cli("backup", str(tmp_path / "all.tar.gz"), "--keys", str(tmp_path / "none" / "keys.tar.gz"))
    assert done.returncode == 1 and "không có thư mục này" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_present_data_is_set_aside_and_not_lost(tmp_path: Path) -> None:
    data = tmp_path / "data"
    where = environment(data)
    cli("accounts", "add", "ong.ba", "--role", "operator", environment=where, stdin="một hai ba bốn năm cây\n")
    cli("backup", str(tmp_path / "all.tar.gz"), environment=where)
    assert cli("restore", str(tmp_path / "all.tar.gz"), environment=where).returncode == 2
    assert cli("restore", str(tmp_path / "all.tar.gz"), "--replace", environment=where).returncode == 0
    assert list(data.glob("before-restore-*/queue.sqlite"))


def test_views_come_out_of_the_journal_as_they_were(tmp_path: Path) -> None:
    where = environment(tmp_path / "data")
    cli("accounts", "add", "ong.sau", "--role", "operator", environment=where, stdin="một hai ba bốn năm cây\n")
    before = cli("accounts", "ls", "--json", environment=where).stdout
    assert cli("rebuild", environment=where).returncode == 0
    assert cli("accounts", "ls", "--json", environment=where).stdout == before


def test_a_rebuild_wants_the_system_at_rest(system: RunningSystem) -> None:
    done = system.cli("rebuild")
    assert done.returncode == 2
    assert "stop it" in done.stderr


# --------------------------------------------------------------------------------------------------- the live page


def test_a_real_system_shows_nothing_to_who_is_not_signed_in(system: RunningSystem) -> None:
    page = httpx2.get(f"{system.address}/")
    assert page.status_code == 200
    assert "cho người đã đăng nhập" in page.text
    assert "set-cookie" not in page.headers
