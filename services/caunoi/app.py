"""The services in one process, all four or some, with the live page and what the command line asks of a system."""

from collections.abc import Sequence
from typing import Final

from fastapi import FastAPI

from services.caunoi import ops
from services.caunoi.pages import live
from services.caunoi.services import SERVICES
from services.chassis.clock import Clock
from services.chassis.process import application
from services.chassis.service import Service
from services.chassis.settings import Settings

__all__ = ["SERVICES", "build"]

COMMON: Final = ((ops.router, "queue"), (live.page_router, "queue"), (live.events_router, "notify"))
"""What belongs to no service, and beside which one it is served where they run apart."""


def build(settings: Settings, clock: Clock | None = None, services: Sequence[Service] = SERVICES) -> FastAPI:
    """The application; its lifespan opens `settings.data`, which the caller has locked, or reaches the servers."""
    here = {service.name for service in services}
    return application(services, settings, clock=clock, more=[router for router, beside in COMMON if beside in here])
