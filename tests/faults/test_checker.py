"""The checker has teeth: it is silent on a faultless history and names what is wrong with each spoiled one."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.faults.checker import EFFECTS, Injected, check, poison_isolated, replay_changes_nothing
from tests.faults.history import Attempt, History, Noted, Outage, Published
from tests.faults.played import BEGUN, CENTRE, DISPATCH, HALL, Play, a_morning


def found(history: History) -> set[str]:
    return {violation.invariant for violation in check(history)}


def changed(record: Published, **data: object) -> Published:
    body = json.dumps({**record.data, **data}).encode()
    return replace(record, body=body, data=json.loads(body))


def without(history: History, spoiled: Published, *instead: Published) -> History:
    records = [one for record in history.records for one in (instead if record is spoiled else (record,))]
    return replace(history, records=records)


def only(history: History, topic: str, place: int = 0) -> Published:
    return [record for record in history.records if record.topic == topic][place]


def test_a_faultless_morning_is_found_faultless() -> None:
    assert check(a_morning().history()) == []


# ---------------------------------------------------------------------------- one spoiled history an invariant


def a_lost_effect(play: Play) -> History:
    return without(play.history(), only(play.history(), "case-completed"))


def an_effect_of_a_refused_command(play: Play) -> History:
    play.send("complete", "31186-20261124-0000000003", "refused", 409)
    play.publish("case-completed", HALL, ticket_id="31186-20261124-0000000003", outcome="accepted", counter=2)
    return play.history()


def a_doubled_effect(play: Play) -> History:
    called = only(play.history(), "queue-called")
    play.publish("queue-called", HALL, **called.data)
    return play.history()


def a_reordered_effect(play: Play) -> History:
    first, second = only(play.history(), "queue-called", 0), only(play.history(), "queue-called", 1)
    swapped = {first: replace(second, offset=first.offset), second: replace(first, offset=second.offset)}
    return replace(play.history(), records=[swapped.get(record, record) for record in play.records])


def a_gap(play: Play) -> History:
    last = play.records[-2]
    return without(play.history(), last, replace(last, sequence=last.sequence + 1))


def an_answer_that_changed(play: Play) -> History:
    key = play.send("issue", CENTRE, status=201, ticket_id="31186-20261124-0000000001", code="A001")
    play.send("issue", CENTRE, status=201, key=key, ticket_id="31186-20261124-0000000002", code="A002")
    return play.history()


def an_answer_that_was_not_true(play: Play) -> History:
    called = only(play.history(), "queue-called")
    return without(play.history(), called, changed(called, code="A077"))


def a_repeat_with_other_bytes(play: Play) -> History:
    play.again(changed(only(play.history(), "serving-started"), way_seconds=99))
    return play.history()


def two_events_in_one_place(play: Play) -> History:
    started = only(play.history(), "serving-started")
    return replace(play.history(), records=[*play.records, replace(started, id="another", offset=99)])


def a_number_given_twice(play: Play) -> History:
    second = only(play.history(), "ticket-issued", 1)
    return without(play.history(), second, changed(second, number=1))


def a_number_never_given(play: Play) -> History:
    last = only(play.history(), "ticket-issued", 3)
    return without(play.history(), last, changed(last, number=9))


def numbers_out_of_order(play: Play) -> History:
    first, second = only(play.history(), "ticket-issued", 0), only(play.history(), "ticket-issued", 1)
    spoiled = without(play.history(), first, changed(first, number=2))
    return without(spoiled, second, changed(second, number=1))


def two_tickets_at_a_counter(play: Play) -> History:
    one, other = play.issue(), play.issue()
    play.call(one, 5)
    play.call(other, 5)
    return play.history()


def a_ticket_at_two_counters(play: Play) -> History:
    ticket = play.issue()
    play.call(ticket, 5)
    play.call(ticket, 6)
    return play.history()


def a_life_after_the_end(play: Play) -> History:
    play.start("31186-20261124-0000000001")
    return play.history()


def a_ride_with_two_drivers(play: Play) -> History:
    ride = play.visit(ride_home=True) + "-ride"
    play.accept(play.offer(ride, "m-an"))
    play.accept(play.offer(ride, "m-minh"))
    return play.history()


def a_ride_driven_by_another(play: Play) -> History:
    ride = play.visit(ride_home=True) + "-ride"
    play.accept(play.offer(ride, "m-an"))
    play.drive_home(ride, "m-minh")
    return play.history()


def two_acceptances_of_one_job(play: Play) -> History:
    job = play.issue(needs_help=True) + "-help"
    play.accept(play.offer(job, "m-an"))
    play.accept(play.offer(job, "m-minh"))
    return play.history()


def a_wish_that_nobody_heard(play: Play) -> History:
    play.issue(needs_help=True)
    return without(play.history(), play.records[-1])


def a_request_without_an_offer(play: Play) -> History:
    play.visit(ride_home=True)
    return play.history()


def an_acceptance_that_nobody_took_over(play: Play) -> History:
    play.accept(play.offer(play.visit(ride_home=True) + "-ride", "m-an"))
    return without(play.history(), play.records[-1])


def help_that_nobody_asked_for(play: Play) -> History:
    ticket = play.issue()
    play.publish("assistance-requested", "/volunteers/assistance/x", assistance_id=f"{ticket}-help", ticket_id=ticket)
    play.offer(f"{ticket}-help", "m-an")
    return play.history()


def an_offer_out_of_nothing(play: Play) -> History:
    play.publish("offer-made", DISPATCH, offer_id="31186-o-9999999999", job=play.issue() + "-ride", member="m-an")
    return play.history()


def a_call_out_of_turn(play: Play) -> History:
    play.issue()
    play.call(play.issue(), 3)
    return play.history()


def a_ticket_open_after_its_day(play: Play) -> History:
    play.issue()
    play.publish("day-closed", HALL)
    return play.history()


def minutes(ride: str) -> Noted:
    body = json.dumps({"ride_id": ride}).encode()
    return Noted(f"n{ride}", "/volunteers/member/31186-m-an", 9, "MinutesCredited", None, body)


def credited(play: Play, *more: Noted) -> History:
    ride = only(play.history(), "ride-completed").data["ride_id"]
    return replace(play.history(), facts=[minutes(ride), *more])


def minutes_credited_twice(play: Play) -> History:
    return credited(play, minutes(only(play.history(), "ride-completed").data["ride_id"]))


def minutes_never_credited(play: Play) -> History:
    return replace(play.history(), facts=[minutes("another-ride")])


def a_message_planned_twice(play: Play) -> History:
    planned = Noted("n1", "/notify/message/x-offer", 1, "MessagePlanned", None, b"{}")
    return credited(play, planned, replace(planned, id="n2", sequence=2))


def a_hall_that_stops_with_the_bus(play: Play) -> History:
    play.send("issue", CENTRE, "unknown", 503)
    return replace(play.history(), outages=[Outage("bus", 0.0, 1_000.0)])


def during_an_outage(play: Play, **attempt: Any) -> History:
    lost = Attempt("issue", "k", CENTRE, 100.0, 100.5, "unknown", 503, retry_after="1")
    spoiled = replace(lost, **attempt)
    return replace(play.history(), attempts=[*play.attempts, spoiled], outages=[Outage("store", 90.0, 200.0)])


def a_store_away_that_is_said_late(play: Play) -> History:
    return during_an_outage(play, ended=105.0)


def told(play: Play, seconds: int) -> History:
    """Everything so long after the fault is over."""
    healed = max(datetime.fromisoformat(record.time) for record in play.records)
    records = [replace(record, told=healed + timedelta(seconds=seconds)) for record in play.records]
    return replace(play.history(), records=records, healed=healed)


def events_told_late(play: Play) -> History:
    return told(play, 31)


def a_store_away_without_retry_after(play: Play) -> History:
    return during_an_outage(play, retry_after="")


SPOILED: dict[Callable[[Play], History], str] = {
    a_lost_effect: "nothing acknowledged is lost",
    an_effect_of_a_refused_command: "nothing without a command",
    a_doubled_effect: "nothing without a command",
    a_reordered_effect: "order per key",
    a_gap: "no gap in a source",
    an_answer_that_changed: "one answer a key",
    an_answer_that_was_not_true: "an answer is true",
    a_repeat_with_other_bytes: "same id, same bytes",
    two_events_in_one_place: "one event a place",
    a_number_given_twice: "one ticket a number",
    a_number_never_given: "numbers are dense",
    numbers_out_of_order: "numbers in order",
    two_tickets_at_a_counter: "one ticket a counter",
    a_ticket_at_two_counters: "one counter a ticket",
    a_life_after_the_end: "a legal life",
    a_ride_with_two_drivers: "one driver a ride",
    a_ride_driven_by_another: "one driver a ride",
    two_acceptances_of_one_job: "one acceptance a job",
    a_wish_that_nobody_heard: "nobody is forgotten",
    a_request_without_an_offer: "nobody is forgotten",
    an_acceptance_that_nobody_took_over: "nobody is forgotten",
    help_that_nobody_asked_for: "nothing without a cause",
    an_offer_out_of_nothing: "nothing without a cause",
    a_call_out_of_turn: "nobody is passed over",
    a_ticket_open_after_its_day: "an end for everybody",
    minutes_credited_twice: "an effect is there once",
    minutes_never_credited: "an effect is there",
    a_message_planned_twice: "an effect is there once",
    a_hall_that_stops_with_the_bus: "the hall goes on without the bus",
    events_told_late: "told in time",
    a_store_away_that_is_said_late: "a store that is away is said at once",
    a_store_away_without_retry_after: "a store that is away is said at once",
}


@pytest.mark.parametrize("spoil", SPOILED, ids=lambda spoil: spoil.__name__)
def test_what_is_wrong_is_named(spoil: Callable[[Play], History]) -> None:
    assert SPOILED[spoil] in found(spoil(a_morning()))


def test_what_is_told_soon_after_the_fault_is_told_in_time() -> None:
    assert check(told(a_morning(), 29)) == []


def test_a_store_away_that_is_said_at_once_is_no_fault() -> None:
    assert check(during_an_outage(a_morning())) == []


def a_ride_that_waits(play: Play, *, noted: bool = True, minutes_more: float = 0, free_driver: bool = False) -> History:
    """The one driver is on the way; the dispatch knows of the second ride."""
    play.member("m-an")
    if free_driver:
        play.member("m-minh")
    first = play.issue(ride_home=True)  # comes back after missing the call: that ride was cancelled, this one is driven
    play.call(first)
    play.no_show(first)
    play.reinstate(first)
    play.call(first)
    play.start(first)
    play.complete(first)
    second = play.visit(ride_home=True) + "-ride"
    play.accept(play.offer(f"{first}-ride", "m-an"))
    play.wait(minutes_more)
    play.visit(counter=2)
    opened = Noted("n7", DISPATCH, 3, "JobOpened", None, json.dumps({"job": second}).encode())
    return replace(play.history(), facts=[opened] if noted else [])


def test_what_was_said_before_the_bus_lost_it_may_lie_behind_what_is_newer() -> None:
    spoiled = a_reordered_effect(a_morning())
    assert check(replace(spoiled, retold=(BEGUN + timedelta(hours=1)).isoformat())) == []
    assert found(replace(spoiled, retold=BEGUN.isoformat())) == {"order per key"}


def test_a_ride_may_wait_for_a_driver_while_the_coordinator_is_not_due_to_be_told() -> None:
    assert check(a_ride_that_waits(Play(), minutes_more=5)) == []


@pytest.mark.parametrize("spoilt", [{"noted": False}, {"minutes_more": 7}, {"free_driver": True}], ids=str)
def test_a_ride_may_not_wait_that_is_in_no_book_or_overdue_or_has_a_driver(spoilt: dict[str, Any]) -> None:
    assert found(a_ride_that_waits(Play(), **spoilt)) == {"nobody is forgotten"}


def test_poison_is_among_the_dead_letters_of_each_group_and_nothing_else_is() -> None:
    poison = Injected("queue-called", b"{", frozenset({"notify", "volunteers"}))
    both = [("queue-called", group, b"{") for group in ("notify", "volunteers")]
    assert poison_isolated([poison], both) == []
    assert poison_isolated([poison], both[:1])
    assert poison_isolated([poison], [*both, ("queue-called", "notify", b"{}")])
    assert poison_isolated([poison], [both[0], ("queue-called", "volunteers", b"[")])


def test_a_replay_that_leaves_a_new_fact_is_named() -> None:
    before = [minutes("one")]
    assert replay_changes_nothing(before, before) == []
    assert replay_changes_nothing(before, [*before, minutes("two")])


def test_a_replay_may_find_offers_that_the_time_has_made_but_sends_no_other_message() -> None:
    made = Noted("n1", DISPATCH, 9, "OfferMade", "offer-made", b'{"offer_id": "31186-o-1"}')
    told = Noted("n2", "/notify/message/31186-o-1-offer", 1, "MessagePlanned", None, b"{}")
    assert replay_changes_nothing([], [made, told]) == []
    assert replay_changes_nothing([made], [made, told])
    assert replay_changes_nothing([], [made, replace(told, source="/notify/message/x-called")])


def test_a_violation_shows_the_least_that_proves_it() -> None:
    play = Play()
    lost = play.visit()
    spoiled = without(play.history(), only(play.history(), "case-completed"))
    (violation,) = [one for one in check(spoiled) if one.invariant == "nothing acknowledged is lost"]
    assert len(violation.witness) == 1
    assert lost in str(violation)


# ------------------------------------------------------------------------------- what nobody knows is no fault


def test_a_command_of_unknown_fate_may_have_happened_or_not() -> None:
    play = Play()
    play.send("issue", CENTRE, "unknown")
    assert check(play.history()) == []
    play.publish("ticket-issued", HALL, ticket_id=f"{CENTRE}-20261124-0000000001", code="A001", number=1, series="A",
                 needs_help=False, ride_home=False)  # fmt: skip
    assert check(play.history()) == []


def test_a_command_of_unknown_fate_happened_at_most_once() -> None:
    play = Play()
    play.send("call-next", CENTRE, "unknown", counter=4)
    for ticket in (play.issue(), play.issue()):
        play.publish("queue-called", HALL, ticket_id=ticket, counter=4, code="A001")
    assert "nothing without a command" in found(play.history())


def test_nobody_waits_owes_no_event() -> None:
    play = Play()
    play.send("call-next", CENTRE, status=204, counter=1)
    assert check(play.history()) == []


# ------------------------------------------------------------------------------------- histories made at random


@st.composite
def mornings(draw: st.DrawFn) -> Play:
    """A faultless history of some visits, interleaved at their steps."""
    play = Play()
    counters = list(range(1, 5))
    running: list[list[Callable[[], None]]] = []
    for counter in counters[: draw(st.integers(1, 4))]:
        steps: list[Callable[[], None]] = []
        for _ in range(draw(st.integers(1, 3))):
            steps += _steps_of(play, counter, draw(st.booleans()), draw(st.booleans()), draw(st.booleans()))
        running.append(steps)
    while running := [steps for steps in running if steps]:
        draw(st.sampled_from(running)).pop(0)()
    for record in draw(st.lists(st.sampled_from(play.records), max_size=4)):
        play.again(record)
    return play


def _steps_of(play: Play, counter: int, ride: bool, lost_first: bool, absent: bool) -> list[Callable[[], None]]:
    here: list[str] = []

    def comes() -> None:
        here.append(play.issue(ride_home=ride, lost_first=lost_first))
        play.call(here[0], counter)  # at once, so that nobody is passed over

    steps: list[Callable[[], None]] = [comes]
    if absent:
        return [*steps, lambda: play.no_show(here[0], counter)]
    steps += [lambda: play.start(here[0], counter), lambda: play.complete(here[0], counter)]
    if ride:
        steps += [
            lambda: play.accept(play.offer(f"{here[0]}-ride", f"m-{counter}")),
            lambda: play.drive_home(f"{here[0]}-ride", f"m-{counter}"),
        ]
    return steps


@settings(max_examples=40)
@given(mornings())
def test_no_faultless_history_is_blamed(play: Play) -> None:
    assert check(play.history()) == []


@settings(max_examples=40)
@given(mornings(), st.data())
def test_a_lost_event_is_always_noticed(play: Play, data: st.DataObject) -> None:
    lost = data.draw(st.sampled_from([record for record in play.records if record.topic != "offer-void"]))
    kept = [record for record in play.records if record.id != lost.id]
    assert found(replace(play.history(), records=kept))


@settings(max_examples=40)
@given(mornings(), st.data())
def test_a_doubled_effect_is_always_noticed(play: Play, data: st.DataObject) -> None:
    commanded = {effect.topic for effect in EFFECTS.values()}
    doubled = data.draw(st.sampled_from([record for record in play.records if record.topic in commanded]))
    play.publish(doubled.topic, doubled.source, **doubled.data)
    assert "nothing without a command" in found(play.history())


@settings(max_examples=40)
@given(mornings(), st.data())
def test_two_events_of_a_topic_that_changed_places_are_always_noticed(play: Play, data: st.DataObject) -> None:
    history = play.history()
    first = data.draw(st.sampled_from([event for event in history.events if event.source == HALL]))
    others = [event for event in history.events if event.source == HALL and event.topic == first.topic]
    second = data.draw(st.sampled_from(others))
    assume(first is not second)
    places = {first.id: second.sequence, second.id: first.sequence}
    moved = [replace(record, sequence=places.get(record.id, record.sequence)) for record in history.records]
    assert "order per key" in found(replace(history, records=moved))


@settings(max_examples=40)
@given(mornings(), st.data())
def test_a_refusal_that_was_none_is_always_noticed(play: Play, data: st.DataObject) -> None:
    told = [attempt for attempt in play.attempts if attempt.outcome == "ok"]
    spoiled = data.draw(st.sampled_from(told))

    def refused(attempt: Attempt) -> Attempt:
        return replace(attempt, outcome="refused", status=409, answer={}) if attempt is spoiled else attempt

    assert found(replace(play.history(), attempts=tuple(map(refused, play.attempts))))
