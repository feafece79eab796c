"""Time as a parameter. Nothing but `system_clock` reads the clock of the machine."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from time import monotonic as monotonic_clock
from zoneinfo import ZoneInfo

Clock = Callable[[], datetime]
"""Gives the present moment in UTC."""

LOCAL = ZoneInfo("Asia/Ho_Chi_Minh")


def system_clock() -> datetime:
    return datetime.now(UTC)


def local_day(now: datetime) -> date:
    """The business day of a centre at `now`."""
    return now.astimezone(LOCAL).date()


def local_midnight_after(day: date) -> datetime:
    """The moment in UTC at which the local `day` ends."""
    return datetime.combine(day + timedelta(days=1), time(0), LOCAL).astimezone(UTC)


STEP = timedelta(minutes=5)
LASTS = timedelta(minutes=10)


class SteadyClock:
    """The clock of the machine, without its jumps: a step of over five minutes, either way, is reported (`stepped`)
    and followed only after it has lasted ten."""

    def __init__(self, wall: Clock = system_clock, monotonic: Callable[[], float] = monotonic_clock) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._moment, self._ticks = wall(), monotonic()
        self._since: float | None = None

    def __call__(self) -> datetime:
        ticks, wall = self._monotonic(), self._wall()
        expected = self._moment + timedelta(seconds=ticks - self._ticks)
        if abs(wall - expected) <= STEP:
            self._since = None
        elif self._since is None:
            self._since = ticks
        if self._since is not None and ticks - self._since < LASTS.total_seconds():
            return expected
        self._moment, self._ticks, self._since = wall, ticks, None
        return wall

    @property
    def stepped(self) -> bool:
        return self._since is not None
