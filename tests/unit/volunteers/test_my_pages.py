"""A member's own phone before a browser without a screen: in and out, what he has taken on, his hours."""

from pathlib import Path

from services.contracts.words import JobKind
from tests.unit.volunteers.build import HELP, RIDE, TICKET, accepted, completed, issued
from tests.unit.volunteers.running import Ward
from tests.unit.volunteers.test_api import ADDRESS, FLOOR, HELPS, RIDES, assigned, played, requested
from tests.unit.volunteers.test_pages import openings
from tests.visitor import Visitor

MINE = "/volunteer"
A_RIDE, A_HELP = f"{MINE}/jobs/{RIDE}", f"{MINE}/jobs/{HELP}"


def phone_of(ward: Ward, member: str) -> Visitor:
    return Visitor(ward.client).become(ward.volunteer(member))


async def helping(ward: Ward) -> str:
    """Somebody who has taken on to help."""
    member = await ward.member()
    await ward.hear(issued(1, needs_help=True))
    await ward.hear(accepted(20, member, JobKind.ASSISTANCE, at=ward.now))
    await ward.until(f"{HELPS}/{HELP}", ward.holder, lambda help: help["state"] == "taken")
    await ward.until("/volunteers/me/jobs", ward.volunteer(member), lambda mine: mine["jobs"])
    return member


def test_who_is_not_signed_in_is_led_to_where_volunteers_sign_in(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        answer = await ward.client.get(MINE, headers={"Accept": "text/html"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/v")

    played(tmp_path, story)


def test_in_and_out_is_one_press_each_and_a_second_press_is_not_two(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        visitor = phone_of(ward, await ward.member())
        await visitor.open(MINE)
        fields = visitor.fields(f"{MINE}/check-in")
        for _ in range(2):
            assert "Đang trực tại trung tâm" in (await visitor.send(f"{MINE}/check-in", fields)).text
        shown = await visitor.press(f"{MINE}/check-out")
        assert shown.status == 200 and "Bạn đang ngoài ca" in shown.text

    played(tmp_path, story)


def test_a_press_from_an_older_page_says_why_not(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        member = await ward.member()
        visitor = phone_of(ward, member)
        await visitor.open(MINE)
        await ward.post(f"{FLOOR}/check-in", ward.volunteer(member))
        shown = await visitor.press(f"{MINE}/check-in")
        assert shown.status == 409 and "Đã điểm danh vào ca" in shown.text
        assert shown.form(f"{MINE}/check-out")

    played(tmp_path, story)


def test_the_driver_reads_where_to_and_says_when_and_then_no_more(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        member = await assigned(ward)
        word = (await ward.get(f"{RIDES}/{RIDE}", ward.holder))["code_word"]
        visitor = phone_of(ward, member)
        shown = await visitor.open(A_RIDE)
        assert ADDRESS in shown.text and word in shown.text and "Số A012" in shown.text
        assert ADDRESS in (await visitor.press(f"{A_RIDE}/pick-up")).text
        shown = await visitor.press(f"{A_RIDE}/drop-off")
        assert ADDRESS not in shown.text and "Số phút đã được ghi" in shown.text

    played(tmp_path, story)


def test_a_ride_of_another_shows_neither_where_to_nor_a_press(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        await assigned(ward)
        shown = await phone_of(ward, await ward.member("Lê Hoàng Minh")).open(A_RIDE)
        assert "Chuyến này do bạn khác chở" in shown.text and ADDRESS not in shown.source
        assert not [form for form in shown.forms if form.action.startswith(MINE)]

    played(tmp_path, story)


def test_looking_whether_anything_changed_opens_no_address(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        visitor = phone_of(ward, await assigned(ward))
        await visitor.open(A_RIDE)
        before = openings()
        for _ in range(3):
            assert 'value="assigned True"' in (await visitor.open(f"{A_RIDE}/state")).source
        await visitor.open(MINE)
        assert openings() == before

    played(tmp_path, story)


def test_a_ride_is_given_back_to_others_or_said_not_to_be_needed(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        visitor = phone_of(ward, await assigned(ward))
        shown = await visitor.open(f"{A_RIDE}/give-back")
        back, over = [form.fields for form in shown.forms if form.action == f"{A_RIDE}/give-back"]
        assert (await visitor.send(f"{A_RIDE}/give-back", back)).path == MINE
        assert (await ward.get(f"{RIDES}/{RIDE}", ward.holder))["state"] == "requested"
        shown = await visitor.send(f"{A_RIDE}/give-back", over)
        assert shown.status == 409 and "không phải của bạn" in shown.text

    played(tmp_path, story)


def test_an_accepted_job_that_has_not_arrived_yet_says_so(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        visitor = phone_of(ward, await ward.member())
        for path in (A_RIDE, A_HELP):
            shown = await visitor.open(path)
            assert shown.status == 200 and "trang này tự hiện trong vài giây" in shown.text
            assert 'value="unknown"' in (await visitor.open(f"{path}/state")).source

    played(tmp_path, story)


def test_what_came_of_helping_is_one_press_and_can_be_corrected(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        visitor = phone_of(ward, await helping(ward))
        assert "Giúp tại sảnh" in (await visitor.open(MINE)).text
        assert f'href="/checklist/{TICKET}"' in (await visitor.open(A_HELP)).source
        shown = await visitor.press(f"{A_HELP}/finish", result="installed")
        assert "Đã cài ứng dụng" in shown.text and "Sửa kết quả" in shown.text
        assert "Đã kích hoạt VNeID" in (await visitor.press(f"{A_HELP}/finish", result="activated")).text
        report = await ward.until(f"{FLOOR}/report", ward.staff, lambda report: report["results"]["activated"])
        assert report["people_helped"] == 1

    played(tmp_path, story)


def test_help_that_the_counter_ended_waits_for_its_result(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        member = await helping(ward)
        await ward.hear(completed(30))
        await ward.until("/volunteers/me/done", ward.volunteer(member), lambda mine: mine["done"])
        visitor = phone_of(ward, member)
        assert "Hãy ghi kết quả" in (await visitor.open(MINE)).text
        await visitor.open(A_HELP)
        assert "Đã hướng dẫn" in (await visitor.press(f"{A_HELP}/finish", result="shown")).text

    played(tmp_path, story)


def test_what_somebody_else_does_is_not_mine_to_finish(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        await helping(ward)
        shown = await phone_of(ward, await ward.member("Lê Hoàng Minh")).open(A_HELP)
        assert "Bạn khác đang giúp người này" in shown.text
        assert not [form for form in shown.forms if form.action.startswith(MINE)]

    played(tmp_path, story)


def test_my_hours_say_what_i_did_on_which_day(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        member = await ward.member("Trần Thị Bích")
        me = ward.volunteer(member)
        await ward.post(f"{FLOOR}/check-in", me)
        ward.later(minutes=125)
        await ward.post(f"{FLOOR}/check-out", me)
        await ward.until("/volunteers/me/hours", me, lambda hours: hours["minutes_on_duty"] == 125)
        shown = await phone_of(ward, member).open(f"{MINE}/hours")
        assert "Trần Thị Bích" in shown.text and "24/11/2026" in shown.text and "2 giờ 05 phút" in shown.text
        assert (await ward.get("/volunteers/me/hours?month=2026-10", me))["days"] == []

    played(tmp_path, story)


def test_a_ride_that_is_due_and_nobodys_is_not_mine_to_see(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        await requested(ward)
        assert ADDRESS not in (await phone_of(ward, await ward.member()).open(A_RIDE)).source

    played(tmp_path, story)
