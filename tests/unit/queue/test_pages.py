"""The screens of the queue, as a browser without a screen sees them."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from services.chassis.access import PASS_COOKIE
from services.chassis.sealing import Sealer
from services.contracts.events import TicketIssued
from services.queue.accounts_api import account_of
from tests.unit.queue.morning import EIGHT, config
from tests.unit.queue.running import Desk, played
from tests.visitor import Shown, Visitor

PASSWORD = "ba quả dừa nước xanh"


async def a_clerk(desk: Desk, name: str = "canbo.quay3") -> str:
    body = {"name": name, "roles": ["staff"], "centres": ["31186"], "password": PASSWORD}
    await desk.post("/queue/accounts", desk.token("operator"), body)
    return account_of(name, desk.system.own("queue", Sealer))


# ----------------------------------------------------------------------------------------------------- sign-in


def test_a_clerk_signs_in_and_gets_where_he_wanted_to_go(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        account = await a_clerk(desk)
        visitor = Visitor(desk.client)
        await visitor.open("/sign-in?back=/session")
        shown = await visitor.press("/sign-in", name="canbo.quay3", password=PASSWORD)
        assert shown.path == "/session" and account in shown.source

    played(tmp_path, story)


def test_a_wrong_password_is_said_on_the_same_page_and_the_name_stays(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        await a_clerk(desk)
        visitor = Visitor(desk.client)
        await visitor.open("/sign-in?back=/counter")
        shown = await visitor.press("/sign-in", name="canbo.quay3", password="sai")
        assert shown.status == 401 and "mật khẩu không đúng" in shown.text
        assert shown.form("/sign-in").fields["name"] == "canbo.quay3"
        assert shown.form("/sign-in").fields["back"] == "/counter"
        assert "caunoi_session" not in desk.client.cookies

    played(tmp_path, story)


def test_an_empty_field_is_named(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        visitor = Visitor(desk.client, "en")
        await visitor.open("/sign-in")
        shown = await visitor.press("/sign-in", name="", password="x")
        assert shown.status == 422 and "Name: at least 1 characters" in shown.text

    played(tmp_path, story)


def test_who_signs_out_is_nobody_again(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        await a_clerk(desk)
        visitor = Visitor(desk.client)
        await visitor.open("/sign-in")
        await visitor.press("/sign-in", name="canbo.quay3", password=PASSWORD)
        fields = (await visitor.open("/device")).form("/device").fields
        await visitor.send("/sign-out", fields)
        assert "caunoi_session" not in desk.client.cookies

    played(tmp_path, story)


# ----------------------------------------------------------------------------------------------------- devices


def test_a_device_is_told_once_by_its_token_which_it_is(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        visitor = Visitor(desk.client)
        await visitor.open("/device")
        token = desk.display.split()[1]
        assert (await visitor.press("/device", token=f"http://desk/device#{token}")).path == "/board"
        assert desk.client.cookies["caunoi_session"] == token

    played(tmp_path, story)


def test_a_token_of_somebody_else_makes_no_device(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        visitor = Visitor(desk.client)
        await visitor.open("/device")
        for token in (desk.staff.split()[1], "abc", ""):
            shown = await visitor.press("/device", token=token)
            assert shown.status == 401 and "Hãy nhờ điều phối viên cấp mã mới" in shown.text
        assert "caunoi_session" not in desk.client.cookies

    played(tmp_path, story)


# ------------------------------------------------------------------------------------------------------- kiosk


def at_kiosk(desk: Desk, language: str = "vi") -> Visitor:
    return Visitor(desk.client, language).become(desk.kiosk)


async def take(visitor: Visitor, service: str = "birth", **wishes: str) -> Shown:
    await visitor.open(f"/kiosk/take/{service}/wishes")
    return await visitor.press(f"/kiosk/take/{service}/wishes", **wishes)


def test_a_number_is_three_presses_away(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        visitor = at_kiosk(desk)
        assert 'href="/kiosk/take/birth"' in (await visitor.open("/kiosk")).source
        assert 'href="/kiosk/take/birth/wishes"' in (await visitor.open("/kiosk/take/birth")).source
        shown = await take(visitor)
        assert shown.path == "/kiosk/number" and "Số của bác A001" in shown.text and "<svg" in shown.source

    played(tmp_path, story)


def test_what_is_needed_is_said_before_the_number_is_taken(tmp_path: Path) -> None:
    paper = {"vi": "Giấy chứng sinh", "en": "Birth notification"}
    procedure = {"papers": [paper], "fee_vnd": 8_000, "days": 3, "pay": {"vi": "Quét mã QR", "en": "By QR"}}
    birth = {"name": {"vi": "Khai sinh", "en": "Birth"}, "series": "A", "counters": [1], "procedure": procedure}

    async def story(desk: Desk) -> None:
        vi = (await at_kiosk(desk).open("/kiosk/take/birth")).text
        assert "Giấy chứng sinh" in vi and "8.000 đồng" in vi and "3 ngày làm việc" in vi and "Quét mã QR" in vi
        en = (await at_kiosk(desk, "en").open("/kiosk/take/birth")).text
        assert "Birth notification" in en and "8,000 dong" in en and "3 working days" in en

    played(tmp_path, story, described=config(services={"birth": birth}))


def test_her_wishes_go_with_the_number(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        await take(at_kiosk(desk, "en"), help="on", ride="on", priority="on")
        issued = json.loads((await desk.published(TicketIssued))[0])
        assert issued["needs_help"] and issued["ride_home"] and issued["priority"] and issued["language"] == "en"

    played(tmp_path, story)


def test_a_double_press_takes_one_number(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        visitor = at_kiosk(desk)
        await visitor.open("/kiosk/take/birth/wishes")
        fields = visitor.fields("/kiosk/take/birth/wishes")
        for _ in range(2):
            assert "A001" in (await visitor.send("/kiosk/take/birth/wishes", fields)).text
        assert "A002" in (await take(visitor)).text

    played(tmp_path, story)


def test_the_reference_of_a_phone_number_goes_with_the_number_and_the_number_itself_does_not(tmp_path: Path) -> None:
    contact = f"c-{'7' * 26}"

    async def story(desk: Desk) -> None:
        visitor = at_kiosk(desk)
        asked = await take(visitor, tell="on", help="on")
        assert "Nhắn tin đến số điện thoại nào?" in asked.text
        assert 'id="phone"' in asked.source and 'name="phone"' not in asked.source
        assert "checked" not in asked.source
        shown = await visitor.press("/kiosk/take/birth/wishes", contact_ref=contact)
        assert shown.path == "/kiosk/number"
        issued = json.loads((await desk.published(TicketIssued))[0])
        assert issued["contact_ref"] == contact and issued["needs_help"]

    played(tmp_path, story)


def test_without_the_vault_the_number_is_taken_all_the_same(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        visitor = at_kiosk(desk)
        await take(visitor, tell="on")
        assert (await visitor.press("/kiosk/take/birth/wishes")).path == "/kiosk/number"

    played(tmp_path, story)


def test_nothing_of_one_citizen_stays_for_the_next(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        visitor = at_kiosk(desk)
        await visitor.open("/language/en?back=/kiosk")
        assert "Your number" in (await take(visitor)).text
        shown = await visitor.open("/kiosk/done")
        assert shown.path == "/kiosk" and "Hôm nay bác cần làm việc gì?" in shown.text
        assert (await visitor.open("/kiosk/number")).path == "/kiosk"
        assert PASS_COOKIE not in desk.client.cookies

    played(tmp_path, story)


@pytest.mark.parametrize(
    ("hour", "said"),
    [
        (EIGHT.replace(hour=5), "Hôm nay làm việc: 07:30-11:30, 13:30-17:00."),
        (EIGHT.replace(day=28), "Hôm nay trung tâm nghỉ."),
    ],
)
def test_closed_is_said_with_what_to_do(tmp_path: Path, hour: datetime, said: str) -> None:
    async def story(desk: Desk) -> None:
        shown = await at_kiosk(desk).open("/kiosk")
        assert said in shown.text and "quay lại" in shown.text
        assert "/kiosk/take" not in shown.source

    played(tmp_path, story, now=hour)


def test_a_quota_that_is_used_up_is_said_on_the_tile_and_to_who_was_already_further(tmp_path: Path) -> None:
    birth = {"name": {"vi": "Khai sinh", "en": "Birth"}, "series": "A", "counters": [1], "quota": 1}

    async def story(desk: Desk) -> None:
        visitor = at_kiosk(desk)
        await visitor.open("/kiosk/take/birth/wishes")
        fields = visitor.fields("/kiosk/take/birth/wishes")
        await desk.issue("birth")
        assert "Đã phát hết 1 số" in (await visitor.send("/kiosk/take/birth/wishes", fields)).text
        assert "Hôm nay đã hết số" in (await visitor.open("/kiosk")).text
        assert "/wishes" not in (await visitor.open("/kiosk/take/birth")).source

    played(tmp_path, story, described=config(services={"birth": birth}))


def test_help_is_one_press_away_on_every_page(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        visitor = at_kiosk(desk)
        await take(visitor)
        for path in ("/kiosk", "/kiosk/take/land", "/kiosk/take/land/wishes", "/kiosk/number"):
            assert "/volunteers/kiosk/help" in [form.action for form in (await visitor.open(path)).forms]

    played(tmp_path, story)


def test_an_unknown_service_is_a_page_that_says_so(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        shown = await at_kiosk(desk).open("/kiosk/take/nothing")
        assert shown.status == 404 and "không có dịch vụ nothing" in shown.text

    played(tmp_path, story)
