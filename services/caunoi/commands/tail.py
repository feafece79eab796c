"""`caunoi tail`: the events as they happen, one Vietnamese sentence each with the references they carry."""

import asyncio
import signal
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from rich.markup import escape

from services.caunoi import feed, shown
from services.caunoi.client import connected
from services.caunoi.feed import Told
from services.caunoi.pages.sentences import sentence
from services.chassis.clock import LOCAL, system_clock
from services.chassis.datadir import CannotStart
from services.chassis.settings import Settings


async def follow(settings: Settings, *, centre: str | None, after: str | None, as_json: bool) -> None:
    """Until Ctrl-C, which is its ordinary end."""
    async with connected(settings) as operator:
        if not operator.over_http:
            raise CannotStart(
                f"{settings.data}: không có hệ thống nào đang chạy để theo dõi; hãy chạy `caunoi up`.",
                f"{settings.data}: no system runs on it; start one with `caunoi up`.",
            )
        shown.err.print("[dim]Đang theo dõi; Ctrl-C để dừng · following[/]")

        codes = Codes()

        async def print_all() -> None:
            async for told in feed.follow(operator, centre=centre, after=after):
                if told.topic == feed.OPEN:
                    continue
                if as_json:
                    shown.line_of_json({"id": told.id, "topic": told.topic, **told.data})
                else:
                    shown.out.print(line(told, codes))

        following = asyncio.create_task(print_all())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, following.cancel)
        with suppress(asyncio.CancelledError):
            await following


class Codes(dict[str, str]):
    """The codes of the tickets heard of, the last thousand of them."""

    def note(self, event: Mapping[str, Any]) -> None:
        if "ticket_id" in event and "code" in event:
            self[event["ticket_id"]] = event["code"]
            if len(self) > 1_000:
                del self[next(iter(self))]


def line(told: Told, codes: Codes) -> str:
    """`08:31:07  queue-called  Mời số A012 đến quầy 3 …  31186-20261124-7hk2m9x4tq0v`."""
    if told.topic == "reset":
        return "[yellow]Lịch sử đã qua; bắt đầu lại từ bây giờ.[/] [dim]reset[/]"
    event = told.event
    codes.note(event)
    subject = next((event[name] for name in ("ticket_id", "job", "member") if event.get(name)), event.get("centre", ""))
    said = escape(sentence(told.topic, event, codes))
    return f"[dim]{_local(told)}[/]  [bold]{told.topic:<21}[/] {said}  [dim]{subject}[/]"


def _local(told: Told) -> str:
    try:
        when = datetime.fromisoformat(str(told.data.get("time")))
    except ValueError:
        when = system_clock()
    return f"{when.astimezone(LOCAL):%H:%M:%S}"
