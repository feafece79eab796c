"""HTTP for the work: rides, assistances, my jobs, and the half of the evening report that this service knows."""

from calendar import monthrange
from collections.abc import Sequence
from copy import deepcopy
from datetime import date, datetime, timedelta
from functools import partial
from typing import Annotated

import structlog
from fastapi import Query

from services.chassis.access import Actor, NotYourCentre, NotYourRole, NotYourTicket, PassNotValid, may, ticket_of
from services.chassis.clock import local_day
from services.chassis.documents import Collection
from services.chassis.ids import centre_of, token
from services.chassis.sealing import Sealer
from services.chassis.views import Views
from services.chassis.web import Now, OnceKey, Router, of, own, problems
from services.contracts.events import (
    AssistanceCancelled,
    AssistanceFinished,
    AssistanceRequested,
    RideAssigned,
    RideCancelled,
    RideCompleted,
    RideHomeRequested,
    RidePickedUp,
    RidePlanned,
    RideReleased,
)
from services.contracts.words import (
    AssistanceRef,
    AssistanceResult,
    CancelledBy,
    CentreRef,
    Fact,
    JobKind,
    MemberRef,
    RideRef,
)
from services.volunteers import assistances as help_rules
from services.volunteers import rides as ride_rules
from services.volunteers import views
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
from services.volunteers.centres import Centre, UnknownHamlet
from services.volunteers.codewords import choose
from services.volunteers.members import Member, MemberInactive, UnknownMember, check_active
from services.volunteers.rides import (
    ELSEWHERE,
    NotTheDriver,
    Ride,
    RideAlreadyHis,
    RideStage,
    RideStateForbids,
    UnknownRide,
)
from services.volunteers.shapes import (
    AssistanceChanged,
    AssistanceListed,
    AssistanceShown,
    AssistancesPage,
    Day,
    Done,
    DoneToday,
    GivenTo,
    HelpNeeded,
    Hours,
    HoursOfDay,
    Job,
    Jobs,
    Report,
    RideChanged,
    RideEnd,
    RideListed,
    RideShown,
    RidesPage,
    RideWanted,
    Summons,
    WhatCameOfIt,
)
from services.volunteers.tickets import TicketHasEnded, UnknownTicket, check_of_today

router = Router(prefix="/volunteers", tags=["volunteers"])
log = structlog.get_logger()

Rides = Annotated[Collection[Ride], of(Ride)]
Assistances = Annotated[Collection[Assistance], of(Assistance)]
Members = Annotated[Collection[Member], of(Member)]
Centres = Annotated[Collection[Centre], of(Centre)]
OurViews = Annotated[Views, own("volunteers", Views)]
OurSealer = Annotated[Sealer, own("volunteers", Sealer)]
After = Annotated[str | None, Query(max_length=80, description="`next` of the page before")]
Limit = Annotated[int, Query(ge=1, le=200)]
Driver = Annotated[Actor, may("volunteer", "coordinator")]


# ------------------------------------------------------------------------------------------------------ rides


@router.post(
    "/rides",
    status_code=201,
    responses=problems(TicketHasEnded, UnknownTicket, UnknownHamlet, RideStateForbids, PassNotValid, NotYourTicket),
)
async def ask_for_ride(
    wanted: RideWanted,
    rides: Rides,
    assistances: Assistances,
    centres: Centres,
    sealer: OurSealer,
    who: Annotated[Actor, may("holder", "kiosk", "volunteer", "staff", "coordinator")],
    key: OnceKey,
    now: Now,
) -> RideChanged:
    """A ride home for the holder of a ticket, with or without a destination yet; said again with one, it has one."""
    ticket = ticket_of(wanted.ticket, who)
    check_of_today(ticket, now)
    ride_id = f"{ticket}-ride"
    hamlet = await _hamlet(centres, centre_of(ticket), wanted)
    destination = await sealer.seal(ride_id, wanted.destination) if wanted.destination else None
    known = await assistances.read(f"{ticket}-help", lambda assistance: assistance.known)
    rule = partial(ride_rules.ask, destination=destination, hamlet=hamlet, seats=wanted.seats, known=known)
    return _ride_changed(await rides.change(ride_id, rule, now=now, by=who.ref, once=key))


async def may_ask_for_ride(ticket: str, assistances: Collection[Assistance], now: datetime) -> bool:
    """False for a ticket that has ended: a page does not offer what would be refused."""
    return await assistances.read(f"{ticket}-help", lambda help: help.ticket.is_open(now, ride_rules.ASKED_FOR_IN))


async def _hamlet(centres: Collection[Centre], centre_id: str, wanted: RideWanted) -> str | None:
    """The hamlet that was named, or the one that the destination names."""
    centre = await centres.read(centre_id, deepcopy)
    if wanted.hamlet:
        centre.check_hamlet(wanted.hamlet)
        return wanted.hamlet
    return (centre.hamlet_in(wanted.destination) or ELSEWHERE) if wanted.destination else None


@router.get("/rides/{ride_id}", responses=problems(UnknownRide))
async def show_ride(
    ride_id: RideRef,
    rides: Rides,
    members: Members,
    sealer: OurSealer,
    who: Annotated[Actor, may("holder", "volunteer", "staff", "coordinator")],
) -> RideShown:
    """What the caller may know of it: the citizen all but who he is beyond his given name, the driver where to."""
    shown, ride = await ride_for(ride_id, rides, members, sealer, who)
    if who.ticket is not None or who.is_a("coordinator") or shown.driver == who.member is not None:
        shown.destination = await _destination(sealer, ride, who)
    return shown


async def ride_for(ride_id: str, rides: Rides, members: Members, sealer: Sealer, who: Actor) -> tuple[RideShown, Ride]:
    """The same with where to left unopened: a page that looks every few seconds need not read it each time."""
    ride = await rides.read(ride_id, deepcopy)
    if ride.stage is RideStage.BLANK or ride.since is None:
        raise UnknownRide
    driver = ride.driver.member if ride.driver else None
    drives = driver is not None and driver == who.member
    holds, leads = who.ticket is not None, who.is_a("coordinator")
    shown = RideShown(
        ride_id=ride_id,
        state=ride.stage,
        since=ride.since,
        code=ride.ticket.code,
        hamlet=ride.hamlet,
        seats=ride.seats,
        driver=driver if drives or who.is_a("staff", "coordinator") else None,
        driver_name=await _given_name(members, sealer, driver) if holds or leads else None,
        code_word=ride.code_word if holds or drives else None,
        instead=ride.instead,
    )
    return shown, ride


async def _destination(sealer: Sealer, ride: Ride, who: Actor) -> str | None:
    """Opened, and the opening logged: by reference, never with what was read."""
    if ride.destination is None:
        return None
    # A holder's reference is her ticket; her pass is never logged.
    log.info("destination_opened", ref=ride.id, who=who.ref)
    return await sealer.open(ride.destination)


async def _given_name(members: Collection[Member], sealer: Sealer, member: str | None) -> str | None:
    """The last word of a Vietnamese name is what people call him."""
    name = await members.read(member, lambda found: found.name) if member else None
    plain = await sealer.open(name) if name else None
    return plain.split()[-1] if plain else None


@router.post("/rides/{ride_id}/pick-up", responses=problems(UnknownRide, NotTheDriver, RideStateForbids))
async def pick_up(ride_id: RideRef, rides: Rides, who: Driver, key: OnceKey, now: Now) -> RideChanged:
    rule = partial(ride_rules.pick_up, driver=_as_driver(who))
    return _ride_changed(await rides.change(ride_id, rule, now=now, by=who.ref, once=key))


@router.post("/rides/{ride_id}/drop-off", responses=problems(UnknownRide, NotTheDriver, RideStateForbids))
async def drop_off(ride_id: RideRef, rides: Rides, who: Driver, key: OnceKey, now: Now) -> RideChanged:
    """She is home: the minutes since the acceptance are credited to the driver."""
    rule = partial(ride_rules.drop_off, driver=_as_driver(who))
    return _ride_changed(await rides.change(ride_id, rule, now=now, by=who.ref, once=key))


@router.post("/rides/{ride_id}/release", responses=problems(UnknownRide, NotTheDriver, RideStateForbids))
async def release(ride_id: RideRef, rides: Rides, who: Driver, key: OnceKey, now: Now) -> RideChanged:
    """The driver cannot: the ride is offered to others."""
    rule = partial(ride_rules.release, driver=_as_driver(who))
    return _ride_changed(await rides.change(ride_id, rule, now=now, by=who.ref, once=key))


@router.post("/rides/{ride_id}/cancel", responses=problems(UnknownRide, NotTheDriver, RideStateForbids))
async def cancel_ride(
    ride_id: RideRef,
    rides: Rides,
    who: Annotated[Actor, may("holder", "volunteer", "staff", "coordinator")],
    key: OnceKey,
    now: Now,
    end: RideEnd | None = None,
) -> RideChanged:
    """Nobody is driven: said by the citizen, by the driver of this ride, or by the centre, which also says how she gets
    home instead. Her family is asked to come by SMS, when she left a number for her ride."""
    instead = end.instead if end else None
    if instead and not who.is_a("staff", "coordinator"):
        raise NotYourRole
    by, driver = CancelledBy.COORDINATOR, None
    if who.ticket:
        by = CancelledBy.CITIZEN
    elif not who.is_a("staff", "coordinator"):
        by, driver = CancelledBy.VOLUNTEER, _own_member(who)
    rule = partial(ride_rules.cancel, by=by, driver=driver, instead=instead)
    return _ride_changed(await rides.change(ride_id, rule, now=now, by=who.ref, once=key))


@router.post(
    "/rides/{ride_id}/assign",
    responses=problems(UnknownRide, RideAlreadyHis, RideStateForbids, UnknownMember, MemberInactive),
)
async def assign_ride(
    ride_id: RideRef,
    given: GivenTo,
    rides: Rides,
    members: Members,
    who: Annotated[Actor, may("coordinator")],
    key: OnceKey,
    now: Now,
) -> RideChanged:
    """By hand; whoever had it is told that it is another's now."""
    check_reach(who, given.member)
    check_active(await members.read(given.member, deepcopy))
    rule = partial(ride_rules.assign, member=given.member, code_word=choose())
    return _ride_changed(await rides.change(ride_id, rule, now=now, by=who.ref, once=key))


@router.get("/centres/{centre}/rides")
async def list_rides(
    centre: CentreRef,
    our: OurViews,
    who: Annotated[Actor, may("staff", "coordinator", "city", "operator")],
    now: Now,
    day: Annotated[Day | None, Query(description="of the tickets; today when not given")] = None,
    after: After = None,
    limit: Limit = 100,
) -> RidesPage:
    rows = await our.find(views.RIDES, after=after, limit=limit, centre=centre, day=str(day or local_day(now)))
    listed = [
        RideListed(
            ride_id=ride_id,
            state=row.stage,
            since=row.since,
            late=row.stage is RideStage.ASSIGNED and row.since + ride_rules.PICKED_UP_WITHIN < now,
            code=row.code,
            hamlet=row.hamlet,
            seats=row.seats,
            member=row.member,
            minutes=row.minutes,
            instead=row.instead,
        )
        for ride_id, row in rows
    ]
    return RidesPage(rides=listed, next=rows[-1][0] if len(rows) == limit else None)


def _ride_changed(facts: Sequence[Fact]) -> RideChanged:
    """Of the facts alone, so that a repeat answers the same."""
    changed: RideChanged | None = None
    for fact in facts:
        match fact:
            case RidePlanned():
                changed = RideChanged(
                    ride_id=fact.ride_id, state=RideStage.PLANNED, hamlet=fact.hamlet, seats=fact.seats
                )
            case RideHomeRequested() | RideReleased():
                changed = RideChanged(
                    ride_id=fact.ride_id, state=RideStage.REQUESTED, hamlet=fact.hamlet, seats=fact.seats
                )
            case RideAssigned():
                changed = RideChanged(ride_id=fact.ride_id, state=RideStage.ASSIGNED, member=fact.member)
            case RidePickedUp():
                changed = RideChanged(ride_id=fact.ride_id, state=RideStage.PICKED_UP, member=fact.member)
            case RideCompleted():
                changed = RideChanged(ride_id=fact.ride_id, state=RideStage.COMPLETED, minutes=fact.minutes)
            case RideCancelled():
                changed = RideChanged(ride_id=fact.ride_id, state=RideStage.CANCELLED)
    assert changed, "a command on a ride says what became of it"
    return changed


# ------------------------------------------------------------------------------------------------- assistances


@router.post(
    "/assistances",
    status_code=201,
    responses=problems(TicketHasEnded, UnknownTicket, AlreadyAsked, PassNotValid, NotYourTicket),
)
async def ask_for_help(
    needed: HelpNeeded,
    assistances: Assistances,
    who: Annotated[Actor, may("holder", "kiosk", "volunteer", "staff", "coordinator")],
    key: OnceKey,
    now: Now,
) -> AssistanceChanged:
    """Somebody in the hall needs a helper: asked at a counter, for a ticket."""
    ticket = ticket_of(needed.ticket, who)
    check_of_today(ticket, now)
    facts = await assistances.change(f"{ticket}-help", help_rules.ask, now=now, by=who.ref, once=key)
    asked = any(isinstance(fact, AssistanceRequested) for fact in facts)
    return AssistanceChanged(assistance_id=f"{ticket}-help", state=HelpStage.OPEN if asked else HelpStage.BLANK)


@router.post("/centres/{centre}/summons", status_code=201)
async def summon_helper(
    centre: CentreRef,
    summons: Summons,
    assistances: Assistances,
    our: OurViews,
    sealer: OurSealer,
    who: Annotated[Actor, may("kiosk")],
    key: OnceKey,
    now: Now,
) -> AssistanceChanged:
    """Somebody at this kiosk has no number yet and wants a helper to come. While one is on the way, pressing again asks
    nobody else."""
    day = local_day(now)
    beginning = f"{centre}-{day:%Y%m%d}-{sealer.blind('kiosk', who.ref)[:10]}"
    for assistance_id, row in await our.find(views.ASSISTANCES, after=beginning, centre=centre, day=str(day)):
        if assistance_id.startswith(beginning) and row.stage in help_rules.WAITING and now - row.since < ON_THE_WAY:
            return AssistanceChanged(assistance_id=assistance_id, state=row.stage, member=row.member)
    own = sealer.blind("summons", f"{who.ref} {key.key}")[:12] if key else token(12)
    assistance_id = f"{beginning}{own}-help"
    rule = partial(help_rules.summon, language=summons.language)
    await assistances.change(assistance_id, rule, now=now, by=who.ref, once=key)
    return AssistanceChanged(assistance_id=assistance_id, state=HelpStage.OPEN)


ON_THE_WAY = timedelta(minutes=10)
"""So long a helper who was called to a kiosk may take; then a press calls anew."""


@router.get("/assistances/{assistance_id}", responses=problems(UnknownAssistance))
async def show_assistance(
    assistance_id: AssistanceRef,
    assistances: Assistances,
    members: Members,
    sealer: OurSealer,
    who: Annotated[Actor, may("holder", "volunteer", "staff", "coordinator")],
) -> AssistanceShown:
    found = await assistances.read(assistance_id, deepcopy)
    if found.stage is HelpStage.BLANK and found.asked is None:
        raise UnknownAssistance
    named = who.ticket is not None or who.is_a("coordinator")
    return AssistanceShown(
        assistance_id=assistance_id,
        state=found.stage,
        code=found.ticket.code,
        member=None if who.ticket else found.member,
        helper_name=await _given_name(members, sealer, found.member) if named else None,
        result=found.result,
    )


@router.post(
    "/assistances/{assistance_id}/finish",
    responses=problems(UnknownAssistance, AssistanceClosed, NotTheHelper, DayIsOver),
)
async def finish_assistance(
    assistance_id: AssistanceRef, came: WhatCameOfIt, assistances: Assistances, who: Driver, key: OnceKey, now: Now
) -> AssistanceChanged:
    """What came of it; also of one that the completed case closed today as not recorded."""
    rule = partial(help_rules.finish, result=came.result, helper=_as_driver(who))
    return _finished(await assistances.change(assistance_id, rule, now=now, by=who.ref, once=key))


@router.post(
    "/assistances/{assistance_id}/correct",
    responses=problems(UnknownAssistance, NotYetFinished, NotTheHelper, DayIsOver),
)
async def correct_assistance(
    assistance_id: AssistanceRef, came: WhatCameOfIt, assistances: Assistances, who: Driver, key: OnceKey, now: Now
) -> AssistanceChanged:
    """Another result than was recorded, on the same day."""
    rule = partial(help_rules.correct, result=came.result, helper=_as_driver(who))
    return _finished(await assistances.change(assistance_id, rule, now=now, by=who.ref, once=key))


@router.post("/assistances/{assistance_id}/cancel", responses=problems(UnknownAssistance, AssistanceClosed))
async def cancel_assistance(
    assistance_id: AssistanceRef,
    assistances: Assistances,
    who: Annotated[Actor, may("holder", "staff", "coordinator")],
    key: OnceKey,
    now: Now,
) -> AssistanceChanged:
    """She needs no help any more."""
    rule = partial(help_rules.cancel, by=CancelledBy.CITIZEN if who.ticket else CancelledBy.COORDINATOR)
    (cancelled,) = await assistances.change(assistance_id, rule, now=now, by=who.ref, once=key)
    assert isinstance(cancelled, AssistanceCancelled)
    return AssistanceChanged(assistance_id=cancelled.assistance_id, state=HelpStage.CANCELLED)


@router.get("/centres/{centre}/assistances")
async def list_assistances(
    centre: CentreRef,
    our: OurViews,
    who: Annotated[Actor, may("staff", "volunteer", "coordinator", "city", "operator")],
    now: Now,
    day: Annotated[Day | None, Query(description="of the tickets; today when not given")] = None,
    after: After = None,
    limit: Limit = 100,
) -> AssistancesPage:
    rows = await our.find(views.ASSISTANCES, after=after, limit=limit, centre=centre, day=str(day or local_day(now)))
    listed = [
        AssistanceListed(
            assistance_id=assistance_id,
            state=row.stage,
            since=row.since,
            code=row.code,
            member=row.member,
            result=row.result,
            minutes=row.minutes,
        )
        for assistance_id, row in rows
    ]
    return AssistancesPage(assistances=listed, next=rows[-1][0] if len(rows) == limit else None)


def _finished(facts: Sequence[Fact]) -> AssistanceChanged:
    (finished,) = facts
    assert isinstance(finished, AssistanceFinished)
    return AssistanceChanged(
        assistance_id=finished.assistance_id,
        state=HelpStage.FINISHED,
        result=finished.result,
        member=finished.member,
        minutes=finished.minutes,
    )


# ------------------------------------------------------------------------------------------- jobs and the report


@router.get("/me/jobs")
async def my_jobs(our: OurViews, who: Annotated[Actor, may("volunteer")]) -> Jobs:
    """What I have taken and not finished; a ride shows its code word and destination at its own address."""
    mine = _own_member(who)
    helps = [
        Job(
            kind=JobKind.ASSISTANCE,
            id=id,
            state="taken",
            since=row.since,
            code=row.code,
            hamlet=None,
            seats=None,
        )
        async for id, row in views.every(our, views.ASSISTANCES, holder=mine)
    ]
    drives = [
        Job(
            kind=JobKind.RIDE,
            id=id,
            state="picked_up" if row.stage is RideStage.PICKED_UP else "assigned",
            since=row.since,
            code=row.code,
            hamlet=row.hamlet,
            seats=row.seats,
        )
        async for id, row in views.every(our, views.RIDES, holder=mine)
    ]
    return Jobs(jobs=[*helps, *drives])


@router.get("/me/done")
async def done_today(our: OurViews, who: Annotated[Actor, may("volunteer")], now: Now) -> DoneToday:
    """What I finished today, the newest first; help whose result nobody recorded before everything else."""
    mine, where = _own_member(who), {"centre": _own_member(who)[:5], "day": str(local_day(now))}
    helps = [
        Done(kind=JobKind.ASSISTANCE, id=id, code=row.code, since=row.since, result=row.result, minutes=row.minutes)
        async for id, row in views.every(our, views.ASSISTANCES, **where)
        if row.member == mine and row.stage is HelpStage.FINISHED
    ]
    drives = [
        Done(kind=JobKind.RIDE, id=id, code=row.code, since=row.since, result=None, minutes=row.minutes)
        async for id, row in views.every(our, views.RIDES, **where)
        if row.member == mine and row.stage is RideStage.COMPLETED
    ]
    newest = sorted([*helps, *drives], key=lambda one: one.since, reverse=True)
    return DoneToday(done=sorted(newest, key=lambda one: one.result is not AssistanceResult.NOT_RECORDED))


@router.get("/me/hours")
async def my_hours(
    our: OurViews,
    who: Annotated[Actor, may("volunteer")],
    now: Now,
    month: Annotated[
        str | None, Query(pattern=r"^20[0-9][0-9]-(0[1-9]|1[0-2])$", description="this month when not given")
    ] = None,
) -> Hours:
    """My days of one month."""
    mine, today = _own_member(who), local_day(now)
    month = month or f"{today:%Y-%m}"
    first = date.fromisoformat(f"{month}-01")
    days = []
    for day in (first + timedelta(days=ahead) for ahead in range(monthrange(first.year, first.month)[1])):
        if day <= today and (row := await our.get(views.DAYS, f"{mine[:5]}/{day}/{mine}")):
            days.append(
                HoursOfDay(day=day, minutes_on_duty=row.minutes_on_duty, rides=row.rides, ride_minutes=row.ride_minutes)
            )
    return Hours(
        month=month,
        days=days[::-1],
        minutes_on_duty=sum(one.minutes_on_duty for one in days),
        rides=sum(one.rides for one in days),
        ride_minutes=sum(one.ride_minutes for one in days),
    )


@router.get("/centres/{centre}/report")
async def report(
    centre: CentreRef,
    our: OurViews,
    who: Annotated[Actor, may("staff", "coordinator", "city", "operator")],
    now: Now,
    day: Annotated[Day | None, Query(description="local day; today when not given")] = None,
) -> Report:
    """The volunteers' half of the evening report."""
    day = day or local_day(now)
    total = await views.sum_of_day(our, centre, day)
    return Report(
        centre=centre,
        day=day,
        people_helped=total.helped,
        unattended=total.unattended,
        assistances_open=total.open,
        assistances_cancelled=total.assistances_cancelled,
        results=total.results,
        rides_planned=total.rides_planned,
        rides_requested=total.rides_requested,
        rides_open=total.rides_open,
        rides_completed=total.rides_completed,
        rides_cancelled=total.rides_cancelled,
        rides_instead=total.instead,
        minutes_credited=total.minutes_credited,
        minutes_on_duty=total.minutes_on_duty,
        volunteers_present=total.present,
    )


# ------------------------------------------------------------------------------------------------- who is asking


def _own_member(who: Actor) -> MemberRef:
    if who.member is None:
        raise NotYourRole
    return who.member


def _as_driver(who: Actor) -> MemberRef | None:
    """The coordinator speaks for whoever has the job; a volunteer for himself."""
    return None if who.is_a("coordinator") else _own_member(who)


def check_reach(who: Actor, reference: str) -> None:
    """What a body names must be the caller's to touch, as what a path names."""
    if not who.reaches(centre_of(reference)):
        raise NotYourCentre
