"""What a coordinator does by hand on the volunteers' pages, without a browser."""

from pathlib import Path

from services.chassis.views import Stamp
from services.contracts.events import RideCancelled, RidePlanned
from services.volunteers.tickets import TicketKnown
from services.volunteers.views import RIDES as RIDES_VIEW
from tests.unit.volunteers.build import CENTRE, CONTACT, HELP, NOON, RIDE, TICKET, issued
from tests.unit.volunteers.running import Ward
from tests.unit.volunteers.test_api import ADDRESS, HELPS, RIDES, assigned, played, requested
from tests.visitor import Visitor

SCREEN = f"/volunteers/coordinator/{CENTRE}"
THE_RIDE, THE_HELP = f"/volunteers/coordinator/rides/{RIDE}", f"/volunteers/coordinator/help/{HELP}"


def leading(ward: Ward, language: str = "vi") -> Visitor:
    return Visitor(ward.client, language).become(ward.coordinator)


def test_empty_lists_say_that_all_is_well(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        shown = await leading(ward).open(SCREEN)
        assert "Không có chuyến xe nào đang mở" in shown.text and "Không có ai đang chờ giúp" in shown.text
        assert "Chưa có đoàn viên nào điểm danh" in shown.text

    played(tmp_path, story)


def test_somebody_is_checked_in_and_out_for_an_empty_phone(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        member = await ward.member()
        visitor = leading(ward)
        await visitor.open(SCREEN)
        await visitor.press(f"{SCREEN}/check-in", member=member)
        floor = f"/volunteers/centres/{CENTRE}/on-duty"
        await ward.until(floor, ward.coordinator, lambda floor: floor["members"])
        await visitor.open(SCREEN)
        await visitor.press(f"{SCREEN}/check-out", member=member)
        await ward.until(floor, ward.coordinator, lambda floor: not floor["members"])

    played(tmp_path, story)


def test_a_taxi_ends_the_ride_and_the_report_says_so(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        await requested(ward)
        visitor = leading(ward)
        await visitor.open(THE_RIDE)
        await visitor.press(f"{THE_RIDE}/end", instead="taxi")
        shown = await ward.get(f"{RIDES}/{RIDE}", ward.holder)
        assert (shown["state"], shown["instead"]) == ("cancelled", "taxi")
        report = f"/volunteers/centres/{CENTRE}/report"
        counted = await ward.until(report, ward.staff, lambda report: report["rides_cancelled"])
        assert counted["rides_instead"] == {"taxi": 1, "family": 0, "otherwise": 0}
        file = (await visitor.open(f"{SCREEN}/report.csv")).text
        assert "Chuyến xe,Huỷ vì lý do khác,0" in file and "Chuyến xe,Còn đang mở,0" in file

    played(tmp_path, story)


def test_a_planned_ride_is_shown_by_the_number_of_its_ticket_and_so_it_is_rebuilt(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        await ward.hear(issued(1, ride_home=True))
        listed = f"/volunteers/centres/{CENTRE}/rides"
        before = (await ward.until(listed, ward.coordinator, lambda listed: listed["rides"]))["rides"]
        assert [(ride["state"], ride["code"]) for ride in before] == [("planned", "A012")]
        await ward.system.running["volunteers"].store.rebuild(lambda done: None)
        assert (await ward.get(listed, ward.coordinator))["rides"] == before
        assert "…" not in (await leading(ward).open(SCREEN)).text

    played(tmp_path, story)


def test_a_number_that_is_heard_later_names_the_ride_and_is_no_ride_of_its_own() -> None:
    known = TicketKnown(code="A012", sequence=1, contact_ref=None, language="vi")
    planned = RidePlanned(centre=CENTRE, ride_id=RIDE, ticket_id=TICKET)
    assert RIDES_VIEW.fold(None, known, Stamp(RIDE, 1, NOON)) is None
    row = RIDES_VIEW.fold(RIDES_VIEW.fold(None, planned, Stamp(RIDE, 2, NOON)), known, Stamp(RIDE, 3, NOON))
    assert row is not None and row.code == "A012"


def test_only_her_family_is_told_by_the_number_that_she_left(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        await ward.hear(issued(1, ride_home=True))
        await ward.until(f"{RIDES}/{RIDE}", ward.coordinator, lambda ride: ride["code"])
        visitor = leading(ward)
        assert "Nhắn gia đình đến đón" in (await visitor.open(THE_RIDE)).text
        await visitor.press(f"{THE_RIDE}/end", instead="family")
        cancelled = await _told(ward)
        assert (cancelled.instead, cancelled.contact_ref) == ("family", CONTACT)

    played(tmp_path, story)


def test_a_citizen_does_not_say_how_she_got_home(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        await requested(ward)
        refused = await ward.ask("POST", f"{RIDES}/{RIDE}/cancel", ward.holder, {"instead": "taxi"})
        assert refused.status_code == 403

    played(tmp_path, story)


def test_where_a_citizen_lives_is_shown_only_when_it_is_asked_for(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        await requested(ward)
        visitor = leading(ward)
        assert ADDRESS not in (await visitor.open(THE_RIDE)).text
        assert ADDRESS in (await visitor.open(f"{THE_RIDE}/destination")).text

    played(tmp_path, story)


def test_a_ride_given_to_nobody_or_twice_is_refused_in_a_sentence_on_the_same_page(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        await requested(ward)
        member = await ward.member()
        visitor = leading(ward)
        await visitor.open(THE_RIDE)
        assert "Hãy chọn một đoàn viên" in (await visitor.press(f"{THE_RIDE}/assign", member="")).text
        await visitor.press(f"{THE_RIDE}/assign", member=member)
        await visitor.open(THE_RIDE)
        again = await visitor.press(f"{THE_RIDE}/assign", member=member)
        assert again.status == 409 and "đã nhận chuyến xe rồi" in again.text

    played(tmp_path, story)


def test_a_driver_who_does_not_come_is_shown_before_everything_else(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        await assigned(ward)
        await ward.hear(issued(20, ticket="31186-20261124-a0000000000a", code="A001", ride_home=True))
        listed = f"/volunteers/centres/{CENTRE}/rides"
        await ward.until(
            listed,
            ward.coordinator,
            lambda listed: [one["state"] for one in listed["rides"]] == ["planned", "assigned"],
        )
        ward.later(minutes=14)
        assert "chưa đón" not in (await leading(ward).open(SCREEN)).text
        ward.later(minutes=2)
        assert [one["late"] for one in (await ward.get(listed, ward.coordinator))["rides"]] == [False, True]
        shown = (await leading(ward).open(SCREEN)).text
        assert "có người chở mà chưa đón" in shown
        assert shown.index("A012") < shown.index("A001")

    played(tmp_path, story)


def test_a_press_sent_twice_is_one_command(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        await requested(ward)
        visitor = leading(ward)
        shown = await visitor.open(THE_RIDE)
        fields = shown.form(f"{THE_RIDE}/end").fields | {"instead": "taxi"}
        first, second = [await visitor.send(f"{THE_RIDE}/end", fields) for _ in range(2)]
        assert first.path == second.path == f"/coordinator/{CENTRE}"
        assert (await _told(ward)).instead == "taxi"

    played(tmp_path, story)


def test_help_that_nobody_pressed_for_is_recorded_by_hand(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        await ward.hear(issued(1, needs_help=True))
        await ward.until(f"{HELPS}/{HELP}", ward.coordinator, lambda help: help["state"] == "open")
        visitor = leading(ward)
        await visitor.open(THE_HELP)
        assert (await visitor.press(f"{THE_HELP}/finish", result="")).status == 422
        await visitor.press(f"{THE_HELP}/finish", result="activated")
        assert (await ward.get(f"{HELPS}/{HELP}", ward.coordinator))["result"] == "activated"

    played(tmp_path, story)


def test_the_pages_are_the_coordinators_of_that_centre_alone(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        for token in (ward.staff, ward.token("a-coord2", "coordinator", centre="31510")):
            assert (await Visitor(ward.client).become(token).open(SCREEN)).status == 403

    played(tmp_path, story)


async def _told(ward: Ward) -> RideCancelled:
    """The one end of a ride that was published."""
    await ward.published_once(RideCancelled)
    (raw,) = await ward.system.bus.read(RideCancelled.topic())
    return RideCancelled.model_validate_json(raw.value or b"")
