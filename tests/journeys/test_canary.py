"""What people tell us of themselves stays where it belongs: a phone, a name and an address, put in through HTTP and
looked for afterwards in everything that the system has written or said."""

import base64
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, quote_plus

import httpx2
import pytest
from unidecode import unidecode

from tests.faults.history import copied
from tests.journeys.system import RunningSystem, running
from tests.journeys.ward import Volunteer, Ward, eventually, ward_in
from tests.support import run

PHONE = "0918273645"
MEMBER_NAME = "Nguyễn Thị Hoàng Yến Canary"
MEMBER_PHONE = "0937465821"
ADDRESS = "Số 4711 hẻm Hoàng Oanh, đường Chim Sẻ"
SECRETS = (PHONE, MEMBER_PHONE, MEMBER_NAME, ADDRESS)


def forms(secret: str) -> set[bytes]:
    """Every way in which it could lie somewhere unnoticed."""
    plain = {secret, unicodedata.normalize("NFD", secret), unidecode(secret), secret.lower()}
    if secret.isdigit():
        plain = {secret[1:], "+84" + secret[1:]}  # the last nine digits are in every way of writing it
    found: set[bytes] = set()
    for text in plain:
        raw = text.encode()
        found |= {raw, raw.hex().encode(), raw.hex().upper().encode(), text.encode("utf-16-le")}
        found |= {quote(text).encode(), quote_plus(text).encode(), ascii_json(text)}
        found |= set(in_base64(raw))
    return {form for form in found if len(form) > 6}


def ascii_json(text: str) -> bytes:
    return text.encode("ascii", "backslashreplace")


def in_base64(raw: bytes) -> Iterator[bytes]:
    """What is the same at all three places where it may begin within a longer text; both alphabets."""
    for before in range(3):
        encoded = base64.b64encode(b"x" * before + raw)
        start = -(-before * 8 // 6) + (1 if before else 0)
        whole = encoded[start : (before + len(raw)) * 8 // 6]
        yield whole
        yield whole.replace(b"+", b"-").replace(b"/", b"_")


def test_every_form_of_a_phone_number_is_looked_for() -> None:
    looked_for = forms(PHONE)
    for hidden in (f"x{PHONE}", "+84918273645", "84 918273645", f"tel:{quote('+84918273645')}"):
        assert any(form in hidden.encode() for form in looked_for)
    for before in range(4):
        assert any(form in base64.b64encode(b"a" * before + PHONE.encode() + b"zz") for form in looked_for)


def test_every_form_of_a_name_is_looked_for() -> None:
    for hidden in (unidecode(MEMBER_NAME), quote(MEMBER_NAME), unicodedata.normalize("NFD", MEMBER_NAME)):
        assert any(form in hidden.encode() for form in forms(MEMBER_NAME))
