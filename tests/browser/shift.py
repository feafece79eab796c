"""A morning for the pages of whoever leads the centre: members, somebody who waits for help, a ride, messages."""

from dataclasses import dataclass
from typing import Any, Final

from tests.browser.hall import CENTRE, Hall

HERE: Final = f"/volunteers/centres/{CENTRE}"
PEOPLE: Final = (
    ("Nguyễn Phúc Bảo Hoàng Thiên Ân", "khu-vuc-1", "motorbike"),
    ("Trần Thị Bích", "khu-vuc-2", "none"),
    ("Lê Hoàng Minh", "khu-vuc-3", "none"),
    ("Thạch Thị Sô Phi", "khu-vuc-5", "motorbike"),
    ("Đặng Thuỳ Dương", "yen-ha", "motorbike"),
)
FLOOR: Final = slice(0, 2)
"""Who has checked in."""


@dataclass
class Shift:
    members: list[str]
    ride: str
    help: str


def a_shift(hall: Hall) -> Shift:
    """Two on the floor, one due; somebody whom nobody helped while nobody was there, and a ride that is offered."""
    clear_floor(hall)
    helped = a_number(hall, "cu-tru", needs_help=True)
    help = f"{helped['ticket_id']}-help"
    hall.until(lambda: any(one["job"] == help for one in _open(hall, "escalations")))
    members = [_member(hall, number) for number in range(len(PEOPLE))]
    for member in members[FLOOR]:
        hall.ask("POST", f"{HERE}/check-in", "coordinator", {"member": member})
    today = hall.ask("GET", f"{HERE}/duties?days=1", "coordinator")["days"][0]["day"]
    for member in members[1:3]:
        hall.ask("POST", f"{HERE}/duties", "coordinator", {"day": today, "member": member})
    contact = hall.ask("POST", "/notify/contacts", "kiosk", {"phone": "0912000999", "purposes": ["queue_sms", "ride"]})
    driven = a_number(hall, "vneid", ride_home=True, contact_ref=contact["contact_ref"])
    where = {"ticket": driven["ticket_id"], "destination": "Số 12, hẻm 7", "hamlet": "khu-vuc-5"}
    hall.ask("POST", "/volunteers/rides", "coordinator", where)
    hall.call(driven["ticket_id"], 6)
    hall.ask("POST", f"/queue/tickets/{driven['ticket_id']}/start", "staff")
    hall.ask("POST", f"/queue/tickets/{driven['ticket_id']}/complete", "staff", {"outcome": "accepted"})
    ride = f"{driven['ticket_id']}-ride"
    hall.until(lambda: any(job["job"] == ride and job["open_offers"] for job in _open(hall, "jobs")))
    return Shift(members, ride, help)


def clear_floor(hall: Hall) -> None:
    """Whoever other tests left there goes home."""
    for one in hall.ask("GET", f"{HERE}/on-duty", "coordinator")["members"]:
        hall.ask("POST", f"{HERE}/check-out", "coordinator", {"member": one["member"]})
    hall.until(lambda: not _open(hall, "on_floor"))


def end(hall: Hall, shift: Shift) -> None:
    """Nobody of it is asked or waits in other tests."""
    clear_floor(hall)
    for member in shift.members:
        hall.ask("PATCH", f"/volunteers/members/{member}", "coordinator", {"active": False})
    for kind, job in (("rides", shift.ride), ("assistances", shift.help)):
        if hall.ask("GET", f"/volunteers/{kind}/{job}", "coordinator")["state"] not in ("cancelled", "finished"):
            hall.ask("POST", f"/volunteers/{kind}/{job}/cancel", "coordinator")


def a_number(hall: Hall, service: str, **wishes: Any) -> dict[str, Any]:
    wanted = {"service": service, **wishes}
    given: dict[str, Any] = hall.ask("POST", f"/queue/centres/{CENTRE}/tickets", "kiosk", wanted)
    return given


def _open(hall: Hall, what: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = hall.ask("GET", f"/notify/centres/{CENTRE}/dispatch", "coordinator")[what]
    return found


def _member(hall: Hall, number: int) -> str:
    name, hamlet, vehicle = PEOPLE[number]
    phone = {"phone": f"091200{number:04}", "purposes": ["volunteer"]}
    described = {
        "name": name,
        "team": "to-cong-nghe-so",
        "hamlet": hamlet,
        "vehicle": vehicle,
        "spare_helmet": vehicle != "none",
        "contact_ref": hall.ask("POST", "/notify/contacts", "coordinator", phone)["contact_ref"],
    }
    return str(hall.ask("POST", "/volunteers/members", "coordinator", described)["member"])
