"""`caunoi rebuild`: all views anew from the journal, while no service runs: one long write, or many that others'
folding would get in the way of.
"""

import asyncio

from services.caunoi import shown
from services.caunoi.commands.rest import at_rest
from services.caunoi.services import SERVICES
from services.chassis import logs
from services.chassis.datadir import CannotStart, DataDirectory
from services.chassis.errors import Unavailable
from services.chassis.service import System
from services.chassis.settings import Settings


def rebuild(settings: Settings) -> None:
    if not settings.on_servers and DataDirectory(settings.data).is_new:
        raise CannotStart(f"{settings.data}: chưa có dữ liệu ở đây.", f"{settings.data}: there is no data here.")
    logs.start("error")
    try:
        with at_rest(settings):
            asyncio.run(_rebuild(System(SERVICES, settings)))
    except Unavailable as error:
        raise CannotStart(error.says("vi"), error.says("en")) from None


async def _rebuild(system: System) -> None:
    for name, running in system.running.items():
        await running.store.open()
        try:
            with shown.progress(f"{name}: đang đọc nhật ký") as bar:
                folded = await running.store.rebuild(lambda done: bar.update(bar.task_ids[0], completed=done))
        finally:
            await running.store.close()
        views = len(running.service.views)
        shown.out.print(f"{name}: {views} bảng đọc, {folded} sự việc. [dim]{views} views of {folded} facts[/]")
