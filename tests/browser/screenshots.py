"""`make screenshots`: every screen as it is, into `tests/browser/pictures/`, for READMEs and whoever changed one.

A picture is taken by a function here that leads to it; `python -m tests.browser.screenshots NAME...` takes those alone.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Page

from tests.browser.hall import CENTRE, KIOSK, LAPTOP, PHONE, Hall, a_hall
from tests.browser.shift import PEOPLE, a_shift

PICTURES: Final = Path(__file__).with_name("pictures")
LAND: Final = "dat-dai-chuyen-quyen"
HALF: Final = 0.5
"""Of a kiosk's 1080 x 1920, which nobody reads in a README."""


def kiosk(hall: Hall) -> Page:
    return hall.open("/kiosk", "kiosk", KIOSK, device_scale_factor=HALF)


def kiosk_checklist(hall: Hall) -> Page:
    return hall.open(f"/kiosk/take/{LAND}", "kiosk", KIOSK, device_scale_factor=HALF)


def kiosk_number(hall: Hall) -> Page:
    page = hall.open(f"/kiosk/take/{LAND}/wishes", "kiosk", KIOSK, device_scale_factor=HALF)
    page.locator("[name=help]").check()
    page.get_by_role("button", name="Lấy số").click()
    page.wait_for_url("**/number")
    return page


def ticket_waiting(hall: Hall) -> Page:
    return _ticket(hall, _number(hall, "cu-tru"))


def ticket_called(hall: Hall) -> Page:
    given = _number(hall, "vneid")
    hall.call(given["ticket_id"], 6)
    page = _ticket(hall, given)
    page.wait_for_timeout(4_000)  # it beats three times
    return page


def sign_in(hall: Hall) -> Page:
    return hall.open("/sign-in", None, PHONE)


def coordinator(hall: Hall) -> Page:
    a_shift(hall)
    page = hall.open(f"/coordinator/{CENTRE}", "coordinator", LAPTOP, device_scale_factor=0.75)
    page.get_by_text(PEOPLE[3][0]).first.wait_for()
    page.locator("#floor li").first.wait_for()
    return page


def report(hall: Hall) -> Page:
    """After a morning: the volunteers' half comes in a moment."""
    page = hall.open(f"/coordinator/{CENTRE}/report", "coordinator", LAPTOP, device_scale_factor=0.75)
    page.locator("#volunteers .figure").first.wait_for()
    return page


SHOWN: Final[tuple[Callable[[Hall], Page], ...]] = (
    kiosk,
    kiosk_checklist,
    kiosk_number,
    ticket_waiting,
    ticket_called,
    sign_in,
    coordinator,
    report,
)


def _number(hall: Hall, service: str) -> dict[str, Any]:
    wanted = {"service": service, "needs_help": True, "ride_home": True}
    given: dict[str, Any] = hall.ask("POST", f"/queue/centres/{CENTRE}/tickets", "kiosk", wanted)
    return given


def _ticket(hall: Hall, given: dict[str, Any]) -> Page:
    page = hall.open(f"/ticket#{given['pass']}", None, PHONE)
    page.locator("#ride :is(.notice, .panel, .card)").wait_for()
    return page


def main(wanted: list[str]) -> None:
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, a_hall(Path(folder)) as hall:
        for show in SHOWN:
            name = show.__name__.replace("_", "-")
            if not wanted or name in wanted:
                page = show(hall)
                page.evaluate("document.fonts.ready")
                page.screenshot(path=PICTURES / f"{name}.png")
                sys.stdout.write(f"{PICTURES / name}.png\n")
                hall.leave()


if __name__ == "__main__":
    main(sys.argv[1:])
