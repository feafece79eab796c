"""The whole system in the test's own process: its clock in our hand, its bus of our choice, HTTP without a socket."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

import httpx2

from services.caunoi import ops as caunoi_ops
from services.caunoi.services import SERVICES
from services.chassis import ops
from services.chassis.backends.chosen import Backend
from services.chassis.backends.sqlite_bus import SqliteBus
from services.chassis.backends.sqlite_store import SqliteStore
from services.chassis.clock import LOCAL
from services.chassis.ports import Bus
from services.chassis.service import System
from services.chassis.settings import Settings
from services.chassis.web import create_app
from tests.journeys.ward import CENTRE, Ward

BusAt = Callable[[Path], Bus]


class HandClock:
    """Runs as true time does, from a moment of our choice, and can be moved."""

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._begun = monotonic()

    def __call__(self) -> datetime:
        return self._start + timedelta(seconds=monotonic() - self._begun)

    def move(self, **by: float) -> None:
        self._start += timedelta(**by)


def local(hour: int, minute: int = 0, second: int = 0, day: int = 24) -> datetime:
    """A moment of that local time in November 2026."""
    return datetime(2026, 11, day, hour, minute, second, tzinfo=LOCAL).astimezone(UTC)


@dataclass
class Inside:
    system: System
    http: httpx2.AsyncClient
    clock: HandClock

    async def rest(self, seconds: float = 50) -> None:
        """Until nothing is owed, waiting or unread: what was to follow has followed."""
        deadline, quiet = monotonic() + seconds, 0
        while quiet < 3:
            assert monotonic() < deadline, "the system does not come to rest"
            quiet = quiet + 1 if await self._idle() else 0
            await asyncio.sleep(0.02)

    async def _idle(self) -> bool:
        for name, running in self.system.running.items():
            owed, _ = await running.store.owed_summary()
            if owed or running.documents.waiting or any((await self.system.bus.lag(name)).values()):
                return False
        return True


@asynccontextmanager
async def inside(data: Path, clock: HandClock, bus: BusAt = SqliteBus) -> AsyncIterator[Inside]:
    """Started, and stopped at the end. The same directory again is a restart."""
    settings = Settings(data=data, log_level="error")
    backend = Backend(
        store=lambda name, projector: SqliteStore(data / f"{name}.sqlite", projector),
        bus=lambda: bus(data / "bus.sqlite"),
    )
    system = System(SERVICES, settings, clock, backend)
    routers = [router for service in SERVICES for router in service.serves]
    app = create_app(system, [*routers, ops.router, caunoi_ops.router])
    await system.start()
    app.state.started = True
    try:
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://inside", timeout=30) as http:
            yield Inside(system, http, clock)
    finally:
        await system.stop()


async def ward_inside(at: Inside, centre: str = CENTRE) -> Ward:
    """The ward of a system in this process; said again after a restart it is the same ward, with new accounts."""
    settings = at.system.settings
    operator = at.system.access.tokens.issue("a-000000operator", ["operator"]).token
    ward = Ward(at.http, settings.data, operator, centre, at.clock)
    return await ward.make()
