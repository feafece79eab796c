"""A course over HTTP: planned, filled, attended; and the skill that reaches the member in `volunteers`."""

from pathlib import Path

from tests.support import run
from tests.unit.volunteers.build import CENTRE
from tests.unit.volunteers.running import Ward, a_ward

SESSIONS = "/training/sessions"
PLAN = {"course": "digital-key", "starts": "2026-11-27T08:00:00+07:00", "places": 1}


async def planned(ward: Ward) -> str:
    return str((await ward.post(SESSIONS, ward.coordinator, PLAN))["session"])


def test_a_course_from_plan_to_skill(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_ward(tmp_path) as ward:
            an, binh = await ward.member(), await ward.member("Trần Thị Bình")
            path = f"{SESSIONS}/{await planned(ward)}"
            assert (await ward.post(f"{path}/enrolments", ward.volunteer(an)))["place"] == "booked"
            assert (await ward.post(f"{path}/enrolments", ward.coordinator, {"member": binh}))["place"] == "waiting"
            gone = await ward.post(f"{path}/enrolments/{an}/cancel", ward.volunteer(an))
            assert gone["moved_up"] == binh
            ward.later(days=3)
            marks = {"marks": [{"member": binh, "present": True, "passed": True}]}
            recorded = await ward.post(f"{path}/attendance", ward.coordinator, marks)
            assert recorded["granted"] == [{"member": binh, "skill": "digital-key", "expires": "2027-11-27"}]
            learned = await ward.until(f"/volunteers/members/{binh}", ward.coordinator, lambda found: found["skills"])
            assert learned["skills"] == [{"skill": "digital-key", "expires": "2027-11-27"}]
            record = await ward.get(f"/training/members/{binh}/record", ward.volunteer(binh))
            assert [(row["record"], row["expires"]) for row in record["sessions"]] == [("passed", "2027-11-27")]

    run(story())


def test_sessions_are_listed_with_what_is_left(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_ward(tmp_path) as ward:
            an, binh = await ward.member(), await ward.member("Trần Thị Bình")
            session = await planned(ward)
            for member in (an, binh):
                await ward.post(f"{SESSIONS}/{session}/enrolments", ward.volunteer(member))
            (listed,) = (await ward.get(f"/training/centres/{CENTRE}/sessions", ward.staff))["sessions"]
            assert (listed["session"], listed["booked"], listed["waiting"]) == (session, 1, 1)
            himself = await ward.get(f"{SESSIONS}/{session}", ward.volunteer(binh))
            assert [(learner["member"], learner["place"]) for learner in himself["learners"]] == [(binh, "waiting")]

    run(story())


def test_nobody_enrols_another_but_the_coordinator(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_ward(tmp_path) as ward:
            an, binh = await ward.member(), await ward.member("Trần Thị Bình")
            path = f"{SESSIONS}/{await planned(ward)}"
            body = {"member": binh}
            assert await ward.refused(f"{path}/enrolments", ward.volunteer(an), body) == (403, "not-your-role")
            assert await ward.refused(f"{path}/enrolments", ward.coordinator, {}) == (422, "learner-needed")
            assert await ward.refused(f"{path}/attendance", ward.volunteer(an), {"marks": []}) == (403, "not-your-role")
            there = ward.token("a-other1", "coordinator", centre="31510")
            assert await ward.refused(f"{path}/enrolments", there, body) == (403, "not-your-centre")
            foreign = {"member": "31510-m-abcdef"}
            assert await ward.refused(f"{path}/enrolments", ward.coordinator, foreign) == (403, "not-your-centre")

    run(story())


def test_a_plan_that_cannot_be_is_refused(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_ward(tmp_path) as ward:
            for change, slug in (
                ({"course": "cooking"}, "unknown-course"),
                ({"starts": "2026-11-23T08:00:00+07:00"}, "session-in-the-past"),
                ({"starts": "2026-11-27T08:00:00"}, "request-not-valid"),
                ({"places": 0}, "request-not-valid"),
            ):
                assert await ward.refused(SESSIONS, ward.coordinator, PLAN | change) == (422, slug)
            unknown = f"{SESSIONS}/{CENTRE}-s-aaaaaaaa"
            assert await ward.refused(unknown, ward.coordinator, method="GET") == (404, "unknown-session")

    run(story())


def test_the_catalogue_says_what_is_taught(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_ward(tmp_path) as ward:
            (course,) = (await ward.get("/training/courses", ward.staff))["courses"]
            assert (course["vi"], len(course["modules"]), course["validity_days"]) == ("Chìa khoá số", 4, 365)

    run(story())
