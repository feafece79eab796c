"""What may only be done while no service runs: on a data directory, or on servers that several processes share."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2

from services.caunoi.services import SERVICES
from services.chassis.backends.chosen import Backend
from services.chassis.datadir import CannotStart, DataDirectory, InUse
from services.chassis.errors import Unavailable
from services.chassis.settings import Settings

PATIENCE = 2.0


@contextmanager
def at_rest(settings: Settings) -> Iterator[None]:
    """Raises `CannotStart` where somebody is at work. A directory is taken, so that nobody begins meanwhile."""
    if settings.on_servers:
        if names := asyncio.run(_at_work(settings)):
            raise CannotStart(
                f"Đang chạy: {', '.join(names)}; hãy dừng các dịch vụ trước.",
                f"{', '.join(names)}: running; stop the services first.",
            )
        yield
        return
    directory = DataDirectory(settings.data)
    try:
        directory.take()
        yield
    except InUse:
        raise CannotStart(
            f"{settings.data}: hệ thống đang chạy; hãy dừng nó trước.",
            f"{settings.data}: a system runs on it; stop it first.",
        ) from None
    finally:
        directory.release()


async def _at_work(settings: Settings) -> list[str]:
    """Services of which a process reads the bus, or answers at the gateway."""
    cluster = Backend.chosen(settings).cluster
    assert cluster
    names = [service.name for service in SERVICES]
    try:
        reading = await cluster.readers(names)
    except Unavailable as away:
        raise CannotStart(away.says("vi"), away.says("en")) from None
    async with httpx2.AsyncClient(base_url=settings.gateway_url, timeout=PATIENCE) as http:
        answering = await asyncio.gather(*(_answers(http, name) for name in names))
    return [name for name, answers in zip(names, answering, strict=True) if answers or reading[name]]


async def _answers(http: httpx2.AsyncClient, name: str) -> bool:
    """A gateway answers for a service that is down, too, but not as it would."""
    try:
        return name in (await http.get(f"/{name}/readyz")).json()["services"]
    except (httpx2.HTTPError, ValueError, KeyError, TypeError):
        return False
