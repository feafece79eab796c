"""`caunoi accounts`: who may sign in, and which devices act, as what and where."""

import sys
from collections.abc import AsyncIterator, Sequence
from typing import Any

from rich.prompt import Prompt
from rich.table import Table

from services.caunoi import shown
from services.caunoi.client import Caller, connected
from services.caunoi.failures import Failed
from services.chassis.settings import Settings

DEVICES = frozenset({"kiosk", "display"})
ROLES = ("staff", "coordinator", "city", "operator", "kiosk", "display")
_WORDS = {
    "staff": "cán bộ",
    "coordinator": "điều phối viên",
    "city": "thành phố",
    "operator": "vận hành",
    "kiosk": "ki-ốt",
    "display": "bảng gọi số",
}


def ask_password(roles: Sequence[str], *, from_stdin: bool) -> str | None:
    """Hidden on a terminal, a line of standard input otherwise; a device has none."""
    for role in roles:
        if role not in ROLES:
            raise Failed(f"--role {role}: không có vai này.", f"--role is one of {', '.join(ROLES)}.")
    if not DEVICES.isdisjoint(roles):
        return None
    if from_stdin or not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n") or None
    password = Prompt.ask("Mật khẩu · password", password=True, console=shown.err)
    if Prompt.ask("Nhập lại · again", password=True, console=shown.err) != password:
        raise Failed("Hai lần nhập không giống nhau.", "The two do not match.")
    return password or None


async def add(
    settings: Settings, name: str, roles: list[str], centres: list[str], password: str | None, *, as_json: bool
) -> None:
    if password is None and DEVICES.isdisjoint(roles):
        raise Failed("Tài khoản này cần mật khẩu.", "This account needs a password.")
    body: dict[str, Any] = {"name": name, "roles": roles, "centres": centres}
    if password is not None:
        body["password"] = password
    async with connected(settings, make=True) as operator:
        made = await operator.post("/queue/accounts", body)
        if DEVICES.isdisjoint(roles):
            if as_json:
                shown.as_json(made | {"name": name})
            else:
                where = ", ".join(centres) or "mọi nơi"
                shown.out.print(f"Đã thêm [bold]{name}[/] ({_in_words(roles)}; {where}): {made['account']}")
            return
        _show_token(await operator.post(f"/queue/accounts/{made['account']}/token", {}), as_json)


async def listed(settings: Settings, *, as_json: bool) -> None:
    async with connected(settings) as operator:
        found = [account async for account in every(operator)]
    if as_json:
        shown.as_json(found)
        return
    table = Table(title="Tài khoản · accounts", title_justify="left")
    for heading in ("tên · name", "vai · roles", "trung tâm · centres", "mã · reference", ""):
        table.add_column(heading)
    for account in sorted(found, key=lambda one: (one["centres"], one["name"] or "")):
        centres = ", ".join(account["centres"]) or "mọi nơi"
        state = "" if account["active"] else "[red]đã khoá[/]"
        table.add_row(account["name"], _in_words(account["roles"]), centres, account["account"], state)
    shown.out.print(table)


async def disable(settings: Settings, account: str) -> None:
    async with connected(settings) as operator:
        await operator.post(f"/queue/accounts/{await _reference(operator, account)}/disable")
    shown.out.print(f"Đã khoá [bold]{account}[/]; mọi nơi từ chối trong vòng một phút.")


async def token(settings: Settings, account: str, days: int, *, as_json: bool) -> None:
    async with connected(settings) as operator:
        reference = await _reference(operator, account)
        _show_token(await operator.post(f"/queue/accounts/{reference}/token", {"days": days}), as_json)


async def every(operator: Caller) -> AsyncIterator[dict[str, Any]]:
    """All accounts, page after page."""
    after = None
    while True:
        page = await operator.get("/queue/accounts", after=after)
        for account in page["accounts"]:
            yield account
        after = page["next"]
        if after is None:
            return


async def _reference(operator: Caller, account: str) -> str:
    async for one in every(operator):
        if account in (one["account"], one["name"]):
            return str(one["account"])
    raise Failed(f"Không có tài khoản {account}.", f"There is no account {account}; see `caunoi accounts ls`.")


def _show_token(given: dict[str, Any], as_json: bool) -> None:
    if as_json:
        shown.as_json(given)
        return
    shown.err.print(f"Mã truy cập của {given['account']}, chỉ hiện một lần, dùng được đến {given['expires'][:10]}:")
    shown.out.print(given["token"], markup=False)


def _in_words(roles: Sequence[str]) -> str:
    return ", ".join(_WORDS.get(role, role) for role in roles)
