"""What `caunoi up --demo` shows: the story at first start, the live page, who follows; and what a restart leaves."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from services.caunoi.demo.people import CENTRE, MEMBERS
from tests.journeys.system import ROOT, RunningSystem, running

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    with running(tmp_path_factory.mktemp("demo") / "data", demo=True) as system:
        system.wait_for_output("Ctrl-C")
        yield system


def test_the_first_start_plays_it_once_and_prints_who_may_sign_in(system: RunningSystem) -> None:
    assert system.output.count("Hết chuyện") == 1
    assert "dieuphoi" in system.output
    assert f"{system.address}/" in system.output


def test_doctor_finds_nothing_ill_afterwards(system: RunningSystem) -> None:
    found = json.loads(system.cli("doctor", "--json").stdout)
    assert not [finding for finding in found if finding["level"] == "ill"]
    assert json.loads(system.cli("dlq", "ls", "--json").stdout) == []


def test_who_follows_reads_it_in_sentences_and_ends_with_ctrl_c(system: RunningSystem, tmp_path: Path) -> None:
    out = tmp_path / "tail.txt"
    with out.open("w") as file:
        follower = subprocess.Popen(
            [sys.executable, "-m", "services.caunoi", "tail", "--centre", CENTRE],
            cwd=ROOT,
            env=system.environment,
            stdout=file,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert follower.stderr
        assert "following" in follower.stderr.readline()
        time.sleep(1)  # nothing tells from outside that it has been let in
        assert system.cli("story").returncode == 0
        system.wait_for("the ride to be told", 20, lambda: "ride-completed" in out.read_text("utf-8"))
        follower.send_signal(signal.SIGINT)
        assert follower.wait(5) == 0
    assert "đến quầy 3" in out.read_text("utf-8")


# --------------------------------------------------------------------------------------------------- the live page


def test_anybody_may_look_on_at_the_demo_centre_and_at_nothing_else(system: RunningSystem) -> None:
    with visitor_of(system) as visitor:
        page = visitor.get("/")
        assert "Trung tâm Phục vụ hành chính công phường Cái Răng" in page.text
        assert "minh hoạ" in page.text
        assert visitor.get(f"/queue/centres/{CENTRE}/board").status_code == 200
        assert visitor.get("/queue/centres/31510/board").status_code == 403
        assert visitor.get(f"/queue/centres/{CENTRE}/report").status_code == 403
        assert visitor.post(f"/queue/centres/{CENTRE}/tickets", json={"service": "vneid"}).status_code == 403


def test_the_page_hears_of_volunteers_too_as_it_happens(system: RunningSystem) -> None:
    with visitor_of(system) as visitor:
        visitor.get("/")
        with visitor.stream("GET", "/live/events") as feed:
            lines = feed.iter_lines()
            assert next(lines).startswith("id: ")
            assert system.cli("story").returncode == 0
            heard = set()
            until = time.monotonic() + 20
            for line in lines:
                heard.add(line.removeprefix("event: ") if line.startswith("event: ") else "")
                if "ride-completed" in heard or time.monotonic() > until:
                    break
        assert {"ticket-issued", "queue-called", "offer-made", "ride-completed"} <= heard


def test_the_page_needs_nothing_from_elsewhere(system: RunningSystem) -> None:
    with visitor_of(system) as visitor:
        page = visitor.get("/")
        assert "default-src 'self'" in page.headers["content-security-policy"]
        assert "//" not in page.text.replace("<!doctype", "").split("<body")[0].replace("http://www.w3.org", "")
        for address in re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text):
            assert visitor.get(address).status_code == 200


def test_who_looks_after_all_centres_says_whose_report_he_wants(system: RunningSystem) -> None:
    with visitor_of(system) as visitor:
        session = {"name": "thanhpho", "password": kept(system)["password"]}
        assert visitor.post("/session", json=session).status_code == 200
        assert "Tài khoản này xem được báo cáo của mọi trung tâm." in visitor.get("/").text
        report = visitor.get("/", params={"report": CENTRE}, follow_redirects=True)
        assert report.status_code == 200 and report.url.path == f"/coordinator/{CENTRE}/report"


def test_a_demo_password_opens_no_other_demo(system: RunningSystem, tmp_path: Path) -> None:
    password = kept(system)["password"]
    with running(tmp_path / "other", demo=True) as other:
        other.wait_for_output("Ctrl-C", 90)
        answer = other.http.post("/session", json={"name": "dieuphoi", "password": password})
        assert answer.status_code == 401


def test_a_second_start_tells_no_second_story(tmp_path: Path) -> None:
    with running(tmp_path / "data", demo=True) as system:
        system.wait_for_output("Ctrl-C", 90)
        assert system.stop() == 0
        system.start()
        system.wait_for("who may sign in again", 90, lambda: system.output.count("Ctrl-C") == 2)
        assert system.output.count("Hết chuyện") == 1


@pytest.mark.slow
def test_a_power_failure_while_it_is_made_ready_leaves_nothing_half_done(tmp_path: Path) -> None:
    with running(tmp_path / "data", demo=True) as system:
        system.wait_for("some members", 60, lambda: len(kept(system)["members"]) >= 4)
        system.kill()
        system.start()
        system.wait_for_output("Ctrl-C", 90)
        coordinator = {"Authorization": f"Bearer {kept(system)['tokens']['dieuphoi']}"}
        listed = system.http.get(f"/volunteers/centres/{CENTRE}/members", headers=coordinator).json()["members"]
        assert sorted(member["name"] for member in listed) == sorted(member.name for member in MEMBERS)
        assert system.output.count("Hết chuyện") == 1


def kept(system: RunningSystem) -> Any:
    file = system.data / "demo.json"
    return json.loads(file.read_text()) if file.exists() else {"members": []}


def visitor_of(system: RunningSystem) -> httpx2.Client:
    """A browser without a session of its own."""
    return httpx2.Client(base_url=system.address, timeout=30, headers={"Sec-Fetch-Site": "same-origin"})
