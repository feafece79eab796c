"""The main job in a real Chromium, in Vietnamese: kiosk, board, counter, her phone and two volunteers', all at once,
from the first touch to the drop-off. By touch, by keyboard alone, and without JavaScript.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from services.chassis.access import COOKIE, PASS_COOKIE
from tests.browser.hall import KIOSK, LAPTOP, PATIENCE, PHONE, TV, WARD, Hall

pytestmark = [pytest.mark.needs_tool("chromium"), pytest.mark.timeout(400)]

wards = map(str, count(31999, -1))
"""Each story has one of its own: who is on the floor elsewhere, or was left by a story that broke off, is not in it."""


@dataclass
class Ward(Hall):
    helper: str = ""
    """Comes on duty, on foot."""
    driver: str = ""
    """Off duty, with a motorbike and a helmet to spare."""


@pytest.fixture
def ward(_hall: Hall, tmp_path: Path) -> Iterator[Ward]:
    ward = Ward(_hall.system, _hall.start, _hall.browser, centre=next(wards))
    described = tmp_path / "ward.yaml"
    described.write_text(WARD.read_text().replace(_hall.centre, ward.centre))
    seeded = ward.system.cli("seed", str(described))
    assert seeded.returncode == 0, seeded.stderr
    ward.helper = enrolled(ward, "Trần Thị Bích", f"0912{ward.centre}1", vehicle="none")
    ward.driver = enrolled(ward, "Phạm Quốc Duy", f"0912{ward.centre}2", vehicle="motorbike", spare_helmet=True)
    yield ward
    ward.leave()
    _hall.browser = ward.browser


def enrolled(ward: Ward, name: str, phone: str, **more: object) -> str:
    contact = ward.ask("POST", "/notify/contacts", "coordinator", {"phone": phone, "purposes": ["volunteer"]})
    about = {"name": name, "team": "to-cong-nghe-so", "hamlet": "khu-vuc-5", "contact_ref": contact["contact_ref"]}
    return str(ward.ask("POST", "/volunteers/members", "coordinator", about | more)["member"])


# ------------------------------------------------------------------------------------------------------- hands


@dataclass(frozen=True)
class Hands:
    """How people use their screens."""

    keyboard: bool = False
    scripts: bool = True

    def press(self, page: Page, name: str) -> None:
        """The button or link that is called so."""
        if self.keyboard:
            tab_to(page, name)
            with page.expect_navigation():
                page.keyboard.press("Enter")
        else:
            called(page, name).click()

    def tick(self, page: Page, name: str) -> None:
        if not self.keyboard:
            page.get_by_label(name).check()
            return
        tab_to(page, name)
        page.keyboard.press("Space")

    def choose(self, page: Page, name: str) -> None:
        """One of several: by keyboard one comes to the first of them, and goes on with an arrow."""
        if not self.keyboard:
            page.get_by_label(name, exact=True).check()
            return
        tab_to(page, "")
        while name not in focused(page):
            page.keyboard.press("ArrowDown")

    def sees(self, page: Page, what: Locator) -> None:
        """By itself, or, without scripts, by loading the page again."""
        end = time.monotonic() + PATIENCE
        while not self.scripts and not what.first.is_visible() and time.monotonic() < end:
            time.sleep(0.3)
            page.reload()
        expect(what.first).to_be_visible()


def called(page: Page, name: str) -> Locator:
    button, link = (page.get_by_role(role, name=name).filter(visible=True) for role in ("button", "link"))
    return button.or_(link).first


def focused(page: Page) -> str:
    said: str = page.evaluate("(document.activeElement.closest('label') ?? document.activeElement).innerText.trim()")
    return said


def tab_to(page: Page, name: str) -> None:
    """The next that begins with that name; the empty name: the next radio button."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if focused(page).startswith(name) if name else page.evaluate("document.activeElement.type === 'radio'"):
            return
    raise AssertionError(f"nobody gets to {name!r} by keyboard")


# ------------------------------------------------------------------------------------------------------- story


@pytest.mark.parametrize(
    "hands",
    [
        pytest.param(Hands(), id="touch"),
        pytest.param(Hands(keyboard=True), id="keyboard", marks=pytest.mark.slow),
        pytest.param(Hands(scripts=False), id="without-javascript", marks=pytest.mark.slow),
    ],
)
def test_from_the_first_touch_to_the_drop_off(ward: Ward, hands: Hands) -> None:
    board = screen(ward, hands, "/board", "display", TV)
    counter = counter_three(ward, hands)
    helper = phone_of(ward, hands, ward.helper)
    hands.press(helper, "Vào ca")
    hands.sees(helper, helper.get_by_text("Đang trực tại trung tâm"))

    kiosk = screen(ward, hands, "/kiosk", "kiosk", KIOSK)
    code = she_takes_a_number(kiosk, hands)
    her_phone = the_link_of_the_qr_code(ward, hands, kiosk)
    hands.sees(her_phone, her_phone.get_by_text("Bác là người tiếp theo."))

    accept(helper, hands, f"Giúp người có số {code} tại sảnh")
    they_look_through_her_papers(helper, hands)

    hands.sees(counter, counter.locator("#now .big-number", has_text=code))
    key(counter, hands, "Gọi số tiếp theo", "g")
    hands.sees(board, board.locator("#last .way", has_text=code).filter(has_text="Quầy 3"))
    hands.sees(her_phone, her_phone.get_by_role("heading", name="Mời bác đến quầy 3"))
    if hands.scripts:
        expect(board.locator(".board-code")).to_have_text(code)
    hands.sees(counter, counter.get_by_text("Bạn áo xanh đã cùng bác xem giấy tờ."))
    key(counter, hands, "Bắt đầu phục vụ", "b")
    hands.press(helper, "Đã hướng dẫn")
    key(counter, hands, "Đã tiếp nhận hồ sơ", "1")
    hands.sees(counter, counter.get_by_role("button", name=f"Lấy lại số {code}"))
    hands.sees(her_phone, her_phone.get_by_text("Hồ sơ đã được tiếp nhận."))

    driver = phone_of(ward, hands, ward.driver)
    accept(driver, hands, "Chở một người về Khu vực 5")
    hands.sees(driver, driver.locator(".code-word"))
    word = driver.locator(".code-word").inner_text()
    if not hands.scripts:
        her_phone.goto("/volunteers/ticket")
    hands.sees(her_phone, her_phone.get_by_text("Bạn Duy đến đón bác"))
    expect(her_phone.locator(".code-word")).to_have_text(word)
    hands.press(driver, "Đã đón")
    hands.sees(driver, driver.get_by_role("button", name="Đã đưa về đến nơi"))
    hands.press(driver, "Đã đưa về đến nơi")
    hands.sees(driver, driver.get_by_text("Số phút đã được ghi"))
    hands.sees(her_phone, her_phone.get_by_text("Bác đã về đến nơi"))

    helper.goto("/volunteer")
    hands.press(helper, "Ra ca")
    hands.sees(helper, helper.get_by_text("Bạn đang ngoài ca"))


def screen(ward: Ward, hands: Hands, path: str, role: str | None, size: tuple[int, int]) -> Page:
    return ward.open(path, role, size, java_script_enabled=hands.scripts)


def phone_of(ward: Ward, hands: Hands, member: str) -> Page:
    page = screen(ward, hands, "/v", None, PHONE)
    token = ward.token("volunteer", member=member)
    page.context.add_cookies([{"name": COOKIE, "value": token, "url": ward.system.address}])
    page.goto("/volunteer")
    return page


def counter_three(ward: Ward, hands: Hands) -> Page:
    page = screen(ward, hands, "/counter", "staff", LAPTOP)
    hands.press(page, "Vào quầy 3" if called(page, "Vào quầy 3").count() else "Mở quầy 3")
    page.wait_for_url("**/counter/3")
    return page


def she_takes_a_number(kiosk: Page, hands: Hands) -> str:
    hands.press(kiosk, "Đất đai: chuyển quyền")
    kiosk.wait_for_url("**/take/*")
    hands.press(kiosk, "Tiếp tục lấy số")
    kiosk.wait_for_url("**/wishes")
    hands.tick(kiosk, "Tôi cần người giúp")
    hands.tick(kiosk, "Tôi không có xe về")
    hands.press(kiosk, "Lấy số")
    kiosk.wait_for_url("**/ride")
    hands.choose(kiosk, "Khu vực 5")
    hands.press(kiosk, "Tiếp tục")
    kiosk.wait_for_url("**/number")
    return kiosk.locator(".big-number").inner_text().strip()


def the_link_of_the_qr_code(ward: Ward, hands: Hands, kiosk: Page) -> Page:
    """What stands in it is what the kiosk's browser holds for this visit."""
    held = next(one["value"] for one in kiosk.context.cookies() if one["name"] == PASS_COOKIE)
    page = screen(ward, hands, f"/ticket#{held}", None, PHONE)
    if not hands.scripts:
        page.get_by_text("Tôi có đường dẫn").click()
        page.get_by_label("Dán đường dẫn vào đây").fill(f"/ticket#{held}")
        page.get_by_role("button", name="Mở phiếu").click()
    return page


def accept(phone: Page, hands: Hands, what: str) -> None:
    """The offer comes to his open page; without scripts he looks for it."""
    if not hands.scripts:
        phone.goto("/notify/volunteer")
    hands.sees(phone, phone.locator(".offer").filter(has_text=what))
    hands.press(phone, "Nhận")
    hands.sees(phone, phone.get_by_role("heading", name="Việc này là của bạn"))
    hands.press(phone, "Mở việc này")


def they_look_through_her_papers(helper: Page, hands: Hands) -> None:
    hands.sees(helper, helper.get_by_role("link", name="Cùng bác xem giấy tờ"))
    hands.press(helper, "Cùng bác xem giấy tờ")
    helper.wait_for_url("**/checklist/*")
    hands.tick(helper, "Đơn đăng ký biến động đất đai")
    hands.tick(helper, "Đã điền xong")
    hands.press(helper, "Lưu cho quầy thấy")
    hands.sees(helper, helper.get_by_text("Quầy đã thấy danh mục này."))
    helper.go_back()
    helper.go_back()
    hands.sees(helper, helper.get_by_role("button", name="Đã hướng dẫn"))


def key(counter: Page, hands: Hands, name: str, pressed: str) -> None:
    """At the counter a key does what its button does: pressed when that is there, and answered."""
    if hands.keyboard:
        expect(called(counter, name)).to_be_visible()
        with counter.expect_navigation():
            counter.keyboard.press(pressed)
    else:
        hands.press(counter, name)
