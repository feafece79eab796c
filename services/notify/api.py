"""HTTP for the work: the centre, offers, the dispatch, what is escalated, and the messages for the operator."""

from collections import Counter
from copy import deepcopy
from datetime import date, datetime
from functools import partial
from typing import Annotated, Literal

from fastapi import Query, Request

from services.chassis.access import Actor, Passes, may
from services.chassis.clock import local_day
from services.chassis.documents import Collection, the
from services.chassis.sealing import Sealer
from services.chassis.views import Views
from services.chassis.web import Now, OnceKey, Router, of, own, problems
from services.contracts.events import OfferAccepted, OfferVoid
from services.contracts.words import AssistanceRef, CentreRef, JobKind, JobRef, OfferRef, VoidBecause
from services.notify import dispatch as rules
from services.notify import views
from services.notify.choosing import candidates
from services.notify.contacts import Contact
from services.notify.dispatch import (
    AlreadyYours,
    FloorTooThin,
    HasAnotherJob,
    HelperElsewhere,
    NoLongerNeeded,
    NoSuchJob,
    NotOnTheFloor,
    NotWaitingForHelp,
    NotYourOffer,
    OfferDeclined,
    OfferExpired,
    OfferTaken,
    UnknownOffer,
)
from services.notify.dispatch_state import ESCALATED_AFTER, FLOOR_MINIMUM, CentreDescribed, Dispatch, Hamlet, Job, Offer
from services.notify.messages import Template
from services.notify.sender import text_of
from services.notify.shapes import (
    Candidates,
    CandidateShown,
    CentreGiven,
    CentreShown,
    DispatchShown,
    Escalations,
    EscalationShown,
    HamletShown,
    HelperGiven,
    JobShown,
    MessageShown,
    MessagesPage,
    MessagesTold,
    MessageTold,
    MyOffers,
    OfferDeclinedNow,
    OfferLookedAt,
    OfferShown,
    OfferTakenUp,
    OnTheFloorShown,
    OpenOfferShown,
)
from services.notify.texts import masked
from services.notify.views import ESCALATIONS, MESSAGES, EscalationRow, MessageRow

router = Router(prefix="/notify", tags=["notify"])

Dispatches = Annotated[Collection[Dispatch], of(Dispatch)]
Contacts = Annotated[Collection[Contact], of(Contact)]
OurViews = Annotated[Views, own("notify", Views)]
OurSealer = Annotated[Sealer, own("notify", Sealer)]
After = Annotated[str | None, Query(max_length=80, description="`next` of the page before")]
Limit = Annotated[int, Query(ge=1, le=200)]
Volunteer = Annotated[Actor, may("volunteer")]
_BY_OTHERS = frozenset({VoidBecause.TAKEN, VoidBecause.ASSIGNED_BY_HAND, VoidBecause.CANCELLED})
_OVER = (OfferTaken, AlreadyYours, OfferExpired, OfferDeclined, NoLongerNeeded)


# ------------------------------------------------------------------------------------------------------ centre


@router.put("/centres/{centre}", operation_id="describe_centre_to_notify")
async def describe_centre(
    centre: CentreRef,
    given: CentreGiven,
    dispatches: Dispatches,
    who: Annotated[Actor, may("operator", "coordinator")],
    key: OnceKey,
    now: Now,
) -> CentreShown:
    """This service's part of the ward's YAML, whole: how an SMS begins, and where the hamlets lie."""
    hamlets = {code: Hamlet(name=one.name, lat=one.lat, lon=one.lon) for code, one in given.hamlets.items()}
    described = CentreDescribed(short_name=given.short_name, lat=given.lat, lon=given.lon, hamlets=hamlets)
    rule = partial(rules.describe, described=described)
    said = the(await dispatches.change(centre, rule, now=now, by=who.ref, once=key), CentreDescribed)
    shown = {code: HamletShown.model_validate(hamlet) for code, hamlet in sorted(said.hamlets.items())}
    return CentreShown(centre=centre, short_name=said.short_name, lat=said.lat, lon=said.lon, hamlets=shown)


# ------------------------------------------------------------------------------------------------------ offers


@router.get("/me/offers")
async def my_offers(dispatches: Dispatches, who: Volunteer) -> MyOffers:
    """The offers that stand for me now."""
    found: list[OfferShown] = []
    for centre in sorted(who.centres):
        found += await dispatches.read(centre, partial(_offers_of, member=who.member or ""))
    return MyOffers(offers=sorted(found, key=lambda offer: offer.expires))


def _offers_of(dispatch: Dispatch, member: str) -> list[OfferShown]:
    return [_shown(dispatch, id, offer) for id, offer in dispatch.offers.items() if offer.member == member]


def _shown(dispatch: Dispatch, id: str, offer: Offer) -> OfferShown:
    job = dispatch.jobs.get(offer.job)
    hamlet = dispatch.hamlets.get(job.hamlet or "") if job else None
    return OfferShown(
        offer_id=id,
        job=offer.job,
        kind=JobKind.RIDE if offer.job.endswith("-ride") else JobKind.ASSISTANCE,
        code=job.code if job else None,
        hamlet=job.hamlet if job else None,
        hamlet_name=hamlet.name if hamlet else None,
        metres=rules.metres_to(dispatch, job) if job else None,
        made=offer.made,
        expires=offer.expires,
    )


async def lately_over(dispatches: Dispatches, who: Volunteer, since: datetime) -> list[OfferLookedAt]:
    """Offers to me that can be taken no longer and were to be answered after `since`, for the screen that showed them;
    not what I answered myself."""
    found: list[OfferLookedAt] = []
    for centre in sorted(who.centres):
        found += await dispatches.read(centre, partial(_over_of, member=who.member or "", since=since))
    return sorted(found, key=lambda offer: offer.expires, reverse=True)


def _over_of(dispatch: Dispatch, member: str, since: datetime) -> list[OfferLookedAt]:
    return [
        _looked_at(dispatch, id, member)
        for id, offer in dispatch.closed.items()
        if offer.member == member and offer.expires > since and offer.closed in _BY_OTHERS
    ]


@router.get("/offers/{offer_id}", responses=problems(UnknownOffer, NotYourOffer))
async def show_offer(offer_id: OfferRef, dispatches: Dispatches, who: Volunteer) -> OfferLookedAt:
    """One offer that was made to me, also when it can be taken no longer: for half an hour."""
    return await dispatches.read(offer_id[:5], partial(_looked_at, offer_id=offer_id, member=who.member or ""))


def _looked_at(dispatch: Dispatch, offer_id: str, member: str) -> OfferLookedAt:
    over = rules.why_over(dispatch, offer_id, member)
    offer = dispatch.offers.get(offer_id) or dispatch.closed[offer_id]
    return OfferLookedAt(**_shown(dispatch, offer_id, offer).model_dump(), over=over.slug() if over else None)


@router.post(
    "/offers/{offer_id}/accept",
    responses=problems(UnknownOffer, NotYourOffer, *_OVER, HasAnotherJob, NotOnTheFloor, FloorTooThin),
)
async def accept_offer(
    offer_id: OfferRef, dispatches: Dispatches, who: Volunteer, key: OnceKey, now: Now
) -> OfferTakenUp:
    """The first acceptance wins; everybody else hears that it is taken."""
    rule = partial(rules.accept, offer_id=offer_id, member=who.member or "")
    facts = await dispatches.change(offer_id[:5], rule, now=now, by=who.ref, once=key)
    won = the(facts, OfferAccepted)
    return OfferTakenUp(offer_id=won.offer_id, job=won.job, kind=won.kind, member=won.member)


@router.post("/offers/{offer_id}/decline", responses=problems(UnknownOffer, NotYourOffer, *_OVER))
async def decline_offer(
    offer_id: OfferRef, dispatches: Dispatches, who: Volunteer, key: OnceKey, now: Now
) -> OfferDeclinedNow:
    """The next one is asked at once."""
    rule = partial(rules.decline, offer_id=offer_id, member=who.member or "")
    facts = await dispatches.change(offer_id[:5], rule, now=now, by=who.ref, once=key)
    said = next(fact for fact in facts if isinstance(fact, OfferVoid) and fact.reason is VoidBecause.DECLINED)
    return OfferDeclinedNow(offer_id=said.offer_id, job=said.job, kind=said.kind)


# ---------------------------------------------------------------------------------------------------- dispatch


@router.get("/centres/{centre}/dispatch")
async def show_dispatch(
    centre: CentreRef,
    dispatches: Dispatches,
    our: OurViews,
    who: Annotated[Actor, may("coordinator", "operator")],
) -> DispatchShown:
    """Who is on the floor, what is wanted, who was asked, and what waits for the coordinator."""
    dispatch = await dispatches.read(centre, deepcopy)
    rows = [(key, row) async for key, row in views.every(our, ESCALATIONS, centre=centre, state="open")]
    return DispatchShown(
        centre=centre,
        on_floor=[
            _on_floor(dispatch, member) for member in sorted(dispatch.members) if dispatch.members[member].on_floor
        ],
        minimum_on_floor=FLOOR_MINIMUM,
        jobs=[_job(dispatch, id, job) for id, job in sorted(dispatch.jobs.items(), key=lambda item: item[1].asked)],
        escalations=[_escalation(key, row) for key, row in rows],
    )


def _on_floor(dispatch: Dispatch, member: str) -> OnTheFloorShown:
    volunteer = dispatch.members[member]
    return OnTheFloorShown(
        member=member,
        job=dispatch.job_of(member),
        open_offers=sum(offer.member == member for offer in dispatch.offers.values()),
        offers_today=volunteer.offers,
        jobs_today=volunteer.jobs,
    )


def _job(dispatch: Dispatch, id: str, job: Job) -> JobShown:
    return JobShown(
        job=id,
        kind=job.kind,
        code=job.code,
        hamlet=job.hamlet,
        seats=job.seats,
        since=job.asked,
        member=job.member,
        escalated=job.escalated,
        escalates=job.asked + ESCALATED_AFTER if job.open and not job.escalated else None,
        open_offers=[
            OpenOfferShown(offer_id=offer_id, member=offer.member, made=offer.made, expires=offer.expires)
            for offer_id, offer in dispatch.standing(id)
        ],
        asked=len(job.times_asked),
        declined=len(job.declined),
    )


@router.get("/jobs/{job}/candidates", responses=problems(NoSuchJob))
async def show_candidates(
    job: JobRef, dispatches: Dispatches, who: Annotated[Actor, may("coordinator")], now: Now
) -> Candidates:
    """For whoever gives it by hand."""
    dispatch = await dispatches.read(job[:5], deepcopy)
    found = dispatch.jobs.get(job)
    if found is None:
        raise NoSuchJob
    hamlet = dispatch.hamlets.get(found.hamlet or "")
    shown = [CandidateShown.model_validate(one) for one in candidates(dispatch, job, now)]
    return Candidates(job=_job(dispatch, job, found), hamlet_name=hamlet.name if hamlet else None, candidates=shown)


@router.post("/assistances/{assistance_id}/assign", responses=problems(NotWaitingForHelp, HelperElsewhere))
async def assign_assistance(
    assistance_id: AssistanceRef,
    given: HelperGiven,
    dispatches: Dispatches,
    who: Annotated[Actor, may("coordinator")],
    key: OnceKey,
    now: Now,
) -> OfferTakenUp:
    """By hand, to somebody on the floor; whoever was asked hears that it is another's. A ride is given at the ride."""
    rule = partial(rules.assign, job_id=assistance_id, member=given.member)
    won = the(await dispatches.change(assistance_id[:5], rule, now=now, by=who.ref, once=key), OfferAccepted)
    return OfferTakenUp(offer_id=won.offer_id, job=won.job, kind=won.kind, member=won.member)


@router.get("/centres/{centre}/escalations")
async def list_escalations(
    centre: CentreRef,
    our: OurViews,
    who: Annotated[Actor, may("coordinator", "staff", "operator")],
    state: Literal["open", "closed"] = "open",
    after: After = None,
    limit: Limit = 100,
) -> Escalations:
    """What waits for the coordinator (`open`), and what did."""
    rows = await our.find(ESCALATIONS, after=after, limit=limit, centre=centre, state=state)
    shown = [_escalation(key, row) for key, row in rows]
    return Escalations(escalations=shown, next=rows[-1][0] if len(rows) == limit else None)


def _escalation(key: str, row: EscalationRow) -> EscalationShown:
    return EscalationShown(
        id=key,
        since=row.since,
        state="open" if row.state == "open" else "closed",
        job=row.job,
        kind=row.kind,
        reason=row.reason,
        on_floor=row.on_floor,
    )


# ---------------------------------------------------------------------------------------------------- messages


@router.get("/messages")
async def list_messages(
    request: Request,
    centre: Annotated[CentreRef, Query(examples=["31186"])],
    our: OurViews,
    sealer: OurSealer,
    contacts: Contacts,
    dispatches: Dispatches,
    who: Annotated[Actor, may("operator")],
    now: Now,
    day: Annotated[
        date | None, Query(ge=date(2025, 7, 1), le=date(2099, 12, 31), description="local day; today if none is given")
    ] = None,
    limit: Limit = 100,
) -> MessagesPage:
    """The drawer: what was sent, what is about to be, and what was not and why. Numbers are masked."""
    chosen = (day or local_day(now)).isoformat()
    rows = [row async for row in views.every(our, MESSAGES, centre=centre, day=chosen)]
    rows.sort(key=lambda row: (row[1].planned, row[0]), reverse=True)
    system = request.app.state.system
    passes, base_url = system.access.passes, system.settings.base_url
    shown = [await _message(key, row, sealer, contacts, dispatches, passes, base_url) for key, row in rows[:limit]]
    return MessagesPage(day=chosen, messages=shown)


@router.get("/centres/{centre}/messages")
async def tell_of_messages(
    centre: CentreRef,
    our: OurViews,
    sealer: OurSealer,
    contacts: Contacts,
    who: Annotated[Actor, may("coordinator")],
    now: Now,
    limit: Limit = 50,
) -> MessagesTold:
    """Today's, and what became of each. Numbers are masked, texts are not told."""
    today = local_day(now).isoformat()
    rows = [row async for _, row in views.every(our, MESSAGES, centre=centre, day=today)]
    rows.sort(key=lambda row: row.planned, reverse=True)
    told = [
        MessageTold(
            template=row.template,
            state=row.state,
            reason=row.reason,
            to=await _masked(row, contacts, sealer),
            planned=row.planned,
            ended=row.ended,
        )
        for row in rows[:limit]
    ]
    return MessagesTold(day=today, messages=told, count=Counter(row.state for row in rows))


async def _masked(row: MessageRow, contacts: Collection[Contact], sealer: Sealer) -> str | None:
    sealed = await contacts.read(row.contact_ref, lambda contact: contact.phone)
    number = await sealer.open(sealed) if sealed else None
    return masked(number) if number else None


async def _message(
    key: str,
    row: MessageRow,
    sealer: Sealer,
    contacts: Collection[Contact],
    dispatches: Collection[Dispatch],
    passes: Passes,
    base_url: str,
) -> MessageShown:
    sealed = await contacts.read(row.contact_ref, lambda contact: contact.phone)
    number = await sealer.open(sealed) if sealed else None
    text = await text_of(row, dispatches, sealer, passes, base_url) if number else ""
    if row.template is Template.TICKET and "#" in text:
        text = text.partition("#")[0] + "#..."  # her pass opens where she lives: hers alone
    return MessageShown(
        id=key,
        template=row.template,
        state=row.state,
        reason=row.reason,
        to=masked(number) if number else None,
        text=text,
        planned=row.planned,
        expires=row.expires,
        ended=row.ended,
        carrier=row.carrier,
        segments=row.segments,
    )
