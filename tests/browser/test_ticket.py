"""The ticket on a phone in a real Chromium: opened by its link, called, cut off, asked how it was."""

import secrets
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.hall import CENTRE, PHONE, SIZES, Hall, must_be_sound, must_hold_khmer, passed

pytestmark = pytest.mark.needs_tool("chromium")

COPIES = "chung-thuc"
HOSTILE = "<svg onload=alert(1)> 🛵 " + "Đ" * 150


def a_number(hall: Hall, service: str = COPIES, **wishes: Any) -> dict[str, Any]:
    given: dict[str, Any] = hall.ask(
        "POST", f"/queue/centres/{CENTRE}/tickets", "kiosk", {"service": service, **wishes}
    )
    return given


def opened(hall: Hall, given: dict[str, Any], **how: Any) -> Page:
    page = hall.open(f"/ticket#{given['pass']}", None, PHONE, **how)
    page.locator("#ticket").wait_for()
    return page


def at(hall: Hall, given: dict[str, Any], action: str, **body: Any) -> None:
    hall.ask("POST", f"/queue/tickets/{given['ticket_id']}/{action}", "staff", body or None)


def test_the_pass_leaves_the_address_and_the_history(hall: Hall) -> None:
    page = opened(hall, given := a_number(hall))
    assert page.url.endswith("/ticket")
    page.go_back()
    assert given["pass"] not in page.url
    page.goto("/ticket")
    expect(page.locator(".big-number")).to_have_text(given["code"])


def test_the_page_that_answered_the_link_is_asked_for_again_as_any_other(hall: Hall) -> None:
    """A reload that sends the form anew would make the browser ask what only we understand."""
    page = opened(hall, given := a_number(hall))
    page.wait_for_load_state("networkidle")
    with page.expect_request("**/ticket") as asked:
        page.reload()
    assert asked.value.method == "GET"
    page.get_by_role("link", name="Tôi không cần số này nữa").click()
    page.go_back()
    expect(page.locator(".big-number")).to_have_text(given["code"])


def test_a_reload_sends_nothing_again_and_shows_the_ticket(hall: Hall) -> None:
    page = opened(hall, given := a_number(hall))
    page.reload()
    expect(page.locator(".big-number")).to_have_text(given["code"])


def test_another_link_opens_another_ticket_in_the_same_browser(hall: Hall) -> None:
    page = opened(hall, a_number(hall))
    second = a_number(hall)
    page.goto(f"/ticket#{second['pass']}")
    expect(page.locator(".big-number")).to_have_text(second["code"])


def test_the_page_changes_when_the_number_is_called_and_again_when_it_is_over(hall: Hall) -> None:
    page = opened(hall, given := a_number(hall, "vneid"))
    page.evaluate("navigator.vibrate = (pattern) => { window.shaken = pattern; }")
    page.get_by_role("button", name="Bật chuông báo").click()  # a browser lets a page shake only after it was touched
    hall.call(given["ticket_id"], 6)
    expect(page.locator(".called .big-number")).to_have_text("6")
    assert page.title().startswith("▶") and "Mời bác đến quầy 6" in page.title()
    assert page.evaluate("window.shaken")
    at(hall, given, "start")
    at(hall, given, "complete", outcome="accepted")
    expect(page.get_by_text("Đã xong tại quầy 6")).to_be_visible()
    page.locator("[name=counter][value=good]").check(force=True)
    page.get_by_role("button", name="Gửi ý kiến").click()
    expect(page.get_by_text("Cảm ơn bác đã cho ý kiến")).to_be_visible()


def test_help_and_a_ride_are_put_together_from_two_services(hall: Hall) -> None:
    page = opened(hall, a_number(hall))
    page.get_by_role("button", name="Nhờ bạn áo xanh").click()
    expect(page.get_by_text("Đang mời một bạn áo xanh đến giúp bác")).to_be_visible()
    page.get_by_role("link", name="Nhờ xe về nhà").click()
    assert page.locator(".tick").first.evaluate("tick => getComputedStyle(tick).display") == "flex"  # box beside text
    page.get_by_label("Khu vực, ấp").select_option("khu-vuc-5")
    page.get_by_label("Số nhà, tên đường").fill(HOSTILE)
    page.get_by_role("button", name="Nhờ xe về nhà").click()
    expect(page.get_by_text("Về Khu vực 5.")).to_be_visible()


def test_a_connection_that_was_cut_is_said_and_the_truth_comes_back_with_it(hall: Hall) -> None:
    page = opened(hall, given := a_number(hall, "cu-tru"))
    page.wait_for_load_state("networkidle")
    page.clock.install()
    page.reload()
    expect(page.locator(".big-number")).to_have_text(given["code"])
    page.route("**/*", lambda route: route.abort())
    passed(page, 20, page.locator("#lost").is_visible)
    assert "Mất kết nối từ" in page.locator("#lost").inner_text()
    hall.call(given["ticket_id"], 5)
    page.unroute("**/*")
    passed(page, 5, page.locator(".called").is_visible)
    assert page.locator("#lost").is_hidden()
    hall.wrong.clear()  # the browser notes each attempt in its console


def test_what_is_pressed_twice_or_after_back_is_done_once(hall: Hall) -> None:
    page = opened(hall, given := a_number(hall))
    page.get_by_role("link", name="Tôi không cần số này nữa").click()
    page.get_by_role("button", name="Bỏ số này").dblclick()
    expect(page.get_by_text("Số này không còn hiệu lực")).to_be_visible()
    page.go_back()
    with page.expect_navigation():
        page.get_by_role("button", name="Bỏ số này").click()
    page.goto("/ticket")
    expect(page.get_by_text("Bác đã huỷ số này")).to_be_visible()
    assert given["code"] in page.content()
    hall.wrong.clear()  # the browser notes the refusal in its console


def test_two_tabs_show_the_same(hall: Hall) -> None:
    first = opened(hall, given := a_number(hall))
    second = first.context.new_page()
    second.goto("/ticket")
    first.get_by_role("button", name="Nhờ bạn áo xanh").click()
    expect(second.get_by_text("Đang mời một bạn áo xanh đến giúp bác")).to_be_visible()
    expect(second.get_by_role("button", name="Nhờ bạn áo xanh")).to_have_count(0)
    assert given["code"] in second.content()


def test_without_javascript_the_link_is_pasted_and_everything_can_be_asked_for(hall: Hall) -> None:
    given = a_number(hall)
    page = hall.open("/ticket", None, PHONE, java_script_enabled=False)
    page.get_by_text("Tôi có đường dẫn").click()
    page.get_by_label("Dán đường dẫn vào đây").fill(f"{hall.system.address}/ticket#{given['pass']}")
    page.get_by_role("button", name="Mở phiếu").click()
    page.get_by_role("button", name="Nhờ bạn áo xanh").click()
    page.get_by_role("link", name="Người giúp và xe về nhà").click()
    page.get_by_role("link", name="Nhờ xe về nhà").click()
    page.get_by_label("Khu vực, ấp").select_option("khu-vuc-1")
    page.get_by_role("button", name="Nhờ xe về nhà").click()
    expect(page.locator(".big-number")).to_have_text(given["code"])


def test_the_first_view_is_light(hall: Hall) -> None:
    page = hall.newcomer(PHONE).new_page()
    client = page.context.new_cdp_session(page)
    client.send("Network.enable")
    sizes: list[float] = []
    client.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    page.goto(f"/ticket#{a_number(hall, 'dat-dai-chuyen-quyen')['pass']}")
    page.locator("#ticket").wait_for()
    page.wait_for_load_state("networkidle")
    assert sum(sizes) <= 60_000


@pytest.mark.slow
def test_every_page_holds_the_longer_and_taller_words_of_khmer(hall: Hall) -> None:
    every_page(hall, "vi", must_hold_khmer)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("language", ["vi", "en"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_sound_to_axe_in_every_size(hall: Hall, language: str, scheme: str) -> None:
    every_page(hall, language, partial(must_be_sound, axe_at=SIZES), color_scheme=scheme)


def every_page(hall: Hall, language: str, look: Callable[[Page], None], **how: Any) -> None:
    look(hall.open("/ticket", None, PHONE, language=language, **how))
    given = a_number(hall, "dat-dai-chuyen-quyen", needs_help=True, ride_home=True, priority=True)
    page = opened(hall, given, language=language, **how)
    page.locator("#ride :is(.notice, .panel, .card)").wait_for()
    look(page)
    for path in ("/ticket/cancel", "/volunteers/ticket", "/volunteers/ticket/ride"):
        page.goto(path)
        look(page)
    counter = 3
    hall.call(given["ticket_id"], counter)
    page.goto("/ticket")
    look(page)
    at(hall, given, "start")
    at(hall, given, "complete", outcome="accepted")
    page.goto("/ticket")
    page.locator("#opinion").wait_for()
    look(page)


def test_a_link_that_opens_nothing_says_what_to_do(hall: Hall) -> None:
    wrong = f"{CENTRE}-20261124-{secrets.token_hex(6)}.{'a' * 26}"
    page = hall.open(f"/ticket#{wrong}", None, PHONE)
    expect(page.get_by_role("alert").filter(has_text="Không có phiếu nào với mã này")).to_be_visible()
    hall.wrong.clear()  # the browser notes the refusal in its console
