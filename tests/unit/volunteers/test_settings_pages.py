"""Members of the team and their duties, kept by pages."""

from pathlib import Path

from tests.unit.volunteers.build import CENTRE
from tests.unit.volunteers.running import Ward
from tests.unit.volunteers.test_api import played
from tests.unit.volunteers.test_coordinator_pages import leading

SETTINGS = f"/volunteers/settings/{CENTRE}"
MEMBERS, NEW, DUTIES = f"{SETTINGS}/members", f"{SETTINGS}/members/new", f"{SETTINGS}/duties"
LONG = "Nguyễn Phúc Bảo Hoàng Thiên <svg onload=alert(1)> Ân"
GIVEN = {"team": "to-cong-nghe-so", "vehicle": "motorbike", "hamlet": "khu-vuc-5", "languages": "vi"}


def test_a_member_is_added_changed_and_sent_to_rest(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        visitor = leading(ward)
        await visitor.open(NEW)
        wrong = await visitor.press(NEW, **(GIVEN | {"name": "An \u202e" + "x" * 10_000, "team": "Đội 1"}))
        assert wrong.status == 422 and 'id="name-wrong"' in wrong.source and "ví dụ to-cong-nghe-so" in wrong.text
        shown = await visitor.press(NEW, **GIVEN, name=LONG)
        assert LONG in shown.text and "<svg onload" not in shown.source
        await visitor.press(shown.path, **GIVEN, name="Lê Ân", skills="vneid")
        await visitor.open(shown.path)
        assert "tạm nghỉ" in (await visitor.press(f"{shown.path}/active", active="no")).text
        member = await ward.get(f"/volunteers/members/{shown.path.rpartition('/')[2]}", ward.coordinator)
        assert (member["name"], member["hamlet"], member["active"]) == ("Lê Ân", "khu-vuc-5", False)
        assert [skill["skill"] for skill in member["skills"]] == ["vneid"]

    played(tmp_path, story)


def test_members_are_listed_as_names_are_sorted_here(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        for name in ("Đặng Dương", "Trần Ánh", "Lê Anh", "Võ Đạt", "Phan Ân"):
            await ward.member(name)
        visitor = leading(ward)
        await ward.until(MEMBERS.replace("settings", "centres"), ward.coordinator, lambda all: len(all["members"]) == 5)
        text = (await visitor.open(MEMBERS)).text
        places = [text.index(name) for name in ("Lê Anh", "Trần Ánh", "Phan Ân", "Đặng Dương", "Võ Đạt")]
        assert places == sorted(places)

    played(tmp_path, story)


def test_a_day_is_filled_and_more_than_the_maximum_only_on_purpose(tmp_path: Path) -> None:
    async def story(ward: Ward) -> None:
        people = [await ward.member(f"Nguyễn Văn {name}") for name in ("An", "Bình", "Chi", "Dung")]
        visitor = leading(ward)
        week = {"day": "2026-11-27"}
        await visitor.open(DUTIES)
        assert "Hãy chọn một đoàn viên" in (await visitor.press(DUTIES, **week)).text
        for member in people[:3]:
            await visitor.press(DUTIES, **week, member=member)
        full = await visitor.press(DUTIES, **week, member=people[3])
        assert full.status == 409 and "đã đủ 3 đoàn viên trực" in full.text
        await visitor.press(DUTIES, **week, member=people[3], override="on")
        await visitor.press(f"{DUTIES}/remove", **week, member=people[0])
        shown = await ward.get(f"/volunteers/centres/{CENTRE}/duties?from=2026-11-27&days=1", ward.coordinator)
        assert [one["member"] for one in shown["days"][0]["members"]] == people[1:]

    played(tmp_path, story)
