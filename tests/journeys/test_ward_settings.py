"""A ward is described by its pages alone: what two services must know is said once, and the YAML keeps all of it."""

from collections.abc import Awaitable, Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from services.caunoi.commands.seed import Ward as WardFile
from services.caunoi.commands.seed import read
from services.notify.dispatch_state import Dispatch
from tests.journeys.inside import HandClock, Inside, inside, local, ward_inside
from tests.journeys.ward import CENTRE
from tests.support import run
from tests.unit.queue.test_settings_pages import wrong_at
from tests.visitor import Visitor

NAME, MESSAGES = f"/settings/{CENTRE}/name", f"/notify/settings/{CENTRE}"
WARD, HAMLETS = f"/volunteers/settings/{CENTRE}/ward", f"/volunteers/settings/{CENTRE}/hamlets"
NEW, FIVE = f"{HAMLETS}/new", f"{HAMLETS}/khu-vuc-5"
GIVEN = {"code": "ap-thoi-hoa", "name": "Ấp Thới Hoà <svg onload=alert(1)>", "lat": "10.04", "lon": "105.79"}
HOSTILE = "a\u202eb" + "x" * 10_000


@dataclass
class Keeper:
    """The coordinator, at the pages that set her ward up."""

    at: Inside
    visitor: Visitor
    folder: Path

    async def file(self) -> WardFile:
        """The ward's YAML, as `static/ward.js` puts it together and `caunoi seed` reads it."""
        parts = [f"{prefix}/settings/{CENTRE}/ward.yaml" for prefix in ("", "/volunteers", "/notify")]
        file = self.folder / "ward.yaml"
        file.write_text("".join([(await self.visitor.open(part)).source for part in parts]), "utf-8")
        return read(file)

    async def dispatch(self) -> Dispatch:
        return await self.at.system[Dispatch].read(CENTRE, deepcopy)


def kept(folder: Path, story: Callable[[Keeper], Awaitable[None]]) -> None:
    async def play() -> None:
        async with inside(folder / "data", HandClock(local(8))) as at:
            ward = await ward_inside(at)
            await story(Keeper(at, Visitor(ward.http).become(f"Bearer {ward.coordinator}"), folder))

    run(play())


def test_a_hamlet_is_added_changed_back_and_removed_for_rides_and_messages_alike(tmp_path: Path) -> None:
    async def story(keeper: Keeper) -> None:
        before = (await keeper.file()).bodies, (await keeper.dispatch()).hamlets
        await keeper.visitor.open(NEW)
        shown = await keeper.visitor.press(NEW, **GIVEN)
        assert shown.path == WARD and GIVEN["name"] in shown.text and "<svg onload" not in shown.source
        assert (await keeper.dispatch()).point_of("ap-thoi-hoa") == (10.04, 105.79)
        hamlets = (await keeper.file()).bodies["volunteers"]["hamlets"]
        assert hamlets["ap-thoi-hoa"] == {"name": GIVEN["name"], "lat": 10.04, "lon": 105.79}
        await keeper.visitor.open(FIVE)
        await keeper.visitor.press(FIVE, name="Khu vực Năm", lat="10.1")
        assert (await keeper.dispatch()).hamlets["khu-vuc-5"].name == "Khu vực Năm"
        await keeper.visitor.open(FIVE)
        await keeper.visitor.press(FIVE, name="Khu vực 5", lat="10.03")
        await keeper.visitor.open(f"{HAMLETS}/ap-thoi-hoa")
        assert (await keeper.visitor.press(f"{HAMLETS}/ap-thoi-hoa/remove")).path == WARD
        assert ((await keeper.file()).bodies, (await keeper.dispatch()).hamlets) == before

    kept(tmp_path, story)


def test_who_lives_in_a_hamlet_that_is_removed_stays_as_he_is(tmp_path: Path) -> None:
    async def story(keeper: Keeper) -> None:
        member = await (await ward_inside(keeper.at)).member(hamlet="khu-vuc-5")
        await keeper.visitor.open(FIVE)
        await keeper.visitor.press(f"{FIVE}/remove")
        assert list((await keeper.dispatch()).hamlets) == ["khu-vuc-1"]
        shown = await keeper.visitor.open(f"/volunteers/settings/members/{member.member}")
        assert shown.status == 200 and "Chưa rõ" in shown.text

    kept(tmp_path, story)


def test_what_cannot_be_is_said_at_its_field_and_changes_nothing(tmp_path: Path) -> None:
    wrong = (
        (NAME, "name.vi", {"name.vi": HOSTILE}),
        (MESSAGES, "short_name", {"short_name": "Phường Cái Răng thành phố Cần Thơ"}),
        (MESSAGES, "lon", {"lon": ""}),
        (WARD, "maximum", {"minimum": "5", "maximum": "3"}),
        (WARD, "maximum", {"maximum": "ba"}),
        (NEW, "code", GIVEN | {"code": "Ấp Thới Hoà"}),
        (NEW, "code", GIVEN | {"code": "khu-vuc-1"}),
        (FIVE, "name", {"name": ""}),
        (FIVE, "lat", {"lat": "100"}),
        (FIVE, "lon", {"lon": ""}),
    )

    async def story(keeper: Keeper) -> None:
        before = (await keeper.file()).bodies
        for page, field, filled in wrong:
            await keeper.visitor.open(page)
            assert wrong_at(await keeper.visitor.press(page, **filled), field), (page, field, filled)
        assert (await keeper.file()).bodies == before

    kept(tmp_path, story)


def test_names_and_numbers_on_duty_stand_in_the_yaml_and_an_old_tab_does_not_undo_them(tmp_path: Path) -> None:
    async def story(keeper: Keeper) -> None:
        old = (await keeper.visitor.open(WARD)).form(WARD).fields
        name, short = "Trung tâm Phục vụ hành chính công phường Phú Lợi", "P. Phú Lợi"
        for page, filled in ((NAME, {"name.vi": name}), (MESSAGES, {"short_name": short}), (WARD, {"minimum": "4"})):
            await keeper.visitor.open(page)
            assert (await keeper.visitor.press(page, **filled)).status == 200
        bodies = (await keeper.file()).bodies
        assert (bodies["queue"]["name"]["vi"], bodies["notify"]["short_name"]) == (name, short)
        assert bodies["volunteers"] | {"hamlets": {}} == {"hamlets": {}, "minimum": 4, "maximum": 20}
        assert name in (await keeper.visitor.open(f"/settings/{CENTRE}")).text
        stale = await keeper.visitor.send(WARD, old | {"maximum": "7"})
        assert stale.status == 409 and "người khác đã đổi" in stale.text

    kept(tmp_path, story)
