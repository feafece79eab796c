"""What a citizen is told: how many are ahead of her, and how long it may take."""

from hypothesis import given
from hypothesis import strategies as st

from services.queue import domain
from services.queue.line import ahead_of, order_of_calls, wait_range
from tests.unit.queue.morning import Morning, one_line, ticket


def ahead(morning: Morning, name: str) -> int:
    assert morning.hall.plan
    return ahead_of(morning.hall, morning.hall.plan, morning.the(name), morning.now)


def expected(morning: Morning, ahead: int = 0, service: str = "birth") -> tuple[int, int] | None:
    assert morning.hall.plan
    return wait_range(morning.hall, morning.hall.plan, service, ahead)


def after_three(minutes: float = 6, counters: tuple[int, ...] = (1,)) -> Morning:
    morning = Morning(one_line(), counters=counters)
    for name in "xyz":
        morning.issue(name)
        morning.serve(name, minutes=minutes)
    return morning


def test_only_those_at_the_same_counters_are_ahead() -> None:
    morning = Morning()
    morning.issue("a", "land")
    assert morning.issue("b", "birth").ahead == 1  # counter 2 serves both
    assert Morning(counters=()).issue("c", "land").ahead == 0


def test_a_priority_number_goes_past_the_ordinary_ones() -> None:
    morning = Morning(one_line())
    for name in "abcd":
        morning.issue(name)
    assert morning.issue("p", priority=True).ahead == 0
    assert morning.issue("q", priority=True).ahead == 1
    assert morning.issue("r", priority=True).ahead == 3


def test_who_came_back_has_nobody_of_her_class_ahead() -> None:
    morning = Morning(one_line())
    for name in "abc":
        morning.issue(name)
    morning.call()
    morning.do(domain.mark_no_show, ticket_id=ticket("a"))
    morning.do(domain.reinstate, ticket_id=ticket("a"))
    assert (ahead(morning, "a"), ahead(morning, "b"), ahead(morning, "c")) == (0, 1, 2)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 400)), max_size=14), st.integers(0, 2))
def test_who_is_said_to_be_ahead_is_who_would_be_called_before(line: list[tuple[bool, int]], in_a_row: int) -> None:
    """While nobody is past the cap: the short formula and the rule of calling say the same."""
    morning = Morning(one_line(ageing_minutes=480))
    for number, (priority, seconds) in enumerate(line):
        morning.issue(str(number), priority=priority)
        morning.pass_by(seconds=seconds / 10)
    morning.hall.in_a_row = in_a_row
    assert morning.hall.plan
    order = order_of_calls(morning.hall, morning.hall.plan, 1, morning.now)
    for place, (each, _) in enumerate(order):
        assert ahead_of(morning.hall, morning.hall.plan, each, morning.now) == place


def test_nothing_is_said_of_the_wait_before_three_transactions_were_seen() -> None:
    morning = Morning(one_line())
    for name in "xy":
        morning.issue(name)
        morning.serve(name)
    assert expected(morning) is None


def test_nothing_is_said_of_the_wait_while_no_counter_is_open() -> None:
    morning = after_three()
    morning.do(domain.close_counter, counter=1)
    assert expected(morning) is None


def test_at_a_free_counter_the_wait_is_short() -> None:
    assert expected(after_three()) == (0, 1)


def test_the_wait_is_a_range_that_grows_with_those_ahead() -> None:
    assert expected(after_three(minutes=6), ahead=5) == (24, 30)


def test_two_counters_halve_the_wait() -> None:
    assert expected(after_three(minutes=6, counters=(1, 2)), ahead=5) == (9, 12)


def test_the_answer_of_issue_carries_the_range() -> None:
    morning = after_three()
    assert morning.issue("a").wait_minutes == (0, 1)
    morning.call()
    assert morning.issue("b").wait_minutes == (0, 6)
