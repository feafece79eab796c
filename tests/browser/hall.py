"""A real Chromium before a real `caunoi up`: who opens a page as whom, and what must be so on every page.

def test_something(hall: Hall) -> None:
    page = hall.open("/kiosk", "kiosk", KIOSK)
    page.click("text=Đất đai")
    must_be_sound(page)
"""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from threading import Timer
from typing import Any, Final

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Error, Page, Request, expect, sync_playwright

from services.chassis.access import COOKIE, Access
from services.chassis.clock import system_clock
from services.chassis.problems import LANGUAGE_COOKIE
from services.chassis.settings import Settings
from tests.journeys.system import ROOT, RunningSystem, running

CENTRE: Final = "31186"
CHROMIUM: Final = "/usr/bin/chromium"
WITHOUT: Final = (
    # Two pages of the browser's own for each window: two thirds of all the work that opening ours is.
    *("WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "WebUIOmniboxFullPopup", "PreloadTopChromeWebUI"),
    # What Playwright goes without; the last list that is given replaces the one before.
    *("AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose", "HttpsUpgrades", "MediaRouter"),
    *("HttpsFirstBalancedModeAutoEnable", "PaintHolding", "ThirdPartyStoragePartitioning", "OptimizationHints"),
    *("AvoidCorsURLLoaderRestartOnRedirect", "LensOverlay", "NetworkTimeServiceQuerying", "PreconnectToSearch"),
)
FLAGS: Final = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    f"--disable-features={','.join(WITHOUT)}",
)
WARD: Final = ROOT / "services/caunoi/demo/cai-rang.yaml"

Size = tuple[int, int]
SMALL, PHONE, TABLET, LAPTOP, KIOSK, TV = (320, 640), (390, 844), (768, 1024), (1280, 800), (1080, 1920), (1920, 1080)
SIZES: Final[tuple[Size, ...]] = (SMALL, TABLET, LAPTOP, KIOSK, TV)
"""What every page is looked at in."""
TARGET: Final = 44
"""CSS pixels that a finger needs."""
PATIENCE: Final = 60
"""Seconds for whatever comes in one, where nobody else wants the machine."""
expect.set_options(timeout=PATIENCE * 1000)


@dataclass(eq=False)
class Hall:
    """The demo ward without its story, and browsers before it."""

    system: RunningSystem
    start: Callable[[], Browser]
    browser: Browser
    contexts: list[BrowserContext] = field(default_factory=list)
    members: list[str] = field(default_factory=list)
    """Who was enrolled so far."""
    wrong: list[str] = field(default_factory=list)
    """What browsers complained of in their consoles."""
    centre: str = CENTRE

    def token(self, role: str, *, member: str | None = None) -> str:
        """Of somebody of this centre."""
        access = Access(Settings(data=self.system.data), system_clock)
        ref = member or f"a-{role}0001"
        centres = [] if role in ("city", "operator") else [self.centre]
        return access.tokens.issue(ref, [role], centres, member=member, lifetime=timedelta(days=2)).token

    def ask(self, method: str, path: str, role: str, body: Any = None) -> Any:
        """What the API answers somebody of that role."""
        headers = {"Authorization": f"Bearer {self.token(role)}"}
        answer = self.system.http.request(method, path, json=body, headers=headers)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def call(self, ticket_id: str, counter: int) -> None:
        """To that counter; whoever other tests left before it goes home."""
        at = f"/queue/centres/{self.centre}/counters/{counter}"
        self.ask("POST", f"{at}/open", "staff")
        while (there := self.ask("GET", at, "staff")["now"]) is None or there["ticket_id"] != ticket_id:
            if there is None:
                self.ask("POST", f"{at}/call-next", "staff")
            elif there["state"] == "serving":
                self.ask("POST", f"/queue/tickets/{there['ticket_id']}/complete", "staff", {"outcome": "accepted"})
            else:
                self.ask("POST", f"/queue/tickets/{there['ticket_id']}/cancel", "staff")

    def until(self, true: Callable[[], bool], seconds: float = PATIENCE) -> None:
        """What is waited for comes over the bus."""
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end
            time.sleep(0.05)

    def newcomer(
        self, size: Size = PHONE, *, role: str | None = None, language: str = "vi", **more: Any
    ) -> BrowserContext:
        """A browser of its own: `role` is who is signed in, on a device with a finger where it is one."""
        width, height = size
        touch = size in (SMALL, PHONE, KIOSK)
        context = self.browser.new_context(
            viewport={"width": width, "height": height},
            locale="vi-VN",
            has_touch=touch,
            base_url=self.system.address,
            **more,
        )
        context.set_default_timeout(PATIENCE * 1000)
        cookies = {LANGUAGE_COOKIE: language} | ({COOKIE: self.token(role)} if role else {})
        context.add_cookies(
            [{"name": name, "value": value, "url": self.system.address} for name, value in cookies.items()]
        )
        self.contexts.append(context)
        return context

    def open(
        self, path: str, role: str | None = None, size: Size = PHONE, *, language: str = "vi", **more: Any
    ) -> Page:
        page = self.newcomer(size, role=role, language=language, **more).new_page()
        page.on("console", lambda message: self.wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.goto(path)
        return page

    def leave(self) -> None:
        """Every browser is closed; nobody complained. A Chromium that hangs in closing one, as was seen, is killed."""
        running = self.browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
        (chromium,) = (one["id"] for one in running if one["type"] == "browser")
        killed = Timer(PATIENCE, os.kill, (chromium, signal.SIGKILL))
        killed.start()
        try:
            while self.contexts:
                self.contexts.pop().close()
        except Error:
            if self.browser.is_connected():
                raise
        finally:
            killed.cancel()
        if not self.browser.is_connected():
            self.contexts.clear()
            self.browser = self.start()
        wrong, self.wrong = self.wrong, []
        assert not wrong, wrong


@contextmanager
def a_hall(folder: Path) -> Iterator[Hall]:
    everybody = {"CAUNOI_SIGN_INS_PER_ADDRESS": "1000"}  # a whole centre of phones, all at one address
    with running(folder / "data", settings=everybody) as system, sync_playwright() as playwright:
        seeded = system.cli("seed", str(WARD))
        assert seeded.returncode == 0, seeded.stderr

        def start() -> Browser:
            return playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))

        hall = Hall(system, start, start())
        try:
            yield hall
        finally:
            hall.browser.close()


def passed(page: Page, seconds: float, seen: Callable[[], bool]) -> None:
    """So much of the page's own time, and not more, passes before it is seen. What the page asks for meanwhile is
    answered in our time, however long that takes."""
    asked: set[Request] = set()

    def over(one: Request) -> None:
        asked.discard(one)

    page.on("request", lambda one: asked.add(one) if one.resource_type != "eventsource" else None)
    page.on("requestfinished", over)
    page.on("requestfailed", over)
    for _ in range(int(seconds * 4)):
        page.clock.run_for(250)
        page.wait_for_timeout(20)
        end = time.monotonic() + PATIENCE
        while asked and time.monotonic() < end:
            page.wait_for_timeout(20)
        if seen():
            return
    raise AssertionError(f"not after {seconds} s")


# ------------------------------------------------------------------------------------- what must be so on every page


def must_be_sound(page: Page, *, axe_at: Sequence[Size] = ()) -> None:
    """axe finds nothing here (`axe_at`: nor in these sizes); in no size, nor with text of 200 %, is anything wider than
    the page; a finger hits what it can press; and nothing is lost in the colours of the system."""
    assert complaints(page) == []
    assert in_forced_colours(page) == []
    shown = page.viewport_size
    for size in SIZES:
        page.set_viewport_size({"width": size[0], "height": size[1]})
        assert (size, overflow(page), too_small(page)) == (size, [], [])
        if size in axe_at:
            assert (size, complaints(page)) == (size, [])
    page.set_viewport_size({"width": LAPTOP[0], "height": LAPTOP[1]})
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert overflow(page) == []
    page.evaluate("document.documentElement.style.fontSize = ''")
    if shown:
        page.set_viewport_size(shown)


def complaints(page: Page) -> list[str]:
    """What axe finds by WCAG 2.2 AA and good practice: rule and elements."""
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {[node['html'][:120] for node in one['nodes']]}" for one in found]


def in_forced_colours(page: Page) -> list[str]:
    """What is lost with the colours of the system instead of ours: the edge of what can be pressed, where one is when
    moving by keyboard, what is chosen among others, a drawing on what lies behind it."""
    page.emulate_media(forced_colors="active")
    found: list[str] = page.evaluate(
        """() => {
          const style = (one) => getComputedStyle(one);
          const wide = (one) => one.getBoundingClientRect().width > 1;
          const all = (what) => [...document.querySelectorAll(what)]
            .filter((one) => one.checkVisibility({ visibilityProperty: true }) && wide(one));
          const told = (what) => (one) => `${what}: ${one.outerHTML.slice(0, 160)}`;

          const edged = (one) => ["Top", "Bottom", "Left"]
            .some((side) => parseFloat(style(one)[`border${side}Width`]) > 0);
          const ringed = (one) => one && style(one).outlineStyle !== "none" && parseFloat(style(one).outlineWidth) >= 2;
          const here = (one) => [one, one.closest("label"), one.nextElementSibling].some(ringed);

          const clear = (colour) => colour === "none" || /^rgba.*, 0\\)$/.test(colour);
          const ground = (one) => !one ? "rgb(255, 255, 255)"
            : clear(style(one).backgroundColor) ? ground(one.parentElement) : style(one).backgroundColor;
          const seen = (one) => [style(one).stroke, style(one).fill].some((ink) => !clear(ink) && ink !== ground(one));

          const shown = ["borderBottomColor", "borderBottomWidth", "fontWeight", "textDecorationLine", "outlineStyle"];
          const others = (one) => [...one.parentElement.children].filter((other) => !other.matches("[aria-current]"));
          const same = (one, other) => shown.every((name) => style(one)[name] === style(other)[name]);
          const alike = (one) => others(one).some((other) => other.tagName === one.tagName && same(one, other));
          const ours = (one) => style(one).opacity === "0" || style(one).appearance === "none";

          const reached = all("a[href], button, summary, input:not([type=hidden]), select, textarea, [tabindex='0']");
          const lost = reached.filter((one) => {
            one.focus({ focusVisible: true, preventScroll: true });
            return document.activeElement === one && !here(one);
          });
          document.activeElement?.blur();
          return [
            ...all("button, .button, .tile, .job, select, textarea, input[type=text], input[type=tel]")
              .filter((one) => !edged(one)).map(told("no edge")),
            ...all("svg.icon").filter((one) => !seen(one)).map(told("not seen")),
            ...all("[aria-current]").filter(alike).map(told("chosen like the others")),
            ...all("input:checked").filter((one) => ours(one) && !here(one)).map(told("ticked like the others")),
            ...lost.map(told("focus not seen")),
          ];
        }"""
    )
    page.emulate_media(forced_colors="none")
    return found


def overflow(page: Page) -> list[str]:
    """Elements that make the page scroll sideways."""
    found: list[str] = page.evaluate(
        """() => document.documentElement.scrollWidth <= innerWidth ? [] :
        [...document.body.querySelectorAll("*")].filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
          .map((one) => one.outerHTML.slice(0, 120))"""
    )
    return found


def too_small(page: Page) -> list[str]:
    """What can be pressed and is lower or narrower than a finger; a link in a line of text may be."""
    found: list[str] = page.evaluate(
        f"""() => [...document.querySelectorAll("a[href], button, summary, input:not([type=hidden]), select, textarea")]
          .map((one) => one.closest("label") ?? one)
          .filter((one) => one.checkVisibility({{ visibilityProperty: true }}) && !one.classList.contains("skip"))
          .filter((one) => !(one.matches("a:not(.button)") && one.closest("p, li, dd, td")))
          .map((one) => [one, one.getBoundingClientRect()])
          .filter(([one, box]) => box.width && (box.width < {TARGET} || box.height < {TARGET}))
          .map(([one, box]) => `${{box.width}} x ${{box.height}}: ${{one.outerHTML.slice(0, 120)}}`)"""
    )
    return found


def must_hold_khmer(page: Page) -> None:
    """On the smallest phone, with a text of the length and height of Khmer in every place; then as it was again."""
    shown = page.viewport_size
    page.set_viewport_size({"width": SMALL[0], "height": SMALL[1]})
    as_khmer(page)
    wrong = [*overflow(page), *cut_off(page), *too_small(page)]
    assert wrong == [], wrong
    page.reload()
    if shown:
        page.set_viewport_size(shown)


def as_khmer(page: Page) -> None:
    """Every text of the page in Khmer letters, half as long again and in words as long as Khmer writes them: what a
    catalogue will bring. Khmer stands taller than Vietnamese and has no spaces between words."""
    page.evaluate(
        """() => {
          const word = "សេវាកម្មរដ្ឋបាលសាធារណៈ";
          const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
          document.documentElement.lang = "km";
          while (texts.nextNode()) {
            const text = texts.currentNode;
            if (!/\\p{L}{2}/u.test(text.data) || text.parentElement.closest("script, style, template")) continue;
            const length = Math.ceil(text.data.trim().length * 1.5);
            text.data = word.repeat(Math.ceil(length / word.length)).slice(0, length);
          }
        }"""
    )


def cut_off(page: Page) -> list[str]:
    """Elements whose own Khmer does not fit into them, or into the height of its line."""
    found: list[str] = page.evaluate(
        """() => {
          const khmer = (node) => node.nodeType === Node.TEXT_NODE && /\\p{Script=Khmer}/u.test(node.data);
          return [...document.body.querySelectorAll("*")]
            .filter((one) => [...one.childNodes].some(khmer) && one.checkVisibility())
            .filter((one) => !one.closest(".unseen, .skip") && !one.querySelector(".big-number"))
            .filter((one) => getComputedStyle(one).display !== "inline")
            .filter((one) => one.scrollWidth > one.clientWidth + 1 || one.scrollHeight > one.clientHeight + 4)
            .map((one) => one.outerHTML.slice(0, 120));
        }"""
    )
    return found
