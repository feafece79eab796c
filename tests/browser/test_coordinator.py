"""The coordinator's screen in a real Chromium: put together from three services, kept live, worked with by hand."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.hall import CENTRE, LAPTOP, PHONE, Hall, must_be_sound
from tests.browser.shift import PEOPLE, Shift, a_shift, end

pytestmark = pytest.mark.needs_tool("chromium")

SCREEN = f"/coordinator/{CENTRE}"


@pytest.fixture(scope="module")
def shift(_hall: Hall) -> Iterator[Shift]:
    begun = a_shift(_hall)
    yield begun
    end(_hall, begun)


def test_the_screen_is_put_together_from_three_services_with_names_and_is_live(hall: Hall, shift: Shift) -> None:
    page = hall.open(SCREEN, "coordinator", LAPTOP)
    expect(page.locator("#urgent")).to_contain_text("Lúc được nhờ, không có đoàn viên nào đang trực")
    asked = page.locator("#wanted [data-member]").first
    expect(asked).not_to_contain_text("…")
    expect(page.locator("#floor")).to_contain_text(PEOPLE[0][0])
    must_be_sound(page)
    page.locator("#duties").get_by_role("button", name="Đã đến").first.click()
    expect(page.locator("#floor .count")).to_have_text("3")


def test_a_ride_is_given_by_hand_to_one_of_those_who_could_drive(hall: Hall, shift: Shift) -> None:
    page = hall.open(SCREEN, "coordinator", PHONE, language="en")
    page.locator("#wanted a", has_text="Drive").click()
    near = page.locator("label.tick", has_text=PEOPLE[3][0])
    expect(near).to_be_visible()
    expect(page.get_by_role("button", name="A taxi is called for her")).to_be_visible()
    must_be_sound(page)
    near.click()
    page.get_by_role("button", name="Give this job").click()
    page.wait_for_url(f"**{SCREEN}")
    expect(page.locator("#rides")).to_contain_text("has a driver")
