"""Time as a parameter. Nothing but `system_clock` reads the clock of the machine."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
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
