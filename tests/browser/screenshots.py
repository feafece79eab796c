"""`make screenshots`: every screen as it is, into `tests/browser/pictures/`, for READMEs and whoever changed one.

A picture is taken by a function here that leads to it; `python -m tests.browser.screenshots NAME...` takes those alone.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Page

from tests.browser.hall import CENTRE, KIOSK, LAPTOP, PHONE, TV, Hall, a_hall
from tests.browser.shift import PEOPLE, a_shift
from tests.browser.test_volunteer import a_member, a_ride, phone_of

PICTURES: Final = Path(__file__).with_name("pictures")
LAND: Final = "dat-dai-chuyen-quyen"
HALF: Final = 0.5
"""Of a kiosk's 1080 x 1920, which nobody reads in a README; of a television too."""


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


def board_empty(hall: Hall) -> Page:
    return hall.open("/board", "display", TV, device_scale_factor=HALF)


def board(hall: Hall) -> Page:
    _a_full_hall(hall)
    return hall.open("/board", "display", TV, device_scale_factor=HALF)


def board_standing(hall: Hall) -> Page:
    return hall.open("/board", "display", KIOSK, device_scale_factor=HALF)


def board_two_calls(hall: Hall) -> Page:
    """The first has its six seconds; the second waits for them, in the list already."""
    page = hall.open("/board", "display", TV, device_scale_factor=HALF)
    for service, counter in (("vneid", 6), ("cu-tru", 5)):
        hall.call(_number(hall, service)["ticket_id"], counter)
    page.locator("#last li").filter(has_text="Quầy 5").first.wait_for()
    page.locator(".board-to b", has_text="6").wait_for()
    return page


def counters(hall: Hall) -> Page:
    return hall.open("/counter", "staff", LAPTOP)


def counter(hall: Hall) -> Page:
    hall.ask("POST", f"/queue/centres/{CENTRE}/counters/4/open", "staff")
    return hall.open("/counter/4", "staff", LAPTOP)


def counter_serving(hall: Hall) -> Page:
    given = hall.ask("POST", f"/queue/centres/{CENTRE}/counters/4/call-next", "staff")["ticket_id"]
    papers = hall.ask("GET", f"/queue/tickets/{given}", "staff")["checklist"]["papers"]
    seen = {"papers": [paper["paper"] for paper in papers[:4]], "form_filled": True}
    hall.ask("POST", f"/queue/tickets/{given}/checklist", "coordinator", seen)
    hall.ask("POST", f"/queue/tickets/{given}/start", "staff")
    page = hall.open("/counter/4", "staff", LAPTOP)
    page.locator("#helper .card").first.wait_for()
    return page


def checklist(hall: Hall) -> Page:
    here = hall.ask("GET", f"/queue/centres/{CENTRE}/counters/4", "staff")["now"]["ticket_id"]
    return hall.open(f"/checklist/{here}", "staff", PHONE)


def sign_in(hall: Hall) -> Page:
    return hall.open("/sign-in", None, PHONE)


def coordinator(hall: Hall) -> Page:
    a_shift(hall)
    page = hall.open(f"/coordinator/{CENTRE}", "coordinator", LAPTOP, device_scale_factor=0.75)
    page.get_by_text(PEOPLE[3][0]).first.wait_for()
    page.locator("#floor li").first.wait_for()
    return page


def job(hall: Hall) -> Page:
    """A ride to give by hand, or to end another way; after `coordinator`."""
    page = hall.open(f"/coordinator/{CENTRE}", "coordinator", LAPTOP, device_scale_factor=0.75)
    page.locator("#wanted a", has_text="Chở").first.click()
    page.get_by_role("button", name="Đã gọi taxi cho bác").wait_for()
    page.get_by_text(PEOPLE[3][0]).first.wait_for()
    return page


def settings(hall: Hall) -> Page:
    return hall.open(f"/settings/{CENTRE}", "coordinator", LAPTOP, device_scale_factor=0.75)


def settings_hours(hall: Hall) -> Page:
    return hall.open(f"/settings/{CENTRE}/hours", "coordinator", LAPTOP, device_scale_factor=0.75)


def settings_service(hall: Hall) -> Page:
    return hall.open(f"/settings/{CENTRE}/services/{LAND}", "coordinator", LAPTOP, device_scale_factor=0.75)


def duties(hall: Hall) -> Page:
    return hall.open(f"/volunteers/settings/{CENTRE}/duties", "coordinator", LAPTOP, device_scale_factor=0.75)


def report(hall: Hall) -> Page:
    """After a morning: the volunteers' half comes in a moment."""
    page = hall.open(f"/coordinator/{CENTRE}/report", "coordinator", LAPTOP, device_scale_factor=0.75)
    page.locator("#volunteers .figure").first.wait_for()
    return page


def volunteer(hall: Hall) -> Page:
    """On the floor, and asked."""
    member, _ = a_member(hall, "Trần Thị Bích")
    page = phone_of(hall, member)
    page.get_by_role("button", name="Vào ca").click()
    page.locator("#floor .quiet").wait_for()
    _number(hall, "cu-tru")
    page.locator(".offer .counting:not([hidden])").first.wait_for()
    return page


def volunteer_ride(hall: Hall) -> Page:
    member, _ = a_member(hall, "Phạm Quốc Duy")
    return phone_of(hall, member, a_ride(hall, member, "Số 12, hẻm 7, đường Phạm Hùng"))


def volunteer_kept(hall: Hall) -> Page:
    """Pressed without a network."""
    page = volunteer_ride(hall)
    page.context.set_offline(True)
    page.get_by_role("button", name="Đã đón").click()
    page.locator("[data-kept=waiting]").wait_for()
    page.locator("#lost").wait_for()
    hall.wrong.clear()
    return page


def volunteer_help(hall: Hall) -> Page:
    member, _ = a_member(hall, "Trần Thị Bích")
    hall.ask("POST", f"/volunteers/centres/{CENTRE}/check-in", "coordinator", {"member": member})
    given = _number(hall, "cu-tru")
    page = phone_of(hall, member)
    page.locator(f".offer:has-text('{given['code']}') .go").click()
    page.get_by_role("link", name="Mở việc này").click()
    page.locator(".results").wait_for()
    return page


def volunteer_sign_in(hall: Hall) -> Page:
    return hall.open("/v", None, PHONE)


SHOWN: Final[tuple[Callable[[Hall], Page], ...]] = (
    kiosk,
    kiosk_checklist,
    kiosk_number,
    ticket_waiting,
    ticket_called,
    sign_in,
    volunteer,
    volunteer_help,
    volunteer_ride,
    volunteer_kept,
    volunteer_sign_in,
    coordinator,
    job,
    report,
    settings,
    settings_hours,
    settings_service,
    duties,
    board_empty,
    board,
    board_standing,
    board_two_calls,
    counters,
    counter,
    counter_serving,
    checklist,
)


def _number(hall: Hall, service: str) -> dict[str, Any]:
    wanted = {"service": service, "needs_help": True, "ride_home": True}
    given: dict[str, Any] = hall.ask("POST", f"/queue/centres/{CENTRE}/tickets", "kiosk", wanted)
    return given


def _a_full_hall(hall: Hall) -> None:
    """All counters at work, people waiting for each."""
    for service, counter in (("chung-thuc", 1), ("ho-tich-khai-sinh", 2), (LAND, 3), ("bao-tro-xa-hoi", 5)):
        for _ in range(4):
            hall.call(_number(hall, service)["ticket_id"], counter)
            there = hall.ask("GET", f"/queue/centres/{CENTRE}/counters/{counter}", "staff")["now"]["ticket_id"]
            hall.ask("POST", f"/queue/tickets/{there}/start", "staff")
    for service in ("chung-thuc", "chung-thuc", LAND, LAND, LAND, "cu-tru", "vneid", "tinh-trang-hon-nhan"):
        _number(hall, service)
    hall.call(_number(hall, "bao-tro-xa-hoi")["ticket_id"], 5)


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
