"""Courses and enrolment by pages: `training`, beside the volunteers' service that knows the names."""

from pathlib import Path

from tests.unit.volunteers.build import CENTRE
from tests.unit.volunteers.running import Ward
from tests.unit.volunteers.test_api import played
from tests.unit.volunteers.test_coordinator_pages import leading

COURSES = f"/training/settings/{CENTRE}"


def test_a_session_is_planned_filled_waited_for_and_attended(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        first, second = [await ward.member(name) for name in ("Lê An", "Võ Bình")]
        visitor = leading(ward)
        assert "Chưa có buổi học nào sắp tới" in (await visitor.open(COURSES)).text
        wrong = await visitor.press(COURSES, course="digital-key", day="mai", places="không")
        assert wrong.status == 422 and 'id="day-wrong"' in wrong.source and 'id="places-wrong"' in wrong.source
        there = (await visitor.press(COURSES, course="digital-key", day="2026-11-27", time="08:00", places="1")).path
        assert (await visitor.press(f"{there}/enrol", member="=<svg>")).status == 422
        for member in (first, second):
            await visitor.open(there)
            shown = await visitor.press(f"{there}/enrol", member=member)
        assert "Chờ chỗ" in shown.text and first in shown.source
        await visitor.press(f"{there}/enrolments/{first}/cancel")
        ward.later(days=4)
        await visitor.become(ward.coordinator).open(there)
        done = await visitor.press(f"{there}/attendance", present=second, passed=second)
        assert "có kỹ năng đến" in done.text

    played(tmp_path, story)


def test_names_and_whom_to_choose_come_from_the_service_that_knows_them(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        member = await ward.member("Lê An")
        people = f"/volunteers/coordinator/{CENTRE}/people"
        await ward.until(f"/volunteers/centres/{CENTRE}/members", ward.coordinator, lambda all: all["members"])
        shown = await leading(ward).open(people)
        assert f'<i data-person="{member}">Lê An</i>' in shown.source
        assert f'<option value="{member}">Lê An</option>' in shown.source

    played(tmp_path, story)
