"""So many at once, refilled over time, per key."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.ratelimit import RateLimit, TooManyRequests
from tests.desk import NOON

MINUTE = timedelta(minutes=1)


def test_the_eleventh_is_told_when_to_come_back() -> None:
    limit = RateLimit("test", 10, 10 * MINUTE)
    for _ in range(10):
        limit.take("canbo", NOON)
    with pytest.raises(TooManyRequests) as refused:
        limit.take("canbo", NOON)
    assert (refused.value.status, refused.value.retry_after) == (429, 60)
    limit.take("canbo", NOON + MINUTE)


def test_one_key_does_not_use_up_another() -> None:
    limit = RateLimit("test", 1, MINUTE)
    limit.take("one", NOON)
    limit.take("two", NOON)


def test_a_clock_that_goes_back_gives_nothing_away() -> None:
    limit = RateLimit("test", 1, MINUTE)
    limit.take("one", NOON)
    with pytest.raises(TooManyRequests):
        limit.take("one", NOON - 60 * MINUTE)


def test_many_keys_take_bounded_memory() -> None:
    limit = RateLimit("test", 1, MINUTE, keys=3)
    for key in "abcdef":
        limit.take(key, NOON)
    assert list(limit._buckets) == ["d", "e", "f"]


@given(st.lists(st.integers(0, 300), max_size=60))
def test_never_more_than_the_burst_and_what_time_gave_back(pauses: list[int]) -> None:
    limit, now, let_through = RateLimit("test", 5, 5 * MINUTE), NOON, 0
    for pause in pauses:
        now += timedelta(seconds=pause)
        try:
            limit.take("one", now)
            let_through += 1
        except TooManyRequests:
            pass
    assert let_through <= 5 + (now - NOON).total_seconds() / 60
