"""One process: a system of services, its HTTP application, and the order in which they start and end."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI

from services.chassis import metrics, ops
from services.chassis.clock import Clock
from services.chassis.service import Service, System
from services.chassis.settings import Settings
from services.chassis.web import create_app


def application(
    services: Sequence[Service], settings: Settings, *, clock: Clock | None = None, more: Sequence[APIRouter] = ()
) -> FastAPI:
    """The application of `services`, and of what else the process serves. Its lifespan starts and ends the system."""
    system = System(services, settings, clock)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await system.start()
        watch = asyncio.create_task(metrics.watch_the_loop())
        app.state.started = True
        try:
            yield
        finally:
            watch.cancel()
            await system.stop()

    routers = [router for service in services for router in service.serves]
    app = create_app(system, [*routers, ops.router, *more], lifespan)
    for service in services:  # behind a gateway, which passes on by the first word of a path
        app.add_api_route(f"/{service.name}/readyz", ops.readyz, include_in_schema=False, response_model=ops.Readiness)
    app.state.started = False
    return app
