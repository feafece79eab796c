"""Accounts: who may sign in, or which device may act, as what and where. A document each; pure rules.

Its id is an HMAC of the sign-in name, so a name is taken at most once and signing in needs no directory. Name and
password hash lie sealed. Every change raises the version; a token of an older version is refused everywhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from services.chassis.errors import Forbidden, Invalid, NotFound, Refused
from services.chassis.sealing import Sealed
from services.contracts.events import AccountChanged
from services.contracts.words import Fact, Role

OPERATOR = "operator"
"""The name of the account that the command line uses; nobody signs in as it, and it cannot be disabled."""
NO_CENTRE = "00000"
EVERYWHERE = frozenset({Role.CITY, Role.OPERATOR})
DEVICES = frozenset({Role.KIOSK, Role.DISPLAY})
_BY_COORDINATOR = frozenset({Role.STAFF, Role.KIOSK, Role.DISPLAY})


class NoSuchAccount(NotFound):
    en = "There is no such account."
    vi = "Không có tài khoản này."


class NameTaken(Refused):
    en = "This sign-in name is taken."
    vi = "Tên đăng nhập này đã có người dùng."


class RolesDoNotFit(Invalid):
    en = "Staff and coordinators have centres, city and operator none, a device one role at one place. Choose anew."
    vi = (
        "Cán bộ và điều phối viên thuộc trung tâm, cấp thành phố và vận hành thì không, mỗi thiết bị có một vai ở một "
        "trung tâm. Hãy chọn lại vai và trung tâm."
    )


class DeviceHasNoPassword(Invalid):
    en = "A kiosk or display uses a token, not a password."
    vi = "Thiết bị dùng mã truy cập, không dùng mật khẩu."


class NotYoursToManage(Forbidden):
    en = "A coordinator manages staff and devices of the own centre; the others are the operator's."
    vi = "Điều phối viên chỉ quản lý cán bộ và thiết bị của trung tâm mình; tài khoản khác do người vận hành quản lý."


class CannotDisableYourself(Refused):
    en = "Nobody disables the own account."
    vi = "Không thể tự khoá tài khoản của mình."


class ReservedForOperator(Refused):
    en = "This account belongs to the command line of the system."
    vi = "Tài khoản này dành cho dòng lệnh của hệ thống."


class AccountDisabled(Refused):
    en = "This account is disabled."
    vi = "Tài khoản này đã bị khoá."


class AccountNamed(Fact):
    name: Sealed


class PasswordSet(Fact):
    password: Sealed
    """The argon2id hash, sealed: the journal keeps old ones, and nobody can try them."""


@dataclass(frozen=True, slots=True)
class Manager:
    """Who changes an account: `ref` is his own; `centres` None: the operator, who manages all."""

    ref: str
    centres: frozenset[str] | None = None


@dataclass(slots=True)
class Account:
    id: str
    name: Sealed | None = None
    password: Sealed | None = None
    roles: list[Role] = field(default_factory=list)
    centres: list[str] = field(default_factory=list)
    version: int = 0
    """0: there is no such account."""
    active: bool = False


def add(
    account: Account,
    *,
    name: Sealed,
    roles: Sequence[Role],
    centres: Sequence[str],
    password: Sealed | None,
    manager: Manager,
    now: datetime,
) -> Sequence[Fact]:
    """Make it, under a name nobody has."""
    _must_fit(roles, centres)
    _must_manage(manager, roles, centres)
    if account.version:
        raise NameTaken
    if password and not DEVICES.isdisjoint(roles):
        raise DeviceHasNoPassword
    facts: list[Fact] = [AccountNamed(name=name)]
    if password:
        facts.append(PasswordSet(password=password))
    return [*facts, _changed(account, active=True, roles=roles, centres=centres)]


def set_password(account: Account, *, password: Sealed, manager: Manager, now: datetime) -> Sequence[Fact]:
    """A new one; whoever is signed in with this account signs in again."""
    _must_be_managed(account, manager)
    if not DEVICES.isdisjoint(account.roles):
        raise DeviceHasNoPassword
    return [PasswordSet(password=password), _changed(account, active=account.active)]


def change_own_password(account: Account, *, password: Sealed, now: datetime) -> Sequence[Fact]:
    """By its owner, who has just shown that he knows the old one."""
    _must_exist(account)
    return [PasswordSet(password=password), _changed(account, active=account.active)]


def disable(account: Account, *, manager: Manager, now: datetime) -> Sequence[Fact]:
    """It is refused everywhere, within a minute; its tokens are void for ever."""
    _must_be_managed(account, manager)
    if manager.ref == account.id:
        raise CannotDisableYourself
    return [_changed(account, active=False)] if account.active else []


def enable(account: Account, *, manager: Manager, now: datetime) -> Sequence[Fact]:
    _must_be_managed(account, manager)
    return [] if account.active else [_changed(account, active=True)]


def renew_token(account: Account, *, manager: Manager, now: datetime) -> Sequence[Fact]:
    """A device (or a script) is about to get a token; those that it had are void."""
    _must_be_managed(account, manager)
    if not account.active:
        raise AccountDisabled
    return [_changed(account, active=True)]


def evolve(account: Account, fact: Fact, at: datetime) -> None:
    match fact:
        case AccountNamed():
            account.name = fact.name
        case PasswordSet():
            account.password = fact.password
        case AccountChanged():
            account.roles = list(fact.roles)
            account.centres = list(fact.centres)
            account.version = fact.account_version
            account.active = fact.active


def _changed(
    account: Account, *, active: bool, roles: Sequence[Role] | None = None, centres: Sequence[str] | None = None
) -> AccountChanged:
    theirs = tuple(account.centres if centres is None else centres)
    return AccountChanged(
        centre=theirs[0] if theirs else NO_CENTRE,
        account=account.id,
        active=active,
        roles=tuple(account.roles if roles is None else roles),
        centres=theirs,
        account_version=account.version + 1,
    )


def _must_exist(account: Account) -> None:
    if not account.version:
        raise NoSuchAccount


def _must_be_managed(account: Account, manager: Manager) -> None:
    _must_exist(account)
    _must_manage(manager, account.roles, account.centres)


def _must_manage(manager: Manager, roles: Sequence[Role], centres: Sequence[str]) -> None:
    if manager.centres is None:
        return
    if not _BY_COORDINATOR.issuperset(roles) or not manager.centres.issuperset(centres):
        raise NotYoursToManage


def _must_fit(roles: Sequence[Role], centres: Sequence[str]) -> None:
    everywhere = not EVERYWHERE.isdisjoint(roles)
    device = not DEVICES.isdisjoint(roles)
    mixed = everywhere and not EVERYWHERE.issuperset(roles)
    if not roles or mixed or everywhere == bool(centres) or (device and (len(roles) > 1 or len(centres) > 1)):
        raise RolesDoNotFit
