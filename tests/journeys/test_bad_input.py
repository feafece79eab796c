"""Bad input gets a clear error, in Vietnamese unless English is asked for, and changes nothing.

What the command line says of a bad YAML, port or data directory is in `test_command_line.py`.
"""

import json
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from time import sleep
from typing import Any

import httpx2
import pytest

from services.chassis.ports import Record
from tests.faults.books import FileBooks, copied
from tests.faults.syscalls import failing
from tests.journeys.inside import HandClock, inside, local, ward_inside
from tests.journeys.system import RunningSystem, running
from tests.journeys.ward import QUEUE_PART, Ward, back_in, eventually, ward_in
from tests.support import run
from tests.wire import Wire

SERVICES = {
    **QUEUE_PART["services"],
    "da-dong": {"name": {"vi": "Đã đóng", "en": "Closed"}, "series": "X", "counters": [9], "open": False},
    "it-so": {"name": {"vi": "Ít số", "en": "Few"}, "series": "Y", "counters": [9], "quota": 1},
}
TICKET = "31186-20261124-0123456789"


class Desk:
    """A ward in a real system, asked from tests that wait for nothing."""

    def __init__(self, system: RunningSystem, ward: Ward) -> None:
        self.system = system
        self.ward = ward

    def send(self, method: str, path: str, body: Any = None, *, as_: str = "", key: str = "") -> httpx2.Response:
        async def ask() -> httpx2.Response:
            async with back_in(self.system, self.ward) as ward:
                return await ward.send(method, path, body, as_=as_ or ward.staff, key=key or None)

        return run(ask())

    def raw(self, request: bytes) -> tuple[int, Any]:
        """Bytes as they are."""

        async def ask() -> tuple[int, Any]:
            answer = await (await Wire.to(self.system.address)).ask(request)
            return answer.status, answer.json

        return run(ask())

    @property
    def tickets(self) -> str:
        return f"/queue/centres/{self.ward.centre}/tickets"

    def issue(self, **wishes: Any) -> httpx2.Response:
        return self.send("POST", self.tickets, {"service": "ho-tich", **wishes}, as_=self.ward.kiosk)

    def journal(self) -> int:
        """How many facts there are, of all services, once what follows from the last command has happened."""
        counted, quiet = self._facts(), 0
        while quiet < 5:
            sleep(0.1)
            again = self._facts()
            counted, quiet = again, quiet + 1 if again == counted else 0
        return counted

    def _facts(self) -> int:
        counted = 0
        for name in ("queue", "volunteers", "training", "notify"):
            with copied(self.system.data / f"{name}.sqlite") as store:
                counted += store.execute("SELECT count(*) FROM journal").fetchone()[0]
        return counted


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    async def make(system: RunningSystem) -> Ward:
        async with ward_in(system) as ward:
            await ward.put(f"/queue/centres/{ward.centre}", {**QUEUE_PART, "services": SERVICES}, as_=ward.operator)
            await ward.open_counters(1, 2)
            return ward

    with running(tmp_path_factory.mktemp("bad") / "data", settings={"CAUNOI_SIGN_INS_PER_ADDRESS": "1000"}) as system:
        yield Desk(system, run(make(system)))


@pytest.fixture
def nothing_changes(desk: Desk) -> Iterator[None]:
    before = desk.journal()
    yield
    assert desk.journal() == before


def problem(answer: httpx2.Response, status: int, slug: str) -> dict[str, Any]:
    """The answer is that problem, told as RFC 9457 wants it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    told: dict[str, Any] = answer.json()
    assert told["slug"] == slug, told
    assert told["status"] == status
    assert "Traceback" not in answer.text
    return told


# ------------------------------------------------------------------------------------------ what is not there


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize(
    ("path", "body", "status", "slug"),
    [
        ("/queue/centres/39999/tickets", {"service": "ho-tich"}, 404, "no-such-centre"),
        ("/queue/centres/31186/tickets", {"service": "khong-co"}, 404, "unknown-service"),
        ("/queue/centres/31186/counters/77/open", None, 404, "no-such-counter"),
        ("/queue/centres/31186/counters/77/call-next", None, 404, "no-such-counter"),
        ("/queue/centres/31186/counters/3/call-next", None, 409, "counter-not-open"),
        (f"/queue/tickets/{TICKET}/start", None, 404, "no-such-ticket"),
        (f"/volunteers/rides/{TICKET}-ride/pick-up", None, 404, "unknown-ride"),
        (f"/volunteers/assistances/{TICKET}-help/cancel", None, 404, "unknown-assistance"),
        ("/notify/offers/31186-o-0123456789/accept", None, 404, "unknown-offer"),
        ("/nothing/here", None, 404, "no-such-address"),
    ],
)
def test_what_is_not_there_is_said_to_be_so(desk: Desk, path: str, body: Any, status: int, slug: str) -> None:
    problem(desk.send("POST", path, body, as_=_of_all_roles(desk)), status, slug)


def _of_all_roles(desk: Desk) -> str:
    from services.chassis.access import Access
    from services.chassis.clock import system_clock
    from services.chassis.settings import Settings

    tokens = Access(Settings(data=desk.system.data), system_clock).tokens
    roles = ["staff", "kiosk", "coordinator", "volunteer"]
    return tokens.issue("31186-m-everybody", roles, ["31186", "39999"], member="31186-m-everybody").token


def test_a_service_that_is_closed_gives_no_number(desk: Desk) -> None:
    problem(desk.issue(service="da-dong"), 409, "service-closed")


def test_a_quota_that_is_used_up_says_so(desk: Desk) -> None:
    assert desk.issue(service="it-so").status_code == 201
    told = problem(desk.issue(service="it-so"), 409, "quota-used-up")
    assert "1" in told["detail"]


# ------------------------------------------------------------------------------------ what is not allowed now


def test_what_the_state_does_not_allow_names_the_state_and_what_is_allowed(desk: Desk) -> None:
    ticket = desk.issue().json()["ticket_id"]
    before = desk.journal()
    told = problem(
        desk.send("POST", f"/queue/tickets/{ticket}/complete", {"outcome": "accepted"}), 409, "not-in-this-state"
    )
    assert desk.journal() == before
    assert told["parameters"]["state"] == "waiting"
    assert "cancel" in told["parameters"]["allowed"]
    desk.send("POST", f"/queue/tickets/{ticket}/cancel")


def test_a_second_live_ticket_at_one_counter_is_refused(desk: Desk) -> None:
    first, second = desk.issue().json()["ticket_id"], desk.issue().json()["ticket_id"]
    assert desk.send("POST", desk.ward.counter(1, "call-next")).status_code == 200
    before = desk.journal()
    problem(desk.send("POST", desk.ward.counter(1, "call-next")), 409, "counter-busy")
    assert desk.journal() == before
    desk.send("POST", f"/queue/tickets/{first}/no-show")
    desk.send("POST", f"/queue/tickets/{second}/cancel")


def test_a_key_with_another_body_is_refused(desk: Desk) -> None:
    key = secrets.token_hex(8)
    assert desk.send("POST", desk.tickets, {"service": "ho-tich"}, as_=desk.ward.kiosk, key=key).status_code == 201
    before = desk.journal()
    again = desk.send("POST", desk.tickets, {"service": "dat-dai"}, as_=desk.ward.kiosk, key=key)
    problem(again, 422, "key-reused")
    assert desk.journal() == before


# --------------------------------------------------------------------------------------------- what is no value


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize(
    "phone", ["", "12345", "0000000000", "0912", "+1 202 555 0100", "09120000011111111", "không có"]
)
def test_a_phone_number_that_is_none_is_refused_and_never_repeated(desk: Desk, phone: str) -> None:
    answer = desk.send("POST", "/notify/contacts", {"phone": phone, "purposes": ["queue"]}, as_=desk.ward.kiosk)
    assert answer.status_code == 422, answer.text
    assert len(phone) < 5 or phone not in answer.text


HOSTILE = {
    "ten thousand characters": "a" * 10_000,
    "a control character": "Nguyễn\x07An",
    "a line break": "Nguyễn\nAn",
    "a right-to-left override": "Nguyễn \u202egnp.exe",
    "a zero-width space": "Nguyễn\u200bAn",
    "nothing but spaces": "   ",
}


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_text_that_deceives_is_refused(desk: Desk, text: str) -> None:
    member = {"name": text, "team": "doi-1"}
    told = problem(
        desk.send("POST", "/volunteers/members", member, as_=desk.ward.coordinator), 422, "request-not-valid"
    )
    assert [one["field"] for one in told["errors"]] == ["body.name"]


def test_html_is_just_text_and_stays_it(desk: Desk) -> None:
    name = "<script>alert('An')</script>"
    made = desk.send("POST", "/volunteers/members", {"name": name, "team": "doi-1"}, as_=desk.ward.coordinator)
    assert made.status_code == 201
    assert made.json()["name"] == name
    assert made.headers["content-type"] == "application/json"
    assert made.headers["x-content-type-options"] == "nosniff"


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff\xfe", b"[1, 2", b'{"service": "ho-tich"', b"NaN", b"[" * 5000 + b"]" * 5000, b"null", b'"text"'],
)
def test_json_that_is_not_json_is_told(desk: Desk, body: bytes) -> None:
    head = (
        f"POST {desk.tickets} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {desk.ward.kiosk}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    status, told = desk.raw(head.encode() + body)
    assert status in (400, 422), told
    assert told["slug"] in ("body-not-readable", "request-not-valid")


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"service": 5}, "service"),
        ({"service": None}, "service"),
        ({"service": ["ho-tich"]}, "service"),
        ({"needs_help": "perhaps"}, "needs_help"),
        ({"language": "tiếng Việt"}, "language"),
        ({"contact_ref": "0912345678"}, "contact_ref"),
        ({"number": 1}, "number"),
        ({"ticket_id": TICKET}, "ticket_id"),
    ],
)
def test_a_wrong_type_and_an_unknown_field_are_named(desk: Desk, wrong: dict[str, Any], field: str) -> None:
    told = problem(desk.issue(**wrong), 422, "request-not-valid")
    assert [one["field"] for one in told["errors"]] == [f"body.{field}"]


@pytest.mark.usefixtures("nothing_changes")
def test_a_body_that_is_too_large_is_refused_before_it_is_read(desk: Desk) -> None:
    answer = desk.send("POST", desk.tickets, {"service": "a" * 100_000}, as_=desk.ward.kiosk)
    problem(answer, 413, "body-too-large")


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize("centre", ["3118", "311860", "abcde", "31186'--", "..%2F..", "٣١١٨٦"])
def test_a_centre_that_is_no_reference_reaches_nothing(desk: Desk, centre: str) -> None:
    answer = desk.send("POST", f"/queue/centres/{centre}/tickets", {"service": "ho-tich"}, as_=desk.ward.kiosk)
    assert answer.status_code in (403, 404, 422), answer.text


def test_an_error_is_told_in_the_language_that_was_asked_for(desk: Desk) -> None:
    path = f"/queue/tickets/{TICKET}/start"
    headers = {"Authorization": f"Bearer {desk.ward.staff}"}
    vi = desk.system.http.post(path, headers=headers).json()
    en = desk.system.http.post(path, headers=headers | {"Accept-Language": "en"}).json()
    assert vi["detail"] != en["detail"]
    assert en["detail"].isascii()


# ------------------------------------------------------------------------------------------- links and tokens


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize(
    "token", ["x", "Bearer", "eyJhbGciOiJub25lIn0.e30.", "Basic YTpi", "Pass 31186-20261124-0123456789.a"]
)
def test_a_token_that_is_none_opens_nothing(desk: Desk, token: str) -> None:
    assert desk.send("POST", desk.tickets, {"service": "ho-tich"}, as_=token).status_code in (401, 403, 404)


@pytest.mark.usefixtures("nothing_changes")
def test_a_pass_with_one_letter_changed_opens_nothing(desk: Desk) -> None:
    wrong = f"{TICKET}.{'a' * 26}"
    problem(desk.send("GET", f"/queue/tickets/{wrong}"), 404, "pass-not-valid")


# --------------------------------------------------------------------------------- what only a whole system can show


def test_an_event_that_cannot_be_read_is_put_aside_and_its_neighbours_go_on(tmp_path: Path) -> None:
    async def day() -> None:
        async with inside(tmp_path, HandClock(local(9))) as at:
            ward = await ward_inside(at)
            key = ward.centre.encode()
            good = [("ce_specversion", b"1.0")]
            poison = [
                Record("ticket-issued", key, [], b"\x00\xff\x00"),
                Record("ticket-issued", key, good, b"{"),
                Record("ticket-issued", key, [("ce_id", b"\xff\xfe")], b"{}"),
                Record("ticket-issued", None, good, None),
            ]
            assert await at.system.bus.publish(poison) == len(poison)
            ticket = (await ward.issue(needs_help=True))["ticket_id"]
            await at.rest()
            helped = [one for one in _records(tmp_path) if one[0] == "assistance-requested"]
            assert [subject for _, subject in helped] == [f"{ticket}-help"]
            groups = {letter.says("group") for letter in FileBooks(tmp_path).dead_letters()}
            assert {"volunteers", "notify"} >= groups >= {"volunteers"}
            operator = await ward.get("/ops/dlq", as_=ward.operator)
            assert len(operator["letters"]) >= len(poison)

    run(day())


def _records(data: Path) -> list[tuple[str, str]]:
    with copied(data / "bus.sqlite") as bus:
        rows = bus.execute("SELECT topic, headers FROM record WHERE topic = 'assistance-requested'").fetchall()
    return [(topic, dict(json.loads(headers))["ce_subject"]) for topic, headers in rows]


@pytest.mark.needs_tool("strace")
def test_on_a_full_disk_commands_are_refused_and_reading_goes_on_until_there_is_room(tmp_path: Path) -> None:
    with running(tmp_path / "data") as system:

        async def day() -> None:
            async with ward_in(system) as ward:
                assert system.process
                ticket = (await ward.issue())["ticket_id"]
                before = await ward.get(f"/queue/tickets/{ticket}", as_=ward.staff)
                with failing(system.process.pid, "pwrite64", "ENOSPC"):
                    path = f"/queue/centres/{ward.centre}/tickets"
                    refused = await ward.send("POST", path, {"service": "ho-tich"}, as_=ward.kiosk, key="once")
                    problem(refused, 503, "storage-full")
                    assert int(refused.headers["retry-after"]) > 0
                    seen = await ward.get(f"/queue/tickets/{ticket}", as_=ward.staff)
                    assert seen == before | {"as_of": seen["as_of"]}

                async def again() -> httpx2.Response:
                    return await ward.send("POST", path, {"service": "ho-tich"}, as_=ward.kiosk, key="once")

                done = await eventually(again, lambda answer: answer.status_code == 201)
                assert done.json()["code"] == "A002"

        run(day())
        time.sleep(0.5)
        issued = [one for one in FileBooks(system.data).records() if one.topic == "ticket-issued"]
        assert [one.data["code"] for one in issued] == ["A001", "A002"]
