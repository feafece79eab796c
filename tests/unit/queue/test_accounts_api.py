"""Signing in and keeping accounts, through HTTP, on the embedded backend."""

import asyncio
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from services.chassis.access import AccountsKnown, Actor, Verified
from services.chassis.askqueue import AskQueue
from services.chassis.errors import Unavailable
from services.chassis.sealing import Sealer
from services.chassis.service import Service, System
from services.chassis.settings import Settings
from services.chassis.web import create_app
from services.contracts.events import AccountChanged
from services.queue import accounts, accounts_api
from services.queue.accounts import Account
from tests.desk import NOON, client
from tests.support import run

PASSWORD = "ba quả dừa nước"
OTHER_PASSWORD = "hoa sen nở đầm"

only_accounts = Service(
    "queue",
    domain=(accounts,),
    keeps={Account: accounts_api.kind},
    serves=[accounts_api.router],
    handles={},
    publishes=[AccountChanged],
    views=[accounts_api.listed],
)


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> Any:
        self.now += timedelta(milliseconds=1)
        return self.now


@dataclass
class House:
    """A running queue that has only accounts, and somebody at its door."""

    system: System
    clock: Clock
    http: httpx2.AsyncClient
    folder: Path
    app: FastAPI

    async def ask(self, method: str, path: str, who: str | None = None, **request: Any) -> Any:
        headers = ({"Authorization": f"Bearer {who}"} if who else {}) | request.pop("headers", {})
        self.http.cookies.clear()
        return await self.http.request(method, path, headers=headers, **request)

    @property
    def operator(self) -> str:
        return (self.folder / "operator.token").read_text().strip()

    async def add(self, name: str, role: str, centre: str | None = "31186", password: str | None = PASSWORD) -> str:
        body = {"name": name, "roles": [role], "centres": [centre] if centre else [], "password": password}
        answered = await self.ask("POST", "/queue/accounts", self.operator, json=body)
        assert answered.status_code == 201, answered.text
        return str(answered.json()["account"])

    async def sign_in(self, name: str, password: str = PASSWORD) -> Any:
        return await self.ask("POST", "/session", json={"name": name, "password": password})

    async def token(self, name: str, password: str = PASSWORD) -> str:
        answered = await self.sign_in(name, password)
        assert answered.status_code == 200, answered.text
        return str(answered.json()["token"])

    async def sees(self, account: str, version: int) -> None:
        """Wait until this process has heard of it over the bus."""
        async with asyncio.timeout(5):
            while True:
                known = self.system.access.accounts._known.get(account)
                if known and known.version >= version:
                    return
                await asyncio.sleep(0.01)


@asynccontextmanager
async def house(folder: Path) -> AsyncIterator[House]:
    clock = Clock()
    system = System([only_accounts], Settings(data=folder, sign_ins_per_address=20), clock)
    await system.start()
    try:
        await operator_of(system, folder)
        app = create_app(system, only_accounts.serves)
        async with client(app) as http:
            yield House(system, clock, http, folder, app)
    finally:
        await system.stop()


async def operator_of(system: System, folder: Path) -> Path:
    sealer = system.own("queue", Sealer)
    return await accounts_api.ensure_operator(
        system[Account], sealer, system.access.tokens, folder / "operator.token", system.clock()
    )


def told(tmp_path: Path, story: Callable[[House], Awaitable[None]]) -> None:
    async def in_house() -> None:
        async with house(tmp_path) as ours:
            await story(ours)

    run(in_house())


def slug(answered: Any) -> tuple[int, str]:
    return answered.status_code, answered.json()["slug"]


# ---------------------------------------------------------------------------------------------------- sessions


def test_name_and_password_give_a_token_and_a_session(tmp_path: Path) -> None:
    async def story(ours: House) -> None:
        account = await ours.add("canbo.quay3", "staff")
        answered = await ours.sign_in("  Canbo.Quay3 ")
        session = answered.json()
        assert (session["account"], session["roles"], session["centres"]) == (account, ["staff"], ["31186"])
        assert "HttpOnly" in answered.headers["set-cookie"]
        me = (await ours.ask("GET", "/session", session["token"])).json()
        assert me == {"ref": account, "roles": ["staff"], "centres": ["31186"], "member": None}
        by_cookie = await ours.ask("GET", "/session", headers={"Cookie": f"caunoi_session={session['token']}"})
        assert by_cookie.json() == me

    told(tmp_path, story)


def test_an_unknown_name_and_a_wrong_password_get_the_same_answer(tmp_path: Path) -> None:
    async def story(ours: House) -> None:
        await ours.add("canbo.quay3", "staff")
        await ours.add("kiosk1", "kiosk", password=None)
        wrong = [
            await ours.sign_in("canbo.quay3", "not this one"),
            await ours.sign_in("nobody", PASSWORD),
            await ours.sign_in("kiosk1", PASSWORD),
            await ours.sign_in("operator", PASSWORD),
            await ours.sign_in("Nguyễn Thị Thủy", PASSWORD),
        ]
        assert {slug(answered) for answered in wrong} == {(401, "wrong-name-or-password")}
        assert len({answered.json()["detail"] for answered in wrong}) == 1

    told(tmp_path, story)


def test_guessing_is_slowed_down_for_one_name_and_for_one_address(tmp_path: Path) -> None:
    async def story(ours: House) -> None:
        guesses = [await ours.sign_in("canbo.quay3", f"guess {n}") for n in range(11)]
        assert [answered.status_code for answered in guesses] == [401] * 10 + [429]
        assert guesses[-1].headers["retry-after"] == "60"
        names = [(await ours.sign_in(f"name{n}")).status_code for n in range(10)]
        assert names == [401] * 9 + [429]
        ours.clock.now += timedelta(minutes=10)
        assert (await ours.sign_in("canbo.quay3")).status_code == 401

    told(tmp_path, story)


def test_signing_out_ends_the_session_of_the_browser(tmp_path: Path) -> None:
    async def story(ours: House) -> None:
        answered = await ours.ask("DELETE", "/session")
        assert answered.status_code == 204
        assert 'caunoi_session=""' in answered.headers["set-cookie"]

    told(tmp_path, story)


def test_who_changes_the_password_stays_signed_in_and_everybody_else_does_not(tmp_path: Path) -> None:
    async def story(ours: House) -> None:
        account = await ours.add("canbo.quay3", "staff")
        old = await ours.token("canbo.quay3")
        body = {"current": PASSWORD, "password": OTHER_PASSWORD}
        answered = await ours.ask("PUT", "/session/password", old, json=body)
        await ours.sees(account, 2)
        assert (await ours.ask("GET", "/session", answered.json()["token"])).status_code == 200
        assert slug(await ours.ask("GET", "/session", old)) == (401, "sign-in-needed")
        assert (await ours.sign_in("canbo.quay3", PASSWORD)).status_code == 401
        assert (await ours.sign_in("canbo.quay3", OTHER_PASSWORD)).status_code == 200

    told(tmp_path, story)


@pytest.mark.parametrize(
    ("current", "fresh", "status", "expected"),
    [
        ("not this one", OTHER_PASSWORD, 401, "wrong-name-or-password"),
        (PASSWORD, "ngắn", 422, "password-too-short"),
        (PASSWORD, "canbo.quay3!", 422, "password-too-common"),
    ],
)
def test_a_bad_change_of_password_changes_nothing(
    tmp_path: Path, current: str, fresh: str, status: int, expected: str
) -> None:
    async def story(ours: House) -> None:
        await ours.add("canbo.quay3", "staff")
        token = await ours.token("canbo.quay3")
        answered = await ours.ask("PUT", "/session/password", token, json={"current": current, "password": fresh})
        assert slug(answered) == (status, expected)
        assert (await ours.sign_in("canbo.quay3")).status_code == 200

    told(tmp_path, story)


# ---------------------------------------------------------------------------------------------------- accounts


def test_a_disabled_account_is_refused_at_once_with_password_and_token(tmp_path: Path) -> None:
    async def story(ours: House) -> None:
        account = await ours.add("canbo.quay3", "staff")
        token = await ours.token("canbo.quay3")
        answered = await ours.ask("POST", f"/queue/accounts/{account}/disable", ours.operator)
        assert (answered.json()["active"], answered.json()["version"]) == (False, 2)
        await ours.sees(account, 2)
        assert slug(await ours.ask("GET", "/session", token)) == (401, "sign-in-needed")
        assert slug(await ours.sign_in("canbo.quay3")) == (401, "wrong-name-or-password")
        again = await ours.ask("POST", f"/queue/accounts/{account}/disable", ours.operator)
        assert again.json() == answered.json()
        await ours.ask("POST", f"/queue/accounts/{account}/enable", ours.operator)
        await ours.sees(account, 3)
        assert (await ours.ask("GET", "/session", token)).status_code == 401
        assert (await ours.ask("GET", "/session", await ours.token("canbo.quay3"))).status_code == 200

    told(tmp_path, story)


def test_a_disabled_account_is_refused_also_after_a_restart(tmp_path: Path) -> None:
    async def before() -> tuple[str, str]:
        async with house(tmp_path) as ours:
            account = await ours.add("canbo.quay3", "staff")
            token = await ours.token("canbo.quay3")
            await ours.ask("POST", f"/queue/accounts/{account}/disable", ours.operator)
            await ours.sees(account, 2)
            return account, token

    async def after(account: str, token: str) -> int:
        async with house(tmp_path) as ours:
            await ours.sees(account, 2)
            return int((await ours.ask("GET", "/session", token)).status_code)

    assert run(after(*run(before()))) == 401


def test_a_device_gets_a_token_of_its_own_and_the_one_before_is_void(tmp_path: Path) -> None:
    async def story(ours: House) -> None:
        account = await ours.add("kiosk1", "kiosk", password=None)
        path = f"/queue/accounts/{account}/token"
        first = (await ours.ask("POST", path, ours.operator, json={"days": 30})).json()["token"]
        await ours.sees(account, 2)
        assert (await ours.ask("GET", "/session", first)).json()["roles"] == ["kiosk"]
        ours.clock.now += timedelta(days=29)
        assert (await ours.ask("GET", "/session", first)).status_code == 200
        second = (await ours.ask("POST", path, ours.operator, json={})).json()["token"]
        await ours.sees(account, 3)
        assert (await ours.ask("GET", "/session", first)).status_code == 401
        assert (await ours.ask("GET", "/session", second)).status_code == 200

    told(tmp_path, story)


def test_a_coordinator_keeps_the_own_centre_and_no_other(tmp_path: Path) -> None:
    async def story(ours: House) -> None:
        await ours.add("dieuphoi", "coordinator")
        elsewhere = await ours.add("canbo.phuloi", "staff", "31510")
        coordinator = await ours.token("dieuphoi")
        new = {"name": "canbo.quay4", "roles": ["staff"], "centres": ["31186"], "password": PASSWORD}
        mine = await ours.ask("POST", "/queue/accounts", coordinator, json=new)
        assert mine.status_code == 201
        refused = [
            await ours.ask("POST", "/queue/accounts", coordinator, json=new | {"name": "x1", "centres": ["31510"]}),
            await ours.ask("POST", "/queue/accounts", coordinator, json=new | {"name": "x2", "roles": ["coordinator"]}),
            await ours.ask("POST", f"/queue/accounts/{elsewhere}/disable", coordinator),
            await ours.ask("POST", f"/queue/accounts/{elsewhere}/password", coordinator, json={"password": PASSWORD}),
            await ours.ask("POST", f"/queue/accounts/{elsewhere}/token", coordinator, json={}),
        ]
        assert {slug(answered) for answered in refused} == {(403, "not-yours-to-manage")}
        listed = (await ours.ask("GET", "/queue/accounts", coordinator)).json()["accounts"]
        assert {one["name"] for one in listed} == {"dieuphoi", "canbo.quay4"}

    told(tmp_path, story)


def test_the_list_is_read_page_by_page(tmp_path: Path) -> None:
    async def story(ours: House) -> None:
        for number in range(4):
            await ours.add(f"canbo{number}", "staff", password=None)
        names, after = set(), None
        for _ in range(4):
            query = {"limit": "2"} | ({"after": after} if after else {})
            page = (await ours.ask("GET", "/queue/accounts", ours.operator, params=query)).json()
            names |= {one["name"] for one in page["accounts"]}
            after = page["next"]
            if after is None:
                break
        assert names == {"operator", "canbo0", "canbo1", "canbo2", "canbo3"}

    told(tmp_path, story)


def test_the_same_key_makes_one_account_and_one_answer(tmp_path: Path) -> None:
    async def story(ours: House) -> None:
        body = {"name": "canbo.quay3", "roles": ["staff"], "centres": ["31186"], "password": PASSWORD}
        key = {"Idempotency-Key": "k-1"}
        first, again = [
            await ours.ask("POST", "/queue/accounts", ours.operator, json=body, headers=key) for _ in range(2)
        ]
        assert (first.status_code, first.json()) == (again.status_code, again.json())
        without = await ours.ask("POST", "/queue/accounts", ours.operator, json=body)
        assert slug(without) == (409, "name-taken")
        other = await ours.ask(
            "POST", "/queue/accounts", ours.operator, json=body | {"roles": ["coordinator"]}, headers=key
        )
        assert slug(other) == (422, "key-reused")

    told(tmp_path, story)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "x"},
        {"name": "Có Dấu"},
        {"name": "a" * 41},
        {"roles": []},
        {"roles": ["king"]},
        {"roles": ["volunteer"]},
        {"centres": ["Cái Răng"]},
        {"password": "12345678"},
        {"password": 12345678},
        {"active": True},
    ],
)
def test_a_bad_account_is_not_made(tmp_path: Path, change: dict[str, Any]) -> None:
    async def story(ours: House) -> None:
        body = {"name": "canbo.quay3", "roles": ["staff"], "centres": ["31186"], "password": PASSWORD} | change
        assert (await ours.ask("POST", "/queue/accounts", ours.operator, json=body)).status_code == 422
        assert len((await ours.ask("GET", "/queue/accounts", ours.operator)).json()["accounts"]) == 1

    told(tmp_path, story)


def test_the_account_of_the_command_line_is_nobodys_to_change(tmp_path: Path) -> None:
    async def story(ours: House) -> None:
        me = (await ours.ask("GET", "/session", ours.operator)).json()["ref"]
        add = {"name": "operator", "roles": ["operator"], "password": PASSWORD}
        for path, body in (
            ("/queue/accounts", add),
            (f"/queue/accounts/{me}/disable", None),
            (f"/queue/accounts/{me}/password", {"password": PASSWORD}),
            (f"/queue/accounts/{me}/token", {}),
        ):
            answered = await ours.ask("POST", path, ours.operator, json=body)
            assert slug(answered) == (409, "reserved-for-operator")

    told(tmp_path, story)


# ------------------------------------------------------------------------------------------- for the system's start


def test_the_operators_token_is_made_once_for_this_user_alone_and_renewed_in_time(tmp_path: Path) -> None:
    async def story(ours: House) -> None:
        path = tmp_path / "operator.token"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        first = ours.operator
        await operator_of(ours.system, tmp_path)
        assert ours.operator == first
        ours.clock.now += timedelta(days=371)
        await operator_of(ours.system, tmp_path)
        assert ours.operator != first
        assert (await ours.ask("GET", "/session", ours.operator)).json()["roles"] == ["operator"]

    told(tmp_path, story)


@pytest.mark.parametrize("left", [None, "", "nonsense"])
def test_a_lost_operators_token_is_replaced(tmp_path: Path, left: str | None) -> None:
    async def story(ours: House) -> None:
        path = tmp_path / "operator.token"
        path.unlink()
        if left is not None:
            path.write_text(left)
        await operator_of(ours.system, tmp_path)
        assert (await ours.ask("GET", "/session", ours.operator)).status_code == 200

    told(tmp_path, story)


def test_no_name_and_no_password_lies_readable_in_any_file(tmp_path: Path) -> None:
    async def story(ours: House) -> None:
        account = await ours.add("nguyenthithuy", "staff")
        await ours.token("nguyenthithuy")
        await ours.sees(account, 1)

    told(tmp_path, story)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert b"nguyenthithuy" not in content, path
            assert PASSWORD.encode() not in content, path
            assert b"$argon2id" not in content, path


def token_of(account: str) -> Verified:
    return Verified(Actor(account), 1, 0)


def test_when_the_bus_is_silent_queue_itself_is_asked(tmp_path: Path) -> None:
    async def story(ours: House) -> None:
        account = await ours.add("canbo.quay3", "staff")
        standing = await accounts_api.standing_of(ours.system.running["queue"], token_of(account))
        assert standing is not None
        assert (standing.active, standing.version) == (True, 1)
        assert await accounts_api.standing_of(ours.system.running["queue"], token_of("a-000000")) is None

    told(tmp_path, story)


def test_another_service_asks_queue_whether_a_token_still_stands(tmp_path: Path) -> None:
    async def story(ours: House) -> None:
        account = await ours.add("canbo.quay3", "staff")
        verified = ours.system.access.tokens.verify(await ours.token("canbo.quay3"))
        assert verified
        elsewhere = AccountsKnown(
            ours.clock, AskQueue("http://queue", httpx2.ASGITransport(ours.app)), heard=lambda: None
        )
        assert await elsewhere.stands(verified)
        await ours.ask("POST", f"/queue/accounts/{account}/disable", ours.operator)
        await ours.sees(account, 2)
        assert await elsewhere.stands(verified)
        ours.clock.now += AccountsKnown.SILENCE
        assert not await elsewhere.stands(verified)
        assert not elsewhere.degraded

    told(tmp_path, story)


def test_a_queue_that_cannot_be_asked_is_said_to_be_silent() -> None:
    async def ask() -> None:
        queue = AskQueue("http://127.0.0.1:1")
        with pytest.raises(Unavailable):
            await queue(token_of("a-000000"))
        await queue.close()

    run(ask())
