"""Setting up: who may sign in at this centre, and which device is a kiosk or a board here."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Final

import segno
from fastapi import Response
from starlette.responses import HTMLResponse

from services.chassis.access import Actor, may
from services.chassis.errors import Refusal
from services.chassis.pages import TheForm, ThePage
from services.chassis.pages.lists import whole
from services.chassis.pages.speech import N_
from services.chassis.web import Now, Router, TheAccess
from services.contracts.words import AccountRef, CentreRef, Role
from services.queue.accounts_api import (
    Accounts,
    ListedAccount,
    NewAccount,
    NewPassword,
    NewToken,
    QueueSealer,
    QueueViews,
    add_account,
    disable_account,
    enable_account,
    list_accounts,
    renew_device_token,
    set_password,
)

router = Router(prefix="/settings/{centre}/accounts", tags=["pages"], include_in_schema=False)

Keeper = Annotated[Actor, may("coordinator", "operator")]

PEOPLE: Final[Mapping[Role, str]] = {
    Role.STAFF: N_("cán bộ quầy"),
    Role.COORDINATOR: N_("điều phối viên"),
}
DEVICES: Final[Mapping[Role, str]] = {
    Role.KIOSK: N_("ki-ốt"),
    Role.DISPLAY: N_("bảng gọi số"),
}
NAME_MEANT: Final = N_("chữ thường không dấu, số, dấu chấm hoặc gạch, từ 2 đến 40 ký tự, ví dụ canbo.quay3")
ROLE_MEANT: Final = N_("một trong các vai trò ở đây")
ALL: Final = "queue/settings-accounts.html"


@router.get("")
async def accounts(
    centre: CentreRef, page: ThePage, views: QueueViews, sealer: QueueSealer, who: Keeper
) -> HTMLResponse:
    return page.show(ALL, **await _accounts(centre, views, sealer, who))


@router.post("")
async def add(
    centre: CentreRef,
    page: ThePage,
    form: TheForm,
    documents: Accounts,
    views: QueueViews,
    sealer: QueueSealer,
    access: TheAccess,
    who: Keeper,
    now: Now,
) -> Response:
    name = form.text("name")
    given = {"name": name, "roles": [form.text("role")], "centres": [centre], "password": form.text("password") or None}
    try:
        await add_account(form.into(NewAccount, **given), documents, sealer, access, who, form.once, now)
    except Refusal as refused:
        meant = {"name": NAME_MEANT, "roles": ROLE_MEANT}
        said = page.at_fields(refused, ("name", "roles", "password"), meant)
        return page.refuse(ALL, said, **await _accounts(centre, views, sealer, who) | {"name": name})
    return page.go(f"/settings/{centre}/accounts")


@router.post("/{account}/disable")
async def disable(
    centre: CentreRef,
    account: AccountRef,
    page: ThePage,
    form: TheForm,
    documents: Accounts,
    views: QueueViews,
    sealer: QueueSealer,
    who: Keeper,
    now: Now,
) -> Response:
    pressed = disable_account(account, documents, sealer, who, form.once, now)
    again = partial(_accounts, centre, views, sealer, who)
    return await page.after(pressed, f"/settings/{centre}/accounts", ALL, again)


@router.post("/{account}/enable")
async def enable(
    centre: CentreRef,
    account: AccountRef,
    page: ThePage,
    form: TheForm,
    documents: Accounts,
    views: QueueViews,
    sealer: QueueSealer,
    who: Keeper,
    now: Now,
) -> Response:
    pressed = enable_account(account, documents, who, form.once, now)
    again = partial(_accounts, centre, views, sealer, who)
    return await page.after(pressed, f"/settings/{centre}/accounts", ALL, again)


@router.post("/{account}/password")
async def new_password(
    centre: CentreRef,
    account: AccountRef,
    page: ThePage,
    form: TheForm,
    documents: Accounts,
    views: QueueViews,
    sealer: QueueSealer,
    access: TheAccess,
    who: Keeper,
    now: Now,
) -> Response:
    try:
        given = form.into(NewPassword, password=form.text("password"))
        await set_password(account, given, documents, sealer, access, who, form.once, now)
    except Refusal as refused:
        return page.refuse(ALL, refused, **await _accounts(centre, views, sealer, who))
    return page.go(f"/settings/{centre}/accounts")


@router.post("/{account}/token")
async def token(
    centre: CentreRef,
    account: AccountRef,
    page: ThePage,
    form: TheForm,
    documents: Accounts,
    views: QueueViews,
    sealer: QueueSealer,
    access: TheAccess,
    who: Keeper,
    now: Now,
) -> Response:
    """Shown once, in answer to the press: no address leads to it again, and those given before are void."""
    try:
        given = await renew_device_token(account, NewToken(), documents, sealer, access, who, form.once, now)
    except Refusal as refused:
        return page.refuse(ALL, refused, **await _accounts(centre, views, sealer, who))
    address = page.link(f"/device#{given.token}")
    code = segno.make(address, error="l", micro=False).svg_inline(scale=3, border=2, omitsize=True)
    name = form.text("name")
    return page.show("queue/settings-token.html", centre=centre, given=given, address=address, code=code, name=name)


async def _accounts(centre: str, views: QueueViews, sealer: QueueSealer, who: Actor) -> dict[str, Any]:
    found = await _all(centre, views, sealer, who)
    operates = who.is_a("operator")
    return {
        "centre": centre,
        "people": [one for one in found if not DEVICES.keys() & set(one.roles)],
        "devices": [one for one in found if DEVICES.keys() & set(one.roles)],
        "roles": {**PEOPLE, **DEVICES},
        "person_roles": PEOPLE if operates else {Role.STAFF: PEOPLE[Role.STAFF]},
        "device_roles": DEVICES,
        "operates": operates,
        "name": "",
    }


async def _all(centre: str, views: QueueViews, sealer: QueueSealer, who: Actor) -> list[ListedAccount]:
    """Of this centre, by name."""
    found = await whole(partial(list_accounts, views, sealer, who), lambda part: part.accounts)
    return sorted((one for one in found if centre in one.centres), key=lambda one: one.name or "")
