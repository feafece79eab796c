"""There is no order across topics: each story, in every order and with everything twice, comes to the same end.

The dispatch is played by its promise: whoever is asked for gets one helper or driver, at any moment after the request.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.contracts.events import AssistanceRequested, RideHomeRequested
from services.contracts.words import CaseOutcome, Event, JobKind
from services.volunteers import assistances, rides
from services.volunteers.assistances import Assistance
from services.volunteers.rides import Ride
from services.volunteers.tickets import TicketEvent
from tests.unit.volunteers.build import (
    AN,
    DESTINATION,
    HELP,
    NOON,
    RIDE,
    Document,
    accepted,
    completed,
    help_wanted,
    issued,
    no_show,
    reinstated,
    ticket_cancelled,
    undone,
)

WISH = issued(1, needs_help=True, ride_home=True)
STORIES: dict[str, list[TicketEvent]] = {
    "completed": [WISH, completed(10)],
    "help wanted later": [issued(1, ride_home=True), help_wanted(3), completed(10)],
    "undone and completed again": [WISH, completed(10), undone(11), completed(15)],
    "undone and not completed": [WISH, completed(10), undone(11)],
    "undone and cancelled": [WISH, completed(10), undone(11), ticket_cancelled(14)],
    "cancelled": [WISH, ticket_cancelled(4)],
    "no show": [WISH, no_show(8)],
    "came after all": [WISH, no_show(8), reinstated(9), completed(20)],
    "closed with the day": [WISH, completed(10, CaseOutcome.UNFINISHED)],
}
LATER = NOON + timedelta(minutes=40)


def play_ride(events: Sequence[TicketEvent], delays: Sequence[int], accepts: bool = True) -> tuple[object, ...]:
    """The end of the ride; an acceptance follows its request by `delays` further events."""
    ride = Document(Ride(RIDE), rides.evolve)
    ride.do(rides.ask, destination=DESTINATION, hamlet="khu-vuc-5", seats=1)

    def hear(event: Event) -> bool:
        return any(isinstance(fact, RideHomeRequested) for fact in ride.do(rides.hear, event, at=LATER))

    def accept(sequence: int) -> bool:
        ride.do(rides.accept, accepted(sequence, AN, at=LATER), "dừa xanh", at=LATER)
        return False

    deliver(events, delays if accepts else [], hear, accept)
    state = ride.state
    return state.stage, state.driver, state.cancelled_by, state.ticket, state.destination, state.code_word


def play_help(events: Sequence[TicketEvent], delays: Sequence[int], accepts: bool = True) -> tuple[object, ...]:
    assistance = Document(Assistance(HELP), assistances.evolve)

    def hear(event: Event) -> bool:
        return any(isinstance(fact, AssistanceRequested) for fact in assistance.do(assistances.hear, event, at=LATER))

    def accept(sequence: int) -> bool:
        taken = accepted(sequence, AN, JobKind.ASSISTANCE, at=LATER)
        assistance.do(assistances.accept, taken, at=LATER)
        return False

    deliver(events, delays if accepts else [], hear, accept)
    state = assistance.state
    return state.stage, state.result, state.cancelled_by, state.ticket, state.asked


def deliver(
    events: Sequence[Event], delays: Sequence[int], hear: Callable[[Event], bool], accept: Callable[[int], bool]
) -> None:
    queue: list[Event | int] = list(events)
    sequence, spare = 100, list(delays)
    while queue:
        match queue.pop(0):
            case int() as acceptance:
                accept(acceptance)
            case event:
                if hear(event) and spare:
                    sequence += 1
                    queue.insert(min(spare.pop(), len(queue)), sequence)


def shuffled(events: Sequence[TicketEvent]) -> st.SearchStrategy[list[TicketEvent]]:
    """Every event at least once, some twice, in any order."""
    twice = st.lists(st.sampled_from(events), max_size=len(events))
    return twice.flatmap(lambda more: st.permutations([*events, *more]))


ANY_DELAYS = st.lists(st.integers(0, 6), min_size=12, max_size=12)


@pytest.mark.parametrize("story", STORIES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_ride_comes_to_the_same_end_in_any_order(story: str, data: st.DataObject) -> None:
    events, delays = data.draw(shuffled(STORIES[story])), data.draw(ANY_DELAYS)
    assert play_ride(events, [], accepts=False) == play_ride(STORIES[story], [], accepts=False)
    stage, *rest = play_ride(events, delays)
    expected, *others = play_ride(STORIES[story], [0] * 12)
    assert (stage, rest) == (expected, others) or _went_unheard(story, stage, expected)


@pytest.mark.parametrize("story", STORIES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_help_comes_to_the_same_end_in_any_order(story: str, data: st.DataObject) -> None:
    events, delays = data.draw(shuffled(STORIES[story])), data.draw(ANY_DELAYS)
    assert play_help(events, [], accepts=False) == play_help(STORIES[story], [], accepts=False)
    assert play_help(events, delays) == play_help(STORIES[story], [0] * 12)


def _went_unheard(story: str, stage: object, expected: object) -> bool:
    """A completion that was taken back before it was heard never sought a driver: the ride is planned, not driven."""
    return story == "undone and not completed" and {stage, expected} == {
        rides.RideStage.PLANNED,
        rides.RideStage.ASSIGNED,
    }
