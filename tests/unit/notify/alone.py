"""The notifier alone, on its own directory, with a clock that stands still and a carrier that remembers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2
from fastapi import FastAPI

from services.chassis.process import application
from services.chassis.service import Running
from services.chassis.settings import Settings
from services.contracts.words import Event, Origin
from services.notify.app import service
from services.notify.carrier import Sms
from services.notify.sender import Sender
from services.notify.views import MESSAGES, MessageRow
from tests.unit.notify.build import CENTRE, NOON


@dataclass
class Clock:
    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Remembering:
    """A carrier that takes everything, and keeps it."""

    name: str = "remembering"
    took: list[Sms] = field(default_factory=list)

    async def submit(self, sms: Sms) -> None:
        self.took.append(sms)


@dataclass
class Notifier:
    app: FastAPI
    http: httpx2.AsyncClient
    clock: Clock
    directory: Path
    carrier: Remembering = field(default_factory=Remembering)

    @property
    def running(self) -> Running:
        running: Running = self.app.state.system.running["notify"]
        return running

    # ---------------------------------------------------------------------------------------------- the bus

    async def hear(self, *events: Event) -> None:
        """Each is handled, as the consumer does it."""
        handlers = service.handlers()
        for event in events:
            for handler in handlers[type(event)]:
                await self.running.bound(handler)(event)

    async def pass_on(self) -> None:
        """What this service has said itself is handled too, until there is nothing more to say; each of it twice."""
        cursor: str | None = None
        while True:
            entries, cursor = await self.running.store.journal(cursor, 500)
            if not entries:
                return
            for entry in entries:
                fact = self.running.documents.parse(entry)
                if isinstance(fact, Event) and type(fact) in service.handlers():
                    await self.hear(fact, fact)

    async def later(self, **time: float) -> None:
        """So much time passes; what is due is decided."""
        self.clock.now += timedelta(**time)
        for kind, id in await self.running.store.due(self.clock.now, 100):
            state = next(state for state in service.keeps if state.__name__.lower() == kind)
            await self.running[state].change(id, lambda _, *, now: [], now=self.clock.now)

    # ------------------------------------------------------------------------------------------ the messages

    async def send(self) -> list[str]:
        """What the carrier is given when the sender looks now."""
        before = len(self.carrier.took)
        await Sender(self.carrier).send_pending(self.running)
        return [sms.text for sms in self.carrier.took[before:]]

    async def message(self, id: str) -> MessageRow:
        row = await self.running.views.get(MESSAGES, id)
        assert row is not None, f"there is no message {id}"
        return row

    async def messages(self) -> dict[str, MessageRow]:
        return dict(await self.running.views.find(MESSAGES, centre=CENTRE))

    # ---------------------------------------------------------------------------------------------- the faces

    def token(self, role: str, centre: str = CENTRE, member: str | None = None) -> str:
        centres = () if role in ("city", "operator") else (centre,)
        ref = member or f"a-{role}{centre}"
        return f"Bearer {self.app.state.system.access.tokens.issue(ref, [role], centres, member=member).token}"

    async def ask(self, method: str, path: str, body: Any = None, *, as_: str = "", key: str = "") -> httpx2.Response:
        headers = {"Authorization": as_} if as_ else {}
        if key:
            headers["Idempotency-Key"] = key
        return await self.http.request(method, path, json=body, headers=headers)

    async def contact(self, phone: str, *purposes: str, as_: str = "") -> str:
        body = {"phone": phone, "purposes": list(purposes) or ["queue_sms", "ride"]}
        answer = await self.ask("POST", "/notify/contacts", body, as_=as_ or self.token("kiosk"))
        assert answer.status_code == 201, answer.text
        return str(answer.json()["contact_ref"])


@asynccontextmanager
async def notifier() -> AsyncIterator[Notifier]:
    """Nothing runs in the background: what is sent, and when, a test says."""
    clock = Clock()
    still = replace(service, works=())
    with TemporaryDirectory() as directory:
        app = application([still], Settings(data=Path(directory)), clock=clock)
        async with app.router.lifespan_context(app):
            transport = httpx2.ASGITransport(app)
            async with httpx2.AsyncClient(transport=transport, base_url="http://notify") as http:
                yield Notifier(app, http, clock, Path(directory))


def from_the_bus(event: Event, *, at: datetime = NOON, sequence: int = 1, id: str = "") -> Event:
    """As the consumer gives it to handlers: two with the same id are the same event."""
    return event.from_origin(Origin(id or f"{type(event).__name__}-{sequence}", "/queue/hall/x", sequence, at))
