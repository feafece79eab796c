"""The main job of the mission, through HTTP, every event of it checked: against a real `caunoi up --demo`, and against
four services as processes of their own on MongoDB and Kafka.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.caunoi.demo.people import DAUGHTER, MEMBERS
from services.contracts.events import BY_TOPIC
from tests.faults.books import at_rest
from tests.faults.checker import check
from tests.faults.history import History
from tests.journeys.apart import apart
from tests.journeys.racing import System
from tests.journeys.system import ROOT, RunningSystem, running
from tests.support import run

OFF_DUTY = set(range(3, len(MEMBERS)))
HELMETS = {number for number in OFF_DUTY if MEMBERS[number].spare_helmet and MEMBERS[number].vehicle != "none"}

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module", params=["embedded", "distributed"])
def system(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Where it was told once."""
    data = tmp_path_factory.mktemp("story") / "data"
    with running(data, demo=True) if request.param == "embedded" else apart(data) as system:
        if isinstance(system, RunningSystem):
            system.wait_for_output("Hết chuyện")
            system.wait_for_output("Ctrl-C")
        else:
            made = system.cli("demo")
            assert made.returncode == 0, made.stdout + made.stderr
        yield system


@pytest.fixture(scope="module")
def told(system: System) -> list[dict[str, Any]]:
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


def test_the_readme_shows_it_as_it_is_told(system: System) -> None:
    if isinstance(system, RunningSystem):  # of the others the command prints it
        shown = (ROOT / "README.md").read_text("utf-8").partition("<!-- story:start -->")[2]
        assert sentences(shown.partition("<!-- story:end -->")[0]) == sentences(system.output)


def sentences(text: str) -> set[str]:
    """Scenes and events, whoever they were about and however long they took."""
    anybody = re.compile("|".join(person.name for person in MEMBERS) + r"|\d[\d.]*")
    return {anybody.sub("…", line).strip() for line in text.splitlines() if re.match(r" +(\d|\+ ).*  ", line)}


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
    system: System, events: list[tuple[str, dict[str, Any]]]
) -> None:
    asked = {event["member"] for event in of(events, "offer-made", kind="assistance")}
    assert asked == set(kept(system)["members"][:3])
    helper = one(events, "offer-accepted", kind="assistance")["member"]
    assert one(events, "assistance-taken")["member"] == helper
    void = [event for event in of(events, "offer-void", kind="assistance") if event["tell"]]
    assert {event["member"] for event in void} == asked - {helper}


def test_counter_three_calls_and_her_daughter_is_told(
    system: System, told: list[dict[str, Any]], events: list[tuple[str, dict[str, Any]]]
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
    system: System, events: list[tuple[str, dict[str, Any]]]
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


def test_the_evening_report_counts_both_mornings(system: System, told: list[dict[str, Any]]) -> None:
    evening = json.loads(system.cli("report", "--json").stdout)
    assert evening == next(line["report"] for line in told if "report" in line)
    assert evening["queue"]["completed"] == evening["volunteers"]["people_helped"] == 2
    assert evening["volunteers"]["rides_completed"] == 2
    assert evening["volunteers"]["volunteers_present"] == 3


def test_the_messages_of_the_story_lie_in_the_drawer_with_numbers_masked(system: System) -> None:
    drawer = json.loads(system.cli("messages", "--json", "--limit", "200").stdout)
    assert {"called", "offer", "offer_void", "ride_assigned", "sign_in"} <= {message["template"] for message in drawer}
    assert all(message["segments"] == 1 for message in drawer if message["state"] == "sent")
    assert not [message for message in drawer if message["to"] and not message["to"].startswith("09•••")]


def test_nothing_of_it_is_left_owed_or_dead(system: System) -> None:
    with system.books() as books:
        run(at_rest(books))
        assert books.dead_letters() == []
        history = History((), books.records(), books.facts())
    told_by_clients = {"nothing without a command", "nothing without a cause"}
    assert not [one for one in check(history) if one.invariant not in told_by_clients]


@pytest.mark.slow
def test_it_can_be_told_as_often_as_one_likes(system: System) -> None:
    for _ in range(6 if isinstance(system, RunningSystem) else 1):
        again = system.cli("story", "--json")
        assert again.returncode == 0, again.stdout + again.stderr


@pytest.mark.slow
def test_a_story_that_cannot_go_on_says_at_which_step(system: System, tmp_path: Path) -> None:
    account = next(
        one for one in json.loads(system.cli("accounts", "ls", "--json").stdout) if one["name"] == "canbo.quay3"
    )
    system.cli("accounts", "disable", "canbo.quay3")
    played = system.cli("story")
    assert played.returncode == 1
    assert "failed at step 4" in played.stderr
    system.http.post(f"/queue/accounts/{account['account']}/enable", headers=system.operator)
    assert system.cli("story").returncode == 0


def kept(system: System) -> Any:
    return json.loads((system.data / "demo.json").read_text())
