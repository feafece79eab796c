"""The screens of the queue, as a browser without a screen sees them."""

from pathlib import Path

from services.chassis.sealing import Sealer
from services.queue.accounts_api import account_of
from tests.unit.queue.running import Desk, played
from tests.visitor import Visitor

PASSWORD = "ba quả dừa nước xanh"


async def a_clerk(desk: Desk, name: str = "canbo.quay3") -> str:
    body = {"name": name, "roles": ["staff"], "centres": ["31186"], "password": PASSWORD}
    await desk.post("/queue/accounts", desk.token("operator"), body)
    return account_of(name, desk.system.own("queue", Sealer))


# ----------------------------------------------------------------------------------------------------- sign-in


def test_a_clerk_signs_in_and_gets_where_he_wanted_to_go(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        account = await a_clerk(desk)
        visitor = Visitor(desk.client)
        await visitor.open("/sign-in?back=/session")
        shown = await visitor.press("/sign-in", name="canbo.quay3", password=PASSWORD)
        assert shown.path == "/session" and account in shown.source

    played(tmp_path, story)


def test_a_wrong_password_is_said_on_the_same_page_and_the_name_stays(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        await a_clerk(desk)
        visitor = Visitor(desk.client)
        await visitor.open("/sign-in?back=/counter")
        shown = await visitor.press("/sign-in", name="canbo.quay3", password="sai")
        assert shown.status == 401 and "mật khẩu không đúng" in shown.text
        assert shown.form("/sign-in").fields["name"] == "canbo.quay3"
        assert shown.form("/sign-in").fields["back"] == "/counter"
        assert "caunoi_session" not in desk.client.cookies

    played(tmp_path, story)


def test_an_empty_field_is_named(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        visitor = Visitor(desk.client, "en")
        await visitor.open("/sign-in")
        shown = await visitor.press("/sign-in", name="", password="x")
        assert shown.status == 422 and "Name: at least 1 characters" in shown.text

    played(tmp_path, story)


def test_who_signs_out_is_nobody_again(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        await a_clerk(desk)
        visitor = Visitor(desk.client)
        await visitor.open("/sign-in")
        await visitor.press("/sign-in", name="canbo.quay3", password=PASSWORD)
        fields = (await visitor.open("/device")).form("/device").fields
        await visitor.send("/sign-out", fields)
        assert "caunoi_session" not in desk.client.cookies

    played(tmp_path, story)


# ----------------------------------------------------------------------------------------------------- devices


def test_a_device_is_told_once_by_its_token_which_it_is(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        visitor = Visitor(desk.client)
        await visitor.open("/device")
        token = desk.display.split()[1]
        assert (await visitor.press("/device", token=f"http://desk/device#{token}")).path == "/board"
        assert desk.client.cookies["caunoi_session"] == token

    played(tmp_path, story)


def test_a_token_of_somebody_else_makes_no_device(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        visitor = Visitor(desk.client)
        await visitor.open("/device")
        for token in (desk.staff.split()[1], "abc", ""):
            shown = await visitor.press("/device", token=token)
            assert shown.status == 401 and "Hãy nhờ điều phối viên cấp mã mới" in shown.text
        assert "caunoi_session" not in desk.client.cookies

    played(tmp_path, story)
