"""How the ticket page comes to a slow phone: Chromium with a slow network and a slow processor."""

import shutil
from pathlib import Path
from statistics import median
from typing import Any, Final

from playwright.sync_api import CDPSession, Page

from tests.bench.measures import Row
from tests.browser.hall import CENTRE, CHROMIUM, PHONE, Hall, a_hall

SLOW: Final = {"offline": False, "latency": 150, "downloadThroughput": 200_000, "uploadThroughput": 90_000}
"""Milliseconds there and back; bytes a second: 1.6 Mbit/s, as mobile data is where there is little of it."""
TIMES_SLOWER: Final = 4
WAYS: Final = "150 ms, 1.6 Mbit/s, processor / 4"


def first_view(where: Path, rounds: int) -> list[Row]:
    """From the touch on the link to the number on the screen: with nothing in the cache, and opened again."""
    if not shutil.which(CHROMIUM):
        return [Row("(f) ticket page", "-", "no chromium here", "")]
    where.mkdir()
    with a_hall(where) as hall:
        first, again = zip(*(_views(hall) for _ in range(rounds)), strict=True)
    seconds, weight = (median(values) for values in zip(*first, strict=True))
    return [
        Row("(f) ticket page, by its link", f"{seconds:.2f} s", WAYS, "to the number", "1 s", seconds <= 1),
        Row("(f) ... opened again", f"{median(again):.2f} s", WAYS, "to the number", "1 s", median(again) <= 1),
        Row("(f) ... on the wire", f"{weight / 1000:.1f} KB", "", "all of the first view", "60 KB", weight <= 60_000),
    ]


def _views(hall: Hall) -> tuple[tuple[float, float], float]:
    """((seconds, bytes) of the first view, seconds of the second)."""
    given = hall.ask("POST", f"/queue/centres/{CENTRE}/tickets", "kiosk", {"service": "dat-dai-chuyen-quyen"})
    page = hall.newcomer(PHONE).new_page()
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.send("Network.emulateNetworkConditions", SLOW)
    network.send("Emulation.setCPUThrottlingRate", {"rate": TIMES_SLOWER})
    sizes = _sizes(network)
    begun = page.evaluate("Date.now()")
    page.goto(f"/ticket#{given['pass']}", wait_until="commit")
    first = _painted(page, begun)
    page.wait_for_load_state("networkidle")
    weight = sum(sizes)
    page.goto("about:blank")
    begun = page.evaluate("Date.now()")
    page.goto("/ticket", wait_until="commit")
    again = _painted(page, begun)
    hall.leave()
    return (first, weight), again


def _painted(page: Page, begun: float) -> float:
    """Seconds until the number stood there, as the browser itself noted: what we look with is slowed down as well."""
    page.locator("#ticket .big-number").wait_for()
    painted = "performance.getEntriesByName('first-contentful-paint')[0]"
    page.wait_for_function(painted)
    return float(page.evaluate(f"performance.timeOrigin + {painted}.startTime") - begun) / 1000


def _sizes(network: CDPSession) -> list[float]:
    sizes: list[float] = []

    def finished(event: dict[str, Any]) -> None:
        sizes.append(event["encodedDataLength"])

    network.on("Network.loadingFinished", finished)
    return sizes
