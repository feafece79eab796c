"""The counter in a real Chromium: a key a press, two tabs, a session that ended, without JavaScript."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from services.chassis.access import COOKIE
from tests.browser.hall import CENTRE, LAPTOP, SIZES, Hall, must_be_sound

pytestmark = pytest.mark.needs_tool("chromium")

SERVICE, COUNTER = "bao-tro-xa-hoi", 5
HERE = f"/counter/{COUNTER}"


def a_number(hall: Hall, **wishes: Any) -> dict[str, Any]:
    given: dict[str, Any] = hall.ask(
        "POST", f"/queue/centres/{CENTRE}/tickets", "kiosk", {"service": SERVICE, **wishes}
    )
    return given


def alone(hall: Hall) -> None:
    """Whoever other tests left at the counter goes home: it is open, and nobody waits for it."""
    at = f"/queue/centres/{CENTRE}/counters/{COUNTER}"
    last = a_number(hall)
    hall.call(last["ticket_id"], COUNTER)
    hall.ask("POST", f"/queue/tickets/{last['ticket_id']}/cancel", "staff")
    for one in hall.ask("GET", at, "staff")["held"]:
        hall.ask("POST", f"/queue/tickets/{one['ticket_id']}/cancel", "staff")


def key(page: Page, name: str) -> None:
    """Pressed, and answered."""
    with page.expect_navigation():
        page.keyboard.press(name)


def test_a_whole_day_by_keys_alone(hall: Hall) -> None:
    alone(hall)
    given = a_number(hall, priority=True)
    page = hall.open(HERE, "staff", LAPTOP)
    key(page, "g")
    expect(page.locator("#now .big-number")).to_have_text(given["code"])
    for pressed in ("u", "b", "t"):
        key(page, pressed)
    expect(page.locator("#held")).to_contain_text(given["code"])
    key(page, "k")
    key(page, "1")
    expect(page.locator("#now")).to_contain_text("Chưa có ai chờ quầy này.")
    key(page, "z")
    expect(page.locator("#now")).to_contain_text("Đang phục vụ từ")
    key(page, "r")
    key(page, "g")
    key(page, "v")
    expect(page.locator("#missed")).to_contain_text(given["code"])
    page.locator("#missed li").filter(has_text=given["code"]).get_by_role("button").click()
    expect(page.locator("#now .big-number")).to_have_text(given["code"])


def test_keys_can_be_turned_off(hall: Hall) -> None:
    alone(hall)
    page = hall.open(HERE, "staff", LAPTOP)
    page.get_by_text("Dùng phím tắt").click()
    page.locator("body").click(position={"x": 5, "y": 5})
    page.keyboard.press("g")
    expect(page.locator("kbd").first).to_be_hidden()
    page.reload()
    expect(page.locator("kbd").first).to_be_hidden()


def test_a_second_tab_follows_and_an_old_press_is_told_why_not_and_survives_a_reload(hall: Hall) -> None:
    alone(hall)
    first = hall.open(HERE, "staff", LAPTOP)
    second = first.context.new_page()
    second.goto(HERE)
    looks = ("fetch", "eventsource")
    second.route("**/*", lambda route: route.abort() if route.request.resource_type in looks else route.continue_())
    given = a_number(hall)
    first.get_by_role("button", name="Gọi số tiếp theo").click()
    expect(first.locator("#now .big-number")).to_have_text(given["code"])
    with second.expect_navigation():
        second.evaluate("document.querySelector('form[action$=call-next]').requestSubmit()")
    second.unroute("**/*")
    expect(second.locator("#now .big-number")).to_have_text(given["code"])
    second.reload()
    assert second.url.endswith(HERE)
    expect(second.locator("#now .big-number")).to_have_text(given["code"])
    expect(second.locator("#helper")).to_contain_text("Mời bạn áo xanh đến quầy")
    key(first, "b")
    key(first, "t")
    expect(second.locator("#held").get_by_text(given["code"])).to_be_visible()
    hall.wrong.clear()  # the browser notes the refusal in its console


def test_what_another_does_is_seen_without_a_press(hall: Hall) -> None:
    alone(hall)
    page = hall.open(HERE, "staff", LAPTOP)
    given = a_number(hall)
    expect(page.locator("#now .big-number")).to_have_text(given["code"])
    hall.call(given["ticket_id"], COUNTER)
    expect(page.get_by_role("button", name="Bắt đầu phục vụ")).to_be_visible()
    page.get_by_role("button", name="Mời bạn áo xanh đến quầy").click()
    expect(page.locator("#helper")).to_contain_text("Đang mời một bạn áo xanh đến")
    assert page.url.endswith(HERE)


def test_what_was_ticked_and_folded_out_stays_when_another_does_something(hall: Hall) -> None:
    alone(hall)
    given = a_number(hall)
    hall.call(given["ticket_id"], COUNTER)
    hall.ask("POST", f"/queue/tickets/{given['ticket_id']}/start", "staff")
    page = hall.open(HERE, "staff", LAPTOP)
    page.locator("#others summary").click()
    done = page.locator("#others [name=services]").last
    done.check()
    hall.ask("POST", f"/queue/tickets/{given['ticket_id']}/witness-priority", "staff")
    expect(page.locator("#now")).to_contain_text("Diện ưu tiên")
    expect(done).to_be_visible()
    expect(done).to_be_checked()
    expect(done).to_be_focused()


def test_a_double_press_calls_one(hall: Hall) -> None:
    alone(hall)
    first, second = a_number(hall), a_number(hall)
    page = hall.open(HERE, "staff", LAPTOP)
    page.get_by_role("button", name="Gọi số tiếp theo").dblclick()
    expect(page.locator("#now .big-number")).to_have_text(first["code"])
    expect(page.locator("#line")).to_contain_text(second["code"])
    page.go_back()
    expect(page.locator("#now .big-number")).to_have_text(first["code"])


def test_the_second_half_of_a_double_press_does_nothing_on_the_page_that_came_between(hall: Hall) -> None:
    alone(hall)
    given = a_number(hall)
    hall.call(given["ticket_id"], COUNTER)
    page = hall.open(HERE, "staff", LAPTOP)
    page.get_by_role("button", name="Bắt đầu phục vụ").click()
    done = page.get_by_role("button", name="Đã tiếp nhận hồ sơ")
    done.hover()
    page.mouse.down(click_count=2)
    page.mouse.up(click_count=2)
    page.wait_for_timeout(500)
    expect(done).to_be_visible()
    with page.expect_navigation():
        done.dblclick()
    expect(done).to_have_count(0)


def test_a_session_that_ended_leads_to_sign_in_and_back(hall: Hall) -> None:
    page = hall.open(HERE, "staff", LAPTOP)
    page.context.clear_cookies(name=COOKIE)
    page.wait_for_url(f"**/sign-in?back={HERE}")
    expect(page.get_by_label("Tên đăng nhập")).to_be_visible()
    hall.wrong = [one for one in hall.wrong if "401" not in one]  # the browser may note that a part was refused


def test_a_press_after_the_session_ended_does_nothing_and_leads_there_too(hall: Hall) -> None:
    alone(hall)
    page = hall.open(HERE, "staff", LAPTOP, java_script_enabled=False)
    page.context.clear_cookies(name=COOKIE)
    page.get_by_role("button", name="Gọi số tiếp theo").click()
    expect(page.get_by_text("Việc vừa bấm chưa được thực hiện")).to_be_visible()
    page.get_by_role("main").get_by_role("link", name="Đăng nhập").click()
    assert page.url.endswith(f"/sign-in?back={HERE}")
    hall.wrong.clear()  # the browser notes the refusal in its console


def test_the_counter_without_javascript(hall: Hall) -> None:
    alone(hall)
    given = a_number(hall)
    page = hall.open("/counter", "staff", LAPTOP, java_script_enabled=False)
    page.get_by_role("link", name=f"Vào quầy {COUNTER}").click()
    page.get_by_role("button", name="Gọi số tiếp theo").click()
    page.get_by_role("button", name="Bắt đầu phục vụ").click()
    page.get_by_role("link", name="Đánh dấu giấy tờ").click()
    page.locator("[name=papers]").first.check()
    page.get_by_role("button", name="Lưu cho quầy thấy").click()
    page.get_by_role("link", name="Màn hình của tôi").click()
    page.get_by_role("link", name=f"Vào quầy {COUNTER}").click()
    expect(page.locator("#brought li.done")).to_have_count(1)
    page.get_by_role("link", name="Người giúp và xe về nhà").click()
    page.get_by_role("button", name="Nhờ xe về giúp bác").click()
    page.get_by_role("button", name="Đã tiếp nhận hồ sơ").click()
    expect(page.get_by_role("button", name=f"Lấy lại số {given['code']} vừa hoàn thành")).to_be_visible()


def test_every_page_is_sound(hall: Hall) -> None:
    every_page(hall, "en", must_be_sound)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("language", ["vi", "en"])
@pytest.mark.parametrize("how", [{}, {"color_scheme": "dark"}, {"forced_colors": "active"}])
def test_every_page_is_sound_to_axe_in_every_size(hall: Hall, language: str, how: dict[str, Any]) -> None:
    every_page(hall, language, partial(must_be_sound, axe_at=SIZES), **how)


def every_page(hall: Hall, language: str, look: Callable[[Page], None], **how: Any) -> None:
    alone(hall)
    held, missed, here = (a_number(hall, priority=True, needs_help=True, ride_home=True) for _ in range(3))
    a_number(hall)
    for one, action in ((held, "hold"), (missed, "no-show"), (here, "start")):
        hall.call(one["ticket_id"], COUNTER)
        hall.ask("POST", f"/queue/tickets/{one['ticket_id']}/{action}", "staff")
    page = hall.open(HERE, "staff", LAPTOP, language=language, **how)
    page.locator("#helper .card").first.wait_for()
    look(page)
    for path in ("/counter", f"/checklist/{here['ticket_id']}", f"/volunteers{HERE}/{here['ticket_id']}"):
        page.goto(path)
        look(page)
