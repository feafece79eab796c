"""`caunoi story`: the main job of `mission.md`, played against a running demo system through its public HTTP API.

Each step is somebody pressing something; the events that it leads to are printed as the feed brings them, and waited
for. Times are true seconds. It can be told again on the same system, whoever else waits in the hall.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from rich.markup import escape

from services.caunoi import feed, shown
from services.caunoi.client import Answered, Caller, connected
from services.caunoi.commands import report
from services.caunoi.demo.kept import Kept
from services.caunoi.demo.people import CENTRE, COUNTER, DAUGHTER, LAND, MEMBERS, ON_DUTY
from services.caunoi.failures import Failed
from services.caunoi.feed import Told
from services.caunoi.sentences import sentence
from services.chassis.clock import local_day, system_clock
from services.chassis.datadir import CannotStart
from services.chassis.settings import Settings

PATIENCE: Final = 15.0
"""Seconds to wait for an event that a step leads to."""
DESTINATION: Final = "Nhà văn hoá khu vực 5, hẻm 12"


class StoryFailed(Failed):
    """`step` counts from 1."""

    def __init__(self, step: int, vi: str, why: str) -> None:
        super().__init__(f"Câu chuyện dừng ở bước {step} ({vi}): {why}", f"The story failed at step {step}.")
        self.step = step


async def tell(settings: Settings, *, centre: str, as_json: bool) -> None:
    """Against the system that runs on `settings.data`. Raises `StoryFailed`."""
    async with connected(settings) as operator:
        if operator.http.base_url.host == "caunoi":
            raise CannotStart(
                f"{settings.data}: câu chuyện cần một hệ thống đang chạy; hãy mở `caunoi up --demo` trước.",
                f"{settings.data}: the story wants a running system; start `caunoi up --demo` first.",
            )
        kept = Kept.of(settings)
        if not kept.ready or centre != CENTRE:
            raise CannotStart(
                f"Câu chuyện chỉ diễn được trên dữ liệu minh hoạ đã nạp xong, tại trung tâm {CENTRE}.",
                f"The story is played on demo data only, once it is ready, at centre {CENTRE}.",
            )
        try:
            await play(operator, kept, AsJson() if as_json else OnScreen())
        finally:
            kept.keep(settings)


# ------------------------------------------------------------------------------------------------------ narrators


class Narrator(Protocol):
    def begins(self, step: int, vi: str, en: str) -> None: ...
    def happened(self, told: Told, after: float) -> None: ...
    def adds(self, vi: str) -> None: ...
    def reports(self, evening: Mapping[str, Any]) -> None: ...
    def ends(self, seconds: float, events: int) -> None: ...


class OnScreen:
    """For people."""

    def begins(self, step: int, vi: str, en: str) -> None:
        shown.out.print(f"\n[bold cyan]{step:>2}[/] [bold]{escape(vi)}[/]  [dim]{escape(en)}[/]")

    def happened(self, told: Told, after: float) -> None:
        shown.out.print(
            f"   [dim]+{after:5.2f}s[/] [green]{told.topic:<21}[/] {escape(sentence(told.topic, told.event))}"
        )

    def adds(self, vi: str) -> None:
        shown.out.print(f"           {escape(vi)}")

    def reports(self, evening: Mapping[str, Any]) -> None:
        shown.out.print(report.table(evening))

    def ends(self, seconds: float, events: int) -> None:
        shown.out.print(
            f"\n[bold green]✓[/] Hết chuyện: {events} sự kiện trong {seconds:.1f} giây. [dim]true seconds[/]"
        )


class AsJson:
    """For machines: one JSON document a line."""

    def __init__(self) -> None:
        self._step = 0

    def begins(self, step: int, vi: str, en: str) -> None:
        self._step = step
        shown.line_of_json({"step": step, "vi": vi, "en": en})

    def happened(self, told: Told, after: float) -> None:
        event = {"topic": told.topic, "after": round(after, 3), "event": told.event}
        shown.line_of_json({"step": self._step, **event})

    def adds(self, vi: str) -> None:
        shown.line_of_json({"step": self._step, "note": vi})

    def reports(self, evening: Mapping[str, Any]) -> None:
        shown.line_of_json({"step": self._step, "report": evening})

    def ends(self, seconds: float, events: int) -> None:
        shown.line_of_json({"done": True, "seconds": round(seconds, 2), "events": events})


# ---------------------------------------------------------------------------------------------------------- stage


@dataclass
class Stage:
    """What has been told of this story so far, and the wait for what must still come."""

    narrator: Narrator
    step: int = 0
    vi: str = ""
    began: float = 0.0
    ticket: str = ""
    told: list[Told] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self, vi: str, en: str) -> None:
        self.step, self.vi, self.began = self.step + 1, vi, time.monotonic()
        self.narrator.begins(self.step, vi, en)

    def hear(self, told: Told) -> None:
        """From the feed: what belongs to this story is printed and kept; the others' is not ours to tell."""
        if self._ours(told):
            self.told.append(told)
            self.narrator.happened(told, time.monotonic() - self.began)
            self._news.set()

    def _ours(self, told: Told) -> bool:
        event = told.event
        of_ticket = [event.get(name) for name in ("ticket_id", "job")]
        if any(of_ticket):
            return bool(self.ticket) and any(str(one).startswith(self.ticket) for one in of_ticket if one)
        return told.topic in ("volunteer-checked-in", "counter-opened") and event.get("centre") == CENTRE

    async def sees(self, topic: str, **fields: Any) -> dict[str, Any]:
        """The first event like that, told already or still to come."""
        return (await self.sees_many(1, topic, **fields))[0]

    async def sees_many(self, count: int, topic: str, **fields: Any) -> list[dict[str, Any]]:
        until = time.monotonic() + PATIENCE
        while True:
            found = [told.event for told in self.told if told.topic == topic and _like(told.event, fields)]
            if len(found) >= count:
                return found[:count]
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), until - time.monotonic())
            except TimeoutError:
                raise Failed(f"không thấy sự kiện {topic} trong {PATIENCE:.0f} giây", "") from None


def _like(event: Mapping[str, Any], fields: Mapping[str, Any]) -> bool:
    return all(event.get(name) == value for name, value in fields.items())


# ----------------------------------------------------------------------------------------------------------- play
