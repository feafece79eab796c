"""What people tell us of themselves stays where it belongs: a phone, a name and an address, put in through HTTP and
looked for afterwards in everything that the system has written or said."""

import base64
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, quote_plus

from unidecode import unidecode

from services.chassis.access import Access
from services.chassis.settings import Settings
from tests.journeys.system import running
from tests.journeys.ward import Volunteer, Ward, eventually, ward_in
from tests.support import run

PHONE = "0918273645"
GIVEN_NAME = "Hoàngyến"
MEMBER_NAME = f"Nguyễn Thị {GIVEN_NAME}"
MEMBER_PHONE = "0937465821"
STREET = "Chim Sẻ Nâu"
ADDRESS = f"Số 4711 hẻm 8, đường {STREET}"
SECRETS = (PHONE, MEMBER_PHONE, MEMBER_NAME, GIVEN_NAME, ADDRESS, STREET)


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


async def a_morning(ward: Ward) -> str:
    """Mrs Thủy's morning, with everything personal that can be put in; gives what the metrics say of it."""
    helper = await told_of_himself(ward)
    await ward.check_in(helper)
    contact = {"phone": PHONE, "purposes": ["queue_sms", "ride"], "centre": ward.centre}
    given = await ward.post("/notify/contacts", contact, as_=ward.kiosk)
    ticket = (await ward.issue(needs_help=True, ride_home=True, contact_ref=given["contact_ref"]))["ticket_id"]
    await ward.ask_ride(ticket, ADDRESS)
    await ward.open_counters(1)
    await ward.call_next(1)
    await ward.serve(ticket)
    ride = f"{ticket}-ride"
    await ward.post(f"/volunteers/rides/{ride}/assign", {"member": helper.member}, as_=ward.coordinator)
    shown = await ward.get(f"/volunteers/rides/{ride}", as_=helper.token)
    assert shown["destination"] == ADDRESS, (
        "the driver must see where to go, or this test looks for what was never put in"
    )
    await ward.send("POST", "/notify/sign-in", {"phone": MEMBER_PHONE})
    await ward.send("POST", "/notify/sign-in", {"phone": f"{PHONE}9", "name": MEMBER_NAME})  # refused, and not repeated
    await ward.send("GET", f"/queue/tickets/{quote(ADDRESS)}", as_=ward.staff)
    await eventually(lambda: drawer(ward), lambda texts: len(texts) >= 2)
    metrics: str = (await ward.http.get("/metrics")).text
    return metrics


async def told_of_himself(ward: Ward) -> Volunteer:
    contact = {"phone": MEMBER_PHONE, "purposes": ["volunteer"], "centre": ward.centre}
    given = await ward.post("/notify/contacts", contact, as_=ward.coordinator)
    described = {"name": MEMBER_NAME, "team": "doi-xung-kich", "vehicle": "motorbike", "spare_helmet": True}
    described |= {"hamlet": "khu-vuc-5", "contact_ref": given["contact_ref"]}
    made = await ward.post("/volunteers/members", described, as_=ward.coordinator)
    other = await ward.member()
    tokens = Access(Settings(data=ward.data), ward.clock).tokens
    issued = tokens.issue(made["member"], ["volunteer"], [ward.centre], member=made["member"])
    return replace(other, member=made["member"], token=issued.token, phone=MEMBER_PHONE)


async def drawer(ward: Ward) -> list[str]:
    found = await ward.get(f"/notify/messages?centre={ward.centre}", as_=ward.operator)
    return [message["text"] for message in found["messages"]]


def test_nothing_personal_is_in_any_file_log_event_or_metric(tmp_path: Path) -> None:
    with running(tmp_path / "data") as system:

        async def story() -> str:
            async with ward_in(system) as ward:
                return await a_morning(ward)

        said = {"metrics": run(story()).encode()}
        system.stop()
        said |= {"output": system.output.encode(), "log": system.log.encode()}
    files = {path.name: path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()}
    assert "bus.sqlite" in files
    assert len(files["queue.sqlite"]) > 10_000
    for secret in SECRETS:
        for name, content in (said | files).items():
            assert not [form for form in forms(secret) if form in content], f"{secret} lies in {name}"
