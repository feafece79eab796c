"""Three screens behind the gateway in a real Chromium: each loads without a complaint, hears the feed, and shows a
number that is taken meanwhile.
"""

import shutil
import time
from contextlib import ExitStack

import httpx2
from playwright.sync_api import Browser, Page, expect, sync_playwright

from services.caunoi.demo.people import CENTRE, LAND
from services.chassis.access import COOKIE, Access
from services.chassis.clock import system_clock
from services.chassis.settings import Settings
from tests.browser.hall import CHROMIUM, FLAGS, KIOSK, LAPTOP, TV, Size
from tests.compose.stack import Stack

SCREENS: tuple[tuple[str, str, Size], ...] = (
    ("/board", "display", TV),
    ("/kiosk", "kiosk", KIOSK),
    (f"/coordinator/{CENTRE}", "coordinator", LAPTOP),
)
COUNTS = """
window.heard = 0;
window.EventSource = class extends EventSource {
  addEventListener(topic, then) {
    super.addEventListener(topic, (event) => { window.heard += topic === "ticket-issued"; then(event); });
  }
};
"""


def at_screens(stack: Stack) -> list[str]:
    """After the demo, whose ward it is."""
    if not shutil.which(CHROMIUM):
        return [f"left out: no {CHROMIUM} here"]
    wrong: list[str] = []
    with ExitStack() as closing:
        browser = closing.enter_context(sync_playwright()).chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        closing.callback(browser.close)
        board, kiosk, coordinator = (_opened(browser, stack, *screen, wrong) for screen in SCREENS)
        kiosk.get_by_role("link", name="Đất đai").first.click()
        expect(kiosk.get_by_role("link", name="Tiếp tục lấy số")).to_be_visible()
        expect(coordinator.locator("#floor .lines, #floor .empty").first).to_be_visible()
        waiting = coordinator.locator(".figure b").first.inner_text()
        _takes_a_number(stack)
        expect(board.locator("#waits")).to_contain_text("Đất đai", timeout=20_000)
        expect(coordinator.locator(".figure b").first).not_to_have_text(waiting, timeout=20_000)
        for page in (board, coordinator):
            _heard(page)
    assert not wrong, wrong
    return [f"{len(SCREENS)} screens live in Chromium, none complains"]


def _opened(browser: Browser, stack: Stack, path: str, role: str, size: Size, wrong: list[str]) -> Page:
    page = browser.new_page(viewport={"width": size[0], "height": size[1]}, locale="vi-VN", base_url=stack.address)
    page.context.add_cookies([{"name": COOKIE, "value": _token(stack, role), "url": stack.address}])
    page.on("console", lambda said: wrong.append(f"{path}: {said.text}") if said.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(f"{path}: {error}"))
    page.add_init_script(COUNTS)
    page.goto(path)
    return page


def _heard(page: Page) -> None:
    """By the feed, not only by looking again."""
    end = time.monotonic() + 20
    while not page.evaluate("window.heard"):
        assert time.monotonic() < end, f"{page.url} hears nothing from the feed"
        page.wait_for_timeout(100)


def _takes_a_number(stack: Stack) -> None:
    given = httpx2.post(
        f"{stack.address}/queue/centres/{CENTRE}/tickets",
        json={"service": LAND},
        headers={"Authorization": f"Bearer {_token(stack, 'kiosk')}"},
        timeout=20,
    )
    assert given.status_code == 201, given.text


def _token(stack: Stack, role: str) -> str:
    tokens = Access(Settings(data=stack.data), system_clock).tokens
    return tokens.issue(f"a-{role}0001", [role], [CENTRE]).token
