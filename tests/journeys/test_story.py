"""The main job of the mission, through HTTP against a real `caunoi up --demo`; every event of it is checked."""

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

from services.caunoi.demo.people import CENTRE, DAUGHTER, MEMBERS
from services.contracts.events import BY_TOPIC
from tests.journeys.system import ROOT, RunningSystem, running

OFF_DUTY = set(range(3, len(MEMBERS)))
HELMETS = {number for number in OFF_DUTY if MEMBERS[number].spare_helmet and MEMBERS[number].vehicle != "none"}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    with running(tmp_path_factory.mktemp("story") / "data", demo=True) as system:
        system.wait_for_output("Hết chuyện", 90)
        system.wait_for_output("Ctrl-C")
        yield system


@pytest.fixture(scope="module")
def told(system: RunningSystem) -> list[dict[str, Any]]:
    """The story told again on the same system, as JSON lines."""
    played = system.cli("story", "--json", seconds=90)
    assert played.returncode == 0, played.stdout + played.stderr
    return [json.loads(line) for line in played.stdout.splitlines()]


@pytest.fixture(scope="module")
def events(told: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    return [(line["topic"], line["event"]) for line in told if "topic" in line]


def of(events: list[tuple[str, dict[str, Any]]], topic: str, **fields: Any) -> list[dict[str, Any]]:
    return [
        event for name, event in events if name == topic and all(event.get(field) == fields[field] for field in fields)
    ]


def one(events: list[tuple[str, dict[str, Any]]], topic: str, **fields: Any) -> dict[str, Any]:
    found = of(events, topic, **fields)
    assert len(found) == 1, f"{topic}: {found}"
    return found[0]


def test_the_first_start_plays_it_once_and_prints_who_may_sign_in(system: RunningSystem) -> None:
    assert system.output.count("Hết chuyện") == 1
    assert "dieuphoi" in system.output
    assert f"{system.address}/" in system.output


def test_every_event_is_as_the_contract_says(events: list[tuple[str, dict[str, Any]]]) -> None:
    for topic, event in events:
        assert BY_TOPIC[topic].model_validate(event).model_dump(mode="json", exclude={"contact_ref"}) == event


def test_each_happens_as_often_as_it_should(events: list[tuple[str, dict[str, Any]]]) -> None:
    counted = {topic: len(of(events, topic)) for topic, _ in events}
    assert counted == {
        "ticket-issued": 1,
        "assistance-requested": 1,
        "ride-planned": 2,
        "offer-made": 3 + 4,
        "offer-accepted": 2,
        "offer-void": 2 + 3,
        "assistance-taken": 1,
        "queue-called": 1,
        "serving-started": 1,
        "assistance-finished": 1,
        "case-completed": 1,
        "ride-home-requested": 1,
        "ride-assigned": 1,
        "ride-picked-up": 1,
        "ride-completed": 1,
    }


def test_she_takes_a_number_with_two_wishes(events: list[tuple[str, dict[str, Any]]]) -> None:
    issued = one(events, "ticket-issued", needs_help=True, ride_home=True)
    assert issued["code"] == f"A{issued['number']:03d}"
    assert one(events, "assistance-requested")["code"] == issued["code"]
    assert {event["ride_id"] for event in of(events, "ride-planned")} == {f"{issued['ticket_id']}-ride"}


def test_help_is_offered_to_those_in_the_hall_and_taken_once(
    system: RunningSystem, events: list[tuple[str, dict[str, Any]]]
) -> None:
    asked = {event["member"] for event in of(events, "offer-made", kind="assistance")}
    assert asked == set(kept(system)["members"][:3])
    helper = one(events, "offer-accepted", kind="assistance")["member"]
    assert one(events, "assistance-taken")["member"] == helper
    void = [event for event in of(events, "offer-void", kind="assistance") if event["tell"]]
    assert {event["member"] for event in void} == asked - {helper}


def test_counter_three_calls_and_her_daughter_is_told(
    system: RunningSystem, told: list[dict[str, Any]], events: list[tuple[str, dict[str, Any]]]
) -> None:
    called = one(events, "queue-called", counter=3, call_count=1)
    assert called["selected_because"] == "only_one_waiting"
    sms = next(line["note"] for line in told if line.get("note", "").startswith("SMS"))
    assert f"••{DAUGHTER[-3:]}" in sms
    assert f"Mời số {called['code']} đến quầy 3" in sms
    assert DAUGHTER not in json.dumps(told)


def test_the_case_is_completed_after_its_help_is_finished(events: list[tuple[str, dict[str, Any]]]) -> None:
    done = one(events, "case-completed", outcome="accepted", counter=3)
    assert done["wait_seconds"] >= 0
    assert one(events, "assistance-finished", result="shown")["ticket_id"] == done["ticket_id"]


def test_the_ride_is_offered_to_three_off_duty_with_a_helmet_to_spare(
    system: RunningSystem, events: list[tuple[str, dict[str, Any]]]
) -> None:
    members = kept(system)["members"]
    offers = of(events, "offer-made", kind="ride")
    assert {members.index(offer["member"]) for offer in offers} <= HELMETS
    assert one(events, "ride-home-requested")["hamlet"] == "khu-vuc-5"
    declined = one(events, "offer-void", kind="ride", reason="declined")["member"]
    assert [offer["member"] for offer in offers].index(declined) == 0
    taken_by = one(events, "offer-accepted", kind="ride")["member"]
    assert [offer["member"] for offer in offers].index(taken_by) == 1
    others = of(events, "offer-void", kind="ride", reason="taken", tell=True)
    assert {offer["member"] for offer in others} == {offer["member"] for offer in offers} - {declined, taken_by}


def test_she_sees_a_name_and_a_code_word_and_gets_home(
    told: list[dict[str, Any]], events: list[tuple[str, dict[str, Any]]]
) -> None:
    driver = one(events, "ride-assigned", by_hand=False)["member"]
    assert one(events, "ride-picked-up")["member"] == driver
    assert one(events, "ride-completed")["member"] == driver
    seen = next(line["note"] for line in told if line.get("note", "").startswith("Trên phiếu"))
    assert "None" not in seen


def test_the_evening_report_counts_both_mornings(system: RunningSystem, told: list[dict[str, Any]]) -> None:
    evening = json.loads(system.cli("report", "--json").stdout)
    assert evening == next(line["report"] for line in told if "report" in line)
    assert evening["queue"]["completed"] == evening["volunteers"]["people_helped"] == 2
    assert evening["volunteers"]["rides_completed"] == 2
    assert evening["volunteers"]["volunteers_present"] == 3


def test_the_messages_of_the_story_lie_in_the_drawer_with_numbers_masked(system: RunningSystem) -> None:
    drawer = json.loads(system.cli("messages", "--json", "--limit", "200").stdout)
    assert {"called", "offer", "offer_void", "ride_assigned", "sign_in"} <= {message["template"] for message in drawer}
    assert all(message["segments"] == 1 for message in drawer if message["state"] == "sent")
    assert not [message for message in drawer if message["to"] and not message["to"].startswith("09•••")]


def test_nothing_of_it_is_left_owed_or_dead(system: RunningSystem) -> None:
    found = json.loads(system.cli("doctor", "--json").stdout)
    assert not [finding for finding in found if finding["level"] == "ill"]
    assert json.loads(system.cli("dlq", "ls", "--json").stdout) == []


def test_it_can_be_told_as_often_as_one_likes(system: RunningSystem) -> None:
    for _ in range(6):
        again = system.cli("story", "--json")
        assert again.returncode == 0, again.stdout + again.stderr


def test_a_story_that_cannot_go_on_says_at_which_step(system: RunningSystem, tmp_path: Path) -> None:
    account = next(
        one for one in json.loads(system.cli("accounts", "ls", "--json").stdout) if one["name"] == "canbo.quay3"
    )
    system.cli("accounts", "disable", "canbo.quay3")
    played = system.cli("story")
    assert played.returncode == 1
    assert "failed at step 4" in played.stderr
    system.http.post(f"/queue/accounts/{account['account']}/enable", headers=system.operator)
    assert system.cli("story").returncode == 0


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
