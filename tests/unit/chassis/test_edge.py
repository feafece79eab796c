"""The layer around every request: limits, headers, traces, and a line in the log that gives nobody away."""

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import pytest
import structlog
from starlette.responses import Response, StreamingResponse

from services.chassis import logs, metrics
from services.chassis.access import Actor, TicketPath, may
from services.chassis.edge import AnswerBrokenOff, traceparent_for
from services.chassis.trace import traceparent
from services.chassis.web import Router
from tests.desk import TICKET, Desk, client
from tests.support import run

TRACE = "0af7651916cd43dd8448eb211c80319c"
router = Router()


@router.post("/size")
async def size(body: list[str], who: Annotated[Actor, may("anyone")]) -> int:
    return len(body)


@router.get("/tickets/{ticket}")
async def one_ticket(ticket: TicketPath, who: Annotated[Actor, may("holder")], note: str = "") -> str | None:
    return traceparent.get()


@router.get("/style.css")
async def style(who: Annotated[Actor, may("anyone")]) -> Response:
    return Response("body {}", media_type="text/css", headers={"Cache-Control": "max-age=3600"})


@router.get("/broken")
async def broken(who: Annotated[Actor, may("anyone")]) -> StreamingResponse:
    async def half() -> AsyncIterator[bytes]:
        yield b"half"
        raise ValueError("Nguyễn Thị Thủy")

    return StreamingResponse(half())


def answer(method: str, path: str, ours: Desk | None = None, **request: Any) -> Any:
    async def ask() -> Any:
        async with client((ours or Desk()).app(router)) as http:
            return await http.request(method, path, **request)

    return run(ask())


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    logs.start("debug", stream)
    yield stream
    structlog.reset_defaults()
    logging.basicConfig(handlers=[], force=True)
    logs.start("info", io.StringIO())


def body_of(size: int) -> bytes:
    return b'["' + b"x" * (size - 4) + b'"]'


JSON = {"Content-Type": "application/json"}


def test_a_body_of_64_kib_is_taken_and_one_more_byte_is_not() -> None:
    assert answer("POST", "/size", content=body_of(65_536), headers=JSON).json() == 1
    refused = answer("POST", "/size", content=body_of(65_537), headers=JSON)
    assert (refused.status_code, refused.json()["slug"]) == (413, "body-too-large")


def test_a_body_that_does_not_say_its_length_is_counted() -> None:
    async def pieces(size: int) -> AsyncIterator[bytes]:
        body = body_of(size)
        for at in range(0, len(body), 1_000):
            yield body[at : at + 1_000]

    assert answer("POST", "/size", content=pieces(65_536), headers=JSON).json() == 1
    assert answer("POST", "/size", content=pieces(65_537), headers=JSON).status_code == 413


def test_every_answer_forbids_what_pages_must_not_do() -> None:
    for path in ("/style.css", "/nowhere"):
        headers = answer("GET", path).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"


def test_private_answers_are_not_stored_and_others_say_how_long() -> None:
    assert answer("GET", "/nowhere").headers["cache-control"] == "no-store"
    assert answer("GET", "/style.css").headers["cache-control"] == "max-age=3600"


def test_a_trace_goes_on_from_the_callers() -> None:
    ours = Desk()
    path = f"/tickets/{ours.access.passes.sign(TICKET)}"
    answered = answer("GET", path, ours, headers={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"})
    assert answered.json() == answered.headers["traceparent"]
    assert answered.json().startswith(f"00-{TRACE}-")
    assert "b7ad6b7169203331" not in answered.json()


@pytest.mark.parametrize("parent", [b"", b"nonsense", b"00-" + b"0" * 32 + b"-b7ad6b7169203331-01", b"\xff" * 55])
def test_a_trace_begins_where_the_caller_has_none(parent: bytes) -> None:
    first, second = traceparent_for(parent), traceparent_for(parent)
    assert len(first) == 55
    assert first[3:35] != second[3:35]


def test_the_log_has_the_route_and_never_the_pass_the_query_or_a_name(lines: io.StringIO) -> None:
    ours = Desk()
    passed = ours.access.passes.sign(TICKET)
    answer("GET", f"/tickets/{passed}?note=Nguy%E1%BB%85n&phone=0901234567", ours)
    answer("GET", "/nowhere/0901234567")
    written = lines.getvalue()
    assert passed.partition(".")[2] not in written
    assert "0901234567" not in written
    assert "Nguy" not in written
    [good, lost] = [line for line in map(json.loads, written.splitlines()) if line["event"] == "request"]
    assert (good["route"], good["status"], good["who"]) == ("/tickets/{ticket}", 200, TICKET)
    assert (lost["route"], lost["status"], lost["who"]) == ("none", 404, None)


def test_what_went_well_leaves_no_line_at_level_info(lines: io.StringIO) -> None:
    logs.start("info", lines)
    answer("GET", "/style.css")
    answer("GET", "/nowhere")
    assert [json.loads(line)["status"] for line in lines.getvalue().splitlines()] == [404]


def test_an_answer_that_breaks_off_ends_the_connection_and_not_the_privacy(lines: io.StringIO) -> None:
    with pytest.raises(AnswerBrokenOff):
        answer("GET", "/broken")
    assert '"error":"ValueError"' in lines.getvalue()
    assert "Thủy" not in lines.getvalue()


@router.post("/slow")
async def slow(who: Annotated[Actor, may("anyone")]) -> None:
    await asyncio.sleep(60)


async def cut_off(ours: Desk) -> Any:
    async with client(ours.app(router)) as asking:
        request = asyncio.create_task(asking.post("/slow"))
        await asyncio.sleep(0.05)
        request.cancel()
        return await request


def test_a_request_cut_off_by_the_end_of_the_process_is_told_to_ask_again() -> None:
    ours = Desk()
    ours.stopping.set()
    answered = run(cut_off(ours))
    assert (answered.status_code, answered.json()["slug"], answered.headers["retry-after"]) == (
        503,
        "outcome-unknown",
        "2",
    )


def test_a_request_cut_off_by_its_caller_is_simply_over() -> None:
    with pytest.raises(asyncio.CancelledError):
        run(cut_off(Desk()))


def test_metrics_have_no_path() -> None:
    answer("GET", "/nowhere/31186-20261124-7hk2m9x4tq0v")
    answer("BREW", "/style.css")
    text = metrics.exposition()[0].decode()
    assert 'route="none"' in text
    assert "7hk2m9x4tq0v" not in text
    assert "BREW" not in text
