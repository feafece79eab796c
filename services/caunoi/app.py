"""All four services in one process, with the live page and what the command line asks of a running system."""

from fastapi import FastAPI

from services.caunoi import ops
from services.caunoi.pages import live
from services.caunoi.services import SERVICES
from services.chassis.clock import Clock
from services.chassis.process import application
from services.chassis.settings import Settings

__all__ = ["SERVICES", "build"]


def build(settings: Settings, clock: Clock | None = None) -> FastAPI:
    """The application; its lifespan opens `settings.data`, which the caller has locked, or reaches the servers."""
    return application(SERVICES, settings, clock=clock, more=[ops.router, live.router])
