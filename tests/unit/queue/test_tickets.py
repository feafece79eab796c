"""Issuing numbers: dense, from 001, and only what the centre gives today."""

import pytest

from services.contracts.events import HelpWanted, PriorityWitnessed
from services.contracts.words import Fact, TicketEnd
from services.queue import domain
from services.queue.hall import Checklist, Hall
from services.queue.refusals import (
    CentreClosedNow,
    CentreClosedToday,
    HallNotOpened,
    NoSuchTicket,
    NotInThisState,
    QuotaUsedUp,
    ServiceClosed,
    UnknownPaper,
    UnknownService,
)
from tests.unit.queue.morning import EIGHT, Morning, config, one_line, ticket, words


def test_numbers_of_a_series_are_dense_from_one() -> None:
    morning = Morning()
    codes = [morning.issue(str(n)).code for n in range(3)]
    assert codes == ["A001", "A002", "A003"]


def test_services_of_one_series_share_its_numbers_and_others_do_not() -> None:
    morning = Morning()
    codes = [morning.issue(service, service).code for service in ("birth", "copies", "land")]
    assert codes == ["A001", "A002", "B001"]


def test_number_a_thousand_still_has_a_code() -> None:
    morning = Morning(one_line(always_open=True))
    morning.hall.numbers["A"] = 999
    assert morning.issue().code == "A1000"


def test_a_cancelled_number_is_not_given_again() -> None:
    morning = Morning()
    morning.issue("a")
    morning.do(domain.cancel, ticket_id=ticket("a"), by=TicketEnd.BY_CITIZEN)
    assert morning.issue("b").code == "A002"


def test_an_unknown_service_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UnknownService, match="birth, copies, land"):
        Morning().issue(service="passport")


def test_before_the_day_is_opened_no_number_is_given() -> None:
    with pytest.raises(HallNotOpened):
        domain.issue_ticket(Hall("31186-20261124"), ticket_id=ticket("a"), service="birth", now=EIGHT)


@pytest.mark.parametrize(("hours", "minutes"), [(-1, 0), (3, 30), (5, 29), (9, 0)])
def test_outside_the_hours_no_number_is_given(hours: int, minutes: int) -> None:
    morning = Morning().pass_by(hours=hours, minutes=minutes)
    with pytest.raises(CentreClosedNow, match=r"07:30-11:30, 13:30-17:00"):
        morning.issue()


@pytest.mark.parametrize(("hours", "minutes"), [(-1, 30), (3, 29), (5, 30), (8, 59)])
def test_within_the_hours_numbers_are_given(hours: int, minutes: int) -> None:
    assert Morning().pass_by(hours=hours, minutes=minutes).issue().number == 1


def test_numbers_may_be_given_some_minutes_before_the_opening() -> None:
    morning = Morning(config(early_minutes=30)).pass_by(minutes=-59)
    assert morning.issue().number == 1


def test_on_a_closed_day_no_number_is_given() -> None:
    with pytest.raises(CentreClosedToday):
        Morning(config(exceptions={"2026-11-24": []})).issue()


def test_a_demo_centre_gives_numbers_at_midnight() -> None:
    morning = Morning(config(always_open=True)).pass_by(hours=-7)
    assert morning.issue().number == 1


def test_a_service_that_is_closed_today_is_refused() -> None:
    land = {"name": words("Đất đai"), "series": "B", "counters": [3], "weekdays": ["thu"]}
    with pytest.raises(ServiceClosed, match="land"):
        Morning(config(services={"land": land}), counters=()).issue(service="land")


def test_the_quota_is_kept_and_counts_cancelled_numbers_too() -> None:
    land = {"name": words("Đất đai"), "series": "B", "counters": [3], "quota": 2}
    morning = Morning(config(services={"land": land}), counters=())
    morning.issue("a", "land")
    morning.do(domain.cancel, ticket_id=ticket("a"), by=TicketEnd.BY_STAFF)
    morning.issue("b", "land")
    with pytest.raises(QuotaUsedUp, match="All 2 numbers of land"):
        morning.issue("c", "land")


def test_the_answer_says_how_many_are_ahead() -> None:
    morning = Morning()
    assert [morning.issue(str(n)).ahead for n in range(3)] == [0, 1, 2]


def test_asking_for_help_twice_asks_once() -> None:
    morning = Morning()
    morning.issue()
    assert [type(fact) for fact in morning.do(domain.want_help, ticket_id=ticket("a"))] == [HelpWanted]
    assert morning.do(domain.want_help, ticket_id=ticket("a")) == []


def test_who_asked_for_help_at_the_kiosk_is_not_asked_for_again() -> None:
    morning = Morning()
    morning.issue(needs_help=True)
    assert morning.do(domain.want_help, ticket_id=ticket("a")) == []


def test_priority_witnessed_counts_even_if_nobody_claimed_it() -> None:
    morning = Morning()
    morning.issue("a")
    morning.issue("b")
    assert isinstance(morning.do(domain.witness_priority, ticket_id=ticket("b"))[0], PriorityWitnessed)
    assert morning.call().ticket_id == ticket("b")


def test_a_ticket_that_was_never_issued_is_not_found() -> None:
    with pytest.raises(NoSuchTicket):
        Morning().do(domain.want_help, ticket_id=ticket("x"))


def test_the_refusal_says_the_state_and_what_is_possible_in_both_languages() -> None:
    morning = Morning()
    morning.issue()
    with pytest.raises(NotInThisState) as refused:
        morning.do(domain.complete, ticket_id=ticket("a"), outcome="accepted")
    assert refused.value.says("en") == (
        "A001 is waiting, so this is not possible: complete. "
        "Possible now: cancel, ask for help, confirm its priority, tick the papers."
    )
    assert refused.value.says("vi").startswith("Số A001 đang chờ nên không thể hoàn thành.")
    assert refused.value.parameters["state"] == "waiting"


FORM, CARD = "a" * 12, "b" * 12


def ticked(morning: Morning, *papers: str, form_filled: bool = False, by_volunteer: bool = False) -> list[Fact]:
    given = {"form_filled": form_filled, "by_volunteer": by_volunteer, "known": [FORM, CARD]}
    return morning.do(domain.tick_checklist, ticket_id=ticket("a"), papers=papers, **given)


def test_the_last_look_at_her_papers_counts_and_who_helped_is_kept() -> None:
    morning = Morning()
    morning.issue("a")
    ticked(morning, CARD, by_volunteer=True)
    ticked(morning, CARD, FORM, form_filled=True)
    assert morning.the("a").checklist == Checklist((FORM, CARD), form_filled=True, with_volunteer=True)


def test_the_same_look_again_changes_nothing() -> None:
    morning = Morning()
    morning.issue("a")
    assert ticked(morning) and not ticked(morning)


def test_a_paper_that_nobody_asks_for_is_refused() -> None:
    morning = Morning()
    morning.issue("a")
    with pytest.raises(UnknownPaper):
        ticked(morning, "c" * 12)
