"""Help in the hall: asked for, taken, finished, corrected, and what the ticket's end does to it."""

from datetime import timedelta

import pytest

from services.contracts.events import AssistanceCancelled, AssistanceFinished, AssistanceTaken
from services.contracts.words import AssistanceResult, CancelledBy, CaseOutcome, JobKind
from services.volunteers import assistances
from services.volunteers.assistances import (
    AlreadyAsked,
    Assistance,
    AssistanceClosed,
    DayIsOver,
    HelpStage,
    NotTheHelper,
    NotYetFinished,
    UnknownAssistance,
)
from services.volunteers.tickets import TicketHasEnded
from tests.unit.volunteers.build import (
    AN,
    BINH,
    HELP,
    NOON,
    Document,
    accepted,
    completed,
    help_wanted,
    issued,
    minute,
    names,
    no_show,
    reinstated,
    ticket_cancelled,
    undone,
)

SHOWN, ACTIVATED = AssistanceResult.SHOWN, AssistanceResult.ACTIVATED
NOT_RECORDED = AssistanceResult.NOT_RECORDED


def an_assistance() -> Document[Assistance]:
    return Document(Assistance(HELP), assistances.evolve)


def asked() -> Document[Assistance]:
    assistance = an_assistance()
    assistance.do(assistances.hear, issued(1, needs_help=True), at=minute(1))
    return assistance


def taken_by(member: str) -> Document[Assistance]:
    assistance = asked()
    taking(assistance, member, 20, 3)
    return assistance


def taking(assistance: Document[Assistance], member: str, sequence: int, at: float) -> list[str]:
    event = accepted(sequence, member, JobKind.ASSISTANCE, at=minute(at))
    return names(assistance.do(assistances.accept, event, at=minute(at)))


def test_a_ticket_that_needs_help_asks_for_it() -> None:
    assert names(an_assistance().do(assistances.hear, issued(needs_help=True))) == ["AssistanceRequested"]


def test_a_ticket_that_needs_none_says_nothing() -> None:
    assert names(an_assistance().do(assistances.hear, issued())) == []


def test_help_wanted_later_is_asked_for_once() -> None:
    assistance = asked()
    assert names(assistance.do(assistances.hear, help_wanted(5), at=minute(5))) == []


def test_help_wanted_again_after_it_was_given_is_asked_for_again() -> None:
    assistance = taken_by(AN)
    assistance.do(assistances.finish, SHOWN, AN, at=minute(4))
    assert names(assistance.do(assistances.hear, help_wanted(5), at=minute(5))) == ["AssistanceRequested"]


def test_a_late_word_about_the_first_wish_is_no_second_one() -> None:
    assistance = taken_by(AN)
    assistance.do(assistances.finish, SHOWN, AN, at=minute(7))
    assert names(assistance.do(assistances.hear, help_wanted(5), at=minute(8))) == []


def test_the_counter_asks_before_the_ticket_was_heard_of() -> None:
    assistance = an_assistance()
    assert names(assistance.do(assistances.ask)) == []
    assert names(assistance.do(assistances.hear, issued(1), at=minute(1))) == ["AssistanceRequested"]


def test_asking_twice_is_refused() -> None:
    assert isinstance(asked().refused(assistances.ask), AlreadyAsked)


def test_nothing_is_asked_for_with_a_ticket_that_ended() -> None:
    assistance = asked()
    assistance.do(assistances.hear, ticket_cancelled(5), at=minute(5))
    assert isinstance(assistance.refused(assistances.ask, at=minute(6)), TicketHasEnded)


def test_the_acceptance_makes_it_his() -> None:
    assistance = taken_by(AN)
    assert assistance.last(AssistanceTaken).member == AN


def test_another_member_takes_over_after_the_first_went_home() -> None:
    assistance = taken_by(AN)
    assert taking(assistance, BINH, 30, 6) == ["AssistanceTaken"]
    assert (assistance.state.member, assistance.state.taken) == (BINH, minute(6))


def test_the_newest_acceptance_wins_whichever_comes_last() -> None:
    assistance = taken_by(BINH)
    assert taking(assistance, AN, 15, 6) == []


def test_it_is_finished_with_what_came_of_it() -> None:
    assistance = taken_by(AN)
    assistance.do(assistances.finish, ACTIVATED, AN, at=minute(18))
    finished = assistance.last(AssistanceFinished)
    assert (finished.member, finished.result, finished.minutes) == (AN, ACTIVATED, 15)


def test_only_the_helper_says_what_came_of_it() -> None:
    assert isinstance(taken_by(AN).refused(assistances.finish, SHOWN, BINH), NotTheHelper)


def test_a_helper_who_was_simply_there_says_it_and_it_is_his() -> None:
    assistance = asked()
    assistance.do(assistances.finish, SHOWN, BINH, at=minute(4))
    assert assistance.last(AssistanceFinished).member == BINH


def test_the_completed_case_closes_it_as_not_recorded() -> None:
    assistance = taken_by(AN)
    assistance.do(assistances.hear, completed(10), at=minute(11))
    finished = assistance.last(AssistanceFinished)
    assert (finished.member, finished.result, finished.minutes) == (AN, NOT_RECORDED, 7)


def test_what_the_case_closed_can_be_recorded_that_day() -> None:
    assistance = taken_by(AN)
    assistance.do(assistances.hear, completed(10), at=minute(11))
    assistance.do(assistances.finish, ACTIVATED, AN, at=minute(60))
    finished = assistance.last(AssistanceFinished)
    assert (finished.result, finished.minutes) == (ACTIVATED, 7)


def test_a_result_is_corrected_that_day_only() -> None:
    assistance = taken_by(AN)
    assistance.do(assistances.finish, SHOWN, AN, at=minute(5))
    assistance.do(assistances.correct, ACTIVATED, AN, at=minute(6))
    assert assistance.state.result is ACTIVATED
    assert isinstance(assistance.refused(assistances.correct, SHOWN, AN, at=NOON + timedelta(hours=13)), DayIsOver)


def test_a_result_that_was_recorded_is_not_finished_again() -> None:
    assistance = taken_by(AN)
    assistance.do(assistances.finish, SHOWN, AN, at=minute(5))
    assert isinstance(assistance.refused(assistances.finish, ACTIVATED, AN), AssistanceClosed)


def test_only_what_was_finished_is_corrected() -> None:
    assert isinstance(taken_by(AN).refused(assistances.correct, SHOWN, AN), NotYetFinished)


def test_help_that_nobody_asked_for_is_unknown() -> None:
    assert isinstance(an_assistance().refused(assistances.finish, SHOWN, AN), UnknownAssistance)


def test_she_needs_none_any_more() -> None:
    assistance = asked()
    assistance.do(assistances.cancel, CancelledBy.CITIZEN)
    assert isinstance(assistance.refused(assistances.cancel, CancelledBy.CITIZEN), AssistanceClosed)


@pytest.mark.parametrize("end", [ticket_cancelled(10), no_show(10), completed(10, CaseOutcome.UNFINISHED)])
def test_the_end_of_the_ticket_cancels_it(end: object) -> None:
    assistance = taken_by(AN)
    assistance.do(assistances.hear, end, at=minute(10))
    assert assistance.last(AssistanceCancelled).by is CancelledBy.TICKET_ENDED


def test_an_end_that_arrives_first_is_remembered() -> None:
    assistance = an_assistance()
    assistance.do(assistances.hear, ticket_cancelled(5), at=minute(5))
    assert names(assistance.do(assistances.hear, issued(1, needs_help=True), at=minute(6))) == ["AssistanceCancelled"]


def test_a_ticket_that_comes_back_needs_help_again() -> None:
    assistance = taken_by(AN)
    assistance.do(assistances.hear, no_show(10), at=minute(10))
    assert names(assistance.do(assistances.hear, reinstated(12), at=minute(12))) == ["AssistanceRequested"]
    assert assistance.state.member is None


def test_a_completion_taken_back_opens_what_it_closed() -> None:
    assistance = taken_by(AN)
    assistance.do(assistances.hear, completed(10), at=minute(10))
    assert names(assistance.do(assistances.hear, undone(12), at=minute(12))) == ["AssistanceRequested"]


def test_a_completion_taken_back_leaves_a_result_that_was_recorded() -> None:
    assistance = taken_by(AN)
    assistance.do(assistances.finish, SHOWN, AN, at=minute(5))
    assistance.do(assistances.hear, completed(10), at=minute(10))
    assert names(assistance.do(assistances.hear, undone(12), at=minute(12))) == []


def test_an_acceptance_that_crosses_the_end_of_the_case_is_his_to_correct() -> None:
    assistance = asked()
    assistance.do(assistances.hear, completed(10), at=minute(10))
    assert taking(assistance, AN, 20, 9) == ["AssistanceFinished"]
    finished = assistance.last(AssistanceFinished)
    assert (finished.member, finished.result, finished.minutes) == (AN, NOT_RECORDED, 1)


def test_an_acceptance_that_crosses_a_cancellation_hears_that_it_is_cancelled() -> None:
    assistance = asked()
    assistance.do(assistances.hear, ticket_cancelled(5), at=minute(5))
    assert taking(assistance, AN, 20, 4) == ["AssistanceCancelled"]
    assert assistance.state.stage is HelpStage.CANCELLED


def test_a_log_seven_days_old_sends_nobody_out() -> None:
    assistance = an_assistance()
    later = NOON + timedelta(days=7)
    assistance.do(assistances.hear, issued(1, needs_help=True), at=later)
    assert names(assistance.said) == []
