"""The rules of accounts, as given facts, when command, then facts."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from services.chassis.errors import Refusal
from services.chassis.sealing import Sealed
from services.contracts.events import AccountChanged
from services.contracts.words import Fact, Role
from services.queue import accounts
from services.queue.accounts import Account, AccountNamed, Manager, PasswordSet
from tests.desk import NOON

STORED: TypeAdapter[Account] = TypeAdapter(Account)
ID = "a-3f9c2b7d41e8a6059cd2417e"
NAME = Sealed(f"s1:{ID}:" + "A" * 40)
HASH = Sealed(f"s1:{ID}:" + "B" * 40)
OTHER_HASH = Sealed(f"s1:{ID}:" + "C" * 40)
OPERATOR = Manager("a-operator")
COORDINATOR = Manager("a-coordinator", frozenset({"31186"}))


def after(*facts: Fact) -> Account:
    account = Account(ID)
    for fact in facts:
        accounts.evolve(account, fact, NOON)
    return account


def add(
    account: Account, roles: Sequence[Role] = (Role.STAFF,), centres: Sequence[str] = ("31186",), **more: Any
) -> list[Fact]:
    given: dict[str, Any] = {"name": NAME, "password": HASH, "manager": OPERATOR} | more
    return list(accounts.add(account, roles=roles, centres=centres, now=NOON, **given))


def changed(version: int, active: bool = True, role: Role = Role.STAFF, centre: str = "31186") -> AccountChanged:
    return AccountChanged(
        centre=centre, account=ID, active=active, roles=(role,), centres=(centre,), account_version=version
    )


STAFF = (AccountNamed(name=NAME), PasswordSet(password=HASH), changed(1))
KIOSK = (AccountNamed(name=NAME), changed(1, role=Role.KIOSK))


def test_an_account_is_made_and_the_world_is_told_without_a_name() -> None:
    facts = add(Account(ID))
    assert facts == list(STAFF)
    assert "s1:" not in facts[-1].model_dump_json()


def test_city_and_operator_belong_to_no_centre() -> None:
    [*_, told] = add(Account(ID), [Role.CITY], [])
    assert isinstance(told, AccountChanged)
    assert (told.centre, told.centres) == ("00000", ())


@pytest.mark.parametrize(
    ("roles", "centres"),
    [
        ([Role.STAFF], []),
        ([Role.COORDINATOR], []),
        ([Role.CITY], ["31186"]),
        ([Role.OPERATOR, Role.STAFF], ["31186"]),
        ([Role.CITY, Role.STAFF], []),
        ([Role.KIOSK], ["31186", "31510"]),
        ([Role.KIOSK, Role.STAFF], ["31186"]),
        ([], ["31186"]),
    ],
)
def test_roles_and_centres_must_fit(roles: list[Role], centres: list[str]) -> None:
    with pytest.raises(accounts.RolesDoNotFit):
        add(Account(ID), roles, centres, password=None)


def test_a_name_is_taken_once_also_when_it_was_disabled() -> None:
    for facts in (STAFF, (*STAFF, changed(2, active=False))):
        with pytest.raises(accounts.NameTaken):
            add(after(*facts))


def test_a_device_has_no_password() -> None:
    with pytest.raises(accounts.DeviceHasNoPassword):
        add(Account(ID), [Role.KIOSK])
    with pytest.raises(accounts.DeviceHasNoPassword):
        accounts.set_password(after(*KIOSK), password=HASH, manager=OPERATOR, now=NOON)


def test_a_new_password_makes_older_tokens_void() -> None:
    facts = accounts.set_password(after(*STAFF), password=OTHER_HASH, manager=COORDINATOR, now=NOON)
    assert facts == [PasswordSet(password=OTHER_HASH), changed(2)]


def test_disabling_is_done_once_and_can_be_taken_back() -> None:
    [off] = accounts.disable(after(*STAFF), manager=OPERATOR, now=NOON)
    assert off == changed(2, active=False)
    assert accounts.disable(after(*STAFF, off), manager=OPERATOR, now=NOON) == []
    assert accounts.enable(after(*STAFF, off), manager=OPERATOR, now=NOON) == [changed(3)]
    assert accounts.enable(after(*STAFF), manager=OPERATOR, now=NOON) == []


def test_nobody_disables_himself() -> None:
    with pytest.raises(accounts.CannotDisableYourself):
        accounts.disable(after(*STAFF), manager=Manager(ID, frozenset({"31186"})), now=NOON)


def test_a_new_token_makes_older_ones_void_and_a_disabled_device_gets_none() -> None:
    assert accounts.renew_token(after(*KIOSK), manager=COORDINATOR, now=NOON) == [changed(2, role=Role.KIOSK)]
    disabled = after(*KIOSK, changed(2, active=False, role=Role.KIOSK))
    with pytest.raises(accounts.AccountDisabled):
        accounts.renew_token(disabled, manager=COORDINATOR, now=NOON)


RULES = {
    "set_password": partial(accounts.set_password, password=OTHER_HASH),
    "disable": accounts.disable,
    "enable": accounts.enable,
    "renew_token": accounts.renew_token,
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
def test_there_must_be_an_account(rule: Any) -> None:
    with pytest.raises(accounts.NoSuchAccount):
        rule(Account(ID), manager=OPERATOR, now=NOON)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
@pytest.mark.parametrize(
    "theirs",
    [changed(1, centre="31510"), changed(1, role=Role.COORDINATOR), changed(1, role=Role.OPERATOR)],
    ids=["another centre", "a coordinator", "an operator"],
)
def test_a_coordinator_manages_staff_and_devices_of_the_own_centre_only(rule: Any, theirs: AccountChanged) -> None:
    with pytest.raises(accounts.NotYoursToManage):
        rule(after(AccountNamed(name=NAME), theirs), manager=COORDINATOR, now=NOON)


def test_a_coordinator_makes_no_coordinator() -> None:
    with pytest.raises(accounts.NotYoursToManage):
        add(Account(ID), [Role.COORDINATOR], manager=COORDINATOR)
    with pytest.raises(accounts.NotYoursToManage):
        add(Account(ID), [Role.STAFF], ["31186", "31510"], manager=COORDINATOR)


@given(st.lists(st.sampled_from(["add", *RULES]), max_size=12))
def test_versions_only_rise_and_the_document_is_its_facts(commands: list[str]) -> None:
    account, told = Account(ID), list[Fact]()
    for command in commands:
        before = STORED.dump_json(account)
        try:
            facts = add(account) if command == "add" else RULES[command](account, manager=OPERATOR, now=NOON)
        except Refusal:
            facts = []
        assert STORED.dump_json(account) == before
        for fact in facts:
            accounts.evolve(account, fact, NOON)
        told.extend(facts)
    versions = [fact.account_version for fact in told if isinstance(fact, AccountChanged)]
    assert versions == list(range(1, len(versions) + 1))
    stored = STORED.validate_json(STORED.dump_json(account))
    assert stored == account == after(*told)
