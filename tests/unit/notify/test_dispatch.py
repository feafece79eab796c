"""Who is offered what, and whose acceptance wins."""

from services.contracts.events import FloorThin, OfferAccepted, OfferEscalated, OfferMade, OfferVoid
from services.contracts.words import CancelledBy, EscalatedBecause, Vehicle, VoidBecause
from services.notify import dispatch
from services.notify.dispatch import (
    AlreadyYours,
    FloorTooThin,
    HasAnotherJob,
    NoLongerNeeded,
    NotYourOffer,
    OfferDeclined,
    OfferTaken,
    UnknownOffer,
)
from tests.unit.notify.build import (
    AN,
    BINH,
    CHI,
    DUNG,
    EM,
    HELP,
    OTHER_TICKET,
    RIDE,
    Ward,
    arrived,
    changed,
    contact_of,
    help_asked,
    help_cancelled,
    help_finished,
    left,
    minute,
    only,
    ride_assigned,
    ride_cancelled,
    ride_completed,
    ride_due,
    ride_released,
)

OTHER_HELP, OTHER_RIDE = f"{OTHER_TICKET}-help", f"{OTHER_TICKET}-ride"


# ------------------------------------------------------------------------------------------ assistances


def test_help_is_offered_to_those_on_the_floor_alone() -> None:
    ward = Ward(AN, BINH, off_duty=[CHI])
    ward.do(dispatch.open_assistance, help_asked())
    assert ward.asked(HELP) == {AN, BINH}


def test_at_most_three_are_asked_at_once() -> None:
    ward = Ward(AN, BINH, CHI, DUNG, EM)
    ward.do(dispatch.open_assistance, help_asked())
    assert len(ward.asked(HELP)) == 3


def test_the_first_acceptance_wins_and_the_others_are_told() -> None:
    ward = Ward(AN, BINH, CHI)
    ward.do(dispatch.open_assistance, help_asked())
    facts = ward.accept(BINH, HELP)
    assert [fact.member for fact in only(facts, OfferAccepted)] == [BINH]
    told = {(void.member, void.reason, void.tell, void.contact_ref) for void in only(facts, OfferVoid)}
    assert told == {(member, VoidBecause.TAKEN, True, contact_of(member)) for member in (AN, CHI)}


def test_a_later_acceptor_hears_that_it_is_taken() -> None:
    ward = Ward(AN, BINH)
    ward.do(dispatch.open_assistance, help_asked())
    ward.accept(BINH, HELP)
    assert ward.refused(dispatch.accept, ward.offer_to(AN, HELP), AN) is OfferTaken
    assert OfferTaken().says() == "Việc này đã có bạn khác nhận. Cảm ơn bạn!"


def test_who_accepts_twice_hears_that_it_is_his() -> None:
    ward = Ward(AN)
    ward.do(dispatch.open_assistance, help_asked())
    ward.accept(AN, HELP)
    assert ward.refused(dispatch.accept, ward.offer_to(AN, HELP), AN) is AlreadyYours


def test_an_offer_answers_to_its_own_volunteer_only() -> None:
    ward = Ward(AN, BINH)
    ward.do(dispatch.open_assistance, help_asked())
    assert ward.refused(dispatch.accept, ward.offer_to(AN, HELP), BINH) is NotYourOffer
    assert ward.refused(dispatch.decline, "31186-o-0123456789", BINH) is UnknownOffer


def test_a_volunteer_has_one_job_at_a_time() -> None:
    ward = Ward(AN)
    ward.do(dispatch.open_assistance, help_asked())
    ward.do(dispatch.open_assistance, help_asked(ticket=OTHER_TICKET))
    other = ward.offer_to(AN, OTHER_HELP)
    facts = ward.accept(AN, HELP)
    assert [(void.offer_id, void.reason) for void in only(facts, OfferVoid)] == [(other, VoidBecause.BUSY)]
    assert ward.refused(dispatch.accept, other, AN) is HasAnotherJob


def test_who_has_finished_is_asked_about_what_still_waits() -> None:
    ward = Ward(AN)
    ward.do(dispatch.open_assistance, help_asked())
    ward.accept(AN, HELP)
    ward.do(dispatch.open_assistance, help_asked(ticket=OTHER_TICKET))
    assert ward.asked(OTHER_HELP) == set()
    ward.do(dispatch.end, help_finished())
    assert ward.asked(OTHER_HELP) == {AN}


def test_who_declines_is_replaced_and_not_asked_again() -> None:
    ward = Ward(AN, BINH, CHI, DUNG)
    ward.do(dispatch.open_assistance, help_asked())
    declined = sorted(ward.asked(HELP))[0]
    ward.decline(declined, HELP)
    assert len(ward.asked(HELP)) == 3
    assert declined not in ward.asked(HELP)
    assert ward.refused(dispatch.accept, ward.offer_to(declined, HELP), declined) is OfferDeclined


def test_an_offer_that_nobody_answers_is_replaced_after_two_minutes() -> None:
    ward = Ward(AN, BINH, CHI, DUNG)
    ward.do(dispatch.open_assistance, help_asked())
    first = ward.asked(HELP)
    facts = ward.tick(minute(2))
    assert {void.member for void in only(facts, OfferVoid)} == first
    assert {AN, BINH, CHI, DUNG} - first < ward.asked(HELP)


def test_the_coordinator_is_told_after_six_minutes() -> None:
    ward = Ward(AN, BINH)
    ward.do(dispatch.open_assistance, help_asked())
    assert only(ward.tick(minute(5.99)), OfferEscalated) == []
    (escalated,) = only(ward.tick(minute(6)), OfferEscalated)
    assert (escalated.job, escalated.reason) == (HELP, EscalatedBecause.NOBODY_ACCEPTED)
    assert only(ward.tick(minute(60)), OfferEscalated) == []


def test_the_coordinator_is_told_at_once_when_nobody_is_on_duty() -> None:
    ward = Ward(off_duty=[AN])
    (escalated,) = only(ward.do(dispatch.open_assistance, help_asked()), OfferEscalated)
    assert escalated.reason is EscalatedBecause.NOBODY_ON_DUTY


def test_who_comes_in_later_is_still_asked() -> None:
    ward = Ward()
    ward.do(dispatch.open_assistance, help_asked())
    ward.do(dispatch.hear_member, changed(AN), at=minute(7))
    ward.do(dispatch.check_in, arrived(AN), at=minute(7))
    assert ward.asked(HELP) == {AN}


def test_an_acceptance_after_escalation_still_wins() -> None:
    ward = Ward(AN)
    ward.do(dispatch.open_assistance, help_asked())
    ward.tick(minute(6))
    facts = ward.accept(AN, HELP, at=minute(7))
    assert [accepted.member for accepted in only(facts, OfferAccepted)] == [AN]


def test_an_acceptance_of_an_expired_offer_wins_while_nobody_has_the_job() -> None:
    ward = Ward(AN, BINH)
    ward.do(dispatch.open_assistance, help_asked())
    offer = ward.offer_to(AN, HELP)
    ward.tick(minute(2.5))
    assert ward.state.offers.get(offer) is None
    facts = ward.do(dispatch.accept, offer, AN, at=minute(2.5))
    assert [accepted.offer_id for accepted in only(facts, OfferAccepted)] == [offer]


def test_a_wish_heard_too_late_goes_to_the_coordinator_and_is_never_offered() -> None:
    ward = Ward(AN, BINH)
    facts = ward.do(dispatch.open_assistance, help_asked(at=minute(-7)))
    assert [escalated.reason for escalated in only(facts, OfferEscalated)] == [EscalatedBecause.BORN_EXPIRED]
    assert only([*facts, *ward.tick(minute(60))], OfferMade) == []


def test_yesterdays_wish_is_nobodys() -> None:
    ward = Ward(AN, BINH)
    assert ward.do(dispatch.open_assistance, help_asked(at=minute(-24 * 60 - 1))) == []


def test_whoever_speaks_her_language_is_asked_first() -> None:
    ward = Ward(AN, BINH, CHI, DUNG)
    ward.do(dispatch.hear_member, changed(EM, languages=("vi", "km")))
    ward.do(dispatch.check_in, arrived(EM))
    facts = ward.do(dispatch.open_assistance, help_asked(language="km"))
    assert only(facts, OfferMade)[0].member == EM


def test_whoever_has_a_skill_is_asked_before_one_who_has_none() -> None:
    ward = Ward(EM)
    for member in (AN, BINH):
        ward.do(dispatch.hear_member, changed(member, skills=()))
        ward.do(dispatch.check_in, arrived(member))
    assert only(ward.do(dispatch.open_assistance, help_asked()), OfferMade)[0].member == EM


def test_a_check_out_gives_his_assistance_back_to_the_floor() -> None:
    ward = Ward(AN, BINH)
    ward.do(dispatch.open_assistance, help_asked())
    ward.accept(AN, HELP)
    facts = ward.do(dispatch.check_out, left(AN, at=minute(20)), at=minute(20))
    assert [made.member for made in only(facts, OfferMade)] == [BINH]
    assert [thin.on_floor for thin in only(facts, FloorThin)] == [1]


def test_a_check_out_takes_back_his_open_offers() -> None:
    ward = Ward(AN, BINH)
    ward.do(dispatch.open_assistance, help_asked())
    facts = ward.do(dispatch.check_out, left(AN))
    assert [(void.member, void.reason) for void in only(facts, OfferVoid)] == [(AN, VoidBecause.LEFT_THE_FLOOR)]


def test_an_older_check_in_does_not_undo_a_check_out() -> None:
    ward = Ward(BINH)
    ward.do(dispatch.check_out, left(AN, sequence=9_002))
    assert ward.do(dispatch.check_in, arrived(AN, sequence=9_001)) == []
    assert ward.state.scene.present == {BINH}


def test_an_end_that_is_heard_first_is_remembered() -> None:
    ward = Ward(AN)
    ward.do(dispatch.end, help_cancelled(sequence=9_002))
    assert ward.do(dispatch.open_assistance, help_asked(sequence=9_001)) == []
    assert ward.state.jobs == {}


def test_what_is_remembered_of_ends_goes_after_a_day() -> None:
    ward = Ward(AN)
    ward.do(dispatch.end, help_cancelled(sequence=9_001))
    ward.do(dispatch.end, help_cancelled(sequence=9_002, ticket=OTHER_TICKET), at=minute(25 * 60))
    assert set(ward.state.ended) == {OTHER_HELP}


# ------------------------------------------------------------------------------------------ rides


def test_a_ride_is_offered_first_to_those_off_duty_with_a_vehicle_and_a_helmet() -> None:
    ward = Ward(AN, BINH, CHI, off_duty=[DUNG])
    ward.do(dispatch.hear_member, changed(EM, spare_helmet=False))
    ward.do(dispatch.open_ride, ride_due())
    assert ward.asked(RIDE) == {DUNG}


def test_a_car_needs_no_helmet_and_a_motorbike_takes_one() -> None:
    ward = Ward(off_duty=[AN])
    ward.do(dispatch.hear_member, changed(EM, vehicle=Vehicle.CAR, spare_helmet=False))
    ward.do(dispatch.open_ride, ride_due(seats=2))
    assert ward.asked(RIDE) == {EM}


def test_near_ones_are_asked_first() -> None:
    ward = Ward()
    for member, hamlet in ((AN, "far-away"), (BINH, "yen-thuong"), (CHI, "an-binh"), (DUNG, None), (EM, "thoi-hoa")):
        ward.do(dispatch.hear_member, changed(member, hamlet=hamlet))
    facts = ward.do(dispatch.open_ride, ride_due(hamlet="yen-thuong"))
    assert [made.member for made in only(facts, OfferMade)] == [BINH, EM, CHI]


def test_who_drove_often_today_is_asked_after_one_who_lives_a_little_farther() -> None:
    ward = Ward(off_duty=[AN])
    ward.do(dispatch.hear_member, changed(BINH, hamlet="thoi-hoa"))
    for number in range(6):
        ticket = f"31186-20261124-c{number}b2c3d4e5f6"
        ward.do(dispatch.give, ride_assigned(AN, ticket=ticket))
        ward.do(dispatch.end, ride_completed(AN, ticket=ticket))
    facts = ward.do(dispatch.open_ride, ride_due(hamlet="yen-thuong"))
    assert [made.member for made in only(facts, OfferMade)] == [BINH, AN]


def test_the_counters_of_the_day_begin_anew() -> None:
    ward = Ward(off_duty=[AN])
    ward.do(dispatch.open_ride, ride_due())
    ward.accept(AN, RIDE)
    ward.do(dispatch.end, ride_completed(AN), at=minute(24 * 60))
    assert (ward.state.members[AN].offers, ward.state.members[AN].jobs) == (0, 0)


def test_the_floor_is_asked_after_three_minutes_while_three_stand_there() -> None:
    ward = Ward(AN, BINH, CHI)
    ward.do(dispatch.open_ride, ride_due())
    ward.tick(minute(2.99))
    assert ward.asked(RIDE) == set()
    ward.tick(minute(3))
    assert len(ward.asked(RIDE)) == 1


def test_the_floor_is_never_asked_down_below_two() -> None:
    ward = Ward(AN, BINH)
    ward.do(dispatch.open_ride, ride_due())
    facts = ward.tick(minute(6))
    assert only(facts, OfferMade) == []
    assert [escalated.reason for escalated in only(facts, OfferEscalated)] == [EscalatedBecause.FLOOR_BELOW_MINIMUM]


def test_a_thinner_floor_takes_its_ride_offer_back() -> None:
    ward = Ward(AN, BINH, CHI)
    ward.do(dispatch.open_ride, ride_due())
    ward.tick(minute(3))
    (asked,) = ward.asked(RIDE)
    other = min({AN, BINH, CHI} - {asked})
    facts = ward.do(dispatch.check_out, left(other, at=minute(4)), at=minute(4))
    assert [(void.member, void.reason) for void in only(facts, OfferVoid)] == [(asked, VoidBecause.FLOOR_TOO_THIN)]
    assert ward.refused(dispatch.accept, ward.offer_to(asked, RIDE), asked, at=minute(4)) is FloorTooThin


def test_a_check_out_lets_his_ride_go_on() -> None:
    ward = Ward(AN, BINH, CHI)
    ward.do(dispatch.give, ride_assigned(AN))
    ward.do(dispatch.check_out, left(AN))
    assert ward.state.jobs[RIDE].member == AN


def test_a_cancelled_ride_frees_its_driver_and_tells_him() -> None:
    ward = Ward(off_duty=[AN])
    ward.do(dispatch.open_ride, ride_due())
    ward.accept(AN, RIDE)
    (void,) = only(ward.do(dispatch.end, ride_cancelled()), OfferVoid)
    assert (void.member, void.reason, void.tell) == (AN, VoidBecause.CANCELLED, True)
    assert ward.state.scene.busy == set()
    assert ward.refused(dispatch.accept, void.offer_id, AN) is NoLongerNeeded


def test_who_cancels_himself_is_not_told_of_it() -> None:
    ward = Ward(off_duty=[AN])
    ward.do(dispatch.open_ride, ride_due())
    ward.accept(AN, RIDE)
    assert only(ward.do(dispatch.end, ride_cancelled(by=CancelledBy.VOLUNTEER, member=AN)), OfferVoid) == []


def test_a_ride_assigned_by_hand_voids_every_offer_and_frees_who_had_it() -> None:
    ward = Ward(off_duty=[AN, BINH, CHI])
    ward.do(dispatch.open_ride, ride_due())
    ward.accept(BINH, RIDE)
    facts = ward.do(dispatch.give, ride_assigned(DUNG))
    assert [(v.member, v.reason, v.tell) for v in only(facts, OfferVoid)] == [
        (BINH, VoidBecause.ASSIGNED_BY_HAND, True)
    ]
    assert ward.state.scene.busy == {DUNG}
    assert ward.refused(dispatch.accept, ward.offer_to(BINH, RIDE), BINH) is OfferTaken


def test_the_rides_own_word_on_our_acceptance_changes_nothing() -> None:
    ward = Ward(off_duty=[AN, BINH])
    ward.do(dispatch.open_ride, ride_due())
    ward.accept(AN, RIDE)
    assert only(ward.do(dispatch.give, ride_assigned(AN, by_hand=False)), OfferVoid) == []
    assert ward.state.members[AN].jobs == 1


def test_a_ride_given_back_is_offered_to_the_others() -> None:
    ward = Ward(off_duty=[AN, BINH])
    ward.do(dispatch.open_ride, ride_due())
    ward.accept(AN, RIDE)
    facts = ward.do(dispatch.open_ride, ride_released(AN, at=minute(9)), at=minute(9))
    assert [made.member for made in only(facts, OfferMade)] == [BINH]


def test_a_ride_waits_for_a_driver_who_comes_free() -> None:
    ward = Ward(AN, BINH, off_duty=[CHI])
    ward.do(dispatch.open_ride, ride_due())
    ward.accept(CHI, RIDE)
    assert only(ward.do(dispatch.open_ride, ride_due(ticket=OTHER_TICKET)), OfferMade) == []
    ward.do(dispatch.end, ride_completed(CHI), at=minute(2))
    assert ward.asked(OTHER_RIDE) == {CHI}


def test_a_ride_that_waits_with_nobody_to_ask_goes_to_the_coordinator_after_six_minutes() -> None:
    ward = Ward(AN, BINH, off_duty=[CHI])
    ward.do(dispatch.open_ride, ride_due())
    ward.accept(CHI, RIDE)
    ward.do(dispatch.open_ride, ride_due(ticket=OTHER_TICKET))
    assert only(ward.tick(minute(5.99)), OfferEscalated) == []
    assert dispatch.due(ward.state) == minute(6)
    (escalated,) = only(ward.tick(minute(6)), OfferEscalated)
    assert (escalated.job, escalated.reason) == (OTHER_RIDE, EscalatedBecause.FLOOR_BELOW_MINIMUM)


def test_a_driver_on_his_way_does_not_count_as_on_the_floor() -> None:
    ward = Ward(AN, BINH, CHI, DUNG)
    ward.do(dispatch.give, ride_assigned(AN))
    assert ward.state.scene.present == {BINH, CHI, DUNG}
    ward.do(dispatch.open_ride, ride_due(ticket=OTHER_TICKET))
    ward.tick(minute(3))
    assert len(ward.asked(OTHER_RIDE)) == 1


def test_an_offer_says_how_far_it_is() -> None:
    ward = Ward(off_duty=[AN])
    (made,) = only(ward.do(dispatch.open_ride, ride_due(hamlet="an-binh")), OfferMade)
    assert made.metres is not None
    assert 3_300 < made.metres < 3_700


def test_a_job_that_nobody_ends_is_forgotten_after_a_day() -> None:
    ward = Ward(off_duty=[AN])
    ward.do(dispatch.open_ride, ride_due())
    ward.accept(AN, RIDE)
    ward.tick(minute(24 * 60))
    assert ward.state.jobs == {}
