"""The board in a real Chromium: two quick calls, a lost connection, a day of calls, what is heard."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from services.queue.voice import PROGRAM
from tests.browser.hall import CENTRE, KIOSK, SIZES, TV, Hall, Size, must_be_sound, passed

pytestmark = pytest.mark.needs_tool("chromium")


def board(hall: Hall, size: Size = TV, **how: Any) -> Page:
    """With its clock in our hands."""
    page = hall.newcomer(size, role="display", **how).new_page()
    page.on("pageerror", lambda error: hall.wrong.append(str(error)))
    page.clock.install()
    page.goto("/board")
    page.wait_for_load_state("networkidle")
    page.clock.pause_at(page.evaluate("Date.now()") + 10_000)  # however long the way there takes
    return page


def called(hall: Hall, service: str, counter: int) -> str:
    """Somebody is called to that counter: the code."""
    given = hall.ask("POST", f"/queue/centres/{CENTRE}/tickets", "kiosk", {"service": service})
    hall.call(given["ticket_id"], counter)
    return str(given["code"])


def quiet(hall: Hall) -> None:
    """Whoever other tests left waiting for these two counters, or on the way to them, goes home."""
    for service, counter in (("vneid", 6), ("cu-tru", 5)):
        last = hall.ask("POST", f"/queue/centres/{CENTRE}/tickets", "kiosk", {"service": service})["ticket_id"]
        hall.call(last, counter)
        hall.ask("POST", f"/queue/tickets/{last}/cancel", "staff")


def big(page: Page) -> str:
    return page.locator(".board-code").inner_text()


def test_two_quick_calls_are_shown_one_after_the_other_six_seconds_each(hall: Hall) -> None:
    quiet(hall)
    page = board(hall)
    page.evaluate(
        """() => {
          const code = document.querySelector(".board-code");
          window.shown = [];
          new MutationObserver(() => shown.push([code.textContent, Date.now()])).observe(code, { childList: true });
        }"""
    )
    codes = [called(hall, "vneid", 6), called(hall, "cu-tru", 5)]
    passed(page, 30, lambda: len(page.evaluate("shown")) == 2)
    (first, at), (second, then) = page.evaluate("shown")
    assert [first, second] == codes and then - at >= 6000
    expect(page.locator(".board-to b")).to_have_text("5")


def test_what_is_called_is_said_in_turn_by_a_voice_of_the_browser(hall: Hall) -> None:
    quiet(hall)
    page = hall.newcomer(TV, role="display").new_page()
    page.add_init_script(
        """window.said = [];
        window.SpeechSynthesisUtterance = class { constructor(text) { this.text = text; } };
        Object.defineProperty(window, "speechSynthesis", { value: {
          getVoices: () => [{ lang: "vi-VN" }],
          speak: (one) => { said.push(one.text); setTimeout(() => one.onend(), 10); } } });"""
    )
    page.clock.install()
    page.goto("/board")
    touched(page)
    codes = [called(hall, "vneid", 6), called(hall, "cu-tru", 5)]
    passed(page, 30, lambda: len(page.evaluate("said")) == 2)
    first, second = page.evaluate("said")
    assert first.startswith("Mời số hát, ") and first.endswith("đến quầy 6.") and codes[0].startswith("H")
    assert second.startswith("Mời số e, ") and second.endswith("đến quầy 5.")


@pytest.mark.needs_tool(PROGRAM)
def test_without_such_a_voice_the_server_speaks(hall: Hall) -> None:
    quiet(hall)
    page = board(hall)
    touched(page)
    with page.expect_response("**/board/voice/**") as heard:
        code = called(hall, "vneid", 6)
        passed(page, 10, lambda: big(page) == code)
        page.clock.run_for(1500)  # the chime comes first
    assert heard.value.url.endswith(f"/board/voice/{code}/6")
    assert heard.value.status == 200 and heard.value.headers["content-type"] == "audio/wav"


def touched(page: Page) -> None:
    """The one touch by which a browser lets a page sound."""
    expect(page.locator("#sound")).to_be_visible()
    page.locator("#sound").click()
    expect(page.locator("#sound")).to_be_hidden()


def test_who_is_served_is_not_called_any_more(hall: Hall) -> None:
    page = board(hall, KIOSK)
    given = hall.ask("POST", f"/queue/centres/{CENTRE}/tickets", "kiosk", {"service": "vneid", "priority": True})
    hall.call(given["ticket_id"], 6)
    row = page.locator(f"#last [data-code='{given['code']}']")
    passed(page, 10, lambda: row.count() == 1 and "way" in (row.get_attribute("class") or ""))
    expect(row.get_by_role("img", name="Diện ưu tiên")).to_be_visible()
    hall.ask("POST", f"/queue/tickets/{given['ticket_id']}/start", "staff")
    passed(page, 10, lambda: row.get_attribute("class") is None)


def test_a_lost_connection_is_said_and_the_last_state_stays_until_the_truth_is_back(hall: Hall) -> None:
    code = called(hall, "vneid", 6)
    page = board(hall)
    expect(page.locator(f"#last [data-code='{code}']")).to_be_visible()
    page.route("**/*", lambda route: route.abort())
    passed(page, 20, page.locator("#lost").is_visible)
    assert "Bảng mất kết nối từ" in page.locator("#lost").inner_text()
    expect(page.locator(f"#last [data-code='{code}']")).to_be_visible()
    newer = called(hall, "cu-tru", 5)
    page.clock.run_for(180_000)
    page.unroute("**/*")
    passed(page, 5, page.locator("#lost").is_hidden)
    expect(page.locator(f"#last [data-code='{newer}']")).to_be_visible()


@pytest.mark.slow
def test_a_day_of_calls_leaves_no_more_nodes_than_its_first_minutes(hall: Hall) -> None:
    page = board(hall)
    template = page.content()
    day = {"call": 0}

    def answer(route: Route) -> None:
        day["call"] += 2
        route.fulfill(content_type="text/html", body=at_call(template, day["call"]))

    page.route("**/board", answer)
    page.route("**/board/voice/**", lambda route: route.fulfill(status=404))
    (shown, held), (later_shown, later_held) = nodes_after(page, 10), nodes_after(page, 40)
    assert day["call"] >= 100 and later_shown == shown
    assert later_held < held + A_PAGE, "what was taken off the page is held in memory"


def at_call(template: str, newest: int) -> str:
    """The same board when so many have been called; the last eight are listed."""
    head, _, rest = template.partition('<ol id="last"')
    _, _, tail = rest.partition("</ol>")
    rows = "".join(
        f'<li class="way" data-call="A-{n}" data-code="A{n:03d}" data-counter="3" data-at="{n}" data-says="Mời số {n}">'
        f"<b>A{n:03d}</b> <span>Quầy 3</span></li>"
        for n in range(newest, max(0, newest - 8), -1)
    )
    return f'{head}<ol id="last" class="board-calls" data-live data-now="{newest}">{rows}</ol>{tail}'


A_PAGE = 400
"""Nodes of one that was fetched and is not forgotten yet. Eighty calls that nobody forgets are many more."""


def nodes_after(page: Page, looks: int) -> tuple[int, int]:
    """On the page, and in memory."""
    for _ in range(looks):
        with page.expect_response("**/board"):
            page.evaluate("dispatchEvent(new Event('focus'))")
        page.clock.run_for(13_000)
    client = page.context.new_cdp_session(page)
    client.send("Performance.enable")
    held = []
    for _ in range(5):  # the least: what is looked at just now is not counted
        client.send("HeapProfiler.collectGarbage")
        metrics = {one["name"]: one["value"] for one in client.send("Performance.getMetrics")["metrics"]}
        held.append(int(metrics["Nodes"]))
        page.wait_for_timeout(100)
    client.detach()
    return int(page.evaluate("document.querySelectorAll('*').length")), min(held)


def test_without_javascript_it_comes_again_by_itself(hall: Hall) -> None:
    code = called(hall, "vneid", 6)
    page = hall.open("/board", "display", TV, java_script_enabled=False)
    expect(page.locator("#last")).to_contain_text(code)
    assert page.locator("noscript meta[http-equiv=refresh], meta[http-equiv=refresh]").count() == 1


def test_the_board_is_sound(hall: Hall) -> None:
    every_board(hall, "vi", must_be_sound)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("language", ["vi", "en"])
@pytest.mark.parametrize("how", [{}, {"forced_colors": "active"}, {"reduced_motion": "reduce"}])
def test_the_board_is_sound_to_axe_in_every_size(hall: Hall, language: str, how: dict[str, Any]) -> None:
    every_board(hall, language, partial(must_be_sound, axe_at=SIZES), **how)


def every_board(hall: Hall, language: str, look: Callable[[Page], None], **how: Any) -> None:
    for _ in range(5):  # more than there is room for
        called(hall, "vneid", 6)
        called(hall, "cu-tru", 5)
    look(hall.open("/board", "display", TV, language=language, **how))
