"""The ride home: when it is due, who drives, how it ends, and what is forgotten."""

from datetime import timedelta

import pytest

from services.contracts.events import RideAssigned, RideCancelled, RideCompleted, RideHomeRequested, RidePlanned
from services.contracts.words import CancelledBy, CaseOutcome, TicketEnd
from services.volunteers import rides
from services.volunteers.rides import NotTheDriver, Ride, RideAlreadyHis, RideStage, RideStateForbids, UnknownRide
from services.volunteers.tickets import TicketHasEnded
from tests.unit.volunteers.build import (
    AN,
    BINH,
    CONTACT,
    DESTINATION,
    NOON,
    RIDE,
    Document,
    accepted,
    completed,
    issued,
    minute,
    names,
    no_show,
    reinstated,
    ticket_cancelled,
    undone,
)


def a_ride() -> Document[Ride]:
    return Document(Ride(RIDE), rides.evolve)


def planned() -> Document[Ride]:
    ride = a_ride()
    ride.do(rides.hear, issued(1, ride_home=True))
    ride.do(rides.ask, destination=DESTINATION, hamlet="khu-vuc-5", seats=1)
    return ride


def requested() -> Document[Ride]:
    ride = planned()
    ride.do(rides.hear, completed(10), at=minute(10))
    return ride


def driven_by(member: str) -> Document[Ride]:
    ride = requested()
    ride.do(rides.accept, accepted(20, member, at=minute(12)), "dừa xanh", at=minute(12))
    return ride


def driver_of(ride: Document[Ride]) -> str | None:
    return ride.state.driver.member if ride.state.driver else None


def test_a_ticket_without_a_way_home_plans_a_ride() -> None:
    assert names(a_ride().do(rides.hear, issued(ride_home=True))) == ["RidePlanned"]


def test_a_ticket_that_needs_no_ride_says_nothing() -> None:
    assert names(a_ride().do(rides.hear, issued())) == []


def test_it_is_due_when_the_case_is_completed_and_the_destination_known() -> None:
    ride = planned()
    assert names(ride.do(rides.hear, completed(10), at=minute(10))) == ["RideHomeRequested"]
    due = ride.last(RideHomeRequested)
    assert (due.hamlet, due.code, due.contact_ref) == ("khu-vuc-5", "A012", CONTACT)


def test_it_waits_for_a_destination_that_comes_after_the_case() -> None:
    ride = a_ride()
    ride.do(rides.hear, issued(ride_home=True))
    assert names(ride.do(rides.hear, completed(10), at=minute(10))) == []
    asked = ride.do(rides.ask, destination=DESTINATION, hamlet="khu-vuc-5", seats=2, at=minute(11))
    assert names(asked) == ["RidePlanned", "RideHomeRequested"]


def test_it_can_be_asked_for_before_the_ticket_was_heard_of() -> None:
    ride = a_ride()
    ride.do(rides.ask, destination=DESTINATION, hamlet="khu-vuc-5", seats=1)
    ride.do(rides.hear, completed(10), at=minute(10))
    assert ride.state.stage is RideStage.REQUESTED


def test_an_end_that_arrives_first_is_remembered() -> None:
    ride = a_ride()
    ride.do(rides.hear, ticket_cancelled(5), at=minute(6))
    ride.do(rides.hear, issued(1, ride_home=True), at=minute(7))
    assert (ride.state.stage, ride.last(RideCancelled).by) == (RideStage.CANCELLED, CancelledBy.TICKET_ENDED)


@pytest.mark.parametrize(
    "end",
    [
        ticket_cancelled(12),
        no_show(12),
        ticket_cancelled(12, TicketEnd.DAY_CLOSED),
        completed(12, CaseOutcome.UNFINISHED),
    ],
)
def test_the_end_of_the_ticket_takes_its_ride_with_it_even_from_a_driver(end: object) -> None:
    ride = driven_by(AN)
    ride.do(rides.hear, end, at=minute(13))
    assert (ride.state.stage, ride.last(RideCancelled).member) == (RideStage.CANCELLED, AN)


def test_but_not_one_that_is_under_way() -> None:
    ride = driven_by(AN)
    ride.do(rides.pick_up, AN, at=minute(13))
    assert names(ride.do(rides.hear, ticket_cancelled(12), at=minute(14))) == []
    assert ride.state.stage is RideStage.PICKED_UP


def test_a_ticket_that_comes_back_brings_its_ride_back() -> None:
    ride = planned()
    ride.do(rides.hear, no_show(5), at=minute(5))
    assert names(ride.do(rides.hear, reinstated(7), at=minute(7))) == ["RidePlanned"]


def test_a_ride_that_the_citizen_cancelled_stays_cancelled_when_the_ticket_comes_back() -> None:
    ride = planned()
    ride.do(rides.cancel, CancelledBy.CITIZEN)
    ride.do(rides.hear, no_show(5), at=minute(5))
    assert names(ride.do(rides.hear, reinstated(7), at=minute(7))) == []


def test_a_completion_taken_back_takes_the_request_back() -> None:
    ride = requested()
    assert names(ride.do(rides.hear, undone(12), at=minute(12))) == ["RidePlanned"]
    assert names(ride.do(rides.hear, completed(15), at=minute(15))) == ["RideHomeRequested"]


def test_a_completion_taken_back_leaves_a_driver_his_ride() -> None:
    ride = driven_by(AN)
    assert names(ride.do(rides.hear, undone(12), at=minute(13))) == []
    assert names(ride.do(rides.hear, completed(15), at=minute(15))) == []
    assert driver_of(ride) == AN


def test_an_older_word_never_overwrites_a_newer_one() -> None:
    ride = planned()
    ride.do(rides.hear, undone(12), at=minute(12))
    assert names(ride.do(rides.hear, completed(10), at=minute(13))) == []


def test_minutes_count_from_the_acceptance_to_the_drop_off() -> None:
    ride = driven_by(AN)
    ride.do(rides.pick_up, AN, at=minute(20))
    ride.do(rides.drop_off, AN, at=minute(34))
    assert ride.last(RideCompleted).minutes == 22


def test_each_driver_has_a_code_word_of_his_own() -> None:
    ride = driven_by(AN)
    ride.do(rides.release, AN, at=minute(13))
    assert ride.state.code_word is None
    ride.do(rides.accept, accepted(30, BINH), "cầu nhỏ", at=minute(14))
    assert ride.state.code_word == "cầu nhỏ"


def test_a_ride_given_back_is_offered_to_others() -> None:
    ride = driven_by(AN)
    assert names(ride.do(rides.release, AN, at=minute(13))) == ["RideReleased"]
    assert (ride.state.stage, ride.state.driver) == (RideStage.REQUESTED, None)


def test_a_ride_given_back_after_the_completion_was_undone_waits_again() -> None:
    ride = driven_by(AN)
    ride.do(rides.hear, undone(12), at=minute(13))
    assert names(ride.do(rides.release, AN, at=minute(14))) == ["RideReleased", "RidePlanned"]


def test_only_the_driver_picks_up() -> None:
    assert isinstance(driven_by(AN).refused(rides.pick_up, BINH), NotTheDriver)


def test_nobody_drops_off_who_was_not_picked_up() -> None:
    refusal = driven_by(AN).refused(rides.drop_off, AN)
    assert isinstance(refusal, RideStateForbids)
    assert (refusal.parameters["state"], "pick up" in refusal.parameters["allowed"]) == ("assigned", True)


def test_what_is_under_way_cannot_be_cancelled() -> None:
    ride = driven_by(AN)
    ride.do(rides.pick_up, AN)
    assert isinstance(ride.refused(rides.cancel, CancelledBy.CITIZEN), RideStateForbids)


def test_a_driver_cancels_only_his_own() -> None:
    assert isinstance(driven_by(AN).refused(rides.cancel, CancelledBy.VOLUNTEER, BINH), NotTheDriver)


def test_a_ride_of_nobody_is_unknown() -> None:
    assert isinstance(a_ride().refused(rides.cancel, CancelledBy.COORDINATOR), UnknownRide)
    assert isinstance(a_ride().refused(rides.pick_up, AN), UnknownRide)


def test_a_cancelled_ride_can_be_asked_for_again() -> None:
    ride = requested()
    ride.do(rides.cancel, CancelledBy.CITIZEN, at=minute(11))
    again = ride.do(rides.ask, destination=DESTINATION, hamlet="khu-vuc-6", seats=1, at=minute(12))
    assert names(again) == ["RidePlanned", "RideHomeRequested"]


def test_nothing_is_asked_for_with_a_ticket_that_ended() -> None:
    ride = planned()
    ride.do(rides.hear, ticket_cancelled(5), at=minute(5))
    assert isinstance(ride.refused(rides.ask, DESTINATION, "khu-vuc-5", 1, at=minute(6)), TicketHasEnded)


def test_nothing_is_asked_for_long_after_the_case() -> None:
    ride = a_ride()
    ride.do(rides.hear, completed(10), at=minute(10))
    assert isinstance(
        ride.refused(rides.ask, DESTINATION, "khu-vuc-5", 1, at=NOON + timedelta(hours=13)), TicketHasEnded
    )


def test_the_destination_of_a_ride_that_is_being_offered_stays_as_it_is() -> None:
    assert isinstance(requested().refused(rides.ask, DESTINATION, "khu-vuc-6", 1), RideStateForbids)


def test_a_log_seven_days_old_sends_nobody_out() -> None:
    ride = a_ride()
    later = NOON + timedelta(days=7)
    ride.do(rides.hear, issued(1, ride_home=True), at=later)
    ride.do(rides.ask, DESTINATION, "khu-vuc-5", 1, at=NOON)
    ride.do(rides.hear, completed(10), at=later)
    assert not [fact for fact in ride.said if isinstance(fact, RideHomeRequested)]
    assert ride.state.stage is RideStage.CANCELLED


def test_the_destination_goes_72_hours_after_the_end() -> None:
    ride = driven_by(AN)
    ride.do(rides.cancel, CancelledBy.CITIZEN, at=minute(20))
    assert rides.due(ride.state) == minute(20) + timedelta(hours=72)
    ride.do(rides.when_due, at=minute(20) + timedelta(hours=72))
    assert (ride.state.destination, ride.state.key_to_forget, rides.due(ride.state)) == (None, True, None)
    ride.do(rides.forget_key, at=minute(21) + timedelta(hours=72))
    assert not ride.state.key_to_forget


def test_a_ride_that_nobody_began_within_a_day_is_over() -> None:
    ride = planned()
    due = rides.due(ride.state)
    assert due == minute(1) + timedelta(hours=24)
    ride.do(rides.when_due, at=due)
    assert ride.state.stage is RideStage.CANCELLED
    assert (rides.due(ride.state) or due) > due


# --- who decides where two things cross (architecture, section 6)


def test_accepted_crosses_cancelled_and_the_ride_says_cancelled() -> None:
    ride = requested()
    ride.do(rides.cancel, CancelledBy.CITIZEN, at=minute(11))
    crossed = ride.do(rides.accept, accepted(20, AN), "dừa xanh", at=minute(12))
    assert names(crossed) == ["RideCancelled"]
    assert (ride.last(RideCancelled).member, ride.last(RideCancelled).by) == (AN, CancelledBy.CITIZEN)
    assert ride.state.driver is None


def test_accepted_crosses_assigned_by_hand_and_the_ride_names_the_other() -> None:
    ride = requested()
    ride.do(rides.assign, BINH, "cầu nhỏ", at=minute(11))
    crossed = ride.do(rides.accept, accepted(20, AN), "dừa xanh", at=minute(12))
    assert names(crossed) == ["RideAssigned"]
    assert (ride.last(RideAssigned).member, ride.last(RideAssigned).by_hand) == (BINH, True)
    assert (ride.state.code_word, ride.state.driver and ride.state.driver.since) == ("cầu nhỏ", minute(11))


def test_the_coordinator_gives_it_to_another_whoever_had_it() -> None:
    ride = driven_by(AN)
    ride.do(rides.assign, BINH, "cầu nhỏ", at=minute(13))
    assert driver_of(ride) == BINH
    assert isinstance(ride.refused(rides.assign, BINH, "cầu nhỏ"), RideAlreadyHis)


def test_an_acceptance_older_than_the_newest_changes_nothing() -> None:
    ride = driven_by(BINH)
    assert ride.do(rides.accept, accepted(15, AN), "dừa xanh", at=minute(13)) == []


def test_an_acceptance_after_the_drop_off_disturbs_nothing() -> None:
    ride = driven_by(AN)
    ride.do(rides.pick_up, AN, at=minute(13))
    ride.do(rides.drop_off, AN, at=minute(20))
    assert names(ride.do(rides.accept, accepted(30, BINH), "cầu nhỏ", at=minute(21))) == []


def test_an_acceptance_that_crosses_the_undoing_of_the_completion_holds() -> None:
    ride = requested()
    ride.do(rides.hear, undone(12), at=minute(12))
    ride.do(rides.accept, accepted(20, AN), "dừa xanh", at=minute(13))
    assert ride.state.stage is RideStage.ASSIGNED


def test_a_planned_ride_says_how_many_seats_and_where_about() -> None:
    ride = planned()
    assert (ride.last(RidePlanned).seats, ride.last(RidePlanned).hamlet) == (1, "khu-vuc-5")
