"""The life of a ticket between its call and its end, and its clocks."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from services.contracts.events import CaseCompleted, CounterClosed, ServingStarted, TicketReturned
from services.contracts.words import Because, CaseOutcome, Fact, TicketEnd
from services.queue import domain
from services.queue.hall import State
from services.queue.refusals import (
    ALLOWED,
    CalledJustNow,
    CalledOftenEnough,
    CounterBusy,
    CounterNotOpen,
    NoSuchTicket,
    NothingToUndo,
    NotInThisState,
    UnknownService,
)
from services.queue.wording import Action
from tests.unit.queue.morning import STORED, Morning, folded, one_line, ticket

A = {"ticket_id": ticket("a")}
TICKED: Any = {"papers": ["a" * 12], "form_filled": True, "by_volunteer": True, "known": ["a" * 12]}

RULES: dict[Action, Callable[[Morning], Sequence[Fact]]] = {
    Action.RECALL: lambda morning: morning.do(domain.recall, **A),
    Action.START: lambda morning: morning.do(domain.start, **A),
    Action.HOLD: lambda morning: morning.do(domain.hold, **A),
    Action.RETURN: lambda morning: morning.do(domain.give_back, **A),
    Action.NO_SHOW: lambda morning: morning.do(domain.mark_no_show, **A),
    Action.REINSTATE: lambda morning: morning.do(domain.reinstate, **A),
    Action.COMPLETE: lambda morning: morning.do(domain.complete, outcome="accepted", **A),
    Action.CANCEL: lambda morning: morning.do(domain.cancel, by=TicketEnd.BY_STAFF, **A),
    Action.HELP: lambda morning: morning.do(domain.want_help, **A),
    Action.WITNESS: lambda morning: morning.do(domain.witness_priority, **A),
    Action.CHECKLIST: lambda morning: morning.do(domain.tick_checklist, **A, **TICKED),
}


def called() -> Morning:
    morning = Morning(one_line())
    morning.issue("a")
    morning.issue("b")
    morning.pass_by(minutes=3).call()
    return morning.pass_by(seconds=20)


def serving() -> Morning:
    morning = called()
    morning.do(domain.start, **A)
    return morning.pass_by(minutes=2)


def held() -> Morning:
    morning = serving()
    morning.do(domain.hold, **A)
    return morning.pass_by(minutes=1)


def waiting() -> Morning:
    morning = Morning(one_line())
    morning.issue("a")
    return morning


def no_show() -> Morning:
    morning = called()
    morning.do(domain.mark_no_show, **A)
    return morning


BEFORE = {
    State.WAITING: waiting,
    State.CALLED: called,
    State.SERVING: serving,
    State.HELD: held,
    State.NO_SHOW: no_show,
}


@pytest.mark.parametrize("action", RULES)
@pytest.mark.parametrize("state", BEFORE)
def test_what_the_table_allows_is_done_and_all_else_refused(state: State, action: Action) -> None:
    morning = BEFORE[state]()
    if action in ALLOWED[state]:
        assert RULES[action](morning)
    else:
        with pytest.raises(NotInThisState):
            RULES[action](morning)


@pytest.mark.parametrize("state", BEFORE)
def test_folding_the_facts_of_a_life_gives_the_same_hall(state: State) -> None:
    morning = BEFORE[state]()
    assert STORED.dump_json(folded(morning)) == STORED.dump_json(morning.hall)


def test_a_recall_waits_twenty_seconds() -> None:
    morning = called().pass_by(seconds=-1)
    with pytest.raises(CalledJustNow, match="call again in 1 s"):
        morning.do(domain.recall, **A)


def test_three_recalls_and_no_more() -> None:
    morning = called()
    counts = []
    for _ in range(3):
        counts.append(morning.do(domain.recall, **A)[0].call_count)  # type: ignore[attr-defined]
        morning.pass_by(seconds=20)
    assert counts == [2, 3, 4]
    with pytest.raises(CalledOftenEnough, match="called 4 times"):
        morning.do(domain.recall, **A)


def test_a_recall_is_a_call_that_says_so() -> None:
    again: Any = called().do(domain.recall, **A)[0]
    assert (again.counter, again.selected_because) == (1, Because.RECALLED)


def test_a_held_ticket_frees_its_counter_and_is_called_back_there() -> None:
    morning = held()
    assert morning.serve("b", counter=1)
    back: Any = morning.do(domain.recall, **A)[0]
    assert (back.counter, back.call_count, back.selected_because) == (1, 1, Because.HELD_HERE)


def test_a_held_ticket_goes_on_without_a_call() -> None:
    started: Any = held().do(domain.start, **A)[0]
    assert isinstance(started, ServingStarted)
    assert started.way_seconds == 0


@pytest.mark.parametrize("rule", [domain.start, domain.recall])
def test_a_held_ticket_does_not_come_back_to_a_busy_counter(rule: Any) -> None:
    morning = held()
    morning.call()
    with pytest.raises(CounterBusy, match="A002"):
        morning.do(rule, **A)


def test_closing_a_counter_returns_what_it_held() -> None:
    morning = held()
    facts = morning.do(domain.close_counter, counter=1)
    assert [type(fact) for fact in facts] == [TicketReturned, CounterClosed]
    assert morning.the("a").state is State.WAITING


def test_a_counter_with_somebody_at_it_does_not_close() -> None:
    with pytest.raises(CounterBusy):
        serving().do(domain.close_counter, counter=1)


def test_opening_or_closing_twice_changes_nothing() -> None:
    morning = Morning(one_line(), counters=(1,))
    assert morning.do(domain.open_counter, counter=1) == []
    assert morning.do(domain.close_counter, counter=2) == []


def test_the_four_clocks_share_no_moment() -> None:
    morning = Morning(one_line())
    morning.issue("a")
    morning.pass_by(minutes=14).call()
    morning.pass_by(seconds=30).do(domain.recall, **A)
    morning.pass_by(seconds=40).do(domain.start, **A)
    morning.pass_by(minutes=4).do(domain.hold, **A)
    morning.pass_by(minutes=9).do(domain.start, **A)
    morning.pass_by(minutes=3)
    done: Any = morning.do(domain.complete, outcome="accepted", **A)[0]
    assert (done.wait_seconds, done.way_seconds) == (14 * 60 + 30, 40)
    assert (done.transaction_seconds, done.hold_seconds) == (7 * 60, 9 * 60)


def test_the_time_away_is_no_wait() -> None:
    morning = called().pass_by(seconds=-20)
    morning.do(domain.mark_no_show, **A)
    morning.pass_by(hours=1).do(domain.reinstate, **A)
    morning.pass_by(minutes=1).call()
    morning.do(domain.start, **A)
    done: Any = morning.do(domain.complete, outcome="accepted", **A)[0]
    assert done.wait_seconds == 4 * 60


def test_several_services_may_be_carried_out_at_once() -> None:
    morning = Morning()
    morning.issue()
    morning.call()
    morning.do(domain.start, **A)
    with pytest.raises(UnknownService, match="passport"):
        morning.do(domain.complete, outcome="accepted", services=("birth", "passport"), **A)
    done: Any = morning.do(domain.complete, outcome="accepted", services=("birth", "copies"), **A)[0]
    assert done.services == ("birth", "copies")


def test_a_finished_ticket_leaves_the_hall() -> None:
    morning = serving()
    morning.do(domain.complete, outcome="accepted", **A)
    with pytest.raises(NoSuchTicket):
        morning.do(domain.start, **A)


def test_the_last_completion_is_undone_and_its_clock_runs_on() -> None:
    morning = serving()
    morning.do(domain.complete, outcome="accepted", **A)
    morning.pass_by(minutes=2).do(domain.undo, counter=1)
    assert (morning.the("a").state, morning.hall.completed) == (State.SERVING, 0)
    done: Any = morning.do(domain.complete, outcome=CaseOutcome.REJECTED, **A)[0]
    assert isinstance(done, CaseCompleted)
    assert done.transaction_seconds == 4 * 60


def test_after_two_minutes_nothing_is_undone() -> None:
    morning = serving()
    morning.do(domain.complete, outcome="accepted", **A)
    morning.pass_by(minutes=2, seconds=1)
    with pytest.raises(NothingToUndo, match="Counter 1"):
        morning.do(domain.undo, counter=1)


def test_one_completion_is_undone_once() -> None:
    morning = serving()
    morning.do(domain.complete, outcome="accepted", **A)
    morning.do(domain.undo, counter=1)
    morning.do(domain.hold, **A)
    with pytest.raises(NothingToUndo):
        morning.do(domain.undo, counter=1)


def test_nothing_is_undone_over_somebody_who_is_there() -> None:
    morning = serving()
    morning.do(domain.complete, outcome="accepted", **A)
    morning.call()
    with pytest.raises(CounterBusy, match="A002"):
        morning.do(domain.undo, counter=1)


def test_nothing_is_undone_at_a_closed_counter() -> None:
    morning = serving()
    morning.do(domain.complete, outcome="accepted", **A)
    morning.do(domain.close_counter, counter=1)
    with pytest.raises(CounterNotOpen):
        morning.do(domain.undo, counter=1)


def test_an_undone_ticket_has_its_old_place_in_the_line() -> None:
    morning = serving()
    morning.do(domain.complete, outcome="accepted", **A)
    morning.do(domain.undo, counter=1)
    morning.do(domain.give_back, **A)
    assert morning.call().ticket_id == ticket("a")
