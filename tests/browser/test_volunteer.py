"""A volunteer's phone in a real Chromium: in by an SMS, asked, cut off in the middle, home again."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from services.chassis.access import COOKIE
from tests.browser.hall import CENTRE, PHONE, SIZES, Hall, must_be_sound, must_hold_khmer, passed
from tests.browser.test_ticket import a_number
from tests.faults.books import FileBooks

pytestmark = pytest.mark.needs_tool("chromium")

LAND = "dat-dai-chuyen-quyen"
PLACE = "Số 12 hẻm 7 <b>đường</b> Phạm Hùng " + "Đ" * 120


def a_member(hall: Hall, name: str = "Nguyễn Văn An", **more: Any) -> tuple[str, str]:
    """A new one, and his number: nobody else's business makes him busy."""
    phone = f"0912{len(hall.members):06}"
    given = hall.ask("POST", "/notify/contacts", "coordinator", {"phone": phone, "purposes": ["volunteer"]})
    about = {"name": name, "team": "to-cong-nghe-so", "vehicle": "motorbike", "spare_helmet": True}
    body = about | {"hamlet": "khu-vuc-5", "contact_ref": given["contact_ref"]} | more
    member = str(hall.ask("POST", "/volunteers/members", "coordinator", body)["member"])
    hall.members.append(member)
    return member, phone


def phone_of(hall: Hall, member: str, path: str = "/volunteer", **how: Any) -> Page:
    page = hall.open("/v", None, PHONE, **how)
    token = hall.token("volunteer", member=member)
    page.context.add_cookies([{"name": COOKIE, "value": token, "url": hall.system.address}])
    page.goto(path)
    return page


def texts(hall: Hall, phone: str) -> list[str]:
    """What was sent to that number, the newest first."""
    messages = hall.ask("GET", f"/notify/messages?centre={CENTRE}&limit=200", "operator")["messages"]
    return [one["text"] for one in messages if one["to"].endswith(phone[-3:]) and one["state"] == "sent"]


def text_to(hall: Hall, phone: str, part: str) -> str:
    hall.until(lambda: any(part in text for text in texts(hall, phone)))
    return next(text for text in texts(hall, phone) if part in text)


def known(hall: Hall, member: str) -> None:
    """The notifier has heard whose number it is."""
    facts = FileBooks(hall.system.data).facts
    heard = {"MemberReached", "MemberKnown"}
    hall.until(lambda: heard <= {fact.type for fact in facts() if member in str(fact.body)})


def a_ride(hall: Hall, to: str, place: str = PLACE) -> str:
    """Given by hand to that member: the page of it."""
    given = a_number(hall, LAND, ride_home=True)
    holder = {"Authorization": f"Pass {given['pass']}"}
    wanted = {"ticket": given["pass"], "destination": place, "hamlet": "khu-vuc-5"}
    ride, assign = f"/volunteers/rides/{given['ticket_id']}-ride", {"member": to}
    assert hall.system.http.post("/volunteers/rides", json=wanted, headers=holder).status_code == 201
    hall.until(lambda: bool(hall.ask("GET", ride, "coordinator")["code"]))  # its number comes over the bus
    hall.ask("POST", f"{ride}/assign", "coordinator", assign)
    return f"/volunteer/jobs/{given['ticket_id']}-ride"


def state_of(hall: Hall, page: str) -> str:
    return str(hall.ask("GET", f"/volunteers/rides/{page.rpartition('/')[2]}", "coordinator")["state"])


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def carried_out(page: Page, name: str) -> None:
    """A press that is kept until it was answered: only then the page goes on to another."""
    with page.expect_navigation():
        press(page, name)


# ----------------------------------------------------------------------------------------------------- sign-in


def test_in_by_the_code_of_an_sms_without_javascript(hall: Hall) -> None:
    member, phone = a_member(hall)
    known(hall, member)
    page = hall.open("/volunteer", None, PHONE, java_script_enabled=False)
    page.wait_for_url("**/v")
    page.get_by_label("Số điện thoại").fill(phone)
    press(page, "Gửi mã cho tôi")
    text = text_to(hall, phone, "/v#")
    page.get_by_label("Mã đăng nhập").fill(next(word for word in text.replace(",", " ").split() if word.isdecimal()))
    press(page, "Đăng nhập")
    page.wait_for_url("**/volunteer")
    press(page, "Vào ca")
    expect(page.get_by_text("Đang trực tại trung tâm")).to_be_visible()
    press(page, "Ra ca")
    expect(page.get_by_text("Bạn đang ngoài ca")).to_be_visible()


def test_in_by_the_link_which_leaves_the_address_and_works_once(hall: Hall) -> None:
    member, phone = a_member(hall)
    known(hall, member)
    hall.system.http.post("/notify/sign-in", json={"phone": phone})
    secret = text_to(hall, phone, "/v#").partition("#")[2]
    asked: list[str] = []
    page = hall.newcomer(PHONE).new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"/v#{secret}")
    page.wait_for_url("**/volunteer")
    page.go_back()
    assert secret not in page.url and not any(secret in address.partition("#")[0] for address in asked)
    again = hall.open(f"/v#{secret}", None, PHONE)
    expect(again.get_by_role("alert").filter(has_text="Vui lòng lấy mã mới")).to_be_visible()
    hall.wrong.clear()  # the browser notes the refusal in its console


# ------------------------------------------------------------------------------------------------------ offers


def test_an_offer_comes_to_the_open_page_and_yes_makes_it_a_job(hall: Hall) -> None:
    member, _ = a_member(hall)
    page = phone_of(hall, member)
    carried_out(page, "Vào ca")
    expect(page.get_by_text("Đang trực tại trung tâm")).to_be_visible()
    press(page, "Bật chuông khi có lời mời")
    page.evaluate("navigator.vibrate = (pattern) => { window.shaken = pattern; }")
    given = a_number(hall, needs_help=True)
    expect(page.locator(".offer").filter(has_text=given["code"])).to_be_visible()
    assert page.evaluate("window.shaken")
    offer = page.locator(".offer").filter(has_text=given["code"])
    offer.get_by_role("button", name="Nhận").click()
    expect(page.get_by_role("heading", name="Việc này là của bạn")).to_be_visible()
    page.get_by_role("link", name="Mở việc này").click()
    page.wait_for_load_state()
    carried_out(page, "Đã cài ứng dụng")
    expect(page.get_by_text("Ghi nhầm?")).to_be_visible()
    page.goto("/volunteer")
    press(page, "Ra ca")
    expect(page.get_by_text("Bạn đang ngoài ca")).to_be_visible()


@pytest.mark.parametrize("by", ["finger", "space-bar"])
def test_a_press_is_one_though_the_page_comes_anew_under_it(hall: Hall, by: str) -> None:
    member, _ = a_member(hall)
    hall.ask("POST", f"/volunteers/centres/{CENTRE}/check-in", "coordinator", {"member": member})
    code = a_number(hall, needs_help=True)["code"]
    page = phone_of(hall, member)
    yes = page.locator(".offer").filter(has_text=code).get_by_role("button", name="Nhận")
    yes.wait_for()
    page.wait_for_timeout(1100)  # the time left is another by now, so what comes differs
    yes.hover()
    yes.focus()
    page.mouse.down() if by == "finger" else page.keyboard.down(" ")
    with page.expect_response("**/notify/volunteer"):
        page.evaluate("window.dispatchEvent(new Event('focus'))")
    page.wait_for_timeout(300)
    page.mouse.up() if by == "finger" else page.keyboard.up(" ")
    expect(page.get_by_role("heading", name="Việc này là của bạn")).to_be_visible()
    hall.ask("POST", f"/volunteers/centres/{CENTRE}/check-out", "coordinator", {"member": member})


@pytest.mark.slow
def test_an_offer_out_of_an_sms_is_opened_and_taken_by_who_was_not_signed_in(hall: Hall) -> None:
    quick, phone = a_member(hall)
    slow, other = a_member(hall, "Trần Thị Bích")
    for member in (quick, slow):
        hall.ask("POST", f"/volunteers/centres/{CENTRE}/check-in", "coordinator", {"member": member})
    code = a_number(hall, needs_help=True)["code"]
    pages = [
        hall.open(f"/o#{text_to(hall, number, f'So {code}').partition('#')[2]}", None, PHONE)
        for number in (phone, other)
    ]
    for page in pages:
        expect(page.get_by_text(f"Giúp người có số {code}")).to_be_visible()
    press(pages[0], "Nhận")
    expect(pages[0].get_by_role("heading", name="Việc này là của bạn")).to_be_visible()
    expect(pages[1].get_by_text("Đã có bạn khác nhận việc này")).to_be_visible()
    for member in (quick, slow):
        hall.ask("POST", f"/volunteers/centres/{CENTRE}/check-out", "coordinator", {"member": member})


# ------------------------------------------------------------------------------------------------- a bad network


def test_presses_without_a_network_are_kept_and_sent_once_in_their_order(hall: Hall) -> None:
    member, _ = a_member(hall)
    page = phone_of(hall, member, ride := a_ride(hall, member))
    sent: list[str] = []
    page.on("requestfinished", lambda request: sent.append(request.url) if request.method == "POST" else None)
    page.context.set_offline(True)
    press(page, "Đã đón")
    expect(page.locator("[data-kept=waiting]")).to_contain_text("Đã đón")
    press(page, "Đã đưa về đến nơi")
    expect(page.locator("[data-kept=waiting]")).to_contain_text("Đã đưa về đến nơi")
    assert state_of(hall, ride) == "assigned"
    page.context.set_offline(False)
    expect(page.get_by_text("Số phút đã được ghi")).to_be_visible()
    assert [address.rpartition("/")[2] for address in sent] == ["pick-up", "drop-off"]
    assert state_of(hall, ride) == "completed"
    hall.wrong.clear()  # the browser notes each attempt in its console


@pytest.mark.slow
def test_a_press_outlives_its_page_and_is_sent_by_another(hall: Hall) -> None:
    member, _ = a_member(hall)
    page = phone_of(hall, member, ride := a_ride(hall, member))
    page.context.set_offline(True)
    press(page, "Đã đón")
    expect(page.locator("[data-kept=waiting]")).to_contain_text("Đã đón")
    context = page.context
    page.close()
    context.set_offline(False)
    other = context.new_page()
    other.goto("/volunteer")
    expect(other.locator("[data-kept=sent]")).to_contain_text("Đã đón")
    assert state_of(hall, ride) == "picked_up"
    hall.wrong.clear()


def test_an_answer_that_was_lost_is_asked_for_again_and_nothing_is_done_twice(hall: Hall) -> None:
    member, _ = a_member(hall)
    page = phone_of(hall, member, ride := a_ride(hall, member))
    asked = 0

    def lose_the_first(route: Any) -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            route.fetch(max_redirects=0)
            route.abort()
        else:
            route.continue_()

    page.route("**/pick-up", lose_the_first)
    press(page, "Đã đón")
    expect(page.get_by_role("button", name="Đã đón")).to_have_count(0)
    expect(page.get_by_role("button", name="Đã đưa về đến nơi")).to_be_visible()
    assert asked == 2 and state_of(hall, ride) == "picked_up"
    expect(page.locator("[data-kept=refused]")).to_be_hidden()
    hall.wrong.clear()


def test_what_was_refused_meanwhile_is_said_with_its_reason(hall: Hall) -> None:
    member, _ = a_member(hall)
    page = phone_of(hall, member, ride := a_ride(hall, member))
    page.context.set_offline(True)
    press(page, "Đã đón")
    expect(page.locator("[data-kept=waiting]")).to_contain_text("Đã đón")
    hall.ask("POST", f"/volunteers/rides/{ride.rpartition('/')[2]}/cancel", "coordinator")
    page.context.set_offline(False)
    expect(page.locator("[data-kept=refused]")).to_contain_text("Chuyến xe này không phải của bạn")
    expect(page.get_by_text("Chuyến này không cần nữa")).to_be_visible()
    press(page, "Đã hiểu")
    expect(page.locator("[data-kept=refused]")).to_be_hidden()
    hall.wrong.clear()


@pytest.mark.slow
def test_a_session_that_ended_keeps_the_press_until_he_signs_in_again(hall: Hall) -> None:
    member, _ = a_member(hall)
    page = phone_of(hall, member, ride := a_ride(hall, member))
    token = next(one for one in page.context.cookies() if one["name"] == COOKIE)
    page.context.clear_cookies(name=COOKIE)
    press(page, "Đã đón")
    expect(page.locator("[data-kept=sign-in]")).to_be_visible()
    assert state_of(hall, ride) == "assigned"
    page.context.add_cookies([{"name": COOKIE, "value": token["value"], "url": hall.system.address}])
    page.goto("/volunteer")
    expect(page.locator("[data-kept=sent]")).to_contain_text("Đã đón")
    assert state_of(hall, ride) == "picked_up"
    hall.wrong.clear()


def test_a_connection_that_was_cut_is_said_and_the_truth_comes_back_with_it(hall: Hall) -> None:
    member, _ = a_member(hall)
    page = phone_of(hall, member)
    page.wait_for_load_state("networkidle")
    page.clock.install()
    page.reload()
    expect(page.get_by_text("Chưa nhận việc nào")).to_be_visible()
    page.route("**/*", lambda route: route.abort())
    passed(page, 20, page.locator("#lost").is_visible)
    a_ride(hall, member)
    page.unroute("**/*")
    passed(page, 5, page.get_by_text("Chở về Khu vực 5").is_visible)
    assert page.locator("#lost").is_hidden()
    hall.wrong.clear()


@pytest.mark.slow
def test_a_double_press_and_back_do_nothing_more(hall: Hall) -> None:
    member, _ = a_member(hall)
    page = phone_of(hall, member, ride := a_ride(hall, member))
    page.get_by_role("link", name="Tôi không chở được").click()
    page.get_by_role("button", name="Bác không cần xe nữa").dblclick()
    page.wait_for_url("**/volunteer")
    page.go_back()
    page.get_by_role("button", name="Bác không cần xe nữa").click()
    expect(page.locator("[data-kept=refused]")).to_be_visible()
    assert state_of(hall, ride) == "cancelled"
    hall.wrong.clear()


# ------------------------------------------------------------------------------------------------ every page


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
    member, phone = a_member(hall, "Nguyễn Thị Thanh Thảo Nguyên " + "Ư" * 50)
    look(hall.open("/v", None, PHONE, language=language, **how))
    look(hall.open("/o", None, PHONE, language=language, **how))
    page = hall.open("/v", None, PHONE, language=language, **how)
    page.locator("#phone").fill(phone)
    page.locator("main .go").click()
    page.locator("#code").wait_for()
    look(page)
    page = phone_of(hall, member, language=language, **how)
    with page.expect_navigation():
        page.locator("#floor .go").click()
    page.locator("#floor .quiet").wait_for()
    a_number(hall, needs_help=True)
    page.locator(".offer").first.wait_for()
    look(page)
    page.goto("/notify/volunteer")
    look(page)
    page.locator(".offer .go").first.click()
    page.locator(".panel.go").wait_for()
    look(page)
    page.locator("main a.go").click()
    page.locator(".results").wait_for()
    look(page)
    with page.expect_navigation():
        page.locator(".results button").first.click()
    page.locator("#again").wait_for()
    ride = a_ride(hall, member)
    for path in ("/volunteer/hours", ride, f"{ride}/give-back"):
        page.goto(path)
        look(page)
    page.goto(ride)
    page.context.set_offline(True)
    page.locator("[data-keep]").first.locator("button").click()
    page.locator("[data-kept=waiting]").wait_for()
    must_fit(page)
    with page.expect_navigation():  # the press is sent, and leads on
        page.context.set_offline(False)
    page.goto("/volunteer")
    page.locator("#floor .quiet").click()
    page.locator("#floor .go").wait_for()
    hall.wrong.clear()


def must_fit(page: Page) -> None:
    """Without a network axe cannot be brought in; the rest can be looked at."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
