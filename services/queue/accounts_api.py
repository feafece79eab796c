"""Signing in, and keeping accounts, over HTTP. Names and password hashes are sealed here; no answer ever has a hash."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Final

from fastapi import Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from services.chassis.access import Actor, Standing, Tokens, Verified, Who, end_session, keep_session, may
from services.chassis.clock import Clock
from services.chassis.documents import Collection, Kind, the
from services.chassis.errors import Refusal
from services.chassis.keys import Keys, write_secret
from services.chassis.passwords import PasswordTooCommon, PasswordTooLong, PasswordTooShort, must_be_good
from services.chassis.sealing import Sealed, Sealer
from services.chassis.service import Running
from services.chassis.text import PlainText
from services.chassis.views import Stamp, View, Views
from services.chassis.web import Now, OnceKey, Router, TheAccess, of, own, problems
from services.contracts.events import AccountChanged
from services.contracts.words import AccountRef, CentreRef, Fact, Role
from services.queue import accounts
from services.queue.accounts import Account, AccountNamed, Manager

kind: Final = Kind(new=Account, evolve=accounts.evolve)
router = Router(tags=["accounts"])

Accounts = Annotated[Collection[Account], of(Account)]
QueueSealer = Annotated[Sealer, own("queue", Sealer)]
QueueViews = Annotated[Views, own("queue", Views)]

COMMAND_LINE: Final = f"a-{'0' * 24}"
"""What the command line is called in journals where services are apart; no account is."""
DEVICE_TOKENS_LAST = timedelta(days=400)
RENEWED_BEFORE = timedelta(days=30)
SIGN_INS_PER_NAME = 10
SIGN_INS_PER = timedelta(minutes=10)
SIGNED_IN: Final[tuple[Who, ...]] = ("staff", "coordinator", "city", "operator", "kiosk", "display", "volunteer")


class WrongNameOrPassword(Refusal):
    kind = "forbidden"
    status = 401
    en = "The name or the password is not right."
    vi = "Tên đăng nhập hoặc mật khẩu không đúng."


# ------------------------------------------------------------------------------------------------------ shapes

Password = Annotated[str, Field(min_length=1, max_length=512, examples=["ba quả dừa nước xanh"])]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{1,39}$", examples=["canbo.quay3"])]


class SignIn(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, PlainText(80), Field(examples=["canbo.quay3"])]
    password: Password


class Session(BaseModel):
    """`token` goes into `Authorization: Bearer`; the same is set as a cookie for pages."""

    token: str
    expires: datetime
    account: AccountRef
    roles: list[Role]
    centres: Annotated[list[CentreRef], Field(description="empty for city and operator: all")]


class WhoIAm(BaseModel):
    ref: Annotated[str, Field(description="the account, or the member", examples=["a-3f9c2b7d41e8a6059cd2417e"])]
    roles: list[str]
    centres: list[CentreRef]
    member: str | None = None


class NewAccount(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: Name
    roles: Annotated[list[Role], Field(min_length=1, max_length=6, examples=[["staff"]])]
    centres: Annotated[list[CentreRef], Field(max_length=200, examples=[["31186"]])] = []
    password: Annotated[Password | None, Field(description="none for a device, or to be set later")] = None


class AccountAnswer(BaseModel):
    account: AccountRef
    roles: list[Role]
    centres: list[CentreRef]
    active: bool
    version: Annotated[int, Field(ge=1, description="a token of a smaller version is refused")]

    @classmethod
    def of(cls, facts: list[Fact]) -> "AccountAnswer":
        return cls.saying(the(facts, AccountChanged))

    @classmethod
    def saying(cls, changed: AccountChanged) -> "AccountAnswer":
        return cls(
            account=changed.account,
            roles=list(changed.roles),
            centres=list(changed.centres),
            active=changed.active,
            version=changed.account_version,
        )


class ListedAccount(AccountAnswer):
    name: Annotated[str | None, Field(description="the sign-in name")] = None


class AccountList(BaseModel):
    accounts: list[ListedAccount]
    next: Annotated[str | None, Field(description="give it as `after` for the next page")] = None


class NewPassword(BaseModel):
    model_config = ConfigDict(extra="forbid")
    password: Password


class OwnNewPassword(NewPassword):
    current: Password


class NewToken(BaseModel):
    model_config = ConfigDict(extra="forbid")
    days: Annotated[int, Field(ge=1, le=DEVICE_TOKENS_LAST.days, description="how long it lasts")] = 400


class DeviceToken(BaseModel):
    """Shown once; tokens given before it are void."""

    account: AccountRef
    token: str
    expires: datetime


# -------------------------------------------------------------------------------------------------------- view


@dataclass(frozen=True)
class AccountRow:
    account: str
    name: str
    centre: str
    changed: AccountChanged | None = None


def _fold(row: AccountRow | None, fact: Fact, stamp: Stamp) -> AccountRow | None:
    match fact:
        case AccountNamed():
            return AccountRow(stamp.id, fact.name, accounts.NO_CENTRE)
        case AccountChanged() if row:
            return AccountRow(row.account, row.name, fact.centre, fact)
    return row


listed: Final = View[AccountRow](
    "accounts",
    of=Account,
    shape=AccountRow,
    keys=lambda fact, stamp: (stamp.id,) if isinstance(fact, AccountNamed | AccountChanged) else (),
    fold=_fold,
    indexes=("centre",),
)


# ---------------------------------------------------------------------------------------------------- sessions


@router.post("/session", responses=problems(WrongNameOrPassword), operation_id="sign_in")
async def sign_in(
    body: SignIn,
    request: Request,
    response: Response,
    documents: Accounts,
    sealer: QueueSealer,
    access: TheAccess,
    who: Annotated[Actor, may("anyone")],
    now: Now,
) -> Session:
    """Name and password to a token and a session. What is unknown and what is wrong get the same answer. It takes no
    `Idempotency-Key`: nothing is changed, and a repeat is another session."""
    account = account_of(body.name, sealer)
    address = request.client.host if request.client else ""
    per_address = request.app.state.system.settings.sign_ins_per_address
    access.limit("sign_in_address", per_address, SIGN_INS_PER).take(address, now)
    access.limit("sign_in_name", SIGN_INS_PER_NAME, SIGN_INS_PER).take(account, now)
    known = await documents.read(account, _what_signs_in)
    hashed = await sealer.open(known.password) if known.password else None
    right = await access.passwords.right(hashed, body.password)
    if not right or not known.active:
        raise WrongNameOrPassword
    issued = access.tokens.issue(account, known.roles, known.centres, version=known.version)
    keep_session(response, request, issued)
    return Session(
        token=issued.token, expires=issued.expires, account=account, roles=known.roles, centres=known.centres
    )


@router.get("/session", operation_id="who_am_i")
async def who_am_i(who: Annotated[Actor, may(*SIGNED_IN)]) -> WhoIAm:
    return WhoIAm(ref=who.ref, roles=sorted(who.roles), centres=sorted(who.centres), member=who.member)


@router.delete("/session", status_code=204, operation_id="sign_out")
async def sign_out(request: Request, response: Response, who: Annotated[Actor, may("anyone")]) -> None:
    """Ends the session of this browser; a bearer token simply stops being used."""
    end_session(response, request)


@router.put(
    "/session/password",
    responses=problems(WrongNameOrPassword, PasswordTooShort, PasswordTooLong, PasswordTooCommon),
    operation_id="change_own_password",
)
async def change_own_password(
    body: OwnNewPassword,
    request: Request,
    response: Response,
    documents: Accounts,
    sealer: QueueSealer,
    access: TheAccess,
    who: Annotated[Actor, may("staff", "coordinator", "city", "operator")],
    now: Now,
) -> Session:
    """Whoever else is signed in with this account is signed out."""
    access.limit("sign_in_name", SIGN_INS_PER_NAME, SIGN_INS_PER).take(who.ref, now)
    known = await documents.read(who.ref, _what_signs_in)
    hashed = await sealer.open(known.password) if known.password else None
    if not await access.passwords.right(hashed, body.current):
        raise WrongNameOrPassword
    must_be_good(body.password, await _name(known.name, sealer))
    password = await sealer.seal(who.ref, await access.passwords.hash(body.password))
    facts = await documents.change(
        who.ref, partial(accounts.change_own_password, password=password), now=now, by=who.ref
    )
    changed = the(facts, AccountChanged)
    issued = access.tokens.issue(who.ref, changed.roles, changed.centres, version=changed.account_version)
    keep_session(response, request, issued)
    return Session(
        token=issued.token,
        expires=issued.expires,
        account=who.ref,
        roles=list(changed.roles),
        centres=list(changed.centres),
    )


# ---------------------------------------------------------------------------------------------------- accounts

_REFUSES: Final = (accounts.NoSuchAccount, accounts.NotYoursToManage, accounts.ReservedForOperator)


@router.get("/queue/accounts", operation_id="list_accounts")
async def list_accounts(
    views: QueueViews,
    sealer: QueueSealer,
    who: Annotated[Actor, may("operator", "coordinator")],
    after: Annotated[AccountRef | None, Query(description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
) -> AccountList:
    """All accounts for the operator; those of the own centre for a coordinator. In order of reference."""
    if who.is_a("operator"):
        rows = await views.find(listed, after=after, limit=limit)
    else:
        found = [await views.find(listed, after=after, limit=limit, centre=centre) for centre in who.centres]
        rows = sorted((row for page in found for row in page), key=lambda row: row[0])[:limit]
    answers = [
        ListedAccount(**AccountAnswer.saying(row.changed).model_dump(), name=await sealer.open(row.name))
        for _, row in rows
        if row.changed
    ]
    return AccountList(accounts=answers, next=rows[-1][0] if len(rows) == limit else None)


@router.post(
    "/queue/accounts",
    status_code=201,
    responses=problems(
        *_REFUSES,
        accounts.NameTaken,
        accounts.RolesDoNotFit,
        accounts.DeviceHasNoPassword,
        PasswordTooShort,
        PasswordTooLong,
        PasswordTooCommon,
    ),
    operation_id="add_account",
)
async def add_account(
    body: NewAccount,
    documents: Accounts,
    sealer: QueueSealer,
    access: TheAccess,
    who: Annotated[Actor, may("operator", "coordinator")],
    key: OnceKey,
    now: Now,
) -> AccountAnswer:
    """The operator adds any; a coordinator adds staff, kiosks and displays of the own centre."""
    if body.name == accounts.OPERATOR:
        raise accounts.ReservedForOperator
    account = account_of(body.name, sealer)
    password = None
    if body.password is not None:
        must_be_good(body.password, body.name)
        password = await sealer.seal(account, await access.passwords.hash(body.password))
    rule = partial(
        accounts.add,
        name=await sealer.seal(account, body.name),
        roles=body.roles,
        centres=body.centres,
        password=password,
        manager=_manager(who),
    )
    return AccountAnswer.of(await documents.change(account, rule, now=now, by=who.ref, once=key))


@router.post(
    "/queue/accounts/{account}/disable",
    responses=problems(*_REFUSES, accounts.CannotDisableYourself),
    operation_id="disable_account",
)
async def disable_account(
    account: AccountRef,
    documents: Accounts,
    sealer: QueueSealer,
    who: Annotated[Actor, may("operator", "coordinator")],
    key: OnceKey,
    now: Now,
) -> AccountAnswer:
    """It is refused everywhere within a minute. Disabled already: nothing happens."""
    _must_not_be_reserved(account, sealer)
    rule = partial(accounts.disable, manager=_manager(who))
    facts = await documents.change(account, rule, now=now, by=who.ref, once=key)
    return AccountAnswer.of(facts) if facts else await documents.read(account, _answer)


@router.post("/queue/accounts/{account}/enable", responses=problems(*_REFUSES), operation_id="enable_account")
async def enable_account(
    account: AccountRef,
    documents: Accounts,
    who: Annotated[Actor, may("operator", "coordinator")],
    key: OnceKey,
    now: Now,
) -> AccountAnswer:
    """Tokens from before stay void: it signs in anew. Enabled already: nothing happens."""
    rule = partial(accounts.enable, manager=_manager(who))
    facts = await documents.change(account, rule, now=now, by=who.ref, once=key)
    return AccountAnswer.of(facts) if facts else await documents.read(account, _answer)


@router.post(
    "/queue/accounts/{account}/password",
    responses=problems(*_REFUSES, accounts.DeviceHasNoPassword, PasswordTooShort, PasswordTooLong, PasswordTooCommon),
    operation_id="set_password",
)
async def set_password(
    account: AccountRef,
    body: NewPassword,
    documents: Accounts,
    sealer: QueueSealer,
    access: TheAccess,
    who: Annotated[Actor, may("operator", "coordinator")],
    key: OnceKey,
    now: Now,
) -> AccountAnswer:
    """For somebody who forgot it; he is signed out everywhere."""
    _must_not_be_reserved(account, sealer)
    known = await documents.read(account, _what_signs_in)
    must_be_good(body.password, await _name(known.name, sealer))
    password = await sealer.seal(account, await access.passwords.hash(body.password))
    rule = partial(accounts.set_password, password=password, manager=_manager(who))
    return AccountAnswer.of(await documents.change(account, rule, now=now, by=who.ref, once=key))


@router.post(
    "/queue/accounts/{account}/token",
    responses=problems(*_REFUSES, accounts.AccountDisabled),
    operation_id="renew_device_token",
)
async def renew_device_token(
    account: AccountRef,
    body: NewToken,
    documents: Accounts,
    sealer: QueueSealer,
    access: TheAccess,
    who: Annotated[Actor, may("operator", "coordinator")],
    key: OnceKey,
    now: Now,
) -> DeviceToken:
    """A long-lived token for a kiosk, a display or a script, shown once; those given before are void."""
    _must_not_be_reserved(account, sealer)
    rule = partial(accounts.renew_token, manager=_manager(who))
    changed = the(await documents.change(account, rule, now=now, by=who.ref, once=key), AccountChanged)
    issued = access.tokens.issue(
        account, changed.roles, changed.centres, version=changed.account_version, lifetime=timedelta(days=body.days)
    )
    return DeviceToken(account=account, token=issued.token, expires=issued.expires)


# ------------------------------------------------------------------------------------------- for the system's start


def account_of(name: str, sealer: Sealer) -> str:
    """The account of a sign-in name, whether there is one or not."""
    return f"a-{sealer.blind('account', name.strip().lower())[:24]}"


async def standing_of(running: Running, verified: Verified) -> Standing | None:
    """What `AccountsKnown` asks when the bus is silent."""
    known = await running[Account].read(verified.actor.ref, _what_signs_in)
    return Standing(known.active, known.version) if known.version else None


def keep_operator_token(keys: Keys, path: Path, clock: Clock) -> bool:
    """The command line's token where services are apart: signed with their key, of no account. Whether it is new."""
    tokens = Tokens(keys.signing, clock)
    held = _token_in(path, tokens)
    if held and held.expires - clock().timestamp() > RENEWED_BEFORE.total_seconds():
        return False
    issued = tokens.issue(COMMAND_LINE, [Role.OPERATOR], lifetime=DEVICE_TOKENS_LAST)
    write_secret(path, issued.token.encode() + b"\n")
    return True


async def ensure_operator(
    documents: Collection[Account], sealer: Sealer, tokens: Tokens, path: Path, now: datetime
) -> Path:
    """The account of the command line, and its token in `path` (mode 600), renewed a month before it ends."""
    account = account_of(accounts.OPERATOR, sealer)
    known = await documents.read(account, _what_signs_in)
    held = _token_in(path, tokens)
    if held and held.version == known.version and held.expires - now.timestamp() > RENEWED_BEFORE.total_seconds():
        return path
    manager = Manager("system")
    if known.version:
        rule = partial(accounts.renew_token, manager=manager)
    else:
        rule = partial(
            accounts.add,
            name=await sealer.seal(account, accounts.OPERATOR),
            roles=[Role.OPERATOR],
            centres=[],
            password=None,
            manager=manager,
        )
    changed = the(await documents.change(account, rule, now=now, by="system"), AccountChanged)
    issued = tokens.issue(account, changed.roles, version=changed.account_version, lifetime=DEVICE_TOKENS_LAST)
    write_secret(path, issued.token.encode() + b"\n")
    return path


def _token_in(path: Path, tokens: Tokens) -> Verified | None:
    return tokens.verify(path.read_text("ascii").strip()) if path.exists() else None


@dataclass(frozen=True, slots=True)
class _SignsIn:
    name: Sealed | None
    password: Sealed | None
    roles: list[Role]
    centres: list[str]
    version: int
    active: bool


def _what_signs_in(account: Account) -> _SignsIn:
    return _SignsIn(
        account.name, account.password, list(account.roles), list(account.centres), account.version, account.active
    )


def _answer(account: Account) -> AccountAnswer:
    return AccountAnswer(
        account=account.id,
        roles=list(account.roles),
        centres=list(account.centres),
        active=account.active,
        version=account.version,
    )


async def _name(sealed: Sealed | None, sealer: Sealer) -> str:
    return (await sealer.open(sealed) or "") if sealed else ""


def _manager(who: Actor) -> Manager:
    return Manager(who.ref, None if who.is_a("operator") else who.centres)


def _must_not_be_reserved(account: str, sealer: Sealer) -> None:
    if account == account_of(accounts.OPERATOR, sealer):
        raise accounts.ReservedForOperator
