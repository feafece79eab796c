"""How a process ends when it is told to, seen from outside."""

import json
import signal
import threading
from pathlib import Path

import httpx2

from tests.journeys.alone import alone
from tests.journeys.system import running

LIFE = ["started", "stopping", "stopped"]


def test_a_service_alone_says_where_it_is_and_when_it_ends(tmp_path: Path) -> None:
    with alone("training", tmp_path / "data", CAUNOI_STOP_SECONDS="60") as system:
        system.wait_for_output("Ctrl-C")
        assert system.output.startswith(f"training (embedded) đang chạy · is running: {system.address} ")
        assert system.stop(seconds=60) == 0
        said = [json.loads(line)["event"] for line in system.log.splitlines()]
        assert [event for event in said if event in LIFE] == LIFE
        assert not (tmp_path / "data" / "address").exists()


def test_it_says_that_it_is_leaving_while_it_still_serves(tmp_path: Path) -> None:
    """So that whoever sends requests sends them elsewhere, before the first one is turned away."""
    with alone("queue", tmp_path / "data", CAUNOI_DRAIN_SECONDS="2") as system:
        assert system.process
        system.process.send_signal(signal.SIGTERM)
        system.wait_for("leaving", 10, lambda: system.get("/readyz").status_code == 503)
        said = system.get("/readyz").json()
        assert (said["degraded"], said["services"]["queue"]["ready_for"]["serving"]) == (["stopping"], False)
        assert system.get("/livez").status_code == 200
        assert system.process.wait(60) == 0


def test_a_second_signal_does_not_wait_for_the_first_to_be_noticed(tmp_path: Path) -> None:
    with alone("queue", tmp_path / "data", CAUNOI_DRAIN_SECONDS="100") as system:
        assert system.process
        system.process.send_signal(signal.SIGTERM)
        system.wait_for("leaving", 10, lambda: system.get("/readyz").status_code == 503)
        assert system.stop(seconds=60) == 0


def test_nobody_who_follows_the_feed_holds_up_the_end(tmp_path: Path) -> None:
    """A feed never ends by itself: it is ended, and its client comes back to whoever runs then. Otherwise this would
    take the two minutes that requests are given here."""
    with running(tmp_path / "data", settings={"CAUNOI_STOP_SECONDS": "600"}) as system:
        begun, ended = threading.Event(), threading.Event()

        def follow() -> None:
            with httpx2.stream("GET", f"{system.address}/notify/feed", headers=system.operator, timeout=60) as feed:
                for _ in feed.iter_lines():
                    begun.set()
            ended.set()

        threading.Thread(target=follow, daemon=True).start()
        assert begun.wait(30)
        assert system.stop(seconds=60) == 0
        assert ended.wait(30)
