"""What routes are given, and how they answer when they refuse."""

import io
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

import pytest
import structlog
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from services.chassis import logs
from services.chassis.access import Actor, may
from services.chassis.errors import NotFound, Refused, Unavailable
from services.chassis.once import Once
from services.chassis.text import PlainText
from services.chassis.web import Now, OnceKey, Router, TheAccess, of, own, problems
from services.contracts.words import CentreRef, CounterNumber, Role
from tests.desk import NOON, Desk, client
from tests.support import run


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """A bug is logged; here nobody reads it."""
    logs.start("error", io.StringIO())
    yield
    structlog.reset_defaults()


class CounterBusy(Refused):
    en = "Counter {counter} has {code}."
    vi = "Quầy {counter} đang phục vụ {code}."


class Hall:
    pass


class Views:
    pass


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")
    note: Annotated[str, PlainText(20)]
    seats: Annotated[int, Field(ge=1, le=4)] = 1
    role: Role = Role.STAFF


class Given(BaseModel):
    hall: str
    views: str
    now: datetime
    who: str
    key: str | None
    seats: int


def routes(router: APIRouter) -> APIRouter:
    @router.post("/centres/{centre}/counters/{counter}", status_code=201, responses=problems(CounterBusy))
    async def everything(
        centre: CentreRef,
        counter: CounterNumber,
        key: OnceKey,
        halls: Annotated[Any, of(Hall)],
        views: Annotated[Any, own("queue", Views)],
        now: Now,
        body: Body,
        who: Annotated[Actor, may("staff")],
    ) -> Given:
        return Given(hall=halls, views=views, now=now, who=who.ref, key=key and key.key, seats=body.seats)

    @router.post("/refuse/{how}")
    async def refuse(how: str, who: Annotated[Actor, may("anyone")]) -> None:
        match how:
            case "busy":
                raise CounterBusy(counter=3, code="A012")
            case "away":
                raise Unavailable(retry_after=7)
            case "bug":
                raise ValueError("Nguyễn Thị Thủy, 0901234567")
        raise NotFound

    @router.post("/once")
    async def once(who: Annotated[Actor, may("staff")], key: OnceKey, access: TheAccess) -> str:
        assert access.keys
        keys.append(key)
        return who.ref

    return router


keys: list[Once | None] = []


def desk() -> Desk:
    ours = Desk()
    ours.held |= {Hall: "the halls", ("queue", Views): "the views"}
    return ours


def answer(method: str, path: str, ours: Desk | None = None, **request: Any) -> Any:
    ours = ours or desk()
    headers = ours.bearer("staff") | request.pop("headers", {})

    async def ask() -> Any:
        async with client(ours.app(routes(Router()))) as http:
            return await http.request(method, path, headers=headers, **request)

    return run(ask())


ADDRESS = "/centres/31186/counters/3"

# --------------------------------------------------------------------------------------------- what routes are given


@pytest.mark.parametrize("router", [Router, APIRouter], ids=["ours", "fastapi's"])
def test_a_route_gets_what_it_asks_for_in_whatever_order(router: type[APIRouter]) -> None:
    ours = desk()

    async def ask() -> Any:
        async with client(ours.app(routes(router()))) as http:
            return await http.post(ADDRESS, json={"note": "x", "seats": 2}, headers=ours.bearer("staff"))

    got = run(ask()).json()
    assert got["now"] == NOON.isoformat().replace("+00:00", "Z")
    assert (got["hall"], got["views"], got["who"], got["key"], got["seats"]) == (
        "the halls",
        "the views",
        "a-000001",
        None,
        2,
    )


def test_the_key_names_actor_and_body_and_address() -> None:
    keys.clear()
    for path, body in (("/once", b"{}"), ("/once", b"{}"), ("/once", b"[]")):
        answer("POST", path, SAME, content=body, headers={"Idempotency-Key": "k-1"})
    first, again, other = keys
    assert first is not None
    assert (first.actor, first.key) == ("a-000001", "k-1")
    assert first == again
    assert other is not None
    assert other.body != first.body


SAME = desk()


def test_without_a_key_there_is_none() -> None:
    keys.clear()
    answer("POST", "/once")
    assert keys == [None]


@pytest.mark.parametrize("key", ["", "x" * 256, "a\x07b", "chìa khoá".encode(), " "])
def test_a_key_that_is_none_is_refused(key: str | bytes) -> None:
    answered = answer("POST", "/once", headers={"Idempotency-Key": key})
    assert (answered.status_code, answered.json()["slug"]) == (422, "idempotency-key-not-valid")


def test_a_plain_function_stays_what_it_was() -> None:
    ours, router = desk(), Router()

    @router.get("/plain")
    def plain(who: Annotated[Actor, may("anyone")]) -> str:
        return "plain"

    async def ask() -> Any:
        async with client(ours.app(router)) as http:
            return await http.get("/plain")

    assert run(ask()).json() == "plain"


def test_a_route_may_answer_with_nothing() -> None:
    ours, router = desk(), Router()

    @router.delete("/thing", status_code=204)
    async def forget(who: Annotated[Actor, may("anyone")]) -> None: ...

    async def ask() -> Any:
        async with client(ours.app(router)) as http:
            return await http.delete("/thing")

    assert (run(ask()).status_code, run(ask()).content) == (204, b"")


# ---------------------------------------------------------------------------------------------------------- problems


def test_a_refusal_is_a_problem_in_the_readers_language() -> None:
    answered = answer("POST", "/refuse/busy", headers={"Accept-Language": "en-GB,en;q=0.9,vi;q=0.3"})
    problem = answered.json()
    assert answered.headers["content-type"] == "application/problem+json"
    assert (answered.status_code, answered.headers["content-language"]) == (409, "en")
    assert problem["type"] == "urn:caunoi:problem:counter-busy"
    assert (problem["title"], problem["detail"]) == ("Not possible now", "Counter 3 has A012.")
    assert (problem["kind"], problem["slug"]) == ("refused", "counter-busy")
    assert problem["parameters"] == {"counter": 3, "code": "A012"}


@pytest.mark.parametrize("wanted", ["", "vi", "fr", "*", "vi;q=broken", "km, vi;q=0.8, en;q=0.5", "en;q=0"])
def test_vietnamese_is_spoken_unless_something_else_is_wanted(wanted: str) -> None:
    answered = answer("POST", "/refuse/busy", headers={"Accept-Language": wanted})
    assert answered.json()["detail"] == "Quầy 3 đang phục vụ A012."


def test_who_is_to_come_back_is_told_when() -> None:
    answered = answer("POST", "/refuse/away")
    assert (answered.status_code, answered.headers["retry-after"], answered.json()["retry_after"]) == (503, "7", 7)


def test_a_bug_answers_with_a_trace_and_no_word_of_what_was_typed() -> None:
    answered = answer("POST", "/refuse/bug")
    assert (answered.status_code, answered.json()["slug"]) == (500, "our-mistake")
    assert answered.json()["trace"] == answered.headers["traceparent"][3:35]
    assert "Thủy" not in answered.text
    assert "ValueError" not in answered.text


@pytest.mark.parametrize(
    ("body", "field", "expected"),
    [
        ({}, "body.note", "bắt buộc phải có"),
        ({"note": "x", "phone": 1}, "body.phone", "không có trường này"),
        ({"note": "x" * 21}, "body.note", "nhiều nhất 20 ký tự"),
        ({"note": "a\u202eb"}, "body.note", "một dòng chữ, không có ký tự ẩn"),
        ({"note": 7}, "body.note", "một chuỗi ký tự"),
        ({"note": "x", "seats": 5}, "body.seats", "không quá 4"),
        ({"note": "x", "seats": "many"}, "body.seats", "một số nguyên"),
        (
            {"note": "x", "role": "king"},
            "body.role",
            "một trong: staff, coordinator, city, operator, kiosk, display",
        ),
        ({"note": "x", "0901234567": 1}, "body.?", "không có trường này"),
        ([], "body", "một đối tượng JSON"),
    ],
)
def test_a_bad_body_is_told_field_by_field_and_never_repeated(body: Any, field: str, expected: str) -> None:
    answered = answer("POST", ADDRESS, json=body)
    assert answered.status_code == 422
    assert {"field": field, "expected": expected} in answered.json()["errors"]
    assert "0901234567" not in answered.text


@pytest.mark.parametrize(
    "path", ["/centres/nowhere/counters/3", "/centres/31186/counters/x", "/centres/31186/counters/0"]
)
def test_a_bad_path_is_no_server_error(path: str) -> None:
    assert answer("POST", path, json={"note": "x"}).status_code in (403, 422)


@pytest.mark.parametrize("body", [b"{", b"{'note': 1}", b"\xff\xfe", b"[" * 60_000, b"NaN", b""])
def test_what_is_not_json_is_refused(body: bytes) -> None:
    answered = answer("POST", ADDRESS, content=body, headers={"Content-Type": "application/json"})
    assert answered.status_code == 422
    assert answered.json()["slug"] in ("body-not-readable", "request-not-valid")


def test_json_that_is_not_called_json_is_refused() -> None:
    answered = answer("POST", ADDRESS, content=b'{"note": "x"}', headers={"Content-Type": "text/plain"})
    assert answered.status_code == 422


@pytest.mark.parametrize(
    ("method", "path", "status", "slug"),
    [("GET", "/nowhere", 404, "no-such-address"), ("PUT", "/once", 405, "method-not-allowed")],
)
def test_an_unknown_address_or_method_is_a_problem_too(method: str, path: str, status: int, slug: str) -> None:
    answered = answer(method, path)
    assert (answered.status_code, answered.json()["slug"]) == (status, slug)
    assert answered.headers["content-type"] == "application/problem+json"


def test_problems_of_one_status_stand_side_by_side_in_the_documents() -> None:
    class CounterClosed(Refused):
        en = "Counter {counter} is closed."

    both = problems(CounterBusy, CounterClosed)[409]
    assert both["description"] == "Counter {counter} has {code}.; Counter {counter} is closed."
    examples = both["content"]["application/problem+json"]["examples"]
    assert set(examples) == {"counter-busy", "counter-closed"}
    assert examples["counter-busy"]["value"]["detail"] == "Quầy {counter} đang phục vụ {code}."
