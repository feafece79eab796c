"""What the queue shows: board, counters, services, the report; and who may see and do what."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from services.contracts.events import CentreChanged
from services.queue import domain, handlers
from services.queue.api import in_todays_hall
from services.queue.centre import Centre
from services.queue.hall import Hall
from tests.support import run
from tests.unit.queue.morning import config, words
from tests.unit.queue.running import AT, CENTRE, OTHER, Desk, a_desk, eventually, played


async def a_busy_morning(desk: Desk) -> dict[str, str]:
    """a is served at 1, b called to 2, p waits with priority and c behind her; d wants land."""
    await desk.open(1, 2)
    given = {name: await desk.issue() for name in "ab"}
    await desk.call(1)
    await desk.at(given["a"]["ticket_id"], "start")
    desk.later(minutes=1)
    await desk.call(2)
    given["p"] = await desk.issue(priority=True)
    given["c"] = await desk.issue(needs_help=True)
    given["d"] = await desk.issue("land")
    return {name: each["ticket_id"] for name, each in given.items()}


def test_the_board_shows_codes_and_counters_and_no_reference(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        tickets = await a_busy_morning(desk)
        board = await desk.get(f"{AT}/board", desk.display)
        assert [(call["code"], call["counter"], call["state"]) for call in board["called"]] == [
            ("A002", 2, "called"),
            ("A001", 1, "serving"),
        ]
        assert board["waiting"] == ["A003", "A004", "B001"]
        assert [(call["code"], call["counter"]) for call in board["last_calls"]] == [("A002", 2), ("A001", 1)]
        assert {each["code"]: (each["waiting"], each["counters_open"]) for each in board["services"]} == {
            "birth": (2, 2),
            "copies": (0, 2),
            "land": (1, 1),
        }
        assert not [name for name in tickets.values() if name in json.dumps(board)]

    played(tmp_path, story)


def test_a_counter_sees_who_is_there_and_who_would_be_next_and_why(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        tickets = await a_busy_morning(desk)
        await desk.at(tickets["b"], "hold")
        shown = await desk.get(f"{AT}/counters/2")
        assert (shown["open"], shown["now"], shown["code"]) == (True, None, None)
        assert [each["ticket_id"] for each in shown["held"]] == [tickets["b"]]
        assert [(each["code"], each["because"]) for each in shown["waiting"]] == [
            ("A003", "priority_first"),
            ("A004", "longest_wait"),
            ("B001", "only_one_waiting"),
        ]
        assert shown["waiting"][0]["selected_because"] == "Thuộc diện ưu tiên"
        assert (await desk.get(f"{AT}/counters/1"))["now"]["code"] == "A001"

    played(tmp_path, story)


def test_a_counter_knows_until_when_it_may_undo(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        tickets = await a_busy_morning(desk)
        await desk.at(tickets["a"], "complete", outcome="accepted")
        assert (await desk.get(f"{AT}/counters/1"))["undo_until"].startswith("2026-11-24T01:03:00")
        desk.later(minutes=2, seconds=1)
        assert (await desk.get(f"{AT}/counters/1"))["undo_until"] is None

    played(tmp_path, story)


def test_services_come_with_their_checklists_before_anybody_opened_the_day(tmp_path: Path) -> None:
    land = {
        "name": words("Đất đai", "Land"),
        "series": "B",
        "counters": [3],
        "quota": 1,
        "procedure": {"papers": [words("Căn cước", "Identity card")], "fee_vnd": 50_000, "days": 10},
    }

    async def story(desk: Desk) -> None:
        listed = await desk.get(f"{AT}/services", desk.kiosk)
        (shown,) = listed["services"]
        assert (listed["open"], listed["hours"]) == (True, ["07:30-11:30", "13:30-17:00"])
        assert (shown["open"], shown["left"], shown["procedure"]["fee_vnd"]) == (True, 1, 50_000)
        given = await desk.issue("land")
        (shown,) = (await desk.get(f"{AT}/services", f"Pass {given['pass']}"))["services"]
        assert (shown["open"], shown["left"], shown["waiting"]) == (False, 0, 1)
        seen = await desk.get(f"/queue/tickets/{given['pass']}", "")
        assert seen["procedure"]["papers"] == [{"vi": "Căn cước", "en": "Identity card"}]

    played(tmp_path, story, described=config(services={"land": land}))


def test_the_report_adds_up(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        tickets = await a_busy_morning(desk)
        desk.later(minutes=9)
        await desk.at(tickets["a"], "complete", outcome="accepted")
        await desk.at(tickets["b"], "no-show")
        await desk.at(tickets["c"], "cancel")
        report = await desk.get(f"{AT}/report", desk.coordinator)
        assert (report["day"], report["issued"], report["completed"], report["no_show"]) == ("2026-11-24", 5, 1, 1)
        assert (report["cancelled"], report["still_here"], report["needs_help"]) == (1, 2, 1)
        assert report["outcomes"]["accepted"] == 1
        assert (report["wait_mean_minutes"], report["wait_median_minutes"]) == (0, 0)
        assert report["transaction_mean_minutes"] == 10
        assert report["by_hour"][0] | {"wait_mean_minutes": 0} == {
            "hour": 8,
            "issued": 5,
            "completed": 1,
            "wait_mean_minutes": 0,
            "transaction_mean_minutes": 10,
        }
        assert report["by_service"]["land"]["issued"] == 1

    played(tmp_path, story)


def test_an_undone_completion_is_not_counted(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        tickets = await a_busy_morning(desk)
        before = await desk.get(f"{AT}/report")
        await desk.at(tickets["a"], "complete", outcome="accepted")
        await desk.post(f"{AT}/counters/1/undo")
        assert (await desk.get(f"{AT}/report"))["completed"] == before["completed"] == 0
        assert (await desk.get(f"{AT}/report"))["wait_median_minutes"] is None

    played(tmp_path, story)


def test_a_day_on_which_nobody_came_is_noughts(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        report = await desk.get(f"{AT}/report?day=2026-11-01")
        assert (report["day"], report["issued"], report["wait_mean_minutes"], report["closed"]) == (
            "2026-11-01",
            0,
            None,
            False,
        )

    played(tmp_path, story)


def test_staff_close_the_day_but_not_over_people(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        await a_busy_morning(desk)
        assert (await desk.refused(f"{AT}/close-day"))["slug"] == "people-still-there"
        ended = await desk.post(f"{AT}/close-day", desk.coordinator, {"send_home": True})
        assert ended == {
            "day": "2026-11-24",
            "issued": 5,
            "completed": 0,
            "cancelled": 4,
            "no_show": 0,
            "unfinished": 1,
        }
        assert (await desk.refused(f"{AT}/tickets", desk.kiosk, {"service": "birth"}))["slug"] == "day-is-closed"
        report = await desk.get(f"{AT}/report")
        assert (report["closed"], report["unfinished"], report["completed"]) == (True, 1, 0)
        board = await desk.get(f"{AT}/board")
        assert (board["open"], board["closed"], board["called"], board["waiting"]) == (False, True, [], [])

    played(tmp_path, story)


def test_what_came_of_a_no_show_after_the_day_is_not_to_be_changed(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        tickets = await a_busy_morning(desk)
        await desk.at(tickets["b"], "no-show")
        await desk.post(f"{AT}/close-day", None, {"send_home": True})
        assert (await desk.refused(f"/queue/tickets/{tickets['b']}/reinstate"))["slug"] == "day-is-closed"

    played(tmp_path, story)


def test_the_same_description_again_is_the_same_revision(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        assert await desk.describe(config()) == {"centre": CENTRE, "revision": 1}
        assert len(await desk.journal()) == 2
        shown = await desk.get(AT, desk.coordinator)
        assert shown["services"]["birth"]["series"] == "A"

    played(tmp_path, story)


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"hours": {"tue": ["11:30-07:30"]}}, "hours.tue"),
    ({"services": {"birth": {"name": words("Khai\u202esinh"), "series": "A", "counters": [1]}}}, "name.vi"),
    ({"colour": "blue"}, "colour"),
]


def test_a_mistake_in_a_description_is_told_with_its_place(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        for changes, field in MISTAKES:
            body = config().model_dump(mode="json", exclude_defaults=True) | changes
            refused = await desk.refused(AT, desk.coordinator, body, "PUT")
            assert refused["slug"] == "request-not-valid"
            assert refused["errors"][0]["field"].endswith(field)
        assert len(await desk.journal()) == 2

    played(tmp_path, story)


def test_a_change_heard_twice_or_late_plans_the_day_once(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        await desk.issue()
        await desk.describe(config(in_a_row=5))

        async def planned() -> bool:
            return "DayPlanned" in await desk.journal()

        await eventually(planned)
        halls, centres = desk.system[Hall], desk.system[Centre]
        for entry in (await desk.system.running["queue"].store.journal(None, 100))[0]:
            if entry.type == "CentreChanged":
                change = desk.system.running["queue"].documents.parse(entry)
                assert isinstance(change, CentreChanged)
                await handlers.plan_the_day_anew(change, halls, centres, desk.now)
        assert (await desk.journal()).count("DayPlanned") == 1

    played(tmp_path, story)


def test_a_change_opens_no_hall(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_desk(tmp_path) as desk:
            await desk.describe(config(in_a_row=5))
        async with a_desk(tmp_path, config(in_a_row=5)) as desk:
            assert "DayOpened" not in await desk.journal()

    run(story())


def test_nobody_looks_into_another_centre(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        for page in ("board", "counters", "services", "report"):
            for role in ("staff", "coordinator"):
                refused = await desk.refused(f"{AT}/{page}", desk.token(role, OTHER), method="GET")
                assert refused["slug"] == "not-your-centre"
            assert (await desk.refused(f"{AT}/{page}", "", method="GET"))["slug"] == "sign-in-needed"

    played(tmp_path, story)


def test_each_command_is_for_its_own_people(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        ticket = f"/queue/tickets/{(await desk.issue())['ticket_id']}"
        for path, roles in {
            f"{AT}/tickets": ("coordinator", "display", "operator", "city"),
            f"{AT}/counters/1/call-next": ("kiosk", "volunteer", "coordinator", "operator"),
            f"{ticket}/start": ("kiosk", "volunteer", "coordinator"),
            f"{ticket}/cancel": ("kiosk", "volunteer", "coordinator"),
            f"{AT}/close-day": ("kiosk", "display", "volunteer"),
        }.items():
            for role in roles:
                assert (await desk.refused(path, desk.token(role), {"service": "birth"}))["slug"] == "not-your-role"

    played(tmp_path, story)


class ChangedMeanwhile:
    """Centres of which one is changed right after it was looked at first."""

    def __init__(self, *then: Centre) -> None:
        self.then = list(then)

    async def read(self, id: str, look: Callable[[Centre], Any]) -> Any:
        return look(self.then.pop(0) if len(self.then) > 1 else self.then[0])


def test_a_hall_that_is_opened_while_its_centre_changes_follows_the_change(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        centres: Any = ChangedMeanwhile(Centre(CENTRE, config(), 1), Centre(CENTRE, config(in_a_row=5), 2))
        rule = partial(domain.open_counter, counter=1)
        await in_todays_hall(CENTRE, rule, desk.system[Hall], centres, now=desk.now, by="a-staff01", once=None)
        assert [fact for fact in await desk.journal() if "Day" in fact] == ["DayOpened", "DayPlanned"]

    played(tmp_path, story)
