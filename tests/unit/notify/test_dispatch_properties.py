"""What must hold of a dispatch whatever happens, in whatever order, and however often it is told."""

from collections import Counter
from contextlib import suppress
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.chassis.errors import Refused
from services.contracts.events import OfferAccepted, OfferEscalated, OfferMade, OfferVoid
from services.contracts.words import Fact, JobKind, Vehicle
from services.notify import dispatch
from services.notify.dispatch_state import ESCALATED_AFTER, FLOOR_MINIMUM, OFFER_STANDS, WINDOW
from tests.unit.notify.build import (
    AN,
    BINH,
    CHI,
    DUNG,
    EM,
    NOON,
    Ward,
    arrived,
    changed,
    help_asked,
    help_cancelled,
    help_finished,
    left,
    ride_assigned,
    ride_cancelled,
    ride_completed,
    ride_due,
    ride_released,
)

MEMBERS = (AN, BINH, CHI, DUNG, EM)
TICKETS = tuple(f"31186-20261124-{number}1b2c3d4e5f6" for number in range(4))
members, tickets = st.sampled_from(MEMBERS), st.sampled_from(TICKETS)


class Morning(RuleBasedStateMachine):
    """A ward's morning as the bus and the volunteers' phones tell it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOON
        self.ward = Ward()
        for member in MEMBERS:
            self.tell(dispatch.hear_member, changed(member))

    def tell(self, decision: Any, *what: Any) -> None:
        before = set(self.ward.state.scene.present)
        said = self.ward.tick(self.now) + self.ward._decide(decision, *what, at=self.now)
        for fact in said:
            self.check(fact, before)

    def check(self, fact: Fact, before: set[str]) -> None:
        match fact:
            case OfferAccepted():
                busy = Counter(job.member for job in self.ward.state.jobs.values() if job.member)
                assert busy[fact.member] == 1, "two jobs at once"
                if fact.kind is JobKind.RIDE and fact.member in before:
                    assert len(before) - 1 >= FLOOR_MINIMUM, "the floor was emptied"
            case OfferMade():
                assert fact.expires <= self.now + OFFER_STANDS

    @rule(member=members, vehicle=st.sampled_from(Vehicle), helmet=st.booleans(), active=st.booleans())
    def change_member(self, member: str, vehicle: Vehicle, helmet: bool, active: bool) -> None:
        self.tell(
            dispatch.hear_member, changed(member, at=self.now, vehicle=vehicle, spare_helmet=helmet, active=active)
        )

    @rule(member=members)
    def check_in(self, member: str) -> None:
        self.tell(dispatch.check_in, arrived(member, at=self.now))

    @rule(member=members)
    def check_out(self, member: str) -> None:
        self.tell(dispatch.check_out, left(member, at=self.now))

    @rule(ticket=tickets)
    def ask_for_help(self, ticket: str) -> None:
        self.tell(dispatch.open_assistance, help_asked(at=self.now, ticket=ticket))

    @rule(ticket=tickets, hamlet=st.sampled_from(["yen-thuong", "far-away", "elsewhere"]), seats=st.integers(1, 2))
    def ask_for_a_ride(self, ticket: str, hamlet: str, seats: int) -> None:
        self.tell(dispatch.open_ride, ride_due(at=self.now, ticket=ticket, hamlet=hamlet, seats=seats))

    @rule(ticket=tickets, cancelled=st.booleans())
    def end_help(self, ticket: str, cancelled: bool) -> None:
        end = help_cancelled if cancelled else help_finished
        self.tell(dispatch.end, end(at=self.now, ticket=ticket))

    @rule(ticket=tickets)
    def cancel_ride(self, ticket: str) -> None:
        self.tell(dispatch.end, ride_cancelled(ticket=ticket))

    @precondition(lambda self: any(job.member for job in self.ward.state.jobs.values()))
    @rule(data=st.data(), given_back=st.booleans())
    def end_or_give_back_a_ride(self, data: st.DataObject, given_back: bool) -> None:
        taken = [(id, job.member) for id, job in self.ward.state.jobs.items() if job.member and id.endswith("-ride")]
        if taken:
            id, member = data.draw(st.sampled_from(taken))
            ticket = id.removesuffix("-ride")
            if given_back:
                self.tell(dispatch.open_ride, ride_released(str(member), at=self.now, ticket=ticket))
            else:
                self.tell(dispatch.end, ride_completed(str(member), ticket=ticket))

    @precondition(lambda self: self.ward.state.offers or self.ward.state.closed)
    @rule(data=st.data(), yes=st.booleans())
    def answer(self, data: st.DataObject, yes: bool) -> None:
        offers = {**self.ward.state.closed, **self.ward.state.offers}
        id = data.draw(st.sampled_from(sorted(offers)))
        with suppress(Refused):
            self.tell(dispatch.accept if yes else dispatch.decline, id, offers[id].member)

    @precondition(
        lambda self: any(offer.member in self.ward.state.scene.busy for offer in self.ward.state.closed.values())
    )
    @rule(data=st.data())
    def take_one_more(self, data: st.DataObject) -> None:
        """Whoever has a job presses yes on everything else that he was ever asked."""
        closed, busy = self.ward.state.closed, self.ward.state.scene.busy
        id = data.draw(st.sampled_from(sorted(id for id, offer in closed.items() if offer.member in busy)))
        with suppress(Refused):
            self.tell(dispatch.accept, id, closed[id].member)

    @rule(seconds=st.sampled_from([1, 30, 60, 119, 120, 180, 361, 7_200]))
    def wait(self, seconds: int) -> None:
        for _ in range(min(seconds, 8)):
            self.now += timedelta(seconds=seconds / min(seconds, 8))
            for fact in self.ward.tick(self.now):
                self.check(fact, set(self.ward.state.scene.present))

    @invariant()
    def offers_never_empty_the_floor(self) -> None:
        state = self.ward.state
        assert not state.scene.may_leave or len(state.scene.present) - len(state.scene.may_leave) >= FLOOR_MINIMUM

    @invariant()
    def the_window_holds_and_nobody_is_asked_who_cannot(self) -> None:
        state = self.ward.state
        assert all(count <= WINDOW for count in Counter(offer.job for offer in state.offers.values()).values())
        for offer in state.offers.values():
            job = state.jobs[offer.job]
            assert job.open, "offered though somebody has it"
            assert offer.member not in state.scene.busy
            assert offer.member in state.scene.present or job.kind is JobKind.RIDE

    @invariant()
    def nobody_waits_unseen(self) -> None:
        for job in self.ward.state.jobs.values():
            assert job.member or job.escalated or self.now < job.asked + ESCALATED_AFTER

    @invariant()
    def one_acceptance_a_job_until_it_is_open_again(self) -> None:
        holders: dict[str, str | None] = {}
        for fact in self.ward.said:
            match fact:
                case OfferAccepted():
                    assert holders.get(fact.job) is None, "accepted twice"
                    holders[fact.job] = fact.member
                case OfferMade() | OfferEscalated():
                    holders[fact.job] = None  # it was open again: given back, ended, or its helper left
                case OfferVoid() if holders.get(fact.job) == fact.member:
                    holders[fact.job] = None

    @invariant()
    def whoever_could_help_is_asked(self) -> None:
        state = self.ward.state
        free = {ref for ref in state.scene.present - state.scene.busy if state.members[ref].active}
        for id, job in state.jobs.items():
            fresh = job.kind is JobKind.ASSISTANCE and self.now < job.asked + ESCALATED_AFTER
            if fresh and job.open and not job.too_late and len(state.standing(id)) < WINDOW:
                waiting = free - {offer.member for _, offer in state.standing(id)} - set(job.declined)
                assert all(job.times_asked.get(ref, 0) >= 2 for ref in waiting)


TestMorning = Morning.TestCase
TestMorning.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)


# ------------------------------------------------------------------------------------------ any order


def _story() -> list[tuple[Any, Any]]:
    """What the bus says of a morning: three members, two tickets, in the order in which it happened."""
    one, two = TICKETS[:2]
    return [
        (dispatch.hear_member, changed(AN, sequence=1)),
        (dispatch.hear_member, changed(AN, sequence=4, vehicle=Vehicle.CAR)),
        (dispatch.hear_member, changed(BINH, sequence=1)),
        (dispatch.check_in, arrived(AN, sequence=2)),
        (dispatch.check_out, left(AN, sequence=3)),
        (dispatch.check_in, arrived(BINH, sequence=2)),
        (dispatch.open_assistance, help_asked(sequence=1, ticket=one)),
        (dispatch.end, help_finished(sequence=2, ticket=one)),
        (dispatch.open_ride, ride_due(sequence=2, ticket=one)),
        (dispatch.give, ride_assigned(AN, sequence=4, ticket=one)),
        (dispatch.open_ride, ride_released(AN, sequence=5, ticket=one)),
        (dispatch.give, ride_assigned(CHI, sequence=7, ticket=one)),
        (dispatch.open_ride, ride_due(sequence=2, ticket=two)),
        (dispatch.give, ride_assigned(AN, sequence=3, ticket=two)),
        (dispatch.end, ride_cancelled(sequence=4, ticket=two)),
        (dispatch.open_ride, ride_due(sequence=6, ticket=two)),
    ]


def _end(story: list[tuple[Any, Any]]) -> tuple[Any, ...]:
    ward = Ward()
    for decision, event in story:
        ward.do(decision, event)
    state = ward.state
    return (
        {ref: (m.on_floor, m.vehicle, m.seen, m.known) for ref, m in state.members.items() if m.known},
        {id: (job.member, job.code, job.sequence) for id, job in state.jobs.items()},
        state.scene.present,
    )


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_order_and_every_repetition_comes_to_the_same(data: st.DataObject) -> None:
    story = _story()
    told = data.draw(st.permutations(story + story))
    assert _end(told) == _end(story)
