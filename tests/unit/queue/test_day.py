"""The day of a hall: its end, its midnight, and changes of the centre in the middle of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.contracts.events import CaseCompleted, CounterClosed, DayClosed, TicketCancelled
from services.contracts.words import CaseOutcome, TicketEnd
from services.queue import domain
from services.queue.centre import Centre, CentreConfig, plan_for
from services.queue.domain import DayPlanned
from services.queue.hall import Hall
from services.queue.refusals import DayIsClosed, NoSuchTicket, PeopleStillThere, ServiceClosed
from tests.unit.queue.morning import EIGHT, Morning, config, one_line, ticket, words

MIDNIGHT = datetime(2026, 11, 24, 17, tzinfo=UTC)
"""00:00 on 25 November in Cần Thơ."""


def busy() -> Morning:
    """One waits, one is called, one is served, one is held, one did not come, one is done, one has cancelled."""
    morning = Morning(one_line(always_open=True), counters=(1, 2))
    for name in ("done", "gone", "held", "served", "called", "left", "waits"):
        morning.issue(name)
    morning.serve("done")
    morning.call(1)
    morning.do(domain.mark_no_show, ticket_id=ticket("gone"))
    morning.call(1)
    morning.do(domain.hold, ticket_id=ticket("held"))
    morning.call(1)
    morning.do(domain.start, ticket_id=ticket("served"))
    morning.call(2)
    morning.do(domain.cancel, ticket_id=ticket("left"), by=TicketEnd.BY_CITIZEN)
    return morning


def replanned(morning: Morning, described: CentreConfig, revision: int = 2) -> Any:
    return morning.do(domain.plan_day, plan=plan_for(Centre("31186", described, revision), EIGHT.date()))


def test_the_end_of_the_day_gives_every_live_ticket_an_end_of_its_own() -> None:
    facts = busy().do(domain.end_day)
    ended = {fact.ticket_id: fact for fact in facts if isinstance(fact, CaseCompleted | TicketCancelled)}
    assert ended.keys() == {ticket(name) for name in ("held", "served", "called", "waits")}
    served: Any = ended.pop(ticket("served"))
    assert served.outcome is CaseOutcome.UNFINISHED
    assert {fact.reason for fact in ended.values()} == {TicketEnd.DAY_CLOSED}  # type: ignore[union-attr]


def test_the_day_is_closed_last_and_its_sum_is_right() -> None:
    facts = busy().do(domain.end_day)
    closed = facts[-1]
    assert isinstance(closed, DayClosed)
    assert [fact.counter for fact in facts if isinstance(fact, CounterClosed)] == [1, 2]
    sums = (closed.issued, closed.completed, closed.cancelled, closed.no_show, closed.unfinished)
    assert sums == (7, 1, 4, 1, 1)
    assert closed.issued == sum(sums[1:])


def test_a_closed_hall_is_small_and_takes_nothing_more() -> None:
    morning = busy()
    morning.do(domain.end_day)
    assert (morning.hall.tickets, morning.hall.open_counters, domain.due(morning.hall)) == ([], [], None)
    with pytest.raises(DayIsClosed):
        morning.issue("late")
    with pytest.raises(NoSuchTicket):
        morning.do(domain.start, ticket_id=ticket("called"))


def test_staff_do_not_send_people_home_without_saying_so() -> None:
    morning = busy()
    with pytest.raises(PeopleStillThere, match="1 are waiting and 3 are at a counter"):
        morning.do(domain.close_day, send_home=False)
    assert isinstance(morning.do(domain.close_day, send_home=True)[-1], DayClosed)


def test_an_empty_hall_is_closed_without_a_question() -> None:
    assert isinstance(Morning().do(domain.close_day, send_home=False)[-1], DayClosed)


def test_the_day_ends_by_itself_some_time_after_the_last_closing() -> None:
    assert domain.due(Morning().hall) == datetime(2026, 11, 24, 12, tzinfo=UTC)  # 17:00 and two hours


def test_a_demo_day_lasts_from_midnight_to_midnight() -> None:
    assert domain.due(Morning(config(always_open=True)).hall) == MIDNIGHT


def test_whatever_the_grace_the_day_ends_at_midnight() -> None:
    assert domain.due(Morning(config(grace_minutes=600)).hall) == MIDNIGHT


def test_at_23_59_a_number_is_given_and_at_midnight_the_next_day_begins_at_one() -> None:
    evening = Morning(config(always_open=True), now=MIDNIGHT - timedelta(minutes=1))
    morning = Morning(config(always_open=True), now=MIDNIGHT)
    assert (evening.issue("a").code, evening.issue("b").code) == ("A001", "A002")
    assert morning.issue("c").code == "A001"
    assert (evening.hall.id, morning.hall.id) == ("31186-20261124", "31186-20261125")


def test_a_hall_needed_after_hours_lasts_until_midnight() -> None:
    late = Morning(now=datetime(2026, 11, 24, 13, tzinfo=UTC))
    assert domain.due(late.hall) == MIDNIGHT


@pytest.mark.parametrize("month", range(1, 13))
def test_the_day_has_the_same_hours_in_every_month(month: int) -> None:
    day = datetime(2026, month, 2, 3, tzinfo=UTC)
    plan = plan_for(Centre("31186", config(always_open=True), 1), day.date())
    assert (plan.ends.hour, (plan.ends - day).total_seconds()) == (17, 14 * 3600)


def test_a_hall_that_is_open_keeps_its_plan_until_a_newer_one() -> None:
    morning = Morning(config())
    assert replanned(morning, config(in_a_row=5), revision=1) == []
    assert [type(fact) for fact in replanned(morning, config(in_a_row=5))] == [DayPlanned]
    assert morning.hall.plan and morning.hall.plan.in_a_row == 5


def test_a_closed_day_is_not_planned_again() -> None:
    morning = Morning()
    morning.do(domain.end_day)
    assert replanned(morning, config(in_a_row=5)) == []


def test_who_holds_a_number_of_a_service_that_is_taken_out_is_still_called() -> None:
    morning = Morning(config(), counters=(3,))
    morning.issue("a", "land")
    replanned(morning, one_line())
    with pytest.raises(ServiceClosed):
        morning.issue("b", "land")
    assert morning.call(3).ticket_id == ticket("a")


def test_an_undone_ticket_of_a_service_that_is_taken_out_is_completed_again() -> None:
    morning = Morning(config(), counters=(3,))
    morning.issue("a", "land")
    morning.serve("a", counter=3)
    replanned(morning, one_line())
    morning.do(domain.undo, counter=3)
    assert morning.do(domain.complete, ticket_id=ticket("a"), outcome="accepted", services=("land",))


def test_the_quota_of_the_new_plan_counts_what_was_given_already() -> None:
    morning = Morning(config(), counters=())
    morning.issue("a", "land")
    land = {"name": words("Đất đai"), "series": "B", "counters": [3], "quota": 1}
    replanned(morning, config(services={"land": land}))
    with pytest.raises(domain.QuotaUsedUp):
        morning.issue("b", "land")


def test_a_hall_that_was_never_opened_has_nothing_due() -> None:
    assert domain.due(Hall("31186-20261124")) is None


def test_time_that_stands_still_gives_no_negative_clock() -> None:
    morning = Morning(one_line())
    morning.issue("a")
    morning.call()
    morning.now -= timedelta(hours=1)
    morning.do(domain.start, ticket_id=ticket("a"))
    done: Any = morning.do(domain.complete, ticket_id=ticket("a"), outcome="accepted")[0]
    assert (done.wait_seconds, done.way_seconds, done.transaction_seconds) == (0, 0, 0)
