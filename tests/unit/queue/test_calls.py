"""Who is called next, and why: ratio plus ageing cap."""

from typing import Any

import pytest

from services.contracts.words import Because
from services.queue import domain
from services.queue.refusals import CounterBusy, CounterNotOpen, NoSuchCounter
from tests.unit.queue.morning import Morning, one_line, ticket


def given(*tickets: str, **changes: Any) -> Morning:
    """Tickets in order of issue, ten seconds apart; those named p... claim priority."""
    morning = Morning(one_line(**changes), counters=(1, 2))
    for name in tickets:
        morning.issue(name, priority=name.startswith("p"))
        morning.pass_by(seconds=10)
    return morning


def all_called(morning: Morning) -> list[tuple[str, Because]]:
    """Everybody called by counter 1, one after another, none of them started."""
    order = []
    while called := morning.call():
        order.append((called.ticket_id[15:].lstrip("0"), called.selected_because))
        morning.do(domain.mark_no_show, ticket_id=called.ticket_id)
    return order


def test_whoever_took_the_number_first_is_called_first() -> None:
    assert [name for name, _ in all_called(given("a", "b", "c"))] == ["a", "b", "c"]


def test_two_priority_calls_then_an_ordinary_one() -> None:
    order = all_called(given("a", "b", "p1", "p2", "p3", "p4", "p5"))
    assert [name for name, _ in order] == ["p1", "p2", "a", "p3", "p4", "b", "p5"]
    assert [because for _, because in order][:3] == [Because.PRIORITY_FIRST, Because.PRIORITY_FIRST, Because.RATIO]


def test_the_ratio_is_counted_for_the_centre_and_not_for_each_counter() -> None:
    morning = given("a", "b", "p1", "p2", "p3")
    called = [morning.call(counter).ticket_id for counter in (1, 2)]
    morning.do(domain.mark_no_show, ticket_id=called[0])
    assert [*called, morning.call(1).ticket_id] == [ticket("p1"), ticket("p2"), ticket("a")]


def test_the_ratio_may_be_set() -> None:
    order = all_called(given("a", "b", "p1", "p2", "p3", in_a_row=1))
    assert [name for name, _ in order] == ["p1", "a", "p2", "b", "p3"]


def test_priority_calls_while_nobody_ordinary_waits_do_not_count() -> None:
    morning = given("p1", "p2", "p3")
    for _ in range(2):
        morning.do(domain.mark_no_show, ticket_id=morning.call().ticket_id)
    morning.issue("a")
    assert morning.call().ticket_id == ticket("p3")


def test_whoever_waits_past_the_cap_goes_before_the_next_priority_one() -> None:
    morning = given("a", "b").pass_by(minutes=20)
    morning.issue("p1", priority=True)
    called = morning.call()
    assert (called.ticket_id, called.selected_because) == (ticket("a"), Because.AGEING_CAP)


def test_at_the_cap_exactly_priority_still_goes_first() -> None:
    morning = Morning(one_line())
    morning.issue("a")
    morning.pass_by(minutes=20)
    morning.issue("p", priority=True)
    assert morning.call().ticket_id == ticket("p")


def test_past_the_cap_the_longest_wait_goes_whatever_its_class() -> None:
    morning = given("p1", "a", "b").pass_by(minutes=21)
    assert [name for name, _ in all_called(morning)] == ["p1", "a", "b"]


def test_even_past_the_cap_the_ordinary_turn_that_is_owed_comes_first() -> None:
    morning = given("p1", "p2", "p3").pass_by(minutes=21)
    morning.issue("a")
    assert [name for name, _ in all_called(morning)] == ["p1", "p2", "a", "p3"]


def test_the_only_one_waiting_is_called_as_that() -> None:
    assert given("a").call().selected_because is Because.ONLY_ONE_WAITING


def test_who_came_back_goes_to_the_front_of_her_class() -> None:
    morning = given("a", "b", "c")
    morning.call()
    morning.do(domain.mark_no_show, ticket_id=ticket("a"))
    morning.do(domain.reinstate, ticket_id=ticket("a"))
    called = morning.call()
    assert (called.ticket_id, called.selected_because) == (ticket("a"), Because.REINSTATED)


def test_who_came_back_does_not_pass_those_with_priority() -> None:
    morning = given("a", "b")
    morning.call()
    morning.do(domain.mark_no_show, ticket_id=ticket("a"))
    morning.do(domain.reinstate, ticket_id=ticket("a"))
    morning.issue("p", priority=True)
    assert [name for name, _ in all_called(morning)] == ["p", "a", "b"]


def test_who_was_returned_has_her_old_place() -> None:
    morning = given("a", "b", "c")
    morning.call()
    morning.do(domain.give_back, ticket_id=ticket("a"))
    assert morning.call().ticket_id == ticket("a")


def test_a_counter_calls_only_its_own_services() -> None:
    morning = Morning(counters=(1, 3))
    morning.issue("a", "birth")
    morning.issue("b", "land")
    assert morning.call(3).ticket_id == ticket("b")
    assert morning.call(1).ticket_id == ticket("a")


def test_nobody_waits_gives_no_facts() -> None:
    assert Morning().do(domain.call_next, counter=1) == []


def test_a_counter_has_one_live_ticket() -> None:
    morning = given("a", "b")
    morning.call()
    with pytest.raises(CounterBusy, match="Counter 1 still has A001"):
        morning.call()


def test_a_closed_counter_calls_nobody() -> None:
    with pytest.raises(CounterNotOpen, match="Counter 2"):
        Morning(counters=(1,)).call(2)


def test_a_counter_that_does_not_exist_is_named_with_those_that_do() -> None:
    with pytest.raises(NoSuchCounter, match="no counter 9; it has 1, 2, 3"):
        Morning().do(domain.open_counter, counter=9)
