"""The service over HTTP, on a real store and bus: who may do and see what, and the story of one ticket."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.contracts.events import MemberChanged, RideHomeRequested
from services.contracts.words import JobKind
from services.volunteers import handlers
from services.volunteers.rides import Ride
from tests.support import run
from tests.unit.volunteers.build import CENTRE, HELP, NOON, RIDE, TICKET, accepted, completed, issued, minute
from tests.unit.volunteers.running import Ward, a_ward

ADDRESS = "Số 12 hẻm 3, khu vực 5, phường Cái Răng"
RIDES, HELPS, FLOOR = "/volunteers/rides", "/volunteers/assistances", f"/volunteers/centres/{CENTRE}"


def played(folder: Path, story: Callable[[Ward], Awaitable[None]]) -> None:
    async def play() -> None:
        async with a_ward(folder) as ward:
            await story(ward)

    run(play())


async def requested(ward: Ward) -> None:
    """A ride that is due."""
    await ward.hear(issued(1, needs_help=True, ride_home=True))
    await ward.post(RIDES, ward.holder, {"ticket": ward.holder.removeprefix("Pass "), "destination": ADDRESS})
    await ward.hear(completed(10))
    await ward.until(f"{RIDES}/{RIDE}", ward.holder, lambda ride: ride["state"] == "requested")


async def assigned(ward: Ward) -> str:
    """A ride of that member."""
    await requested(ward)
    member = await ward.member()
    await ward.post(f"{RIDES}/{RIDE}/assign", ward.coordinator, {"member": member})
    return member


def test_the_story_of_one_ticket(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        member = await ward.member()
        me = ward.volunteer(member)
        await ward.post(f"{FLOOR}/check-in", me)
        await requested(ward)
        await ward.hear(accepted(20, member, at=ward.now))
        seen = await ward.until(f"{RIDES}/{RIDE}", ward.holder, lambda ride: ride["state"] == "assigned")
        assert (seen["driver_name"], seen["hamlet"], seen["driver"]) == ("An", "khu-vuc-5", None)
        mine = await ward.until("/volunteers/me/jobs", me, lambda mine: mine["jobs"])
        assert [(job["kind"], job["id"], job["code"]) for job in mine["jobs"]] == [("ride", RIDE, "A012")]
        assert (await ward.get(f"{RIDES}/{RIDE}", me))["code_word"] == seen["code_word"]
        await ward.post(f"{RIDES}/{RIDE}/pick-up", me)
        ward.later(minutes=22)
        assert (await ward.post(f"{RIDES}/{RIDE}/drop-off", me))["minutes"] == 22
        report = await ward.until(f"{FLOOR}/report", ward.staff, lambda report: report["minutes_credited"])
        assert (report["rides_requested"], report["rides_completed"], report["minutes_credited"]) == (1, 1, 22)
        assert (report["volunteers_present"], report["unattended"]) == (1, 1)
        assert (await ward.get(f"/volunteers/members/{member}", me))["minutes"] == {"2026-11-24": 22}

    played(tmp_path, story)


def test_help_is_taken_finished_corrected_and_counted(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        member = await ward.member()
        me = ward.volunteer(member)
        await ward.hear(issued(1, needs_help=True))
        await ward.hear(accepted(20, member, JobKind.ASSISTANCE, at=ward.now))
        shown = await ward.until(f"{HELPS}/{HELP}", ward.holder, lambda found: found["state"] == "taken")
        assert (shown["helper_name"], shown["member"]) == ("An", None)
        assert (await ward.post(f"{HELPS}/{HELP}/finish", me, {"result": "installed"}))["result"] == "installed"
        await ward.post(f"{HELPS}/{HELP}/correct", me, {"result": "activated"})
        report = await ward.get(f"{FLOOR}/report", ward.coordinator)
        assert (report["people_helped"], report["results"]["activated"], report["results"]["installed"]) == (1, 1, 0)

    played(tmp_path, story)


def test_only_those_concerned_see_where_she_lives(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        driver = await assigned(ward)
        other = await ward.member("Trần Thị Bình")
        seen = {
            name: (await ward.get(f"{RIDES}/{RIDE}", who))["destination"]
            for name, who in {
                "holder": ward.holder,
                "coordinator": ward.coordinator,
                "driver": ward.volunteer(driver),
                "other": ward.volunteer(other),
                "staff": ward.staff,
            }.items()
        }
        assert seen == {"holder": ADDRESS, "coordinator": ADDRESS, "driver": ADDRESS, "other": None, "staff": None}

    played(tmp_path, story)


def test_a_driver_sees_it_no_longer_than_the_ride_is_his(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        driver = ward.volunteer(await assigned(ward))
        await ward.post(f"{RIDES}/{RIDE}/release", driver)
        shown = await ward.get(f"{RIDES}/{RIDE}", driver)
        assert (shown["destination"], shown["code_word"], shown["state"]) == (None, None, "requested")

    played(tmp_path, story)


def test_another_pass_opens_nothing(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        await requested(ward)
        other = f"Pass {ward.system.access.passes.sign('31186-20261124-zzzzzzzzzzzz')}"
        assert await ward.refused(f"{RIDES}/{RIDE}", other, method="GET") == (403, "not-your-ticket")
        assert await ward.refused(f"{RIDES}/{RIDE}/cancel", other) == (403, "not-your-ticket")
        assert (await ward.refused(RIDES, other, {"ticket": TICKET}))[0] == 403

    played(tmp_path, story)


def test_another_centre_reaches_nothing_here(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        member = await ward.member()
        there = ward.token("a-other1", "coordinator", centre="31510")
        assert await ward.refused(f"/volunteers/members/{member}", there, method="GET") == (403, "not-your-centre")
        mine = "/volunteers/centres/31510"
        assert await ward.refused(f"{mine}/check-in", there, {"member": member}) == (403, "not-your-centre")
        body = {"day": "2026-11-24", "member": member}
        assert await ward.refused(f"{mine}/duties", there, body) == (403, "not-your-centre")

    played(tmp_path, story)


def test_what_is_known_of_a_person_lies_nowhere_in_the_clear(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        await assigned(ward)

    played(tmp_path, story)
    written = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert RIDE.encode() in written
    for secret in ("Nguyễn Văn An", ADDRESS, "hẻm 3"):
        assert secret.encode() not in written


def test_the_key_of_a_destination_is_forgotten_72_hours_after_the_end(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        await requested(ward)
        sealed = await ward.system[Ride].read(RIDE, lambda ride: ride.destination)
        await ward.post(f"{RIDES}/{RIDE}/cancel", ward.holder)
        ours = ward.system.running["volunteers"]
        assert sealed
        await handlers.forget_destinations(ours)
        assert await ours.sealer.open(sealed) == ADDRESS
        ward.later(hours=72, minutes=1)
        assert await ward.system[Ride].read(RIDE, lambda ride: ride.key_to_forget)
        await handlers.forget_destinations(ours)
        assert await ours.sealer.open(sealed) is None
        assert not await ward.system[Ride].read(RIDE, lambda ride: ride.key_to_forget)

    played(tmp_path, story)


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({"ticket": TICKET, "hamlet": "khu-vuc-9"}, (422, "unknown-hamlet")),
        ({"ticket": TICKET, "seats": 5}, (422, "request-not-valid")),
        ({"ticket": TICKET, "destination": "x" * 10_000}, (422, "request-not-valid")),
        ({"ticket": TICKET, "destination": "nhà\u202eđảo"}, (422, "request-not-valid")),
        ({"ticket": TICKET, "phone": "0901234567"}, (422, "request-not-valid")),
        ({"ticket": "31186-20261120-a1b2c3d4e5f6"}, (409, "ticket-has-ended")),
        ({"ticket": "31186-20271124-a1b2c3d4e5f6"}, (404, "unknown-ticket")),
        ({"ticket": "31186-20269999-a1b2c3d4e5f6"}, (404, "unknown-ticket")),
        ({"ticket": "31510-20261124-a1b2c3d4e5f6"}, (403, "not-your-centre")),
    ],
)
def test_a_ride_that_cannot_be_is_refused_and_nothing_is_planned(
    tmp_path: Path, body: dict[str, Any], refusal: tuple[int, str]
) -> None:
    async def story(ward: Ward) -> None:
        assert await ward.refused(RIDES, ward.kiosk, body) == refusal
        assert await ward.refused(f"{RIDES}/{RIDE}", ward.staff, method="GET") == (404, "unknown-ride")

    played(tmp_path, story)


@pytest.mark.parametrize(
    ("destination", "hamlet"),
    [("Hẻm 7, KHU VỰC 6", "khu-vuc-6"), ("Khu vực 56", "elsewhere"), ("Chợ nổi", "elsewhere"), (None, None)],
)
def test_the_hamlet_is_read_off_the_destination(tmp_path: Path, destination: str | None, hamlet: str | None) -> None:
    async def story(ward: Ward) -> None:
        body = {"ticket": TICKET, "destination": destination}
        assert (await ward.post(RIDES, ward.kiosk, body))["hamlet"] == hamlet

    played(tmp_path, story)


def test_the_same_key_has_one_effect_and_one_answer(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        await ward.hear(completed(10))
        await ward.until(f"{FLOOR}/hamlets", ward.holder, bool)
        body = {"ticket": TICKET, "destination": ADDRESS}
        first = await ward.post(RIDES, ward.kiosk, body, key="k1")
        assert await ward.post(RIDES, ward.kiosk, body, key="k1") == first
        named = {"name": "Nguyễn Văn An", "team": "to-cong-nghe-so"}
        one = await ward.post("/volunteers/members", ward.coordinator, named, key="k2")
        assert await ward.post("/volunteers/members", ward.coordinator, named, key="k2") == one
        other = await ward.ask("POST", "/volunteers/members", ward.coordinator, named | {"team": "doi-khac"}, key="k2")
        assert (other.status_code, other.json()["slug"]) == (422, "key-reused")
        await ward.published_once(MemberChanged)

    played(tmp_path, story)


def test_a_ride_asked_for_later_knows_its_ticket(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        await ward.hear(issued(1))
        await ward.hear(completed(10))
        await ward.until(f"{FLOOR}/hamlets", ward.holder, bool)
        await ward.post(RIDES, ward.staff, {"ticket": TICKET, "destination": ADDRESS})
        due = await ward.until(f"{RIDES}/{RIDE}", ward.staff, lambda ride: ride["state"] == "requested")
        assert due["code"] == "A012"
        await ward.published_once(RideHomeRequested)

    played(tmp_path, story)


def test_members_are_named_to_the_coordinator_only(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        member = await ward.member(hamlet="khu-vuc-5")
        await ward.post(f"{FLOOR}/check-in", ward.coordinator, {"member": member})
        listed = await ward.get(f"{FLOOR}/members", ward.coordinator)
        assert [one["name"] for one in listed["members"]] == ["Nguyễn Văn An"]
        floor = {who: await ward.get(f"{FLOOR}/on-duty", who) for who in (ward.coordinator, ward.staff)}
        assert [seen["members"][0]["name"] for seen in floor.values()] == ["Nguyễn Văn An", None]
        assert (await ward.ask("GET", f"{FLOOR}/members", ward.staff)).status_code == 403

    played(tmp_path, story)


def test_a_member_changes_what_is_his_own(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        member = await ward.member()
        me, path = ward.volunteer(member), f"/volunteers/members/{member}"
        assert (await ward.ask("PATCH", path, me, {"vehicle": "none"})).json()["vehicle"] == "none"
        assert await ward.refused(path, me, {"active": True}, method="PATCH") == (403, "not-your-role")
        other = ward.volunteer(await ward.member("Trần Thị Bình"))
        assert await ward.refused(path, other, {"vehicle": "car"}, method="PATCH") == (403, "not-your-role")
        renamed = await ward.ask("PATCH", path, ward.coordinator, {"name": "Nguyễn Văn Ân", "active": False})
        assert (renamed.json()["name"], renamed.json()["active"]) == ("Nguyễn Văn Ân", False)

    played(tmp_path, story)


def test_a_day_has_two_or_three_on_duty_and_a_fourth_by_override(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        members = [await ward.member(f"Nguyễn Văn {letter}") for letter in "ABCD"]
        for member in members[:3]:
            await ward.post(f"{FLOOR}/duties", ward.volunteer(member), {"day": "2026-11-24"})
        fourth = {"day": "2026-11-24", "member": members[3]}
        assert await ward.refused(f"{FLOOR}/duties", ward.coordinator, fourth) == (409, "day-is-full")
        alone = {"day": "2026-11-24", "override": True}
        assert (await ward.refused(f"{FLOOR}/duties", ward.volunteer(members[3]), alone))[0] == 403
        await ward.post(f"{FLOOR}/duties", ward.coordinator, fourth | {"override": True})
        path = f"{FLOOR}/duties/2026-11-24/{members[0]}"
        assert (await ward.ask("DELETE", path, ward.coordinator)).status_code == 204
        duties = await ward.get(f"{FLOOR}/duties?days=2", ward.coordinator)
        assert [len(day["members"]) for day in duties["days"]] == [3, 0]
        assert [day["missing"] for day in duties["days"]] == [0, 2]

    played(tmp_path, story)


def test_nobody_is_put_to_work_who_is_not_a_member(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        await requested(ward)
        nobody = {"member": "31186-m-nobody"}
        for path, body in (
            (f"{RIDES}/{RIDE}/assign", nobody),
            (f"{FLOOR}/check-in", nobody),
            (f"{FLOOR}/duties", nobody | {"day": "2026-11-24"}),
        ):
            assert await ward.refused(path, ward.coordinator, body) == (404, "unknown-member")
        resting = await ward.member()
        await ward.ask("PATCH", f"/volunteers/members/{resting}", ward.coordinator, {"active": False})
        body = {"member": resting}
        assert await ward.refused(f"{RIDES}/{RIDE}/assign", ward.coordinator, body) == (409, "member-inactive")

    played(tmp_path, story)


def test_a_check_out_forgotten_closes_at_midnight(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        member = await ward.member()
        me = ward.volunteer(member)
        await ward.post(f"{FLOOR}/check-in", me)
        assert await ward.refused(f"{FLOOR}/check-in", me) == (409, "already-checked-in")
        ward.later(hours=13)
        me = ward.volunteer(member)
        assert await ward.refused(f"{FLOOR}/check-out", me) == (409, "not-checked-in")
        yesterday = await ward.get(f"{FLOOR}/report?day=2026-11-24", ward.staff)
        assert (yesterday["minutes_on_duty"], yesterday["volunteers_present"]) == (240, 1)

    played(tmp_path, story)


def test_help_asked_for_at_a_counter(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        await ward.hear(issued(1))
        first = await ward.post(HELPS, ward.staff, {"ticket": TICKET})
        assert first["state"] in ("blank", "open")
        await ward.until(f"{HELPS}/{HELP}", ward.staff, lambda found: found["state"] == "open")
        assert await ward.refused(HELPS, ward.staff, {"ticket": TICKET}) == (409, "already-asked")
        assert (await ward.get(f"{FLOOR}/assistances", ward.staff))["assistances"][0]["code"] == "A012"
        assert (await ward.refused(f"{HELPS}/{HELP}/finish", ward.coordinator, {"result": "not_recorded"}))[0] == 422
        assert (await ward.post(f"{HELPS}/{HELP}/cancel", ward.holder))["state"] == "cancelled"

    played(tmp_path, story)


def test_an_old_log_sends_nobody_out(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        ward.later(days=7)
        await ward.hear(issued(1, needs_help=True, ride_home=True, at=NOON))
        await ward.hear(completed(10, at=minute(10)))
        await ward.until(f"{HELPS}/{HELP}", ward.staff, lambda found: found["state"] == "finished")
        assert await ward.published(RideHomeRequested) == 0
        assert ward.now - minute(10) > timedelta(days=6)

    played(tmp_path, story)
