"""HTTP for the work: take a number, call, serve, end. One change of one hall, answered from its facts alone."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Annotated

from fastapi import Response

from services.chassis.access import Actor, NotYourTicket, PassNotValid, TicketPath, may
from services.chassis.clock import local_day
from services.chassis.documents import Collection, the
from services.chassis.ids import centre_of, token
from services.chassis.once import Once
from services.chassis.views import Views
from services.chassis.web import Now, OnceKey, Router, Spoken, of, own, problems
from services.contracts.events import (
    CompletionUndone,
    ServingStarted,
    TicketCancelled,
    TicketHeld,
    TicketIssued,
    TicketNoShow,
    TicketReinstated,
    TicketReturned,
)
from services.contracts.words import CentreRef, CounterNumber, Fact, TicketEnd
from services.queue import domain
from services.queue.centre import Centre, CentreConfig, Words, paper_ref, plan_for
from services.queue.domain import UNDO_WITHIN, DayOpened, Rule, hall_of
from services.queue.hall import Checklist, DayPlan, Hall, State, hall_with
from services.queue.line import ahead_of, wait_range
from services.queue.opinions import NothingSaid, NotOverYet, Opinion, OpinionGiven, VisitIsPast, give
from services.queue.refusals import (
    CalledJustNow,
    CalledOftenEnough,
    CentreClosedNow,
    CentreClosedToday,
    CounterBusy,
    CounterNotOpen,
    DayIsClosed,
    HallNotOpened,
    NoSuchCentre,
    NoSuchCounter,
    NoSuchTicket,
    NothingToUndo,
    NotInThisState,
    QuotaUsedUp,
    ServiceClosed,
    UnknownPaper,
    UnknownService,
)
from services.queue.shapes import (
    Called,
    ChecklistGiven,
    ChecklistShown,
    Completed,
    Completion,
    CounterOpen,
    Moved,
    OpinionSaid,
    PaperShown,
    TicketGiven,
    TicketShown,
    TicketWanted,
)
from services.queue.views import TICKETS, TicketRow
from services.queue.wording import Action

router = Router(prefix="/queue", tags=["queue"])

Halls = Annotated[Collection[Hall], of(Hall)]
Centres = Annotated[Collection[Centre], of(Centre)]
OpinionsKept = Annotated[Collection[Opinion], of(Opinion)]
OurViews = Annotated[Views, own("queue", Views)]
Staff = Annotated[Actor, may("staff")]

_ENDED = (NoSuchTicket, NotInThisState, DayIsClosed)


async def in_todays_hall(
    centre: str,
    rule: Rule,
    halls: Collection[Hall],
    centres: Collection[Centre],
    *,
    now: datetime,
    by: str,
    once: Once | None,
) -> list[Fact]:
    """Decide `rule` in today's hall. Nobody needed the hall today before: it is opened by the same decision."""
    hall = hall_of(centre, now)
    try:
        return await halls.change(hall, rule, now=now, by=by, once=once)
    except HallNotOpened:
        plan = await _todays_plan(centre, centres, now)
    facts = await halls.change(hall, partial(domain.opened_first, plan=plan, then=rule), now=now, by=by, once=once)
    if any(isinstance(fact, DayOpened) for fact in facts):
        newest = await _todays_plan(centre, centres, now)  # changed since: its event may have found no open hall
        if newest.revision != plan.revision:
            await halls.change(hall, partial(domain.plan_day, plan=newest), now=now)
    return facts


async def _todays_plan(centre: str, centres: Collection[Centre], now: datetime) -> DayPlan:
    return await centres.read(centre, lambda known: plan_for(known, local_day(now)))


# --------------------------------------------------------------------------------------------------------- tickets


@router.post(
    "/centres/{centre}/tickets",
    status_code=201,
    responses=problems(
        NoSuchCentre, UnknownService, CentreClosedNow, CentreClosedToday, ServiceClosed, QuotaUsedUp, DayIsClosed
    ),
)
async def issue_ticket(
    centre: CentreRef,
    wanted: TicketWanted,
    halls: Halls,
    centres: Centres,
    who: Annotated[Actor, may("kiosk", "staff", "volunteer")],
    key: OnceKey,
    now: Now,
) -> TicketGiven:
    """A number for one service. With the same key it is the same number, also after midnight."""
    rule = partial(
        domain.issue_ticket,
        ticket_id=f"{hall_of(centre, now)}-{token()}",
        service=wanted.service,
        needs_help=wanted.needs_help,
        ride_home=wanted.ride_home,
        priority=wanted.priority,
        contact_ref=wanted.contact_ref,
        language=wanted.language,
    )
    issued = the(await in_todays_hall(centre, rule, halls, centres, now=now, by=who.ref, once=key), TicketIssued)
    assert who.passes is not None
    return TicketGiven(
        ticket_id=issued.ticket_id,
        **{"pass": who.passes.sign(issued.ticket_id)},
        code=issued.code,
        ahead=issued.ahead,
        wait_minutes=issued.wait_minutes,
    )


@router.get("/tickets/{ticket}", responses=problems(NoSuchTicket, PassNotValid, NotYourTicket))
async def show_ticket(
    ticket: TicketPath,
    halls: Halls,
    centres: Centres,
    views: OurViews,
    who: Annotated[Actor, may("staff", "volunteer", "holder")],
    now: Now,
) -> TicketShown:
    """One ticket: where it stands, how many are ahead, how long it may take, what to bring."""
    live = await halls.read(hall_with(ticket), partial(_live, ticket=ticket, now=now))
    row = await views.get(TICKETS, ticket)
    if row is None:
        raise NoSuchTicket
    config = await centres.read(centre_of(ticket), lambda centre: centre.config)
    shown = live or _ended(row, ticket, now)
    shown.ride_home = row.ride_home
    _describe(shown, config)
    if live:
        shown.checklist = await halls.read(hall_with(ticket), partial(_checklist, ticket=ticket, config=config))
    return shown


def _live(hall: Hall, *, ticket: str, now: datetime) -> TicketShown | None:
    found = hall.find(ticket)
    if found is None or hall.plan is None:
        return None
    ahead = ahead_of(hall, hall.plan, found, now) if found.waits else None
    return TicketShown(
        ticket_id=ticket,
        code=found.code,
        service=found.service,
        service_name=None,
        state=found.state,
        issued=found.issued,
        as_of=now,
        ahead=ahead,
        wait_minutes=None if ahead is None else wait_range(hall, hall.plan, found.service, ahead),
        counter=found.counter,
        call_count=found.course.calls if found.course else 0,
        priority=found.priority,
        needs_help=found.needs_help,
        ride_home=False,
    )


def _ended(row: TicketRow, ticket: str, now: datetime) -> TicketShown:
    return TicketShown(
        ticket_id=ticket,
        code=row.code,
        service=row.service,
        service_name=None,
        state=row.state,
        issued=row.issued,
        as_of=now,
        counter=row.counter,
        call_count=row.calls,
        priority=row.priority,
        needs_help=row.needs_help,
        ride_home=row.ride_home,
        ended=row.ended,
        outcome=row.outcome,
        reason=row.reason,
    )


def _describe(shown: TicketShown, config: CentreConfig | None) -> None:
    """With what the ward says of the service, unless it has none of that name any more."""
    if config and (service := config.services.get(shown.service)):
        shown.service_name, shown.procedure = service.name, service.procedure


def _checklist(hall: Hall, *, ticket: str, config: CentreConfig | None) -> ChecklistShown | None:
    """The papers that the ward asks for now, and which of them somebody saw."""
    found = hall.find(ticket)
    if found is None:
        return None
    ticked = found.checklist or Checklist()
    papers = [
        PaperShown(paper=paper, name=name, there=paper in ticked.papers)
        for paper, name in _papers(config, found.service).items()
    ]
    return ChecklistShown(
        papers=papers,
        form_filled=ticked.form_filled,
        looked_through=found.checklist is not None,
        with_volunteer=ticked.with_volunteer,
    )


def _papers(config: CentreConfig | None, service: str | None) -> dict[str, Words]:
    described = config.services.get(service) if config and service else None
    return {paper_ref(paper): paper for paper in described.procedure.papers} if described else {}


@router.post(
    "/tickets/{ticket}/recall",
    responses=problems(*_ENDED, CalledJustNow, CalledOftenEnough, CounterBusy, CounterNotOpen),
)
async def recall_ticket(
    ticket: TicketPath, halls: Halls, views: OurViews, who: Staff, key: OnceKey, now: Now, spoken: Spoken
) -> Called:
    """Call again: 20 seconds after the last call, at most three times. A ticket held at the counter is called back."""
    rule = partial(domain.recall, ticket_id=ticket)
    return Called.of(await _press(ticket, Action.RECALL, rule, halls, views, who, key, now), spoken)


@router.post("/tickets/{ticket}/start", responses=problems(*_ENDED, CounterBusy, CounterNotOpen))
async def start_ticket(ticket: TicketPath, halls: Halls, views: OurViews, who: Staff, key: OnceKey, now: Now) -> Moved:
    """She is at the counter; or the transaction goes on after a hold."""
    rule = partial(domain.start, ticket_id=ticket)
    started = the(await _press(ticket, Action.START, rule, halls, views, who, key, now), ServingStarted)
    return Moved(ticket_id=started.ticket_id, code=started.code, state=State.SERVING, counter=started.counter)


@router.post("/tickets/{ticket}/hold", responses=problems(*_ENDED))
async def hold_ticket(ticket: TicketPath, halls: Halls, views: OurViews, who: Staff, key: OnceKey, now: Now) -> Moved:
    """Out of the way for now (a copy, a signature): the counter may call another, the ticket stays with it."""
    rule = partial(domain.hold, ticket_id=ticket)
    held = the(await _press(ticket, Action.HOLD, rule, halls, views, who, key, now), TicketHeld)
    return Moved(ticket_id=held.ticket_id, code=held.code, state=State.HELD, counter=held.counter)


@router.post("/tickets/{ticket}/return", responses=problems(*_ENDED))
async def return_ticket(ticket: TicketPath, halls: Halls, views: OurViews, who: Staff, key: OnceKey, now: Now) -> Moved:
    """Back to the line, in its old place."""
    rule = partial(domain.give_back, ticket_id=ticket)
    back = the(await _press(ticket, Action.RETURN, rule, halls, views, who, key, now), TicketReturned)
    return Moved(ticket_id=back.ticket_id, code=back.code, state=State.WAITING)


@router.post("/tickets/{ticket}/no-show", responses=problems(*_ENDED))
async def mark_no_show(ticket: TicketPath, halls: Halls, views: OurViews, who: Staff, key: OnceKey, now: Now) -> Moved:
    """She was called and did not come. She may be reinstated all day."""
    rule = partial(domain.mark_no_show, ticket_id=ticket)
    missed = the(await _press(ticket, Action.NO_SHOW, rule, halls, views, who, key, now), TicketNoShow)
    return Moved(ticket_id=missed.ticket_id, code=missed.code, state=State.NO_SHOW)


@router.post("/tickets/{ticket}/reinstate", responses=problems(*_ENDED))
async def reinstate_ticket(
    ticket: TicketPath, halls: Halls, views: OurViews, who: Staff, key: OnceKey, now: Now
) -> Moved:
    """She came after all: to the front of her class."""
    rule = partial(domain.reinstate, ticket_id=ticket)
    back = the(await _press(ticket, Action.REINSTATE, rule, halls, views, who, key, now), TicketReinstated)
    return Moved(ticket_id=back.ticket_id, code=back.code, state=State.WAITING)


@router.post("/tickets/{ticket}/complete", responses=problems(*_ENDED, UnknownService))
async def complete_ticket(
    ticket: TicketPath,
    completion: Completion,
    halls: Halls,
    views: OurViews,
    who: Staff,
    key: OnceKey,
    now: Now,
) -> Completed:
    """The case is dealt with, with what came of it. May be undone at the counter within two minutes."""
    rule = partial(domain.complete, ticket_id=ticket, outcome=completion.outcome, services=tuple(completion.services))
    return Completed.of(await _press(ticket, Action.COMPLETE, rule, halls, views, who, key, now))


@router.post("/tickets/{ticket}/cancel", responses=problems(*_ENDED, PassNotValid, NotYourTicket))
async def cancel_ticket(
    ticket: TicketPath,
    halls: Halls,
    views: OurViews,
    who: Annotated[Actor, may("staff", "holder")],
    key: OnceKey,
    now: Now,
) -> Moved:
    """The citizen, or staff for her, gives the number up."""
    by = TicketEnd.BY_CITIZEN if who.ticket else TicketEnd.BY_STAFF
    rule = partial(domain.cancel, ticket_id=ticket, by=by)
    cancelled = the(await _press(ticket, Action.CANCEL, rule, halls, views, who, key, now), TicketCancelled)
    return Moved(ticket_id=cancelled.ticket_id, code=cancelled.code, state=State.CANCELLED)


@router.post("/tickets/{ticket}/help", status_code=204, responses=problems(*_ENDED, PassNotValid, NotYourTicket))
async def ask_for_help(
    ticket: TicketPath,
    halls: Halls,
    views: OurViews,
    who: Annotated[Actor, may("holder", "kiosk", "volunteer", "staff", "coordinator")],
    key: OnceKey,
    now: Now,
) -> None:
    """A volunteer is asked to come. Asked again, nothing more happens."""
    await _press(ticket, Action.HELP, partial(domain.want_help, ticket_id=ticket), halls, views, who, key, now)


@router.post(
    "/tickets/{ticket}/opinion",
    status_code=204,
    responses=problems(NoSuchTicket, PassNotValid, NotYourTicket, NotOverYet, VisitIsPast, NothingSaid),
)
async def give_opinion(
    ticket: TicketPath,
    said: OpinionSaid,
    opinions: OpinionsKept,
    views: OurViews,
    who: Annotated[Actor, may("holder")],
    key: OnceKey,
    now: Now,
) -> None:
    """How the visit was, once the case is completed and while its day lasts. Said again, the last one counts."""
    row = await views.get(TICKETS, ticket)
    if row is None:
        raise NoSuchTicket
    if row.state is not State.COMPLETED:
        raise NotOverYet
    if hall_of(centre_of(ticket), now) != hall_with(ticket):
        raise VisitIsPast
    rule = partial(give, said=OpinionGiven(**said.model_dump()))
    await opinions.change(f"{ticket}-opinion", rule, now=now, by=who.ref, once=key)


@router.post("/tickets/{ticket}/witness-priority", status_code=204, responses=problems(*_ENDED))
async def witness_priority(
    ticket: TicketPath,
    halls: Halls,
    views: OurViews,
    who: Annotated[Actor, may("volunteer", "staff", "coordinator")],
    key: OnceKey,
    now: Now,
) -> None:
    """Somebody saw that she is due priority, whether she claimed it at the kiosk or not."""
    rule = partial(domain.witness_priority, ticket_id=ticket)
    await _press(ticket, Action.WITNESS, rule, halls, views, who, key, now)


@router.post("/tickets/{ticket}/checklist", status_code=204, responses=problems(*_ENDED, UnknownPaper))
async def tick_checklist(
    ticket: TicketPath,
    given: ChecklistGiven,
    halls: Halls,
    centres: Centres,
    views: OurViews,
    who: Annotated[Actor, may("volunteer", "staff", "coordinator")],
    key: OnceKey,
    now: Now,
) -> None:
    """Somebody looked through her papers with her: which are there, and whether the form is filled in."""
    config = await centres.read(centre_of(ticket), lambda centre: centre.config)
    service = await halls.read(hall_with(ticket), lambda hall: found.service if (found := hall.find(ticket)) else None)
    rule = partial(
        domain.tick_checklist,
        ticket_id=ticket,
        papers=given.papers,
        form_filled=given.form_filled,
        by_volunteer=who.member is not None,
        known=tuple(_papers(config, service)),
    )
    await _press(ticket, Action.CHECKLIST, rule, halls, views, who, key, now)


async def _press(
    ticket: str,
    action: Action,
    rule: Callable[..., Sequence[Fact]],
    halls: Collection[Hall],
    views: Views,
    who: Actor,
    key: Once | None,
    now: datetime,
) -> list[Fact]:
    """Decide about a ticket in its own day's hall. One that has ended left the hall: its row says how it ended."""
    try:
        return await halls.change(hall_with(ticket), rule, now=now, by=who.ref, once=key)
    except NoSuchTicket:
        row = await views.get(TICKETS, ticket)
        if row is None or row.ended is None:
            raise
        if row.state is State.NO_SHOW:  # it could come back only as long as its day lasted
            raise DayIsClosed from None
        undo = row.state is State.COMPLETED and now - row.ended <= UNDO_WITHIN
        raise NotInThisState.of(row.code, row.state, action, [Action.UNDO] if undo else []) from None


# -------------------------------------------------------------------------------------------------------- counters


@router.post("/centres/{centre}/counters/{counter}/open", responses=problems(NoSuchCentre, NoSuchCounter, DayIsClosed))
async def open_counter(
    centre: CentreRef,
    counter: CounterNumber,
    halls: Halls,
    centres: Centres,
    who: Staff,
    key: OnceKey,
    now: Now,
) -> CounterOpen:
    """Begin to work at a counter. Open already: nothing changes."""
    rule = partial(domain.open_counter, counter=counter)
    await in_todays_hall(centre, rule, halls, centres, now=now, by=who.ref, once=key)
    return CounterOpen(counter=counter, open=True)


@router.post(
    "/centres/{centre}/counters/{counter}/close",
    responses=problems(NoSuchCentre, NoSuchCounter, CounterBusy, DayIsClosed),
)
async def close_counter(
    centre: CentreRef,
    counter: CounterNumber,
    halls: Halls,
    centres: Centres,
    who: Staff,
    key: OnceKey,
    now: Now,
) -> CounterOpen:
    """Nobody may be at it; who is held there goes back to the line. Closed already: nothing changes."""
    rule = partial(domain.close_counter, counter=counter)
    await in_todays_hall(centre, rule, halls, centres, now=now, by=who.ref, once=key)
    return CounterOpen(counter=counter, open=False)


@router.post(
    "/centres/{centre}/counters/{counter}/call-next",
    response_model=Called,
    responses={
        **problems(NoSuchCentre, NoSuchCounter, CounterNotOpen, CounterBusy, DayIsClosed),
        204: {
            "description": "Nobody waits for this counter. Nothing was done, so nothing is remembered: the same "
            "Idempotency-Key sent again later calls whoever waits then. Take a new one for each press of the button."
        },
    },
)
async def call_next(
    centre: CentreRef,
    counter: CounterNumber,
    halls: Halls,
    centres: Centres,
    who: Staff,
    key: OnceKey,
    now: Now,
    spoken: Spoken,
) -> Called | Response:
    """Call whoever is next by the centre's rule: at most so many priority calls in a row, nobody past the cap."""
    rule = partial(domain.call_next, counter=counter)
    facts = await in_todays_hall(centre, rule, halls, centres, now=now, by=who.ref, once=key)
    return Called.of(facts, spoken) if facts else Response(status_code=204)


@router.post(
    "/centres/{centre}/counters/{counter}/undo",
    responses=problems(NoSuchCentre, NoSuchCounter, CounterNotOpen, CounterBusy, NothingToUndo, DayIsClosed),
)
async def undo_completion(
    centre: CentreRef,
    counter: CounterNumber,
    halls: Halls,
    centres: Centres,
    who: Staff,
    key: OnceKey,
    now: Now,
) -> Moved:
    """Take back the last completion of this counter, within two minutes: the ticket is being served again."""
    rule = partial(domain.undo, counter=counter)
    undone = the(await in_todays_hall(centre, rule, halls, centres, now=now, by=who.ref, once=key), CompletionUndone)
    return Moved(ticket_id=undone.ticket_id, code=undone.code, state=State.SERVING, counter=undone.counter)
