"""The services in one process, all four or some, with the live page and what the command line asks of a system."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from fastapi import FastAPI

from services.caunoi import ops
from services.caunoi.pages import live
from services.caunoi.services import SERVICES
from services.chassis.clock import Clock
from services.chassis.process import application
from services.chassis.service import Service, System, topic_specs
from services.chassis.settings import Settings
from services.chassis.web import create_app

__all__ = ["SERVICES", "build", "tools"]

COMMON: Final = ((ops.router, "queue"), (live.page_router, "queue"), (live.events_router, "notify"))
"""What belongs to no service, and beside which one it is served where they run apart."""


def build(settings: Settings, clock: Clock | None = None, services: Sequence[Service] = SERVICES) -> FastAPI:
    """The application; its lifespan opens `settings.data`, which the caller has locked, or reaches the servers."""
    here = {service.name for service in services}
    return application(services, settings, clock=clock, more=[router for router, beside in COMMON if beside in here])


def tools(settings: Settings, *, stores: bool) -> FastAPI:
    """What an operator asks of the bus (and of stores), at the servers themselves: nothing is handled here."""
    system = System(SERVICES, settings)

    @asynccontextmanager
    async def opened(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await system.bus.open(topic_specs())
            stack.push_async_callback(system.bus.close)
            for running in system.running.values() if stores else ():
                await running.store.open()
                stack.push_async_callback(running.store.close)
            yield

    return create_app(system, [ops.router], opened)
