"""HTTP for looking: the centre, its services and counters, the board, the report; and what concerns a whole day: its
description and its end.
"""

from collections import Counter
from collections.abc import Callable
from datetime import date, datetime
from functools import partial
from typing import Annotated, TypeVar

from fastapi import Query

from services.chassis.access import Actor, may
from services.chassis.clock import local_day
from services.chassis.documents import Collection
from services.chassis.views import Views
from services.chassis.web import Now, OnceKey, Router, Spoken, problems
from services.contracts.events import CentreChanged
from services.contracts.words import CaseOutcome, CentreRef, CounterNumber, TicketEnd
from services.queue import centre as ward
from services.queue import domain
from services.queue.api import Centres, Halls, OurViews, in_todays_hall
from services.queue.centre import Centre, CentreChangedMeanwhile, CentreConfig, plan_for
from services.queue.domain import UNDO_WITHIN, hall_of
from services.queue.hall import AT_THE_COUNTER, LIVE, DayPlan, Hall, State, Ticket
from services.queue.line import ahead_of, order_of_calls, wait_range, waiting_for
from services.queue.refusals import DayIsClosed, NoSuchCentre, NoSuchCounter, PeopleStillThere
from services.queue.shapes import (
    AtCounter,
    Board,
    BoardCall,
    BoardService,
    CentreGiven,
    Closing,
    CounterShown,
    CountersList,
    CounterStands,
    DayEnded,
    HourFigures,
    InLine,
    Opinions,
    PastCall,
    Report,
    ServiceFigures,
    ServiceShown,
    ServicesList,
)
from services.queue.views import COUNTERS, FIGURES, OPINIONS, CounterRow, Figures, Tally
from services.queue.wording import reason_in_words

router = Router(prefix="/queue", tags=["queue"])
T = TypeVar("T")
SHOWN = 8
"""Last calls on the board."""


async def _seen(
    centre: str,
    centres: Collection[Centre],
    halls: Collection[Hall],
    now: datetime,
    look: Callable[[Hall, DayPlan, CentreConfig], T],
) -> T:
    """`look` at today's hall and its plan; a hall that nobody needed yet looks as if it had just been opened."""
    config, plan = await centres.read(centre, lambda known: (known.known(), plan_for(known, local_day(now))))
    return await halls.read(hall_of(centre, now), lambda hall: look(hall, hall.plan or plan, config))


# --------------------------------------------------------------------------------------------------------- centre


@router.put("/centres/{centre}", responses=problems(CentreChangedMeanwhile))
async def describe_centre(
    centre: CentreRef,
    config: CentreConfig,
    centres: Centres,
    who: Annotated[Actor, may("operator", "coordinator")],
    key: OnceKey,
    now: Now,
    seen: Annotated[
        int | None, Query(ge=0, description="the revision it was made from; refused if it is older")
    ] = None,
) -> CentreGiven:
    """The queue's part of the ward's YAML, whole. Today's hall follows it within moments; the same again: no change."""
    rule = partial(ward.describe, config=config)
    if seen is not None:
        rule = partial(ward.amend, config=config, revision=seen)
    facts = await centres.change(centre, rule, now=now, by=who.ref, once=key)
    changed = next((fact.revision for fact in facts if isinstance(fact, CentreChanged)), None)
    revision = changed or await centres.read(centre, lambda known: known.revision)
    return CentreGiven(centre=centre, revision=revision)


@router.get("/centres/{centre}", responses=problems(NoSuchCentre))
async def show_centre(
    centre: CentreRef, centres: Centres, who: Annotated[Actor, may("operator", "coordinator", "city")]
) -> CentreConfig:
    """As it was put last."""
    return await centres.read(centre, Centre.known)


@router.get("/centres/{centre}/services", responses=problems(NoSuchCentre))
async def list_services(
    centre: CentreRef,
    halls: Halls,
    centres: Centres,
    who: Annotated[Actor, may("kiosk", "display", "holder", "volunteer", "staff", "coordinator", "city", "operator")],
    now: Now,
) -> ServicesList:
    """What can be had, with papers, steps, fee and time limit of each: the tiles of a kiosk, in the ward's order."""
    return await _seen(centre, centres, halls, now, partial(_services, centre=centre, now=now))


def _services(hall: Hall, plan: DayPlan, config: CentreConfig, *, centre: str, now: datetime) -> ServicesList:
    gives = plan.open_at(now) and not hall.closed
    shown = []
    for code, described in config.services.items():
        planned = plan.services.get(code)
        if planned is None:  # just described, not planned yet
            continue
        left = None if planned.quota is None else max(0, planned.quota - hall.taken.get(code, 0))
        shown.append(
            ServiceShown(
                code=code,
                name=described.name,
                pictogram=described.pictogram,
                series=planned.series,
                counters=list(planned.counters),
                open=gives and planned.open and left != 0,
                left=left,
                waiting=waiting_for(hall, code),
                wait_minutes=_wait_of_a_new_one(hall, plan, code, now),
                procedure=described.procedure,
            )
        )
    hours = list(config.hours_on(plan.day))
    return ServicesList(centre=centre, name=config.name, open=gives, hours=hours, as_of=now, services=shown)


def _wait_of_a_new_one(hall: Hall, plan: DayPlan, service: str, now: datetime) -> tuple[int, int] | None:
    return wait_range(hall, plan, service, ahead_of(hall, plan, Ticket("", "", service, now), now))


# -------------------------------------------------------------------------------------------------------- counters


@router.get("/centres/{centre}/counters", responses=problems(NoSuchCentre))
async def list_counters(
    centre: CentreRef,
    halls: Halls,
    centres: Centres,
    who: Annotated[Actor, may("staff", "coordinator", "volunteer", "display", "kiosk", "city", "operator")],
    now: Now,
) -> CountersList:
    """Which there are, which are open, and who is at them."""

    def look(hall: Hall, plan: DayPlan, config: CentreConfig) -> list[CounterStands]:
        return [_counter(hall, plan, number) for number in sorted(plan.counters() | set(hall.open_counters))]

    return CountersList(centre=centre, counters=await _seen(centre, centres, halls, now, look))


def _counter(hall: Hall, plan: DayPlan, number: int) -> CounterStands:
    there = hall.at_counter(number)
    return CounterStands(
        counter=number,
        open=number in hall.open_counters,
        services=sorted(plan.served_at(number)),
        code=there.code if there else None,
        state=there.state if there else None,
    )


@router.get("/centres/{centre}/counters/{counter}", responses=problems(NoSuchCentre, NoSuchCounter))
async def show_counter(
    centre: CentreRef,
    counter: CounterNumber,
    halls: Halls,
    centres: Centres,
    who: Annotated[Actor, may("staff", "coordinator")],
    now: Now,
    spoken: Spoken,
) -> CounterShown:
    """The counter's screen: who is there, who is held, who would be called next and why."""
    look = partial(_counter_screen, counter=counter, now=now, spoken=spoken)
    return await _seen(centre, centres, halls, now, look)


def _counter_screen(
    hall: Hall, plan: DayPlan, config: CentreConfig, *, counter: int, now: datetime, spoken: str
) -> CounterShown:
    stands = _counter(hall, plan, counter)
    if not stands.open:
        domain.must_be_known(plan, counter)
    there, done = hall.at_counter(counter), hall.undo.get(counter)
    until = done.at + UNDO_WITHIN if done else None
    return CounterShown(
        **stands.model_dump(),
        as_of=now,
        now=_at_counter(there) if there else None,
        held=[_at_counter(one) for one in hall.tickets if one.state is State.HELD and one.counter == counter],
        waiting=[
            InLine(
                **_at_counter(one).model_dump(),
                waited_minutes=max(0, int((now - one.issued).total_seconds())) // 60,
                selected_because=reason_in_words(because, spoken),
                because=because,
            )
            for one, because in order_of_calls(hall, plan, counter, now)
        ],
        no_shows=[
            _at_counter(one) for one in hall.tickets if one.state is State.NO_SHOW and one.service in stands.services
        ],
        undo_until=until if until and until >= now else None,
        undo_code=done.ticket.code if done and until and until >= now else None,
    )


def _at_counter(ticket: Ticket) -> AtCounter:
    return AtCounter(
        ticket_id=ticket.id,
        code=ticket.code,
        service=ticket.service,
        state=ticket.state,
        since=ticket.course.since if ticket.course else ticket.issued,
        priority=ticket.priority,
        witnessed=ticket.witnessed,
        needs_help=ticket.needs_help,
        call_count=ticket.course.calls if ticket.course else 0,
    )


# ----------------------------------------------------------------------------------------------------------- board


@router.get("/centres/{centre}/board", responses=problems(NoSuchCentre))
async def show_board(
    centre: CentreRef,
    halls: Halls,
    centres: Centres,
    views: OurViews,
    who: Annotated[Actor, may("display", "kiosk", "volunteer", "staff", "coordinator", "city", "operator")],
    now: Now,
) -> Board:
    """For the screen in the hall, and for whoever wants to know how it goes."""
    board = await _seen(centre, centres, halls, now, partial(_board, centre=centre, now=now))
    rows = await views.find(COUNTERS, hall=hall_of(centre, now))
    board.last_calls = _last_calls([row for _, row in rows], board.called)
    return board


def _board(hall: Hall, plan: DayPlan, config: CentreConfig, *, centre: str, now: datetime) -> Board:
    called = [
        BoardCall(
            code=ticket.code,
            counter=ticket.course.counter,
            state=ticket.course.state,
            since=ticket.course.since,
            priority=ticket.priority,
        )
        for ticket in hall.tickets
        if ticket.course and ticket.course.counter and ticket.course.state in AT_THE_COUNTER
    ]
    called.sort(key=lambda call: call.since, reverse=True)
    called.sort(key=lambda call: call.state)  # `called` before `serving`
    return Board(
        centre=centre,
        name=config.name,
        day=plan.day,
        open=plan.open_at(now) and not hall.closed,
        closed=hall.closed is not None,
        as_of=now,
        called=called,
        last_calls=[],
        waiting=[ticket.code for ticket in hall.tickets if ticket.waits],
        services=[
            BoardService(
                code=code,
                name=config.services[code].name,
                waiting=waiting_for(hall, code),
                counters_open=sum(number in hall.open_counters for number in planned.counters),
                wait_minutes=_wait_of_a_new_one(hall, plan, code, now),
            )
            for code, planned in plan.services.items()
            if code in config.services
        ],
    )


def _last_calls(rows: list[CounterRow], called: list[BoardCall]) -> list[PastCall]:
    """Those that the view has heard of, and those of this moment, which it may not have yet."""
    calls = {(call.code, row.counter): call.at for row in rows for call in row.calls}
    calls |= {(call.code, call.counter): call.since for call in called if call.state is State.CALLED}
    past = [PastCall(code=code, counter=counter, at=at) for (code, counter), at in calls.items()]
    return sorted(past, key=lambda call: call.at, reverse=True)[:SHOWN]


# ---------------------------------------------------------------------------------------------------------- report


@router.get("/centres/{centre}/report", responses=problems(NoSuchCentre))
async def show_report(
    centre: CentreRef,
    halls: Halls,
    centres: Centres,
    views: OurViews,
    who: Annotated[Actor, may("staff", "coordinator", "city", "operator")],
    now: Now,
    day: Annotated[date | None, Query(description="local day; today if not given", examples=["2026-11-24"])] = None,
) -> Report:
    """The queue's half of the evening report of a day. A day on which nobody came: nothing but noughts."""
    await centres.read(centre, Centre.known)
    asked = day or local_day(now)
    hall = f"{centre}-{asked:%Y%m%d}"
    figures = await views.get(FIGURES, hall) or Figures(centre, asked.isoformat())
    said = await _opinions(views, centre, asked)
    return _report(figures, await halls.read(hall, lambda found: found.count(*LIVE)), said)


async def _opinions(views: Views, centre: str, day: date) -> dict[str, Opinions]:
    sums = {about: Counter[str]() for about in ("counter", "volunteer", "waiting")}
    after = None
    while rows := await views.find(OPINIONS, after=after, limit=200, centre=centre, day=day.isoformat()):
        after = rows[-1][0]
        for _, row in rows:
            for about, sum in sums.items():
                if score := getattr(row, about):
                    sum[score] += 1
    return {about: Opinions(**sum) for about, sum in sums.items()}


def _report(sums: Figures, still_here: int, opinions: dict[str, Opinions]) -> Report:
    count = sums.completed
    return Report(
        centre=sums.centre,
        day=date.fromisoformat(sums.day),
        closed=sums.closed,
        issued=sums.issued,
        priority=sums.priority,
        needs_help=sums.needs_help,
        ride_home=sums.ride_home,
        completed=count,
        outcomes={each: sums.outcomes.get(each, 0) for each in CaseOutcome if each is not CaseOutcome.UNFINISHED},
        unfinished=sums.unfinished,
        no_show=sums.no_show,
        reinstated=sums.reinstated,
        cancelled=sum(sums.cancelled.values()),
        cancelled_because={each: sums.cancelled.get(each, 0) for each in TicketEnd},
        still_here=still_here,
        wait_mean_minutes=_minutes(sums.wait_seconds, count),
        wait_median_minutes=sums.median_minutes,
        way_mean_seconds=sums.way_seconds // count if count else None,
        transaction_mean_minutes=_minutes(sums.transaction_seconds, count),
        hold_mean_seconds=sums.hold_seconds // count if count else None,
        opinions=opinions,
        by_hour=[HourFigures(hour=hour, **_tally(tally)) for hour, tally in sorted(sums.hours.items())],
        by_service={code: ServiceFigures(**_tally(tally)) for code, tally in sorted(sums.services.items())},
    )


def _tally(tally: Tally) -> dict[str, float | None]:
    return {
        "issued": tally.issued,
        "completed": tally.completed,
        "wait_mean_minutes": _minutes(tally.wait_seconds, tally.completed),
        "transaction_mean_minutes": _minutes(tally.transaction_seconds, tally.completed),
    }


def _minutes(seconds: int, count: int) -> float | None:
    return round(seconds / count / 60, 1) if count else None


@router.post("/centres/{centre}/close-day", responses=problems(NoSuchCentre, PeopleStillThere, DayIsClosed))
async def close_day(
    centre: CentreRef,
    halls: Halls,
    centres: Centres,
    who: Annotated[Actor, may("staff", "coordinator")],
    key: OnceKey,
    now: Now,
    closing: Closing | None = None,
) -> DayEnded:
    """End the day now. Who still waits is cancelled, who is being served is left unfinished: only with `send_home`."""
    rule = partial(domain.close_day, send_home=closing is not None and closing.send_home)
    return DayEnded.of(await in_todays_hall(centre, rule, halls, centres, now=now, by=who.ref, once=key))
