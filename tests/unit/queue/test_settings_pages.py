"""Setting up a centre by its pages: judged as the YAML is, said at the field, never undoing what somebody else did."""

from pathlib import Path

from ruamel.yaml import YAML

from services.queue.centre import CentreConfig
from tests.unit.queue.running import CENTRE, Desk, eventually, played
from tests.visitor import Shown, Visitor

SETTINGS = f"/settings/{CENTRE}"
HOURS, SERVICE, ACCOUNTS = f"{SETTINGS}/hours", f"{SETTINGS}/services/new", f"{SETTINGS}/accounts"
HOSTILE = "<svg onload=alert(1)> 🛵 " + "Đ" * 60


def keeper(desk: Desk, role: str = "coordinator") -> Visitor:
    return Visitor(desk.client).become(desk.token(role))


def wrong_at(shown: Shown, field: str) -> bool:
    return shown.status == 422 and f'id="{field}-wrong"' in shown.source and f'href="#{field}"' in shown.source


def test_hours_are_typed_as_people_type_them_and_the_hall_follows(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        visitor = keeper(desk)
        await visitor.open(HOURS)
        await visitor.press(HOURS, **{"hours.tue": "7:00 – 11:30,13:00-16:00", "early_minutes": "0"})

        async def follows() -> bool:
            offered = await desk.get(f"/queue/centres/{CENTRE}/services")
            return bool(offered["hours"] == ["07:00-11:30", "13:00-16:00"])

        assert await eventually(follows)
        await visitor.open(HOURS)
        await visitor.press(f"{SETTINGS}/exceptions", exception="2027-01-01", exceptions="")
        assert "01/01/2027" in (await visitor.open(HOURS)).text

    played(tmp_path, story)


WRONG = (
    (HOURS, "hours.mon", "11:00-07:00"),
    (HOURS, "hours.sun", "lúc nào cũng được \u202e" + "x" * 10_000),
    (HOURS, "ageing_minutes", "hai mươi"),
    (f"{SETTINGS}/exceptions", "exception", "mai"),
    (f"{SETTINGS}/exceptions", "exceptions", "cả ngày"),
)


def test_what_cannot_be_is_said_at_its_field_and_changes_nothing(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        before = await desk.get(f"/queue/centres/{CENTRE}", desk.coordinator)
        visitor = keeper(desk)
        for action, field, text in WRONG:
            await visitor.open(HOURS)
            filled = {"exception": "2027-01-01"} if action != HOURS else {}
            assert wrong_at(await visitor.press(action, **(filled | {field: text})), field), field
        assert await desk.get(f"/queue/centres/{CENTRE}", desk.coordinator) == before

    played(tmp_path, story)


def test_two_tabs_do_not_undo_each_other(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        visitor = keeper(desk)
        old = (await visitor.open(HOURS)).form(HOURS).fields
        await visitor.press(HOURS, grace_minutes="30")
        stale = await visitor.send(HOURS, old | {"grace_minutes": "600"})
        assert stale.status == 409 and "người khác đã đổi" in stale.text
        assert (await desk.get(f"/queue/centres/{CENTRE}", desk.coordinator))["grace_minutes"] == 30

    played(tmp_path, story)


def test_a_service_is_added_with_its_procedure_shown_as_text_and_removed(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        visitor = keeper(desk)
        await visitor.open(SERVICE)
        typed = {"code": "cu-tru", "name.vi": HOSTILE, "name.en": "Residence", "series": "E", "counters": "2, 5"} | {
            "pictogram": "pin"
        }
        papers = {"papers.vi": "Đơn\nCăn cước", "papers.en": "Form"}
        assert wrong_at(await visitor.press(SERVICE, **typed, **papers), "papers.en")
        assert wrong_at(await visitor.press(SERVICE, **(typed | {"series": "E1"})), "series")
        assert wrong_at(await visitor.press(SERVICE, **(typed | {"counters": "quầy hai"})), "counters")
        assert wrong_at(await visitor.press(SERVICE, **(typed | {"name.vi": "a\u202eb"})), "name.vi")
        listed = await visitor.press(SERVICE, **typed, **(papers | {"papers.en": "Form\nIdentity card"}))
        assert HOSTILE in listed.text and "<svg onload" not in listed.source
        one = f"{SETTINGS}/services/cu-tru"
        assert "Căn cước" in (await visitor.open(one)).source
        assert HOSTILE not in (await visitor.press(f"{one}/remove")).text

    played(tmp_path, story)


def test_the_yaml_says_what_was_put(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        given = (await keeper(desk, "operator").open(f"{SETTINGS}/ward.yaml")).source
        ward = YAML(typ="safe").load(given)
        assert ward.pop("centre") == CENTRE
        known = await desk.get(f"/queue/centres/{CENTRE}", desk.coordinator)
        assert CentreConfig.model_validate(ward) == CentreConfig.model_validate(known)

    played(tmp_path, story)


def test_an_account_is_added_disabled_and_enabled_again(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        visitor = keeper(desk)
        await visitor.open(ACCOUNTS)
        assert wrong_at(await visitor.press(ACCOUNTS, name="Cán bộ 3", password="ba qua dua xanh"), "name")
        short = await visitor.press(ACCOUNTS, name="canbo.quay3", password="a")
        assert short.status == 422 and "Mật khẩu phải có ít nhất" in short.text
        assert "canbo.quay3" in (await visitor.press(ACCOUNTS, name="canbo.quay3", password="ba qua dua xanh")).text

        async def listed(action: str) -> str | None:
            shown = await visitor.open(ACCOUNTS)
            return next((form.action for form in shown.forms if form.action.endswith(action)), None)

        disable = await eventually(lambda: listed("/disable"))
        await visitor.press(disable)
        enable = await eventually(lambda: listed("/enable"))
        assert visitor.now and "đã khoá" in visitor.now.text
        await visitor.press(enable)
        assert await eventually(lambda: listed("/disable"))

    played(tmp_path, story)


def test_a_device_gets_its_token_once_and_the_one_before_is_void(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        visitor = keeper(desk)
        await visitor.open(ACCOUNTS)
        await visitor.press(ACCOUNTS, name="bang.sanh", role="display")

        async def listed() -> str | None:
            shown = await visitor.open(ACCOUNTS)
            return next((form.action for form in shown.forms if form.action.endswith("/token")), None)

        action = await eventually(listed)
        first, second = [await _token(visitor, action) for _ in range(2)]
        device = Visitor(desk.client)

        async def screen(token: str) -> str:
            device.client.cookies.delete("caunoi_session")
            await device.open("/device")
            return (await device.press("/device", token=token)).path

        async def void() -> bool:
            return await screen(first) == "/device"

        assert await eventually(void) and await screen(second) == "/board"

    played(tmp_path, story)


async def _token(visitor: Visitor, action: str) -> str:
    await visitor.open(ACCOUNTS)
    shown = await visitor.press(action)
    assert "chỉ hiện một lần" in shown.text and "<svg" in shown.source
    return shown.text.partition("/device#")[2].split()[0]


def test_a_coordinator_keeps_neither_coordinators_nor_another_centre(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        visitor = keeper(desk)
        await visitor.open(ACCOUNTS)
        refused = await visitor.press(ACCOUNTS, name="dieuphoi2", role="coordinator", password="ba qua dua xanh")
        assert refused.status == 403 and "chỉ quản lý cán bộ và thiết bị" in refused.text
        assert (await visitor.open("/settings/31510/accounts")).status == 403
        assert (await keeper(desk, "staff").open(SETTINGS)).status == 403

    played(tmp_path, story)
