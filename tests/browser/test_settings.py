"""Setting up a centre in a real Chromium: sound pages, the YAML put together from three services, names in a list."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from services.caunoi.commands.seed import read
from tests.browser.hall import CENTRE, LAPTOP, WARD, Hall, must_be_sound

pytestmark = pytest.mark.needs_tool("chromium")


@pytest.mark.parametrize(
    ("path", "role", "language"),
    [
        (f"/settings/{CENTRE}/services/dat-dai-chuyen-quyen", "operator", "vi"),
        (f"/volunteers/settings/{CENTRE}/ward", "operator", "vi"),
        (f"/notify/settings/{CENTRE}", "coordinator", "en"),
        (f"/training/settings/{CENTRE}", "coordinator", "en"),
    ],
)
def test_a_page_is_sound(hall: Hall, path: str, role: str, language: str) -> None:
    must_be_sound(hall.open(path, role, LAPTOP, language=language))


def test_the_yaml_that_is_downloaded_is_the_one_that_was_brought_in(hall: Hall, tmp_path: Path) -> None:
    page = hall.open(f"/settings/{CENTRE}", "coordinator", LAPTOP)
    with page.expect_download() as downloading:
        page.get_by_role("link", name="Tải tệp YAML").click()
    file = tmp_path / "ward.yaml"
    downloading.value.save_as(file)
    parts = read(file).bodies
    assert parts["volunteers"].items() >= {"minimum": 2, "maximum": 3}.items()
    assert parts["notify"] == read(WARD).bodies["notify"]
    assert parts["queue"]["hours"] == read(WARD).bodies["queue"]["hours"]


def test_a_device_is_told_by_its_link_which_screen_it_is(hall: Hall) -> None:
    page = hall.open(f"/settings/{CENTRE}/accounts", "coordinator", LAPTOP)
    page.get_by_text("Thêm thiết bị").first.click()
    page.get_by_label("Tên thiết bị").fill("ki-ot.cua-chinh")
    page.get_by_role("button", name="Thêm thiết bị").click()
    page.get_by_role("button", name="Cấp mã QR").click()
    expect(page.locator(".device-code svg")).to_be_visible()
    device = hall.open(page.get_by_label("Địa chỉ để dán").input_value())
    expect(device).to_have_url(f"{hall.system.address}/kiosk")
