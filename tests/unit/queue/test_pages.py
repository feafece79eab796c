"""The screens of the queue, as a browser without a screen sees them."""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from services.chassis.access import PASS_COOKIE
from services.chassis.sealing import Sealer
from services.contracts.events import CaseCompleted, HelpWanted, TicketIssued
from services.queue.accounts_api import account_of
from services.queue.voice import PROGRAM
from tests.unit.queue.morning import EIGHT, config
from tests.unit.queue.running import AT, OTHER, Desk, played
from tests.unit.queue.test_opinions import a_visit
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


@pytest.mark.parametrize(
    ("roles", "screen"),
    [(["staff"], "/counter"), (["coordinator"], "/coordinator/31186"), (["city"], "/"), (["operator"], "/settings")],
)
def test_who_wanted_nowhere_in_particular_comes_to_his_own_screen(
    tmp_path: Path, roles: list[str], screen: str
) -> None:
    async def story(desk: Desk) -> None:
        centres = [] if roles in (["city"], ["operator"]) else ["31186"]
        body = {"name": "ai.do", "roles": roles, "centres": centres, "password": PASSWORD}
        await desk.post("/queue/accounts", desk.token("operator"), body)
        visitor = Visitor(desk.client)
        await visitor.open("/sign-in")
        shown = await visitor.press("/sign-in", name="ai.do", password=PASSWORD)
        assert shown.path == screen

    played(tmp_path, story)


def test_who_may_not_open_a_page_can_sign_in_as_somebody_who_may(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        shown = await Visitor(desk.client).become(desk.token("staff")).open("/settings/31186")
        assert shown.status == 403 and "Trang này dành cho người khác" in shown.text
        assert 'href="/sign-in?back=/settings/31186"' in shown.source

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


# ------------------------------------------------------------------------------------------------------ ticket


async def on_the_phone(desk: Desk, given: Any, language: str = "vi") -> Visitor:
    """Her own phone, after the link was opened: what is behind `#` was sent by the page."""
    desk.client.cookies.clear()
    visitor = Visitor(desk.client, language)
    await visitor.open("/ticket")
    await visitor.press("/ticket", **{"pass": f"http://desk/ticket#{given['pass']}"})
    return visitor


def test_the_ticket_says_how_many_are_before_and_since_when_that_is_known(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        await desk.issue()
        shown = (await on_the_phone(desk, await desk.issue())).now
        assert shown is not None and shown.path == "/ticket"
        assert "A002" in shown.text and "Trước bác còn 1 người." in shown.text and "Biết đến lúc 08:00" in shown.text
        assert "Chưa ước lượng được" in shown.text

    played(tmp_path, story)


def test_the_ticket_says_which_counter_calls_and_what_became_of_it(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        given = await desk.issue()
        await desk.open(2)
        await desk.call(2)
        visitor = await on_the_phone(desk, given)
        assert visitor.now is not None and "Mời bác đến quầy 2" in visitor.now.text
        assert 'data-state="called" data-calls="1"' in visitor.now.source
        await desk.at(given["ticket_id"], "start")
        assert "Quầy 2 đang phục vụ bác" in (await visitor.open("/ticket")).text
        await desk.at(given["ticket_id"], "hold")
        assert "đang để tại quầy 2" in (await visitor.open("/ticket")).text
        await desk.at(given["ticket_id"], "start")
        await desk.at(given["ticket_id"], "complete", outcome="supplement_needed")
        assert "cần bổ sung giấy tờ" in (await visitor.open("/ticket")).text

    played(tmp_path, story)


def test_who_missed_the_call_is_told_what_to_do(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        given = await desk.issue()
        await desk.open(1)
        await desk.call(1)
        await desk.at(given["ticket_id"], "no-show")
        shown = (await on_the_phone(desk, given, "en")).now
        assert shown is not None and "your number goes back to the front" in shown.text

    played(tmp_path, story)


def test_a_pass_is_in_no_address_and_no_page(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        given = await desk.issue()
        shown = (await on_the_phone(desk, given)).now
        assert shown is not None and given["pass"].split(".")[1] not in shown.source + shown.path

    played(tmp_path, story)


def test_a_link_that_opens_nothing_is_said_to(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        visitor = Visitor(desk.client)
        await visitor.open("/ticket")
        for text in ("", "abc", f"31186-20261124-aaaaaaaaaaaa.{'a' * 26}"):
            shown = await visitor.press("/ticket", **{"pass": text})
            assert shown.status == 404 and "Không có phiếu nào với mã này" in shown.text
        assert PASS_COOKIE not in desk.client.cookies

    played(tmp_path, story)


def test_help_is_asked_for_once_however_often_it_is_pressed(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        visitor = await on_the_phone(desk, await desk.issue())
        fields = visitor.fields("/ticket/help")
        for _ in range(2):
            shown = await visitor.send("/ticket/help", fields)
            assert shown.path == "/ticket" and "/ticket/help" not in [form.action for form in shown.forms]
        assert len(await desk.published(HelpWanted)) == 1

    played(tmp_path, story)


def test_a_number_is_given_up_after_a_second_thought(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        visitor = await on_the_phone(desk, await desk.issue())
        assert "Bỏ số A001?" in (await visitor.open("/ticket/cancel")).text
        assert "không còn hiệu lực" in (await visitor.press("/ticket/cancel")).text
        await visitor.open("/ticket/cancel")
        shown = await visitor.press("/ticket/cancel")
        assert shown.status == 409 and "đã huỷ nên không thể huỷ" in shown.text

    played(tmp_path, story)


def test_how_it_was_is_asked_afterwards_and_thanked_for(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        visitor = await on_the_phone(desk, await a_visit(desk))
        assert "Hãy chọn ít nhất một" in (await visitor.press("/ticket/opinion")).text
        await visitor.open("/ticket")
        assert "Cảm ơn bác đã cho ý kiến" in (await visitor.press("/ticket/opinion", waiting="bad")).text
        assert (await desk.get(f"{AT}/report"))["opinions"]["waiting"]["bad"] == 1

    played(tmp_path, story)


def test_a_ticket_closed_on_a_borrowed_phone_is_gone_from_it(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        visitor = await on_the_phone(desk, await desk.issue())
        shown = await visitor.press("/ticket/close")
        assert "Hãy quét mã QR" in shown.text and "A001" not in shown.text

    played(tmp_path, story)


def test_a_clerk_who_looks_at_a_ticket_sees_it_as_its_holder(tmp_path: Path) -> None:
    """A session beside the pass, as on a demonstrator's laptop."""

    async def story(desk: Desk) -> None:
        visitor = (await on_the_phone(desk, await desk.issue())).become(desk.staff)
        assert "A001" in (await visitor.open("/ticket")).text
        assert "không còn hiệu lực" in (await cancelled(visitor)).text

    async def cancelled(visitor: Visitor) -> Shown:
        await visitor.open("/ticket/cancel")
        return await visitor.press("/ticket/cancel")

    played(tmp_path, story)


# ------------------------------------------------------------------------------------------- whatever is sent

HOSTILE = (
    "x" * 10_000,
    "<svg onload=alert(1)>",
    "\u202eevil\u202c",
    "🛵🙏🏽",
    "%(name)s {{ 7*7 }} ${1}",
    "\0",
    "'\";--",
)


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:12]))
def test_hostile_text_is_shown_as_text_or_refused_and_the_page_stays_whole(tmp_path: Path, text: str) -> None:
    async def story(desk: Desk) -> None:
        given = await desk.issue()
        visitor = await on_the_phone(desk, given)
        await must_stay_whole(visitor, "/sign-in", text, name=text, password=text, back=text)
        await must_stay_whole(visitor, "/device", text, token=text)
        await must_stay_whole(visitor, "/ticket", text, **{"pass": text})
        await visitor.press("/ticket", **{"pass": given["pass"]})
        visitor.become(desk.kiosk)
        wishes = "/kiosk/take/birth/wishes"
        await must_stay_whole(visitor, wishes, text, help=text, contact_ref=text)

    played(tmp_path, story)


async def must_stay_whole(visitor: Visitor, path: str, text: str, **filled: str) -> None:
    await visitor.open(path)
    shown = await visitor.press(path, **filled)
    assert shown.status < 500
    assert shown.source.rstrip().endswith("</html>")
    assert "<svg onload" not in shown.source and "49" not in shown.text


def test_a_kiosk_whose_session_ended_says_that_it_must_be_signed_in(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        visitor = at_kiosk(desk)
        await visitor.open("/kiosk/take/birth/wishes")
        fields = visitor.fields("/kiosk/take/birth/wishes")
        desk.later(days=3)
        assert (await visitor.open("/kiosk")).path == "/sign-in"
        shown = await visitor.send("/kiosk/take/birth/wishes", fields)
        assert shown.status == 401 and "chưa được thực hiện" in shown.text

    played(tmp_path, story)


# ------------------------------------------------------------------------------------------------------- board


def before_the_board(desk: Desk, language: str = "vi") -> Visitor:
    return Visitor(desk.client, language).become(desk.display)


def test_an_empty_board_says_so_and_one_before_opening_too(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        shown = await before_the_board(desk).open("/board")
        assert "Hôm nay chưa mời số nào." in shown.text and "Chưa có ai chờ." in shown.text
        desk.now = EIGHT.replace(hour=14)
        assert "Giờ này trung tâm không cấp số." in (await before_the_board(desk).open("/board")).text

    played(tmp_path, story)


def test_the_board_has_what_is_called_and_what_is_to_be_spoken(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        await desk.issue(priority=True)
        await desk.issue("land")
        await desk.open(1)
        await desk.call(1)
        shown = await before_the_board(desk).open("/board")
        assert (
            "A001 → Quầy 1" in shown.text.replace("đang mời đến ", "→ ") and 'aria-label="Diện ưu tiên"' in shown.source
        )
        assert 'data-says="Mời số a, không không một, đến quầy 1."' in shown.source
        assert "Đất đai 1 người · chưa mở quầy" in shown.text

    played(tmp_path, story)


def test_the_board_says_how_long_when_that_is_known(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        await desk.open(1)
        for _ in range(3):
            await a_served(desk)
        await desk.issue()
        assert "Khai sinh 1 người · " in (text := (await before_the_board(desk).open("/board")).text)
        assert "phút" in text

    played(tmp_path, story)


async def a_served(desk: Desk) -> None:
    given = await desk.issue()
    await desk.call(1)
    await desk.at(given["ticket_id"], "start")
    desk.later(minutes=5)
    await desk.at(given["ticket_id"], "complete", outcome="accepted")


def test_the_closed_day_is_said(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        await desk.issue()
        await desk.post(f"{AT}/close-day", desk.staff, {"send_home": True})
        assert "Đã hết giờ làm việc" in (await before_the_board(desk).open("/board")).text

    played(tmp_path, story)


def test_only_what_this_board_shows_is_spoken(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        await desk.issue()
        await desk.open(1)
        await desk.call(1)
        for path in ("A001/2", "A002/1", "B001/1"):
            assert (await desk.ask("GET", f"/board/voice/{path}", desk.display)).status_code == 404
        other = desk.token("display", OTHER)
        assert (await desk.ask("GET", "/board/voice/A001/1", other)).status_code == 404
        assert (await desk.ask("GET", "/board/voice/A001;reboot/1", desk.display)).status_code == 422

    played(tmp_path, story)


@pytest.mark.needs_tool(PROGRAM)
def test_a_call_is_spoken(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        await desk.issue()
        await desk.open(1)
        await desk.call(1)
        answer = await desk.ask("GET", "/board/voice/A001/1", desk.display)
        assert answer.headers["content-type"] == "audio/wav" and answer.content.startswith(b"RIFF")

    played(tmp_path, story)


# ----------------------------------------------------------------------------------------------------- counter


def at_counter(desk: Desk, language: str = "vi") -> Visitor:
    return Visitor(desk.client, language).become(desk.staff)


def test_a_clerk_chooses_his_counter_and_opens_it_by_one_press(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        clerk = at_counter(desk)
        assert "Mở quầy 3" in (await clerk.open("/counter")).text
        shown = await clerk.press("/counter/3/open")
        assert shown.path == "/counter/3" and "Chưa có ai chờ quầy này." in shown.text
        assert "Vào quầy 3" in (await clerk.open("/counter")).text

    played(tmp_path, story)


def test_a_day_at_the_counter_is_one_press_each(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        given = await desk.issue(priority=True, needs_help=True, ride_home=True)
        ticket = f"/counter/1/tickets/{given['ticket_id']}"
        clerk = at_counter(desk)
        await clerk.open("/counter/1")
        shown = await clerk.press("/counter/1/open")
        assert "A001" in shown.text and "Người duy nhất đang chờ" in shown.text
        shown = await clerk.press("/counter/1/call-next")
        assert "Đã mời lúc 08:00" in shown.text and "Xin ưu tiên, chưa xác nhận" in shown.text
        assert "Không có xe về" in shown.text and "Cần người giúp" in shown.text
        assert "Xin ưu tiên" not in (await clerk.press(f"{ticket}/witness")).text
        desk.later(seconds=30)
        assert "lần 2" in (await clerk.press(f"{ticket}/recall")).text
        assert "Đang phục vụ từ 08:00" in (await clerk.press(f"{ticket}/start")).text
        assert "Tạm giữ tại quầy A001" in (await clerk.press(f"{ticket}/hold")).text
        await clerk.press(f"{ticket}/start")
        shown = await clerk.press(f"{ticket}/complete", outcome="accepted")
        assert "Lấy lại số A001 vừa hoàn thành" in shown.text
        assert "Đang phục vụ" in (await clerk.press("/counter/1/undo")).text
        assert "Đang chờ quầy này: 1 người" in (await clerk.press(f"{ticket}/return")).text
        await clerk.press("/counter/1/call-next")
        assert "Vắng mặt khi được gọi A001" in (await clerk.press(f"{ticket}/no-show")).text
        assert "Lỡ lượt" in (await clerk.press(f"{ticket}/reinstate")).text or "Người duy nhất" in clerk.now.text
        assert "Quầy đang đóng" in (await clerk.press("/counter/1/close")).text

    played(tmp_path, story)


def test_every_press_says_its_key(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        await desk.issue()
        given = await desk.issue()
        clerk = at_counter(desk)
        assert 'data-key="M"' in (await clerk.open("/counter/1")).source
        assert 'data-key="G"' in (await clerk.press("/counter/1/open")).source
        called = (await clerk.press("/counter/1/call-next")).source
        assert all(f'data-key="{key}"' in called for key in "BLVTRU")
        await desk.at((await desk.get(f"{AT}/counters/1"))["now"]["ticket_id"], "start")
        serving = (await clerk.open("/counter/1")).source
        assert all(f'data-key="{key}"' in serving for key in "12345TRU")
        assert given["code"] in serving

    played(tmp_path, story)


def test_a_double_press_is_one_and_a_press_in_an_old_tab_is_told_why_not(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        for _ in range(3):
            await desk.issue()
        await desk.open(1)
        clerk = at_counter(desk)
        await clerk.open("/counter/1")
        first = clerk.fields("/counter/1/call-next")
        await clerk.open("/counter/1")
        old = clerk.fields("/counter/1/call-next")
        for _ in range(2):
            assert "A001" in (await clerk.send("/counter/1/call-next", first)).text
        shown = await clerk.send("/counter/1/call-next", old)
        assert shown.status == 409 and "Quầy 1 đang có số A001" in shown.text and "Bắt đầu phục vụ" in shown.text
        assert 'data-self="/counter/1"' in shown.source

    played(tmp_path, story)


def test_an_outcome_that_there_is_not_is_refused_on_the_same_page(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        given = await desk.issue()
        await desk.open(1)
        await desk.call(1)
        await desk.at(given["ticket_id"], "start")
        clerk = at_counter(desk)
        await clerk.open("/counter/1")
        shown = await clerk.press(f"/counter/1/tickets/{given['ticket_id']}/complete", outcome="unfinished")
        assert shown.status == 422 and "Kết quả" in shown.text and "Đang phục vụ" in shown.text

    played(tmp_path, story)


def test_more_than_one_service_may_be_carried_out_in_one_go(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        given = await desk.issue()
        await desk.open(1)
        await desk.call(1)
        await desk.at(given["ticket_id"], "start")
        clerk = at_counter(desk)
        await clerk.open("/counter/1")
        fields = clerk.fields(f"/counter/1/tickets/{given['ticket_id']}/complete")
        both: Any = fields | {"outcome": "accepted", "services": ["birth", "copies"]}
        await clerk.send(f"/counter/1/tickets/{given['ticket_id']}/complete", both)
        done = json.loads((await desk.published(CaseCompleted))[0])
        assert done["services"] == ["birth", "copies"]

    played(tmp_path, story)


def test_a_session_that_ended_at_the_counter_leads_back_to_it(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        await a_clerk(desk)
        clerk = at_counter(desk)
        await clerk.open("/counter/1")
        fields = clerk.fields("/counter/1/open")
        desk.client.cookies.delete("caunoi_session")
        shown = await clerk.send("/counter/1/open", fields, {"Referer": "http://desk/counter/1"})
        assert shown.status == 401 and 'href="/sign-in?back=/counter/1"' in shown.source
        assert "chưa được thực hiện" in shown.text
        await clerk.open("/sign-in?back=/counter/1")
        assert (await clerk.press("/sign-in", name="canbo.quay3", password=PASSWORD)).path == "/counter/1"

    played(tmp_path, story)


def test_a_referer_of_another_site_leads_nowhere(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        shown = await Visitor(desk.client).send("/counter/1/open", {}, {"Referer": "http://elsewhere/counter/1"})
        assert 'href="/sign-in?back=/"' in shown.source

    played(tmp_path, story)


# --------------------------------------------------------------------------------------------------- checklist

PAPERS = [{"vi": "Giấy chứng sinh", "en": "Birth notification"}, {"vi": "<svg onload=alert(1)>", "en": "Card"}]
WITH_PAPERS = config(
    services={
        "birth": {
            "name": {"vi": "Khai sinh", "en": "Birth"},
            "series": "A",
            "counters": [1],
            "procedure": {"papers": PAPERS},
        }
    }
)


def test_what_a_volunteer_ticks_the_counter_sees(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        ticket = (await desk.issue())["ticket_id"]
        helper = Visitor(desk.client).become(desk.token("volunteer"))
        shown = await helper.open(f"/checklist/{ticket}")
        paper = re.findall(r'name="papers" value="([0-9a-f]+)"', shown.source)[0]
        shown = await helper.press(f"/checklist/{ticket}", papers=paper, form_filled="on")
        assert "Quầy đã thấy danh mục này" in shown.text
        await desk.open(1)
        await desk.call(1)
        source = (await at_counter(desk).open("/counter/1")).source
        assert "Bạn áo xanh đã cùng bác xem giấy tờ." in source and "Đơn đã điền xong." in source
        assert '<li class="done">Giấy chứng sinh' in source
        assert "<li>&lt;svg onload=alert(1)&gt;" in source and "<svg onload" not in source

    played(tmp_path, story, described=WITH_PAPERS)


def test_a_paper_that_is_not_asked_for_and_a_ticket_that_ended_are_said_to_be_so(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        ticket = (await desk.issue())["ticket_id"]
        clerk = at_counter(desk)
        await clerk.open(f"/checklist/{ticket}")
        fields = clerk.fields(f"/checklist/{ticket}")
        assert "hãy xem lại danh mục" in (await clerk.send(f"/checklist/{ticket}", fields | {"papers": "0" * 12})).text
        await desk.at(ticket, "cancel")
        assert "Số này đã xong" in (await clerk.send(f"/checklist/{ticket}", fields)).text
        assert "Không còn gì để đánh dấu" in (await clerk.open(f"/checklist/{ticket}")).text

    played(tmp_path, story, described=WITH_PAPERS)
