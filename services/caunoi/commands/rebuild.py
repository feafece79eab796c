"""`caunoi rebuild`: all views anew from the journal. One long write, so the directory must be at rest."""

import asyncio

from services.caunoi import shown
from services.caunoi.services import SERVICES
from services.chassis import logs
from services.chassis.datadir import CannotStart, DataDirectory, InUse
from services.chassis.errors import Unavailable
from services.chassis.service import System
from services.chassis.settings import Settings


def rebuild(settings: Settings) -> None:
    directory = DataDirectory(settings.data)
    if directory.is_new:
        raise CannotStart(f"{settings.data}: chưa có dữ liệu ở đây.", f"{settings.data}: there is no data here.")
    logs.start("error")
    try:
        directory.take()
        asyncio.run(_rebuild(System(SERVICES, settings)))
    except InUse:
        raise CannotStart(
            f"{settings.data}: hệ thống đang chạy; hãy dừng nó trước (trong lúc dựng lại không thể gọi số).",
            f"{settings.data}: a system runs on it; stop it first (no number can be called during a rebuild).",
        ) from None
    except Unavailable as error:
        raise CannotStart(error.says("vi"), error.says("en")) from None
    finally:
        directory.release()


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
