"""Server-sent events as the command line reads them: resumed where they broke off, refused in one line."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest

from services.caunoi import feed
from services.caunoi.client import Caller
from services.caunoi.failures import Failed
from services.caunoi.feed import Told
from tests.support import run

OPENED = "id: e.7\nretry: 1000\n\n"
CALLED = 'id: e.8\nevent: queue-called\ndata: {"time":"t","data":{"code":"A012"}}\n\n'
FIRST = f"{OPENED}{CALLED}: still here\n\n"
SECOND = 'id: e.9\nevent: reset\ndata: {"because":"too_slow"}\n\n'


class Server:
    """Answers each connection with the next text and then hangs up; remembers what it was asked with."""

    def __init__(self, *texts: str, status: int = 200) -> None:
        self.texts = list(texts)
        self.status = status
        self.resumed_after: list[str | None] = []

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.resumed_after.append(request.headers.get("Last-Event-ID"))
        return httpx2.Response(self.status, text=self.texts.pop(0))

    @asynccontextmanager
    async def caller(self) -> AsyncIterator[Caller]:
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(self), base_url="http://system") as http:
            yield Caller(http)


async def heard(server: Server, count: int) -> list[Told]:
    found: list[Told] = []
    async with server.caller() as caller:
        async for told in feed.follow(caller):
            found.append(told)
            if len(found) == count:
                break
    return found


def test_it_says_from_when_on_nothing_is_missed_and_then_what_happens() -> None:
    opened, called = run(heard(Server(FIRST), 2))
    assert (opened.topic, opened.id) == (feed.OPEN, "e.7")
    assert (called.topic, called.id, called.event) == ("queue-called", "e.8", {"code": "A012"})


def test_a_feed_opens_though_something_happened_while_it_did() -> None:
    opened, called = run(heard(Server(f"retry: 1000\n\n{CALLED}"), 2))
    assert (opened.topic, called.topic) == (feed.OPEN, "queue-called")


def test_it_goes_on_after_the_last_that_it_heard() -> None:
    server = Server(FIRST, SECOND)
    assert run(heard(server, 3))[-1].topic == "reset"
    assert server.resumed_after == [None, "e.8"]


def test_a_refusal_is_told_and_not_tried_again() -> None:
    server = Server("no", status=403)
    with pytest.raises(Failed, match="HTTP 403"):
        run(heard(server, 1))
    assert len(server.resumed_after) == 1
