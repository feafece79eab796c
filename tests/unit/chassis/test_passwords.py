"""Passwords: slow to guess, one at a time, and nothing to learn from how long a refusal takes."""

import asyncio

import pytest
from argon2 import extract_parameters

from services.chassis.errors import Unavailable
from services.chassis.passwords import (
    _NOBODYS,
    WAITING_AT_MOST,
    Passwords,
    PasswordTooCommon,
    PasswordTooLong,
    PasswordTooShort,
    is_common,
    must_be_good,
)
from tests.support import run


def test_a_password_is_right_or_not() -> None:
    async def story() -> None:
        passwords = Passwords()
        hashed = await passwords.hash("ba quả dừa nước")
        assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert await passwords.right(hashed, "ba quả dừa nước")
        assert not await passwords.right(hashed, "ba qua dua nuoc")

    run(story())


def test_it_is_right_however_the_keyboard_composed_it() -> None:
    async def story() -> None:
        passwords = Passwords()
        hashed = await passwords.hash("du\u031b\u0300a")
        assert await passwords.right(hashed, "dừa")

    run(story())


def test_nobodys_password_is_never_right_and_takes_the_same_work() -> None:
    hashed = run(Passwords().hash("ba quả dừa nước"))
    assert extract_parameters(_NOBODYS) == extract_parameters(hashed)
    assert not run(Passwords().right(None, "ba quả dừa nước"))


def test_something_that_is_no_hash_is_not_right() -> None:
    assert not run(Passwords().right("not a hash", "anything"))


def test_they_wait_for_one_another_and_not_without_limit() -> None:
    async def story() -> None:
        passwords = Passwords()
        together = [passwords.right(None, "x") for _ in range(WAITING_AT_MOST + 3)]
        answers = await asyncio.gather(*together, return_exceptions=True)
        assert sum(isinstance(answer, Unavailable) for answer in answers) == 3
        assert not await passwords.right(None, "x")

    run(story())


@pytest.mark.parametrize(
    ("password", "refusal"),
    [
        ("ngắn", PasswordTooShort),
        ("x" * 129, PasswordTooLong),
        ("Password123!", PasswordTooCommon),
        ("matkhau2025", PasswordTooCommon),
        ("12345678", PasswordTooCommon),
        ("01011990", PasswordTooCommon),
        ("0901234567", PasswordTooCommon),
        ("qwertyuio", PasswordTooCommon),
        ("aaaaaaaaaa", PasswordTooCommon),
        ("abcabcabc", PasswordTooCommon),
        ("canbo.quay3", PasswordTooCommon),
        ("Canbo.Quay3!1", PasswordTooCommon),
    ],
)
def test_a_password_that_others_would_guess_is_refused(password: str, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        must_be_good(password, "canbo.quay3")


@pytest.mark.parametrize(
    "password", ["ba quả dừa nước", "hoa sen nở đầm", "correct horse battery", "đi bộ qua cầu " * 9]
)
def test_words_put_together_are_good(password: str) -> None:
    must_be_good(password, "canbo.quay3")
    assert not is_common(password)
