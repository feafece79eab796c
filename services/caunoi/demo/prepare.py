"""A demo directory made ready through the public API, taken up where it broke off; then the story, once; then who may
sign in where.
"""

import asyncio
from pathlib import Path
from typing import Final

from rich.table import Table

from services.caunoi import shown
from services.caunoi.client import Answered, Caller, client, connected
from services.caunoi.commands import seed, story
from services.caunoi.commands.accounts import every
from services.caunoi.demo.kept import Kept
from services.caunoi.demo.people import ACCOUNTS, CENTRE, DEVICES, MEMBERS, SignIn
from services.caunoi.failures import Failed
from services.chassis.datadir import CannotStart
from services.chassis.pages.page import screen_of
from services.chassis.settings import Settings

WARDS: Final = tuple(sorted(Path(__file__).parent.glob("*.yaml")))


async def prepare(settings: Settings, address: str, token: str) -> None:
    """Called when the system answers, in its own process, but over HTTP like everybody."""
    kept = Kept.of(settings)
    async with client(address, settings) as http:
        try:
            await _begin(Caller(http, f"Bearer {token}"), kept, settings)
        except Failed as failed:
            shown.wrong(failed.vi, failed.en)
    _welcome(settings, kept, address)


async def remote(settings: Settings) -> None:
    """Into a system that runs on servers, and holds nothing yet."""
    if not settings.on_servers:
        raise CannotStart(
            "Lệnh này dành cho hệ thống chạy trên máy chủ; ở đây hãy chạy `caunoi up --demo`.",
            "This is for a system that runs on servers; here, run `caunoi up --demo`.",
        )
    kept = Kept.of(settings)
    async with connected(settings) as operator:
        there = {account["name"] async for account in every(operator)}
        if there - {account.name for account in (*ACCOUNTS, *DEVICES)} or (there and not Kept.there(settings)):
            raise CannotStart(
                "Hệ thống này đã có tài khoản; dữ liệu minh hoạ không được trộn vào dữ liệu thật.",
                "There are accounts in this system; demo data never goes into real data.",
            )
        if not there:
            kept = Kept()  # what lies here is of a system that is gone
        await _begin(operator, kept, settings)
    _welcome(settings, kept, settings.base_url)


async def _begin(operator: Caller, kept: Kept, settings: Settings) -> None:
    try:
        if not kept.ready:
            await _make_ready(operator, kept, settings)
        if not kept.told:
            shown.out.print(
                "[bold]Câu chuyện của bà Thủy[/] [dim]Mrs Thủy's morning, on this system, in true seconds[/]"
            )
            await story.play(operator, kept, story.OnScreen(kept))
            kept.told = True
    finally:
        kept.keep(settings)


async def _make_ready(operator: Caller, kept: Kept, settings: Settings) -> None:
    kept.keep(settings)  # the password must be known before anybody has it
    with shown.progress(
        "chuẩn bị dữ liệu minh hoạ", total=len(WARDS) + len(ACCOUNTS) + len(DEVICES) + len(MEMBERS)
    ) as bar:
        for ward in await asyncio.to_thread(seed.read_all, WARDS):
            await seed.put(operator, ward)
            bar.advance(bar.task_ids[0])
        for account in ACCOUNTS:
            await _add(operator, account, kept.password)
            bar.advance(bar.task_ids[0])
        for device in DEVICES:
            if device.name not in kept.devices:
                reference = await _add(operator, device, None)
                given = await operator.post(f"/queue/accounts/{reference}/token", {})
                kept.devices[device.name] = given["token"]
                kept.keep(settings)
            bar.advance(bar.task_ids[0])
        coordinator = await sign_in(operator, "dieuphoi", kept)
        for number, person in enumerate(MEMBERS):
            if number >= len(kept.members):
                contact = await coordinator.post("/notify/contacts", {"phone": person.phone, "purposes": ["volunteer"]})
                member = {
                    "centre": CENTRE,
                    "name": person.name,
                    "team": "to-cong-nghe-so",
                    "vehicle": person.vehicle,
                    "spare_helmet": person.spare_helmet,
                    "hamlet": person.hamlet,
                    "skills": [{"skill": skill} for skill in person.skills],
                    "languages": list(person.languages),
                    "contact_ref": contact["contact_ref"],
                }
                made = await coordinator.post("/volunteers/members", member, key=f"demo-member-{number}")
                kept.members.append(made["member"])
                kept.keep(settings)
            bar.advance(bar.task_ids[0])
    kept.ready = True
    kept.keep(settings)


async def sign_in(caller: Caller, name: str, kept: Kept) -> Caller:
    session = await caller.as_nobody().post("/session", {"name": name, "password": kept.password})
    return caller.as_(session["token"])


async def _add(operator: Caller, account: SignIn, password: str | None) -> str:
    """Its reference, whether it was there or not."""
    body = {"name": account.name, "roles": list(account.roles), "centres": list(account.centres)}
    try:
        made = await operator.post("/queue/accounts", body | ({"password": password} if password else {}))
        return str(made["account"])
    except Answered as refused:
        if refused.slug != "name-taken":
            raise
    listed = await operator.get("/queue/accounts", limit=200)
    return next(str(one["account"]) for one in listed["accounts"] if one["name"] == account.name)


def _welcome(settings: Settings, kept: Kept, address: str) -> None:
    table = Table(title="Đăng nhập minh hoạ · demo sign-ins", title_justify="left", show_header=False)
    for account in ACCOUNTS:
        table.add_row(account.name, kept.password, account.who, screen_of(account.roles) or "/")
    here = not settings.on_servers
    where = f" --data {settings.data}" if here and str(settings.data) != "data" else ""
    shown.out.print(table)
    shown.out.print(
        f"\n[bold]Cầu Nối[/] đang chạy (dữ liệu minh hoạ; {CENTRE} mở cửa cả ngày lẫn đêm):\n"
        f"  trang theo dõi trực tiếp   [bold]{address}/[/]\n"
        f"  đăng nhập                  {address}/sign-in  (rồi đến màn hình của từng người, như bảng trên)\n"
        f"  thiết lập trung tâm        {address}/settings  (dieuphoi, vanhanh)\n"
        f"  phiếu của người dân        {address}/ticket  (quét mã QR ở ki-ốt)\n"
        f"  điện thoại của đoàn viên   {address}/v  (số {MEMBERS[0].phone}; mã đến ở `caunoi messages`)\n"
        + "".join(f"  {device.who:<26} {address}/device#{kept.devices[device.name]}\n" for device in DEVICES)
        + f"  giao diện lập trình (API)  {address}/openapi.json\n"
        f"  ở cửa sổ khác              caunoi story{where} · caunoi tail{where} · caunoi messages{where} · "
        f"caunoi report{where}\n" + ("[dim]Ctrl-C để dừng · to stop[/]" if here else "")
    )
