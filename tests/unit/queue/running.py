"""`queue` at work on the embedded backend, its clock moved by hand, asked over ASGI."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2

from services.chassis.process import application
from services.chassis.service import System
from services.chassis.settings import Settings
from services.contracts.words import Event
from services.queue.app import service as queue
from services.queue.centre import CentreConfig
from tests.support import run
from tests.unit.queue.morning import EIGHT, config

CENTRE, OTHER = "31186", "31510"
_SHIFT = timedelta(days=2)


class Desk:
    def __init__(self, folder: Path, now: datetime = EIGHT) -> None:
        self.now = now
        self.app = application([queue], Settings(data=folder), clock=lambda: self.now)
        self.system: System = self.app.state.system
        self.client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=self.app), base_url="http://desk")
        self.staff = self.token("staff")
        self.kiosk = self.token("kiosk")
        self.coordinator = self.token("coordinator")
        self.display = self.token("display")

    def token(self, role: str, centre: str = CENTRE) -> str:
        member = f"{centre}-m-000001" if role == "volunteer" else None
        issued = self.system.access.tokens.issue(
            member or f"a-{role}01", [role], [centre], member=member, lifetime=_SHIFT
        )
        return f"Bearer {issued.token}"

    def later(self, **passed: float) -> None:
        self.now += timedelta(**passed)

    async def ask(
        self, method: str, path: str, who: str, body: Any = None, key: str | None = None, language: str = "vi"
    ) -> httpx2.Response:
        headers = {"Authorization": who, "Idempotency-Key": key, "Accept-Language": language}
        given = {name: value for name, value in headers.items() if value}
        return await self.client.request(method, path, json=body, headers=given)

    async def get(self, path: str, who: str | None = None) -> Any:
        return _good(await self.ask("GET", path, self.staff if who is None else who))

    async def post(self, path: str, who: str | None = None, body: Any = None, key: str | None = None) -> Any:
        return _good(await self.ask("POST", path, self.staff if who is None else who, body, key))

    async def refused(self, path: str, who: str | None = None, body: Any = None, method: str = "POST") -> Any:
        """The problem, in English."""
        answer = await self.ask(method, path, self.staff if who is None else who, body, language="en")
        assert answer.status_code >= 400, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        return answer.json()

    async def describe(self, described: CentreConfig, centre: str = CENTRE) -> Any:
        body = described.model_dump(mode="json", exclude_defaults=True)
        return _good(await self.ask("PUT", f"/queue/centres/{centre}", self.token("operator", centre), body))

    async def issue(self, service: str = "birth", **wishes: Any) -> Any:
        return await self.post(f"{AT}/tickets", self.kiosk, {"service": service, **wishes})

    async def open(self, *counters: int) -> None:
        for counter in counters:
            await self.post(f"{AT}/counters/{counter}/open")

    async def call(self, counter: int = 1) -> Any:
        return await self.post(f"{AT}/counters/{counter}/call-next")

    async def at(self, ticket: str, action: str, **body: Any) -> Any:
        return await self.post(f"/queue/tickets/{ticket}/{action}", None, body or None)

    async def published(self, kind: type[Event]) -> list[bytes]:
        """What is on the bus, once nothing is owed to it any more."""
        while (await self.system.running["queue"].store.owed_summary())[0]:
            await asyncio.sleep(0.01)
        return [raw.value or b"" for raw in await self.system.bus.read(kind.topic())]

    async def journal(self) -> list[str]:
        """Every fact there is, by name, but those of accounts."""
        entries, _ = await self.system.running["queue"].store.journal(None, 1_000)
        return [entry.type for entry in entries if "/account/" not in entry.source]


AT = f"/queue/centres/{CENTRE}"


def _good(answer: httpx2.Response) -> Any:
    assert answer.status_code < 300, answer.text
    return answer.json() if answer.content else None


@asynccontextmanager
async def a_desk(folder: Path, described: CentreConfig | None = None, now: datetime = EIGHT) -> AsyncIterator[Desk]:
    desk = Desk(folder, now)
    async with desk.app.router.lifespan_context(desk.app):
        await desk.describe(described or config())
        yield desk


def played(folder: Path, story: Callable[[Desk], Awaitable[None]], **given: Any) -> None:
    async def play() -> None:
        async with a_desk(folder, **given) as desk:
            await story(desk)

    run(play())


async def eventually(look: Callable[[], Awaitable[Any]], seconds: float = 10) -> Any:
    async with asyncio.timeout(seconds):
        while not (found := await look()):
            await asyncio.sleep(0.01)  # what is waited for comes by the bus or a timer
        return found
