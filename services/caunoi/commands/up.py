"""`caunoi up`: the whole system in this process. With `--demo`: illustrative data, and at first start the story.

`caunoi up queue`: that service alone; the others run elsewhere, on the same servers.
"""

import asyncio
import importlib
from collections.abc import Sequence
from functools import partial

from fastapi import FastAPI

from services.caunoi.app import SERVICES, build
from services.caunoi.client import held_token
from services.chassis.datadir import DataDirectory
from services.chassis.run import Besides, data_directory, run
from services.chassis.sealing import Sealer
from services.chassis.service import System
from services.chassis.settings import Settings, SettingsError
from services.queue.accounts import Account
from services.queue.accounts_api import ensure_operator


def up(settings: Settings, names: Sequence[str] = ()) -> None:
    """Of the named services; of all when none is named."""
    if unknown := set(names) - {service.name for service in SERVICES}:
        known = ", ".join(service.name for service in SERVICES)
        raise SettingsError(f"{', '.join(sorted(unknown))}: no such service; the services are {known}")
    services = [service for service in SERVICES if service.name in names] or SERVICES
    fresh = not settings.on_servers and DataDirectory(settings.data).is_new
    besides = None if names else _demo(settings) if settings.demo else _plain(settings, fresh)
    with data_directory(settings) as directory:
        run(partial(build, services=services), settings, directory, besides)


async def operator_token(app: FastAPI) -> str:
    """The command line's token. Beside data of our own it is made or renewed; elsewhere `caunoi secrets` did that."""
    system: System = app.state.system
    if system.settings.on_servers:
        return held_token(system.settings)
    path = system.settings.operator_token
    await ensure_operator(system[Account], system.own("queue", Sealer), system.access.tokens, path, system.clock())
    return path.read_text("ascii").strip()


def _demo(settings: Settings) -> Besides:
    async def besides(app: FastAPI, address: str) -> None:
        token = await operator_token(app)
        # An HTTP client and a YAML reader, which nobody who asks meanwhile should wait for.
        prepare = await asyncio.to_thread(importlib.import_module, "services.caunoi.demo.prepare")
        await prepare.prepare(settings, address, token)

    return besides


def _plain(settings: Settings, fresh: bool) -> Besides:
    async def besides(app: FastAPI, address: str) -> None:
        await operator_token(app)
        from services.caunoi import shown

        shown.out.print(f"[bold]Cầu Nối[/] đang chạy: [bold]{address}[/]   [dim]Ctrl-C để dừng · to stop[/]")
        if fresh:
            where = "" if str(settings.data) == "data" else f" --data {settings.data}"
            shown.out.print(
                "Chưa có tài khoản và trung tâm nào. Bắt đầu như sau · there is nothing yet; begin like this:\n"
                f"  caunoi seed phuong-cua-toi.yaml{where}\n"
                f"  caunoi accounts add dieuphoi --role coordinator --centre 31186{where}\n"
                f"  caunoi accounts add kiosk.1 --role kiosk --centre 31186{where}",
                markup=True,
            )

    return besides
