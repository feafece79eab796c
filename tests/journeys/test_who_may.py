"""Who may call what: every route, called by everybody, in the own centre and in another, against a committed table.

A cell is `own` (only in the own centre, or for the own ticket), `all`, or `-`. `python -m tests.journeys.test_who_may`
writes the table anew; read the difference before you commit it.
"""

import asyncio
import csv
import io
import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import structlog
from fastapi import FastAPI

from services.caunoi.app import build
from services.chassis import logs
from services.chassis.access import Access
from services.chassis.openapi import roles_of, routes_of
from services.chassis.sealing import Sealer
from services.chassis.settings import Settings
from services.contracts.words import Role
from services.queue import accounts
from services.queue.accounts import Account, Manager
from services.queue.accounts_api import account_of
from tests.support import run

TABLE = Path(__file__).with_name("who_may.csv")
OWN, OTHER = "31186", "31510"
EVERYBODY = ("nobody", "holder", "display", "kiosk", "volunteer", "staff", "coordinator", "city", "operator")
SHUT = {"sign-in-needed", "not-your-role", "not-your-centre", "not-your-ticket", "not-yours-to-manage"}
"""What a door says. Any other answer means that the caller was let in, whatever came of it then."""

STRICTER_INSIDE = {"/live/events"}
"""Open only to who looks on at the demo centre of a demo system, which this one is not."""

Row = dict[str, str]


def ticket(centre: str) -> str:
    return f"{centre}-20261124-7hk2m9x4tq0v"


def reference(name: str, centre: str) -> str:
    """A well-formed reference to a thing of `centre` that does not exist, by the name of the parameter."""
    return {
        "centre": centre,
        "ticket": ticket(centre),
        "ride_id": f"{ticket(centre)}-ride",
        "assistance_id": f"{ticket(centre)}-help",
        "member": f"{centre}-m-7hk2m9x4",
        "session": f"{centre}-s-7hk2m9x4",
        "session_id": f"{centre}-s-7hk2m9x4",
        "offer_id": f"{centre}-o-7hk2m9x4tq0v",
        "job": f"{ticket(centre)}-ride",
        "contact_ref": "c-" + "7hk2m9x4tq0v7hk2m9x4tq0v7h",
        "counter": "3",
        "hamlet": "khu-vuc-5",
        "code": "A012",
        "press": "start",
        "language": "en",
        "of": "0123456789",
        "service": "chassis",
        "file": "page.js",
    }[name]


class World:
    """A running system without data, and somebody of every kind before its doors."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self.access: Access = app.state.system.access
        self.schemas: dict[str, Any] = app.openapi()["components"]["schemas"]
        self.accounts: dict[str, str] = {}

    async def add_accounts(self) -> None:
        """One of staff in either centre: an account's reference does not show where it belongs."""
        system = self.app.state.system
        sealer = system.own("queue", Sealer)
        for centre in (OWN, OTHER):
            account = self.accounts[centre] = account_of(f"canbo.{centre}", sealer)
            rule = partial(
                accounts.add,
                name=await sealer.seal(account, f"canbo.{centre}"),
                roles=[Role.STAFF],
                centres=[centre],
                password=None,
                manager=Manager("test"),
            )
            await system[Account].change(account, rule, now=system.clock())

    def credentials(self, who: str) -> str | None:
        """Everybody is of the centre OWN; city and operator of all."""
        if who == "nobody":
            return None
        if who == "holder":
            return f"Pass {self.access.passes.sign(ticket(OWN))}"
        member = f"{OWN}-m-7hk2m9x4" if who == "volunteer" else None
        centres = [] if who in ("city", "operator") else [OWN]
        issued = self.access.tokens.issue(
            member or f"a-{who}", [who], centres, member=member, lifetime=timedelta(hours=1)
        )
        return f"Bearer {issued.token}"

    async def cell(self, method: str, path: str, who: str) -> str:
        own, other = [await self._is_let_in(method, path, who, centre) for centre in (OWN, OTHER)]
        assert own or not other, f"{who} reaches {method} {path} of another centre, not of the own"
        return "all" if other else "own" if own else "-"

    async def _is_let_in(self, method: str, path: str, who: str, centre: str) -> bool:
        address = re.sub(r"\{(\w+)\}", lambda found: self._value(path, method, found[1], centre), path)
        body = self._body(path, method, centre)
        status, problem = await self._call(method, address, self.credentials(who), body)
        assert status < 500 or problem.get("slug") == "unavailable", f"{method} {address}: {status} {problem}"
        return problem.get("slug") not in SHUT

    def _value(self, path: str, method: str, name: str, centre: str) -> str:
        if name == "account":
            return self.accounts[centre]
        try:
            return reference(name, centre)
        except KeyError:
            parameters = self.app.openapi()["paths"][path][method.lower()]["parameters"]
            [schema] = [one for one in parameters if one["in"] == "path" and one["name"] == name]
            return str(_sample({"examples": schema.get("examples", [])} | schema["schema"], self.schemas, centre))

    def _body(self, path: str, method: str, centre: str) -> bytes | None:
        operation = self.app.openapi()["paths"].get(path, {}).get(method.lower(), {})
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        return None if content is None else json.dumps(_sample(content["schema"], self.schemas, centre)).encode()

    async def _call(self, method: str, path: str, credentials: str | None, body: bytes | None) -> tuple[int, Any]:
        """The status, and the problem if it is one. Of a stream only the beginning is waited for."""
        headers = [(b"host", b"desk"), (b"content-type", b"application/json")]
        if credentials:
            headers.append((b"authorization", credentials.encode()))
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": headers,
            "client": ("203.0.113.7", 1),
            "server": ("desk", 80),
        }
        asked, begun, content = False, asyncio.Future[int](), io.BytesIO()

        async def receive() -> dict[str, Any]:
            nonlocal asked
            if asked:
                await asyncio.sleep(3600)
            asked = True
            return {"type": "http.request", "body": body or b"", "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                begun.set_result(message["status"])
            else:
                content.write(message.get("body", b""))

        answering = asyncio.create_task(self.app(scope, receive, send))
        try:
            status = await asyncio.wait_for(begun, 20)
            if status >= 400:
                await asyncio.wait_for(answering, 20)
                said = content.getvalue()
                return status, json.loads(said) if said.startswith(b"{") else {}  # a page says it inside the door
            return status, {}
        finally:
            answering.cancel()
            with suppress(asyncio.CancelledError):
                await answering


def _sample(schema: dict[str, Any], schemas: dict[str, Any], centre: str, name: str = "") -> Any:
    """A value that fits a schema; where it names a centre, `centre`."""
    if "$ref" in schema:
        return _sample(schemas[schema["$ref"].rpartition("/")[2]], schemas, centre, name)
    if schema.get("examples"):
        return _moved(schema["examples"][0], centre)
    for several in ("allOf", "anyOf", "oneOf"):
        if several in schema:
            return _sample(schema[several][0], schemas, centre, name)
    if "enum" in schema or "const" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    match schema.get("type"):
        case "object":
            needed = schema.get("required", [])
            return {
                one: _sample(part, schemas, centre, one)
                for one, part in schema.get("properties", {}).items()
                if one in needed or one in ("centre", "centres", "ticket", "member", "session")
            }
        case "array":
            count = max(schema.get("minItems", 0), 1 if name == "centres" else 0)
            return [_sample(schema["items"], schemas, centre, name.removesuffix("s")) for _ in range(count)]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return False
        case "null":
            return None
    return _text(schema, centre, name)


def _text(schema: dict[str, Any], centre: str, name: str) -> str:
    match schema.get("format"):
        case "date":
            return "2026-11-24"
        case "date-time":
            return "2026-11-24T05:00:00Z"
        case "time":
            return "07:30"
    with suppress(KeyError):
        return reference(name, centre)
    return "a" * max(1, schema.get("minLength", 1))


def _moved(example: Any, centre: str) -> Any:
    """The example, as one of `centre`."""
    if isinstance(example, str):
        return re.sub(r"^\d{5}(?=-|$)", centre, example)
    if isinstance(example, list):
        return [_moved(one, centre) for one in example]
    if isinstance(example, dict):
        return {name: _moved(one, centre) for name, one in example.items()}
    return example


async def found() -> list[Row]:
    """The table as it is now: every door tried by everybody."""
    with tempfile.TemporaryDirectory() as folder:
        app = build(Settings(data=Path(folder)))
        async with app.router.lifespan_context(app):
            world = World(app)
            await world.add_accounts()
            routes = sorted((path, method) for method, path, _ in routes_of(app))
            return [
                {"method": method, "path": path} | {who: await world.cell(method, path, who) for who in EVERYBODY}
                for path, method in routes
            ]


def committed() -> list[Row]:
    with TABLE.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def table() -> Iterator[list[Row]]:
    logs.start("error", io.StringIO())
    yield run(found(), seconds=300)
    structlog.reset_defaults()


@pytest.fixture(scope="module")
def app() -> Iterator[FastAPI]:
    with tempfile.TemporaryDirectory() as folder:
        yield build(Settings(data=Path(folder)))


@pytest.mark.timeout(300)
def test_every_door_opens_to_those_in_the_table_and_to_nobody_else(table: list[Row]) -> None:
    expected = {(row["method"], row["path"]): row for row in committed()}
    tried = {(row["method"], row["path"]): row for row in table}
    assert sorted(tried) == sorted(expected), "a route is new or gone: write the table anew and read the difference"
    wrong = [
        f"{method} {path}: {who} is {row[who]}, the table says {expected[method, path][who]}"
        for (method, path), row in tried.items()
        for who in EVERYBODY
        if row[who] != expected[method, path][who]
    ]
    assert not wrong, "\n".join(wrong)


def test_every_route_says_who_may_call_it(app: FastAPI) -> None:
    forgotten = [f"{method} {path}" for method, path, route in routes_of(app) if roles_of(route) is None]
    assert not forgotten


@pytest.mark.timeout(300)
def test_what_a_route_declares_is_what_its_door_does(app: FastAPI, table: list[Row]) -> None:
    declared = {(method, path): roles_of(route) or frozenset() for method, path, route in routes_of(app)}
    for row in table:
        roles = declared[row["method"], row["path"]]
        let_in = {who for who in EVERYBODY if row[who] != "-"}
        expected = set(EVERYBODY) if "anyone" in roles else set(roles)
        if row["path"] in STRICTER_INSIDE:
            expected = let_in & expected
        assert let_in == expected, f"{row['method']} {row['path']}"


def test_only_city_and_operator_reach_a_centre_that_is_not_theirs() -> None:
    """Read off the table: a path that names a centre or a thing of one is closed to the others' people."""
    for row in committed():
        if re.search(r"\{(centre|ticket|ride_id|assistance_id|member|session|session_id|offer_id|job)\}", row["path"]):
            everywhere = {who for who in EVERYBODY if row[who] == "all"}
            assert everywhere <= {"city", "operator"} or "nobody" in everywhere, f"{row['method']} {row['path']}"


def test_the_city_reads_and_changes_nothing_but_its_own_password() -> None:
    changes = [
        row["path"] for row in committed() if row["method"] != "GET" and row["city"] != "-" and row["nobody"] == "-"
    ]
    assert changes == ["/session/password"]


def test_a_display_reads_the_board_and_a_kiosk_serves_who_stands_before_it() -> None:
    for device in ("display", "kiosk"):
        reached = [row["path"] for row in committed() if row[device] != "-"]
        assert not [path for path in reached if re.search("accounts|report|members|messages|duties|dlq", path)]


def write() -> None:
    rows = run(found(), seconds=300)
    with TABLE.open("w", newline="") as file:
        writer = csv.DictWriter(file, ("method", "path", *EVERYBODY), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    logs.start("error", io.StringIO())
    write()
