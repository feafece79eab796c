"""Whatever people press, in whatever order, with whatever clock: what must hold in a hall.

Numbers are dense. A counter has one live ticket. Nobody waits past the cap while somebody who came later is called,
but for the ordinary turn that the ratio owes. At most two priority calls one after another while an ordinary person
waits. A ticket lives by the table, ends once, and the facts folded again (through their bytes) give the same hall.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from services.chassis.errors import Refusal
from services.chassis.views import Stamp, View
from services.contracts.events import (
    CaseCompleted,
    CompletionUndone,
    DayClosed,
    HelpWanted,
    PriorityWitnessed,
    QueueCalled,
    ServingStarted,
    TicketCancelled,
    TicketHeld,
    TicketIssued,
    TicketNoShow,
    TicketReinstated,
    TicketReturned,
)
from services.contracts.words import Because, Fact, TicketEnd
from services.queue import domain
from services.queue.centre import Centre, CentreConfig, plan_for
from services.queue.domain import RECALL_AFTER, UNDO_WITHIN
from services.queue.hall import AT_THE_COUNTER, LIVE, Hall, State, Ticket
from services.queue.line import aged
from services.queue.views import COUNTERS, FIGURES, TICKETS
from tests.unit.queue.morning import EIGHT, STORED, config, folded_from, ticket

# By hand, not by the table in `refusals`: what a fact may follow, and what comes after it.
STEPS: dict[type[Fact], tuple[set[State | None], State]] = {
    TicketIssued: ({None}, State.WAITING),
    QueueCalled: ({State.WAITING, State.CALLED, State.HELD}, State.CALLED),
    ServingStarted: ({State.CALLED, State.HELD}, State.SERVING),
    TicketHeld: ({State.CALLED, State.SERVING}, State.HELD),
    TicketReturned: ({State.CALLED, State.SERVING, State.HELD}, State.WAITING),
    TicketNoShow: ({State.CALLED, State.HELD}, State.NO_SHOW),
    TicketReinstated: ({State.NO_SHOW}, State.WAITING),
    TicketCancelled: ({State.WAITING, State.CALLED, State.HELD}, State.CANCELLED),
    CaseCompleted: ({State.SERVING}, State.COMPLETED),
    CompletionUndone: ({State.COMPLETED}, State.SERVING),
}
DESKS = st.integers(1, 3)
PAPERS = ["a" * 12, "b" * 12, "c" * 12]


class HallMachine(RuleBasedStateMachine):
    tickets: Bundle[str] = Bundle("tickets")

    def __init__(self) -> None:
        super().__init__()
        self.now = EIGHT
        self.time = EIGHT
        self.hall = Hall("31186-20261124")
        self.facts: list[tuple[Fact, datetime]] = []
        self.life: dict[str, State] = {}
        self.row = 0
        self.revision = 0
        self.sentences: set[str] = set()
        self.came_back: set[str] = set()

    # ------------------------------------------------------------------------------------- what people do

    @initialize(ageing=st.sampled_from([1, 5, 20]), in_a_row=st.integers(1, 3))
    def the_day_is_opened(self, ageing: int, in_a_row: int) -> None:
        self.described = config(always_open=True, ageing_minutes=ageing, in_a_row=in_a_row)
        self.plan(self.described)
        for counter in (1, 2, 3):
            self.do(domain.open_counter, counter=counter)

    def plan(self, described: CentreConfig) -> None:
        self.revision += 1
        self.do(domain.plan_day, plan=plan_for(Centre("31186", described, self.revision), EIGHT.date()))

    @rule(
        target=tickets,
        service=st.sampled_from(["birth", "birth", "copies", "land"]),
        priorities=st.lists(st.booleans(), min_size=1, max_size=5),
    )
    def people_come(self, service: str, priorities: list[bool]) -> Any:
        names = []
        for priority in priorities:
            name = ticket(str(len(self.life)))
            issued = self.do(domain.issue_ticket, ticket_id=name, service=service, priority=priority)
            names += [name] if issued else []
            self.passes(7)
        return multiple(*names)

    @rule(counter=DESKS)
    def the_next_is_called(self, counter: int) -> None:
        self.do(domain.call_next, counter=counter)

    @rule(counter=DESKS, minutes=st.integers(0, 9), calls=st.integers(1, 4))
    def a_counter_works_through_its_line(self, counter: int, minutes: int, calls: int) -> None:
        for _ in range(calls):
            if called := self.do(domain.call_next, counter=counter):
                self.do(domain.start, ticket_id=called[0].ticket_id)  # type: ignore[attr-defined]
                self.passes(60 * minutes)
                self.do(domain.complete, ticket_id=called[0].ticket_id, outcome="accepted")  # type: ignore[attr-defined]

    @rule(
        data=st.data(),
        command=st.sampled_from(
            [
                domain.recall,
                domain.start,
                domain.start,
                domain.hold,
                domain.hold,
                domain.give_back,
                domain.mark_no_show,
                domain.reinstate,
                partial(domain.complete, outcome="accepted"),
            ]
        ),
    )
    def a_button_is_pressed_at_a_counter(self, data: st.DataObject, command: Any) -> None:
        """For one of those who were called; most others would just be refused."""
        if names := [each.id for each in self.hall.tickets if each.course]:
            self.do(command, ticket_id=data.draw(st.sampled_from(names)))

    @rule(name=tickets, command=st.sampled_from([domain.start, domain.want_help, domain.witness_priority]))
    def a_button_is_pressed_for_anybody(self, name: str, command: Any) -> None:
        self.do(command, ticket_id=name)

    @rule(name=tickets, papers=st.sets(st.sampled_from(PAPERS)), filled=st.booleans(), volunteer=st.booleans())
    def her_papers_are_looked_through(self, name: str, papers: set[str], filled: bool, volunteer: bool) -> None:
        given = {"papers": papers, "form_filled": filled, "by_volunteer": volunteer, "known": PAPERS[:2]}
        self.do(domain.tick_checklist, ticket_id=name, **given)

    @rule(name=consumes(tickets))
    def a_ticket_is_cancelled(self, name: str) -> None:
        self.do(domain.cancel, ticket_id=name, by=TicketEnd.BY_CITIZEN)

    @rule(counter=DESKS)
    def the_last_completion_is_undone(self, counter: int) -> None:
        self.do(domain.undo, counter=counter)

    @rule(counter=DESKS, opened=st.booleans())
    def a_counter_is_opened_or_closed(self, counter: int, opened: bool) -> None:
        self.do(domain.open_counter if opened else domain.close_counter, counter=counter)

    @rule(without=st.sampled_from(["land", "copies", None]))
    def the_ward_changes_its_description(self, without: str | None) -> None:
        services = {code: service for code, service in self.described.services.items() if code != without}
        self.plan(self.described.model_copy(update={"services": services}))

    @rule(seconds=st.sampled_from([1, 15, 20, 60, 110, 300, 1300]))
    def passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @rule()
    def the_clock_goes_back_an_hour(self) -> None:
        self.now -= timedelta(hours=1)

    def do(self, command: Any, **given: Any) -> Sequence[Fact]:
        """As the heart does it: the time never goes back, a refusal leaves every byte as it was."""
        self.time = max(self.now, self.time)
        before = STORED.dump_json(self.hall)
        try:
            facts = command(self.hall, now=self.time, **given)
        except Refusal as refused:
            self.sentences |= {refused.says("vi"), refused.says("en")}
            facts = []
        assert STORED.dump_json(self.hall) == before, "a rule changed the hall"
        for fact in facts:
            self.check_call(fact)
            domain.evolve(self.hall, fact, self.time)
            self.facts.append((fact, self.time))
            self.follow(fact)
        return facts

    # ---------------------------------------------------------------------------------- what must hold

    def check_call(self, fact: Fact) -> None:
        """Fair, as seen before the call takes effect."""
        if not isinstance(fact, QueueCalled) or fact.selected_because in (Because.RECALLED, Because.HELD_HERE):
            return
        plan = self.hall.plan
        assert plan
        eligible = self.hall.waiting(plan.served_at(fact.counter))
        chosen = next(each for each in eligible if each.id == fact.ticket_id)
        anybody_ordinary = any(not each.priority for each in self.hall.tickets if each.waits and each is not chosen)
        owed = self.row >= plan.in_a_row and any(not each.priority for each in eligible)
        if chosen.priority:
            assert not owed, "a priority call too many in a row while an ordinary person waits"
        for other in eligible:
            if aged(other, plan, self.time) and other.issued < chosen.issued:
                assert owed, "somebody waits past the cap while one who came later is called"
                assert other.priority
        if any(other.id in self.came_back for other in self.same_class(eligible, chosen)):
            assert chosen.id in self.came_back, "who came back is not at the front of her class"
        self.row = self.row + 1 if chosen.priority and anybody_ordinary else 0

    def same_class(self, eligible: list[Ticket], chosen: Ticket) -> list[Ticket]:
        plan = self.hall.plan
        assert plan
        if any(aged(each, plan, self.time) for each in eligible):
            return []  # past the cap the length of the wait decides
        return [each for each in eligible if each.priority is chosen.priority]

    def follow(self, fact: Fact) -> None:
        if isinstance(fact, HelpWanted | PriorityWitnessed):
            assert self.life[fact.ticket_id] in LIVE
        elif type(fact) in STEPS:
            before, after = STEPS[type(fact)]
            name = fact.ticket_id  # type: ignore[attr-defined]
            assert self.life.get(name) in before, f"{type(fact).__name__} after {self.life.get(name)}"
            self.life[name] = after
        if isinstance(fact, TicketReinstated):
            self.came_back.add(fact.ticket_id)

    @invariant()
    def a_counter_has_one_live_ticket(self) -> None:
        at = Counter(each.counter for each in self.hall.tickets if each.state in AT_THE_COUNTER)
        assert all(count == 1 for count in at.values())
        held = {each.counter for each in self.hall.tickets if each.state is State.HELD}
        assert at.keys() | held <= set(self.hall.open_counters)

    @invariant()
    def numbers_are_dense(self) -> None:
        numbers: dict[str, list[int]] = {}
        for fact, _ in self.facts:
            if isinstance(fact, TicketIssued):
                numbers.setdefault(fact.series, []).append(fact.number)
                assert fact.code == f"{fact.series}{fact.number:03d}"
        assert all(given == list(range(1, len(given) + 1)) for given in numbers.values())

    @invariant()
    def nobody_is_forgotten(self) -> None:
        kept = {each.id: each.state for each in self.hall.tickets}
        assert kept == {name: state for name, state in self.life.items() if state in LIVE or state is State.NO_SHOW}
        plan = self.hall.plan
        assert plan is None or kept == {} or {each.service for each in self.hall.tickets} <= plan.services.keys()

    @invariant()
    def every_refusal_is_a_whole_sentence(self) -> None:
        assert all(said.endswith(".") and "{" not in said for said in self.sentences)

    @invariant()
    def places_are_in_order_of_issue(self) -> None:
        issued = [(each.issued, int(each.code[1:])) for each in self.hall.tickets]
        assert [moment for moment, _ in issued] == sorted(moment for moment, _ in issued)

    @invariant()
    def recalls_keep_their_distance(self) -> None:
        last: dict[str, datetime] = {}
        for fact, at in self.facts:
            if isinstance(fact, QueueCalled):
                if fact.selected_because is Because.RECALLED:
                    assert at - last[fact.ticket_id] >= RECALL_AFTER
                last[fact.ticket_id] = at

    @invariant()
    def undone_is_only_what_was_just_completed(self) -> None:
        completed: dict[str, datetime] = {}
        for fact, at in self.facts:
            if isinstance(fact, CaseCompleted):
                completed[fact.ticket_id] = at
            elif isinstance(fact, CompletionUndone):
                assert at - completed.pop(fact.ticket_id) <= UNDO_WITHIN

    @invariant()
    def clocks_fit_into_the_stay(self) -> None:
        fact, at = self.facts[-1] if self.facts else (None, EIGHT)
        if isinstance(fact, CaseCompleted):
            issued = next(
                when for each, when in self.facts if isinstance(each, TicketIssued) and each.ticket_id == fact.ticket_id
            )
            clocks = fact.wait_seconds + fact.way_seconds + fact.transaction_seconds + fact.hold_seconds
            assert 0 <= clocks <= (at - issued).total_seconds()

    def teardown(self) -> None:
        """The day ends: everybody's ticket ends once, and all was in the facts."""
        if self.hall.plan is None:
            return
        self.do(domain.end_day)
        closed = self.facts[-1][0]
        assert isinstance(closed, DayClosed)
        ends = Counter(self.life.values())
        assert not ends.keys() & set(LIVE)
        unfinished = sum(isinstance(f, CaseCompleted) and f.outcome == "unfinished" for f, _ in self.facts)
        assert (closed.issued, closed.no_show) == (len(self.life), ends[State.NO_SHOW])
        assert (closed.cancelled, closed.unfinished) == (ends[State.CANCELLED], unfinished)
        assert closed.completed == ends[State.COMPLETED] - unfinished
        assert STORED.dump_json(folded_from(self.hall.id, self.facts)) == STORED.dump_json(self.hall)
        assert domain.due(self.hall) is None
        self.check_views(closed)

    def check_views(self, closed: DayClosed) -> None:
        """Read models, folded from the same facts, say the same as the hall."""
        figures = self.view(FIGURES)[self.hall.id]
        assert (figures.issued, figures.completed, figures.no_show) == (closed.issued, closed.completed, closed.no_show)
        assert (sum(figures.cancelled.values()), figures.unfinished) == (closed.cancelled, closed.unfinished)
        assert sum(figures.outcomes.values()) == sum(figures.waits.values()) == figures.completed
        assert sum(tally.issued for tally in figures.hours.values()) == figures.issued
        assert {name: row.state for name, row in self.view(TICKETS).items()} == self.life
        assert sum(row.completed for row in self.view(COUNTERS).values()) == closed.completed
        assert not any(row.open for row in self.view(COUNTERS).values())

    def view(self, view: View[Any]) -> dict[str, Any]:
        rows: dict[str, Any] = {}
        for sequence, (fact, at) in enumerate(self.facts, start=1):
            stamp = Stamp(self.hall.id, sequence, at)
            for key in view.keys(fact, stamp):
                rows[key] = view.fold(rows.get(key), fact, stamp)
        return rows

    @invariant()
    def facts_folded_again_give_the_same_hall(self) -> None:
        if len(self.facts) % 10 == 0:
            assert STORED.dump_json(folded_from(self.hall.id, self.facts)) == STORED.dump_json(self.hall)
            self.hall = STORED.validate_json(STORED.dump_json(self.hall))  # as after a restart


HallMachine.TestCase.settings = settings(max_examples=80, stateful_step_count=50, deadline=None)
TestHall = HallMachine.TestCase
