"""`volunteers` and `training` at work on the embedded backend, and what the other two services would publish."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2

from services.chassis.envelope import record_of
from services.chassis.ports import Entry
from services.chassis.process import application
from services.chassis.service import Service, System
from services.chassis.settings import Settings
from services.contracts.events import (
    CaseCompleted,
    CompletionUndone,
    HelpWanted,
    OfferAccepted,
    TicketCancelled,
    TicketIssued,
    TicketNoShow,
    TicketReinstated,
)
from services.contracts.words import Event
from services.training.app import service as training
from services.volunteers.app import service as volunteers
from tests.unit.volunteers.build import CENTRE, NOON, TICKET

QUEUE = Service(
    "queue",
    domain=(),
    keeps={},
    serves=[],
    handles={},
    publishes=[
        TicketIssued,
        HelpWanted,
        CaseCompleted,
        CompletionUndone,
        TicketCancelled,
        TicketNoShow,
        TicketReinstated,
    ],
)
NOTIFY = Service("notify", domain=(), keeps={}, serves=[], handles={}, publishes=[OfferAccepted])
CENTRE_PART = {
    "hamlets": {"khu-vuc-5": {"name": "Khu vực 5", "lat": 10.0, "lon": 105.78}, "khu-vuc-6": {"name": "Khu vực 6"}},
}


class Ward:
    """Its clock stands until it is told to go on."""

    def __init__(self, folder: Path) -> None:
        self.now = NOON
        self.app = application([QUEUE, NOTIFY, training, volunteers], Settings(data=folder), clock=self.clock)
        self.system: System = self.app.state.system
        self.client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=self.app), base_url="http://ward")
        self.holder = f"Pass {self.system.access.passes.sign(TICKET)}"

    @property
    def coordinator(self) -> str:
        return self.token("a-coord1", "coordinator")

    @property
    def staff(self) -> str:
        return self.token("a-staff1", "staff")

    @property
    def kiosk(self) -> str:
        return self.token("a-kiosk1", "kiosk")

    def clock(self) -> datetime:
        return self.now

    def later(self, **passed: float) -> None:
        self.now += timedelta(**passed)

    def token(self, ref: str, *roles: str, centre: str = CENTRE) -> str:
        return f"Bearer {self.system.access.tokens.issue(ref, roles, [centre]).token}"

    def volunteer(self, member: str) -> str:
        issued = self.system.access.tokens.issue(member, ["volunteer"], [member[:5]], member=member)
        return f"Bearer {issued.token}"

    async def ask(self, method: str, path: str, who: str, body: Any = None, key: str | None = None) -> httpx2.Response:
        headers = {"Authorization": who} | ({"Idempotency-Key": key} if key else {})
        return await self.client.request(method, path, json=body, headers=headers)

    async def post(self, path: str, who: str, body: Any = None, key: str | None = None) -> Any:
        """What it answers, when it is carried out."""
        answer = await self.ask("POST", path, who, body, key)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    async def get(self, path: str, who: str) -> Any:
        answer = await self.ask("GET", path, who)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def refused(self, path: str, who: str, body: Any = None, method: str = "POST") -> tuple[int, str]:
        answer = await self.ask(method, path, who, body)
        assert answer.status_code >= 400, answer.text
        return answer.status_code, answer.json()["slug"]

    async def member(self, name: str = "Nguyễn Văn An", **more: Any) -> str:
        body = {"name": name, "team": "to-cong-nghe-so", "vehicle": "motorbike", "spare_helmet": True} | more
        return str((await self.post("/volunteers/members", self.coordinator, body))["member"])

    async def hear(self, event: Event) -> None:
        """Put on the bus as its service would."""
        origin = event.origin
        entry = Entry(
            id=origin.id,
            source=origin.source,
            sequence=origin.sequence,
            type=type(event).__name__,
            time=origin.time,
            body=event.model_dump_json().encode(),
            topic=event.topic(),
            key=event.key,
            subject=event.about,
            dataschema=event.dataschema(),
        )
        assert await self.system.bus.publish([record_of(entry)]) == 1

    async def published(self, kind: type[Event]) -> int:
        return len(await self.system.bus.read(kind.topic()))

    async def published_once(self, kind: type[Event]) -> None:
        """It comes to the bus, and not twice."""

        async def came() -> int:
            return await self.published(kind)

        assert await until(came) == 1

    async def until(self, path: str, who: str, seen: Callable[[Any], bool]) -> Any:
        """What `path` answers once it is as `seen` says."""

        async def look() -> Any:
            answer = await self.ask("GET", path, who)
            return answer.json() if answer.status_code == 200 and seen(answer.json()) else None

        return await until(look)


async def until(look: Callable[[], Awaitable[Any]], seconds: float = 10) -> Any:
    async with asyncio.timeout(seconds):
        while not (found := await look()):
            await asyncio.sleep(0.01)  # what is waited for is in a store, not in this process
        return found


@asynccontextmanager
async def a_ward(folder: Path) -> AsyncIterator[Ward]:
    ward = Ward(folder)
    async with ward.app.router.lifespan_context(ward.app):
        part = await ward.ask("PUT", f"/volunteers/centres/{CENTRE}", ward.coordinator, CENTRE_PART)
        assert part.status_code == 200, part.text
        yield ward
