"""What the kiosk asks of the volunteers, as a browser without a screen sees it."""

from pathlib import Path

from services.chassis import metrics
from services.chassis.access import PASS_COOKIE
from services.contracts.events import AssistanceRequested
from services.contracts.words import AT_KIOSK, JobKind
from tests.unit.volunteers.build import RIDE, TICKET, accepted, completed, heard, issued, ticket_cancelled
from tests.unit.volunteers.running import Ward, until
from tests.unit.volunteers.test_api import FLOOR, HELPS, RIDES, played
from tests.visitor import Shown, Visitor

HELP, WHERE_TO = "/volunteers/kiosk/help", "/volunteers/kiosk/ride"


def at_kiosk(ward: Ward) -> Visitor:
    return Visitor(ward.client).become(ward.kiosk)


def with_number(ward: Ward) -> Visitor:
    visitor = at_kiosk(ward)
    visitor.client.cookies.set(PASS_COOKIE, ward.system.access.passes.sign(TICKET))
    return visitor


async def called(visitor: Visitor) -> Shown:
    """The page that asks for the destination has the press for a volunteer too, as every page of the kiosk."""
    await visitor.open(WHERE_TO)
    return await visitor.press(HELP)


# -------------------------------------------------------------------------------------------- a press for somebody


def test_a_press_at_the_kiosk_asks_for_a_helper_before_there_is_a_number(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        shown = await called(with_number(ward))
        assert "Đã gọi các bạn áo xanh" in shown.text and "đợi ngay ở đây" in shown.text
        await ward.published_once(AssistanceRequested)
        listed = await ward.until(f"{FLOOR}/assistances", ward.staff, lambda page: page["assistances"])
        assert [one["code"] for one in listed["assistances"]] == [AT_KIOSK]

    played(tmp_path, story)


def test_whoever_presses_again_while_somebody_is_on_the_way_calls_nobody_else(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        visitor = with_number(ward)
        first = (await called(visitor)).path
        await ward.until(f"{FLOOR}/assistances", ward.staff, lambda page: page["assistances"])
        assert (await called(visitor)).path == first
        ward.later(minutes=11)
        assert (await called(visitor)).path != first

    played(tmp_path, story)


def test_the_page_says_that_somebody_is_coming(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        visitor, member = with_number(ward), await ward.member()
        path = (await called(visitor)).path
        reference = path.rpartition("/")[2]
        won = accepted(20, member, JobKind.ASSISTANCE, at=ward.now).model_copy(update={"job": reference})
        await ward.hear(heard(won, 20, ward.now, source="/notify/dispatch/31186"))
        await ward.until(f"{HELPS}/{reference}", ward.staff, lambda help: help["state"] == "taken")
        assert "Một bạn áo xanh đang đến đây" in (await visitor.open(path)).text

    played(tmp_path, story)


def test_what_came_of_it_is_counted_as_one_person(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        member = await ward.member()
        reference = (await called(with_number(ward))).path.rpartition("/")[2]
        await ward.post(f"{HELPS}/{reference}/finish", ward.volunteer(member), {"result": "shown"})
        report = await ward.until(f"{FLOOR}/report", ward.staff, lambda report: report["people_helped"])
        assert report["people_helped"] == 1 and report["results"]["shown"] == 1

    played(tmp_path, story)


# ------------------------------------------------------------------------------------------------- the way home


def test_the_destination_is_asked_for_after_the_number_and_only_of_who_has_one(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        assert (await at_kiosk(ward).open(WHERE_TO)).path == "/kiosk"
        shown = await with_number(ward).open(WHERE_TO)
        assert "Bác về đâu?" in shown.text and "Khu vực 5" in shown.text

    played(tmp_path, story)


def test_a_hamlet_is_enough_and_its_name_is_the_destination(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        await ward.hear(issued(1, ride_home=True))
        visitor = with_number(ward)
        await visitor.open(WHERE_TO)
        assert (await visitor.press(WHERE_TO, hamlet="khu-vuc-5")).path == "/kiosk/number"
        ride = await ward.get(f"{RIDES}/{RIDE}", ward.holder)
        assert (ride["hamlet"], ride["destination"]) == ("khu-vuc-5", "Khu vực 5")

    played(tmp_path, story)


def test_a_street_that_hides_something_is_refused_and_stays_to_be_corrected(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        visitor = with_number(ward)
        await visitor.open(WHERE_TO)
        shown = await visitor.press(WHERE_TO, hamlet="", destination="12 <b>hẻm</b> 3\u202e")
        assert shown.status == 422 and "không có ký tự ẩn" in shown.text
        assert "<b>hẻm" not in shown.source

    played(tmp_path, story)


def test_a_number_of_another_centre_has_no_way_home_here(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        visitor = at_kiosk(ward)
        visitor.client.cookies.set(PASS_COOKIE, ward.system.access.passes.sign("31510-20261124-a1b2c3d4e5f6"))
        assert (await visitor.open(WHERE_TO)).path == "/kiosk"

    played(tmp_path, story)


# ------------------------------------------------------------------------------------------------- on the ticket

MINE, RIDE_WANTED = "/volunteers/ticket", "/volunteers/ticket/ride"


def on_the_phone(ward: Ward) -> Visitor:
    visitor = Visitor(ward.client)
    visitor.client.cookies.set(PASS_COOKIE, ward.system.access.passes.sign(TICKET))
    return visitor


def test_a_ride_is_asked_for_on_the_ticket_and_shows_who_drives_and_the_code_word(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        await ward.hear(issued(1))
        visitor = on_the_phone(ward)
        assert "Không có xe về?" in (await visitor.open(MINE)).text
        await visitor.open(RIDE_WANTED)
        await visitor.press(RIDE_WANTED, hamlet="khu-vuc-5", destination="Số 12, hẻm 7", seats="2")
        assert "Xong việc sẽ có người chở bác về" in (await visitor.open(MINE)).text
        await ward.hear(completed(10))
        ride = await ward.until(f"{RIDES}/{RIDE}", ward.holder, lambda ride: ride["state"] == "requested")
        assert (ride["destination"], ride["seats"]) == ("Số 12, hẻm 7", 2)
        await ward.post(f"{RIDES}/{RIDE}/assign", ward.coordinator, {"member": await ward.member("Phạm Quốc Duy")})
        word = (await ward.get(f"{RIDES}/{RIDE}", ward.holder))["code_word"]
        shown = await visitor.open(MINE)
        assert "Bạn Duy đến đón bác" in shown.text and word in shown.text and "Phạm" not in shown.text

    played(tmp_path, story)


def test_a_ride_wished_for_at_the_kiosk_without_a_place_asks_for_it(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        await ward.hear(issued(1, ride_home=True))
        await ward.until(f"{RIDES}/{RIDE}", ward.holder, lambda ride: ride["state"] == "planned")
        assert "Bác chưa cho biết về đâu" in (await on_the_phone(ward).open(MINE)).text

    played(tmp_path, story)


def test_where_to_is_never_guessed(tmp_path: Path) -> None:
    """A form sent as it is must not lead a driver to the first hamlet of a list."""

    async def story(ward: Ward) -> None:
        await ward.hear(issued(1, ride_home=True))
        visitor = on_the_phone(ward)
        await visitor.open(RIDE_WANTED)
        shown = await visitor.press(RIDE_WANTED, seats="1")
        assert shown.status == 422 and "bác chọn khu vực ở trên" in shown.text
        await visitor.press(RIDE_WANTED, destination="Số 12, đường Nguyễn Trãi", seats="1")
        ride = await ward.get(f"{RIDES}/{RIDE}", ward.holder)
        assert (ride["hamlet"], ride["destination"]) == ("elsewhere", "Số 12, đường Nguyễn Trãi")

    played(tmp_path, story)


def test_a_number_that_was_given_up_is_offered_no_ride(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        visitor = on_the_phone(ward)
        await ward.hear(issued(1, ride_home=True))
        await ward.until(f"{RIDES}/{RIDE}", ward.holder, lambda ride: ride["state"] == "planned")
        await ward.hear(ticket_cancelled(2))
        await until(lambda: shows(visitor, "Số này không còn hiệu lực"))
        assert visitor.now and "Không có xe về?" not in visitor.now.text

    played(tmp_path, story)


async def shows(visitor: Visitor, text: str) -> bool:
    return text in (await visitor.open(MINE)).text


def test_who_needs_no_ride_any_more_says_so_and_may_ask_again(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        await ward.hear(issued(1, ride_home=True))
        await ward.until(f"{RIDES}/{RIDE}", ward.holder, lambda ride: ride["state"] == "planned")
        visitor = on_the_phone(ward)
        await visitor.open(MINE)
        await visitor.press(f"{RIDE_WANTED}/cancel")
        assert "Không có xe về?" in (await visitor.open(MINE)).text

    played(tmp_path, story)


def test_a_page_that_is_looked_at_again_and_again_opens_no_address(tmp_path: Path) -> None:
    """Each opening of a citizen's data is a line in the log: one that asks every five seconds drowns the rest."""

    async def story(ward: Ward) -> None:
        await ward.hear(issued(1))
        await ward.post(
            RIDES, ward.holder, {"ticket": ward.holder.removeprefix("Pass "), "destination": "Số 12, hẻm 7"}
        )
        before = openings()
        assert "hẻm 7" not in (await on_the_phone(ward).open(MINE)).source
        assert openings() == before

    played(tmp_path, story)


def openings() -> float:
    return next(iter(metrics.openings.collect())).samples[0].value


def test_help_shows_who_comes_by_his_given_name(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        member = await ward.member("Trần Thị Bích")
        await ward.hear(issued(1, needs_help=True))
        await ward.until(f"{HELPS}/{TICKET}-help", ward.holder, lambda help: help["state"] == "open")
        visitor = on_the_phone(ward)
        assert "Đang mời một bạn áo xanh" in (await visitor.open(MINE)).text
        await ward.hear(accepted(20, member, JobKind.ASSISTANCE, at=ward.now))
        await ward.until(f"{HELPS}/{TICKET}-help", ward.holder, lambda help: help["state"] == "taken")
        assert "Bạn Bích đang đến giúp bác" in (await visitor.open(MINE)).text

    played(tmp_path, story)


def test_nobody_without_a_pass_sees_a_ride(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        answer = await ward.client.get(MINE)
        assert answer.status_code == 401

    played(tmp_path, story)


# ------------------------------------------------------------------------------------------------ at the counter

COUNTER = f"/volunteers/counter/3/{TICKET}"


def at_counter(ward: Ward) -> Visitor:
    return Visitor(ward.client).become(ward.staff)


def test_a_clerk_asks_for_a_volunteer_and_sees_what_came_of_it(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        member = await ward.member("Trần Thị Bích")
        await ward.hear(issued(1))
        clerk = at_counter(ward)
        await clerk.open(COUNTER)
        assert (await clerk.press(f"{COUNTER}/help")).path == "/counter/3"
        assert "Đang mời một bạn áo xanh đến." in (await clerk.open(COUNTER)).text
        await ward.hear(accepted(20, member, JobKind.ASSISTANCE))
        await ward.until(f"{HELPS}/{TICKET}-help", ward.staff, lambda help: help["state"] == "taken")
        assert "đã nhận lời giúp" in (text := (await clerk.open(COUNTER)).text) and "Bích" not in text
        await ward.post(f"{HELPS}/{TICKET}-help/finish", ward.volunteer(member), {"result": "filed_online"})
        shown = await clerk.open(COUNTER)
        assert "Đã giúp xong: đã nộp trực tuyến." in shown.text and f"{COUNTER}/help" in shown.source

    played(tmp_path, story)


def test_a_volunteer_who_was_asked_for_already_is_not_asked_for_twice(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        clerk = at_counter(ward)
        await clerk.open(COUNTER)
        first, other = clerk.fields(f"{COUNTER}/help"), (await at_counter(ward).open(COUNTER)).form(f"{COUNTER}/help")
        await clerk.send(f"{COUNTER}/help", first)
        shown = await clerk.send(f"{COUNTER}/help", other.fields)
        assert shown.status == 409 and "Đã có yêu cầu hỗ trợ" in shown.text and "Về quầy 3" in shown.text

    played(tmp_path, story)


def test_a_ride_is_asked_for_at_the_counter_without_saying_where_to(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        await ward.hear(issued(1))
        clerk = at_counter(ward)
        await clerk.open(COUNTER)
        await clerk.press(f"{COUNTER}/ride")
        shown = await clerk.open(COUNTER)
        assert "xong việc sẽ có người chở bác về" in shown.text and "Bác chưa cho biết về đâu" in shown.text

    played(tmp_path, story)
