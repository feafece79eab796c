"""The kiosk in a real Chromium: touched, left alone, cut off."""

import re
import time
from collections.abc import Callable
from functools import partial

import pytest
from playwright.sync_api import Page, expect

from tests.browser.hall import CENTRE, KIOSK, SIZES, TABLET, Hall, Size, must_be_sound, passed

pytestmark = pytest.mark.needs_tool("chromium")

LAND = "/kiosk/take/dat-dai-chuyen-quyen"


def at_wishes(hall: Hall, size: Size = KIOSK, language: str = "vi") -> Page:
    page = hall.open("/kiosk", "kiosk", size, language=language)
    page.locator(f"a[href='{LAND}']").click()
    page.locator(f"a[href='{LAND}/wishes']").click()
    page.wait_for_url(f"**{LAND}/wishes")
    return page


def type_in(page: Page, digits: str) -> None:
    for digit in digits:
        page.locator(f"[data-digit='{digit}']").click()


def test_from_the_first_touch_to_the_number(hall: Hall) -> None:
    page = at_wishes(hall)
    for wish in ("Tôi cần người giúp", "Tôi không có xe về", "Nhắn tin khi đến lượt"):
        page.get_by_text(wish).click()
    page.get_by_role("button", name="Lấy số").click()
    type_in(page, "0912345678")
    page.get_by_label("Nhắn tin khi đến lượt tôi").check()
    page.get_by_role("button", name="Lưu và lấy số").click()
    page.get_by_text("Khu vực 5").click()
    page.get_by_role("button", name="Tiếp tục").click()
    expect(page.locator(".big-number")).to_be_visible()
    expect(page.locator("main .qr svg").first).to_be_visible()
    code = page.locator(".big-number").inner_text()
    waiting = hall.ask("GET", f"/queue/centres/{CENTRE}/counters/3", "staff")["waiting"]
    hall.call(next(one["ticket_id"] for one in waiting if one["code"] == code), 3)
    hall.until(lambda: "09••• ••678" in str(hall.ask("GET", f"/notify/messages?centre={CENTRE}", "operator")))


def test_a_phone_number_is_not_kept_without_consent(hall: Hall) -> None:
    page = at_wishes(hall)
    page.get_by_text("Nhắn tin khi đến lượt").click()
    page.get_by_role("button", name="Lấy số").click()
    type_in(page, "0912345678")
    page.get_by_role("button", name="Lưu và lấy số").click()
    expect(page.get_by_role("alert").filter(has_text="Hãy chạm vào ô đồng ý")).to_be_visible()
    page.get_by_role("button", name="Lấy số, không cần tin nhắn").click()
    expect(page.locator(".big-number")).to_be_visible()


def test_a_phone_number_that_is_none_is_said_by_the_vault(hall: Hall) -> None:
    page = at_wishes(hall)
    page.get_by_text("Nhắn tin khi đến lượt").click()
    page.get_by_role("button", name="Lấy số").click()
    type_in(page, "029238110")
    page.get_by_label("Nhắn tin khi đến lượt tôi").check()
    with page.expect_response("**/notify/contacts") as refused:
        page.get_by_role("button", name="Lưu và lấy số").click()
    assert refused.value.status == 422
    expect(page.get_by_role("alert").filter(has_text=refused.value.json()["detail"])).to_be_visible()
    hall.wrong.clear()  # the browser notes the refusal in its console


def test_a_digit_is_pressed_only_once_somebody_hears_it(hall: Hall) -> None:
    page = at_wishes(hall)
    page.get_by_text("Nhắn tin khi đến lượt").click()
    page.route("**/kiosk.js", lambda route: (time.sleep(1), route.continue_()))
    page.get_by_role("button", name="Lấy số").click()
    type_in(page, "0912345678")
    expect(page.locator("#phone")).to_have_value("0912345678")


def test_left_alone_it_goes_back_to_the_start_and_forgets(hall: Hall) -> None:
    page = hall.newcomer(KIOSK, role="kiosk").new_page()
    page.clock.install()
    page.goto(f"{LAND}/wishes")
    page.get_by_role("button", name="Lấy số").click()
    expect(page.locator("#countdown .seconds")).to_have_text(re.compile(r"^(30|2\d)$"))
    for _ in range(31):
        page.clock.run_for(1_000)
    page.wait_for_url("**/kiosk")
    page.goto("/kiosk/number")
    page.wait_for_url("**/kiosk")


@pytest.mark.slow
def test_who_is_still_there_is_asked_and_stays(hall: Hall) -> None:
    page = hall.newcomer(KIOSK, role="kiosk").new_page()
    page.clock.install()
    page.goto(f"{LAND}/wishes")
    page.clock.pause_at(page.evaluate("Date.now()") + 10_000)
    passed(page, 46, page.get_by_text("Bác còn ở đây không?").is_visible)
    page.get_by_role("button", name="Tôi cần thêm thời gian").click()
    expect(page.locator("dialog")).not_to_be_visible()
    for _ in range(30):
        page.clock.run_for(1_000)
    assert page.url.endswith("/wishes")


def test_without_connection_a_press_says_so_and_works_again_afterwards(hall: Hall) -> None:
    page = at_wishes(hall)
    page.route("**/*", lambda route: route.abort())
    page.get_by_role("button", name="Lấy số").click()
    expect(page.locator("#lost")).to_contain_text("Ki-ốt mất kết nối từ")
    page.unroute("**/*")
    expect(page.locator("#lost")).to_be_hidden()
    page.get_by_role("button", name="Lấy số").click()
    expect(page.locator(".big-number")).to_be_visible()
    hall.wrong.clear()  # the browser notes each attempt in its console


def test_help_is_called_from_any_page(hall: Hall) -> None:
    page = at_wishes(hall)
    page.get_by_role("button", name="Bấm để gọi bạn áo xanh").click()
    expect(page.get_by_role("heading", name="Đã gọi các bạn áo xanh")).to_be_visible()


def test_the_whole_way_by_keyboard_alone(hall: Hall) -> None:
    page = hall.open(LAND, "kiosk", TABLET)
    press_by_keyboard(page, "Tiếp tục lấy số")
    page.wait_for_url("**/wishes")
    tab_to(page, "Tôi cần người giúp")
    page.keyboard.press("Space")
    press_by_keyboard(page, "Lấy số")
    expect(page.locator(".big-number")).to_be_visible()
    expect(page.get_by_text("đang được mời đến giúp bác")).to_be_visible()


def test_the_number_without_javascript(hall: Hall) -> None:
    page = hall.open("/kiosk", "kiosk", KIOSK, java_script_enabled=False)
    page.locator(f"a[href='{LAND}']").click()
    page.get_by_role("link", name="Tiếp tục lấy số").click()
    page.get_by_role("button", name="Lấy số").click()
    expect(page.locator(".big-number")).to_be_visible()


def test_the_slip_fits_the_paper(hall: Hall) -> None:
    page = at_wishes(hall)
    page.get_by_role("button", name="Lấy số").click()
    page.wait_for_url("**/number")
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 302, "height": 600})  # 80 mm
    expect(page.locator(".slip-number")).to_be_visible()
    expect(page.locator(".panel")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= 302


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("language", ["vi", "en"])
def test_every_page_is_sound_to_axe_in_every_size(hall: Hall, language: str) -> None:
    every_page(hall, language, partial(must_be_sound, axe_at=SIZES))


def every_page(hall: Hall, language: str, look: Callable[[Page], None]) -> None:
    page = hall.open("/kiosk", "kiosk", KIOSK, language=language)
    look(page)
    for path in (LAND, f"{LAND}/wishes"):
        page.goto(path)
        look(page)
    for name in ("help", "ride", "tell"):
        page.locator(f"[name={name}]").check()
    page.locator("main button[type=submit]").first.click()
    page.locator("#phone").wait_for()
    look(page)
    page.locator("[data-without]").click()
    page.wait_for_url("**/ride")
    look(page)
    page.goto("/kiosk/number")
    look(page)
    page.locator(".kiosk-help button").click()
    page.wait_for_url("**/help/*")
    look(page)


def tab_to(page: Page, name: str) -> None:
    for _ in range(40):
        page.keyboard.press("Tab")
        if name in page.evaluate("(document.activeElement.closest('label') ?? document.activeElement).innerText"):
            return
    raise AssertionError(f"nobody gets to {name!r} by keyboard")


def press_by_keyboard(page: Page, name: str) -> None:
    tab_to(page, name)
    page.keyboard.press("Enter")
