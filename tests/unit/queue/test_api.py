"""The queue over HTTP, on a real store and bus: tickets and counters."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

from services.contracts.events import DayClosed, TicketCancelled, TicketIssued
from services.queue.domain import RECALL_AFTER
from tests.support import run
from tests.unit.queue.morning import config, words
from tests.unit.queue.running import AT, CENTRE, OTHER, Desk, a_desk, eventually, played

OPEN = config(always_open=True)


def test_a_ticket_from_the_kiosk_to_its_end(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        await desk.open(1)
        given = await desk.issue(needs_help=True, ride_home=True)
        assert (given["code"], given["ahead"], given["wait_minutes"]) == ("A001", 0, None)
        desk.later(minutes=14)
        called = await desk.call()
        assert (called["ticket_id"], called["counter"], called["call_count"]) == (given["ticket_id"], 1, 1)
        assert (called["because"], called["selected_because"]) == ("only_one_waiting", "Người duy nhất đang chờ")
        desk.later(seconds=30)
        assert (await desk.at(given["ticket_id"], "start"))["state"] == "serving"
        desk.later(minutes=6)
        done = await desk.at(given["ticket_id"], "complete", outcome="accepted")
        assert (done["wait_seconds"], done["way_seconds"], done["transaction_seconds"]) == (840, 30, 360)
        seen = await desk.get(f"/queue/tickets/{given['ticket_id']}")
        assert (seen["state"], seen["outcome"], seen["ride_home"], seen["counter"]) == (
            "completed",
            "accepted",
            True,
            1,
        )

    played(tmp_path, story)


def test_the_holder_sees_and_cancels_her_own_ticket_and_no_other(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        mine, other = await desk.issue(), await desk.issue()
        holder = f"Pass {mine['pass']}"
        seen = await desk.get(f"/queue/tickets/{mine['pass']}", "")
        assert (seen["code"], seen["state"], seen["ahead"], seen["service_name"]["vi"]) == (
            "A001",
            "waiting",
            0,
            "Khai sinh",
        )
        assert other["ticket_id"] not in json.dumps(seen)
        assert (await desk.refused(f"/queue/tickets/{other['ticket_id']}", holder, method="GET"))["slug"] == (
            "not-your-ticket"
        )
        assert (await desk.post(f"/queue/tickets/{mine['ticket_id']}/cancel", holder))["state"] == "cancelled"
        seen = await desk.get(f"/queue/tickets/{mine['pass']}", "")
        assert (seen["state"], seen["reason"]) == ("cancelled", "by_citizen")

    played(tmp_path, story)


def test_a_press_that_found_nobody_calls_whoever_has_come_when_it_is_sent_again_and_only_once(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        await desk.open(1)
        press = f"{AT}/counters/1/call-next"
        assert (await desk.ask("POST", press, desk.staff, key="press-1")).status_code == 204
        first, _ = await desk.issue(), await desk.issue()
        called = await desk.post(press, key="press-1")
        assert called["ticket_id"] == first["ticket_id"]
        assert await desk.post(press, key="press-1") == called

    played(tmp_path, story)


def test_nobody_waiting_is_204_and_the_reason_is_told_in_the_language_asked_for(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        await desk.open(1)
        empty = await desk.ask("POST", f"{AT}/counters/1/call-next", desk.staff)
        assert (empty.status_code, empty.content) == (204, b"")
        await desk.issue()
        await desk.issue()
        called = await desk.ask("POST", f"{AT}/counters/1/call-next", desk.staff, language="en")
        assert called.json()["selected_because"] == "Has waited longest"

    played(tmp_path, story)


def test_every_command_repeated_with_its_key_has_one_effect_and_one_answer(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        await desk.open(1)
        body = {"service": "birth"}
        given = [await desk.post(f"{AT}/tickets", desk.kiosk, body, key="k1") for _ in range(3)]
        assert given[0] == given[1] == given[2]
        ticket = f"/queue/tickets/{given[0]['ticket_id']}"
        steps = [(f"{AT}/counters/1/call-next", None), (f"{ticket}/start", None)]
        for path, sent in [*steps, (f"{ticket}/complete", {"outcome": "accepted"}), (f"{AT}/counters/1/undo", None)]:
            first = await desk.post(path, None, sent, key=path)
            desk.later(seconds=1)
            assert await desk.post(path, None, sent, key=path) == first
        assert (await desk.issue())["code"] == "A002"

    played(tmp_path, story)


def test_the_same_key_with_another_body_is_refused(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        await desk.post(f"{AT}/tickets", desk.kiosk, {"service": "birth"}, key="k1")
        answer = await desk.ask("POST", f"{AT}/tickets", desk.kiosk, {"service": "land"}, key="k1")
        assert (answer.status_code, answer.json()["slug"]) == (422, "key-reused")

    played(tmp_path, story)


def test_sixty_at_once_get_dense_numbers_and_two_counters_never_the_same_one(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        await desk.open(1, 2)
        given = await asyncio.gather(*(desk.issue() for _ in range(60)))
        assert sorted(each["code"] for each in given) == [f"A{number:03d}" for number in range(1, 61)]
        called = await asyncio.gather(desk.call(1), desk.call(2))
        assert called[0]["ticket_id"] != called[1]["ticket_id"]

    played(tmp_path, story)


def test_a_refused_command_changes_nothing_not_even_opens_the_day(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        before = await desk.journal()
        assert (await desk.refused(f"{AT}/tickets", desk.kiosk, {"service": "passport"}))["slug"] == "unknown-service"
        assert (await desk.refused(f"{AT}/counters/1/call-next"))["slug"] == "counter-not-open"
        assert (await desk.refused(f"{AT}/counters/9/open"))["slug"] == "no-such-counter"
        assert await desk.journal() == before == ["CentreDescribed", "CentreChanged"]

    played(tmp_path, story)


def test_an_unknown_centre_is_said_to_be_unknown(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        there = f"/queue/centres/{OTHER}"
        body = {"service": "birth"}
        assert (await desk.refused(f"{there}/tickets", desk.token("kiosk", OTHER), body))["slug"] == "no-such-centre"
        for page in ("board", "report", "services", "counters"):
            refused = await desk.refused(f"{there}/{page}", desk.token("operator", OTHER), method="GET")
            assert (refused["status"], refused["slug"]) == (404, "no-such-centre")

    played(tmp_path, story)


BAD: list[object] = [
    {},
    {"service": "birth", "number": 7},
    {"service": "birth", "needs_help": "yes"},
    {"service": "BIRTH"},
    {"service": "a" * 10_000},
    {"service": "birth", "contact_ref": "0912345678"},
    {"service": "birth", "language": "\u202evi"},
    {"service": None},
    [],
]


def test_bad_input_is_told_and_changes_nothing(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        before = await desk.journal()
        for body in BAD:
            refused = await desk.refused(f"{AT}/tickets", desk.kiosk, body)
            assert (refused["status"], refused["slug"]) == (422, "request-not-valid"), body
        assert await desk.journal() == before

    played(tmp_path, story)


def test_the_day_s_end_cannot_be_an_outcome(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        given = await desk.issue()
        refused = await desk.refused(f"/queue/tickets/{given['ticket_id']}/complete", None, {"outcome": "unfinished"})
        assert refused["slug"] == "request-not-valid"

    played(tmp_path, story)


def test_a_ticket_that_has_ended_says_how(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        await desk.open(1)
        given = await desk.issue()
        await desk.call()
        await desk.at(given["ticket_id"], "start")
        await desk.at(given["ticket_id"], "complete", outcome="rejected")
        start = f"/queue/tickets/{given['ticket_id']}/start"
        assert (await desk.refused(start))["detail"] == (
            "A001 is completed, so this is not possible: start. Possible now: undo within 2 minutes."
        )
        desk.later(minutes=3)
        assert (await desk.refused(start))["detail"].endswith("Possible now: nothing more.")

    played(tmp_path, story)


def test_a_ticket_that_never_was_is_not_found(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        never = f"/queue/tickets/{CENTRE}-20261124-0123456789"
        assert (await desk.refused(f"{never}/start"))["slug"] == "no-such-ticket"
        assert (await desk.refused(never, method="GET"))["slug"] == "no-such-ticket"
        assert (await desk.refused(f"/queue/tickets/{CENTRE}-99999999-0123456789/start"))["slug"] == "no-such-ticket"

    played(tmp_path, story)


def test_recall_hold_return_no_show_and_reinstate(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        await desk.open(1)
        ticket = (await desk.issue())["ticket_id"]
        await desk.call()
        assert (await desk.refused(f"/queue/tickets/{ticket}/recall"))["slug"] == "called-just-now"
        desk.later(seconds=RECALL_AFTER.total_seconds())
        assert (await desk.at(ticket, "recall"))["call_count"] == 2
        assert (await desk.at(ticket, "hold"))["state"] == "held"
        assert (await desk.at(ticket, "recall"))["because"] == "held_here"
        assert (await desk.at(ticket, "return"))["state"] == "waiting"
        await desk.call()
        assert (await desk.at(ticket, "no-show"))["state"] == "no_show"
        assert (await desk.get(f"{AT}/counters/1"))["no_shows"][0]["ticket_id"] == ticket
        assert (await desk.at(ticket, "reinstate"))["state"] == "waiting"
        assert (await desk.call())["ticket_id"] == ticket

    played(tmp_path, story)


def test_help_and_priority_are_asked_for_once(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        given = await desk.issue()
        for _ in range(2):
            await desk.post(f"/queue/tickets/{given['pass']}/help", "")
            await desk.post(f"/queue/tickets/{given['ticket_id']}/witness-priority", desk.token("volunteer"))
        facts = await desk.journal()
        assert (facts.count("HelpWanted"), facts.count("PriorityWitnessed")) == (1, 1)
        seen = await desk.get(f"/queue/tickets/{given['ticket_id']}")
        assert (seen["needs_help"], seen["priority"]) == (True, True)

    played(tmp_path, story)


def test_midnight_ends_every_ticket_and_the_next_number_is_one(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        desk.later(hours=15, minutes=59)
        await desk.open(1)
        waits = await desk.issue()
        assert (await desk.issue())["code"] == "A002"
        desk.later(minutes=1)
        await eventually(lambda: desk.published(DayClosed))
        assert len(await desk.published(TicketCancelled)) == 2
        assert (await desk.refused(f"/queue/tickets/{waits['ticket_id']}/start"))["slug"] == "not-in-this-state"
        seen = await desk.get(f"/queue/tickets/{waits['ticket_id']}")
        assert (seen["state"], seen["reason"]) == ("cancelled", "day_closed")
        assert (await desk.issue())["code"] == "A001"

    played(tmp_path, story, described=OPEN)


def test_a_key_that_comes_again_after_midnight_gives_the_number_of_before(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        desk.later(hours=15, minutes=59, seconds=59)
        first = await desk.post(f"{AT}/tickets", desk.kiosk, {"service": "birth"}, key="k1")
        desk.later(minutes=30)
        assert await desk.post(f"{AT}/tickets", desk.kiosk, {"service": "birth"}, key="k1") == first
        assert len(await desk.published(TicketIssued)) == 1

    played(tmp_path, story, described=OPEN)


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    async def evening() -> tuple[str, Desk]:
        async with a_desk(tmp_path) as desk:
            await desk.open(1)
            ticket = (await desk.issue())["ticket_id"]
            await desk.call()
            return ticket, desk

    async def morning(ticket: str, before: Desk) -> None:
        async with a_desk(tmp_path, now=before.now + timedelta(minutes=1)) as desk:
            assert (await desk.at(ticket, "start"))["counter"] == 1
            assert (await desk.issue())["code"] == "A002"

    run(morning(*run(evening())))


def test_a_change_of_the_centre_reaches_the_hall_that_is_open(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        await desk.issue()
        land = {"name": words("Đất đai"), "series": "Z", "counters": [7]}
        assert (await desk.describe(config(services={"land": land})))["revision"] == 2

        async def planned() -> bool:
            return 7 in [each["counter"] for each in (await desk.get(f"{AT}/counters"))["counters"]]

        await eventually(planned)
        assert (await desk.issue("land"))["code"] == "Z001"

    played(tmp_path, story)
