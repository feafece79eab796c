"""The clock: the business day of a centre, and what becomes of jumps."""

from datetime import UTC, date, datetime, timedelta

from services.chassis.clock import SteadyClock, local_day, local_midnight_after

NOON = datetime(2026, 11, 24, 5, tzinfo=UTC)


class Hands:
    """A wall clock and a stopwatch that the test moves by hand."""

    def __init__(self) -> None:
        self.wall, self.ticks = NOON, 0.0

    def pass_by(self, by: timedelta, step: timedelta = timedelta(0)) -> None:
        self.ticks += by.total_seconds()
        self.wall += by + step


def steady(hands: Hands) -> SteadyClock:
    return SteadyClock(lambda: hands.wall, lambda: hands.ticks)


def test_the_day_changes_at_local_midnight_not_at_seven_in_the_morning() -> None:
    assert local_day(datetime(2026, 11, 24, 16, 59, 59, tzinfo=UTC)) == date(2026, 11, 24)
    assert local_day(datetime(2026, 11, 24, 17, 0, tzinfo=UTC)) == date(2026, 11, 25)
    assert local_midnight_after(date(2026, 11, 24)) == datetime(2026, 11, 24, 17, tzinfo=UTC)


def test_small_corrections_are_followed_at_once() -> None:
    hands = Hands()
    clock = steady(hands)
    hands.pass_by(timedelta(seconds=10), step=timedelta(seconds=-3))
    assert clock() == NOON + timedelta(seconds=7)
    assert not clock.stepped


def test_a_jump_back_of_an_hour_is_reported_and_not_followed_for_ten_minutes() -> None:
    hands = Hands()
    clock = steady(hands)
    hands.pass_by(timedelta(seconds=10), step=timedelta(hours=-1))
    assert clock() == NOON + timedelta(seconds=10)
    assert clock.stepped
    hands.pass_by(timedelta(minutes=11))
    assert clock() == hands.wall
    assert not clock.stepped
