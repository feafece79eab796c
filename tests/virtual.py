"""A loop whose clock jumps to the next timer instead of waiting: an hour of retries in a moment, nothing patched.

Threads (the fsync of a commit) are waited for in true time; meanwhile the virtual clock stands.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")

NOON = datetime(2026, 11, 24, 5, tzinfo=UTC)
"""What the clock of the centre says (12:00 in Cần Thơ) when a virtual loop starts."""


class _Selector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if self.loop.threads or timeout is None:
            return super().select(10)
        self.loop.now += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.now = 0.0
        self.threads = 0
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now

    def run_in_executor(self, executor: Executor | None, func: Any, *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        self.threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._thread_ended)
        return future

    def _thread_ended(self, _: Any) -> None:
        self.threads -= 1


def run_virtual(work: Coroutine[Any, Any, T], seconds: float = 24 * 3600) -> T:
    """Run one coroutine to its end in virtual time; what would take longer than `seconds` of it is a hang."""

    async def bounded() -> T:
        return await asyncio.wait_for(work, seconds)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(bounded())


def virtual_clock() -> datetime:
    """The time of the centre inside a virtual loop."""
    return NOON + timedelta(seconds=asyncio.get_running_loop().time())
