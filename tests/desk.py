"""A face without a house: the smallest system that routes can stand on, and a client for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
from fastapi import APIRouter, FastAPI

from services.chassis.access import Access
from services.chassis.keys import Keys
from services.chassis.settings import Settings
from services.chassis.web import create_app

NOON = datetime(2026, 11, 24, 5, tzinfo=UTC)
TICKET = "31186-20261124-7hk2m9x4tq0v"
OTHER_TICKET = "31186-20261124-0000000000aa"


class Desk:
    """Its clock stands until it is told to go on; its documents and resources are whatever a test put in."""

    def __init__(self, **settings: Any) -> None:
        self.now = NOON
        self.settings = Settings(**settings)
        self.access = Access(self.settings, self.clock, Keys.random())
        self.held: dict[Any, Any] = {}
        self.stopping = asyncio.Event()

    def clock(self) -> datetime:
        return self.now

    def later(self, **passed: float) -> None:
        self.now += timedelta(**passed)

    def __getitem__(self, state: Any) -> Any:
        return self.held[state]

    def own(self, service: str, kind: Any) -> Any:
        return self.held[service, kind]

    def bearer(
        self, *roles: str, centres: tuple[str, ...] = ("31186",), ref: str = "a-000001", **more: Any
    ) -> dict[str, str]:
        """The header of somebody who signed in."""
        return {"Authorization": f"Bearer {self.access.tokens.issue(ref, roles, centres, **more).token}"}

    def app(self, *routers: APIRouter) -> FastAPI:
        return create_app(self, routers)


@asynccontextmanager
async def client(app: FastAPI, **options: Any) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://desk", **options) as ours:
        yield ours
