"""Who is offered what and whose acceptance wins: the rules of a centre's dispatch. Pure; its state is `dispatch_state`.

One document for a centre, so that "one volunteer a job", "one job a volunteer" and "never fewer than two on the floor"
are decided in one place. What happens to a ride or an assistance is its own document's to say; its newest word counts,
in whatever order the words arrive. Every command ends in `_and_what_follows`: offers that can stand no longer are void,
what nobody took goes to the coordinator, the window of open offers is filled again.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from hashlib import blake2b

from services.chassis.clock import local_day
from services.chassis.errors import Forbidden, NotFound, Refused
from services.contracts.events import (
    AssistanceCancelled,
    AssistanceFinished,
    AssistanceRequested,
    AssistanceTaken,
    FloorThin,
    MemberChanged,
    OfferAccepted,
    OfferEscalated,
    OfferMade,
    OfferVoid,
    RideAssigned,
    RideCancelled,
    RideCompleted,
    RideHomeRequested,
    RidePlanned,
    RideReleased,
    VolunteerCheckedIn,
    VolunteerCheckedOut,
)
from services.contracts.words import CancelledBy, EscalatedBecause, Event, Fact, JobKind, VoidBecause
from services.notify.choosing import may_take, metres, next_to_ask
from services.notify.dispatch_state import (
    ESCALATED_AFTER,
    FLOOR_ASKED_AFTER,
    FLOOR_MINIMUM,
    HELP_OFFERED_FOR,
    KEPT,
    OFFER_STANDS,
    WINDOW,
    CentreDescribed,
    DayBegun,
    Dispatch,
    FloorAskedToo,
    Job,
    JobDescribed,
    JobEnded,
    JobForgotten,
    JobGiven,
    JobOpened,
    MemberKnown,
    Offer,
    OffTheFloor,
    OnTheFloor,
    Scene,
    evolve,
)

THIN_IS_NEWS = timedelta(minutes=10)
"""A check-out heard later than this is nothing to run for."""


# ------------------------------------------------------------------------------------------------------ errors


class UnknownOffer(NotFound):
    en = "There is no such offer, or it was long ago."
    vi = "Không có lời mời này, hoặc đã qua lâu rồi."


class NotYourOffer(Forbidden):
    en = "This offer was made to somebody else."
    vi = "Lời mời này gửi cho bạn khác."


class OfferTaken(Refused):
    en = "Somebody else has taken it already. Thank you!"
    vi = "Việc này đã có bạn khác nhận. Cảm ơn bạn!"


class AlreadyYours(Refused):
    en = "You have taken it already."
    vi = "Bạn đã nhận việc này rồi."


class OfferExpired(Refused):
    en = "This offer has expired."
    vi = "Lời mời này đã hết hạn."


class OfferDeclined(Refused):
    en = "You have declined this offer."
    vi = "Bạn đã từ chối lời mời này."


class NoLongerNeeded(Refused):
    en = "It is not needed any more. Thank you!"
    vi = "Việc này không còn cần nữa. Cảm ơn bạn!"


class HasAnotherJob(Refused):
    en = "You have another job; finish that one first."
    vi = "Bạn đang nhận một việc khác, vui lòng xong việc đó trước."


class NotOnTheFloor(Refused):
    en = "Check in first: this is for those on the floor."
    vi = "Việc này dành cho bạn đang trực tại trung tâm, vui lòng điểm danh trước."


class FloorTooThin(Refused):
    en = "Fewer than {minimum} would be left on the floor."
    vi = "Tại trung tâm sẽ còn chưa đến {minimum} bạn trực."


class NoSuchJob(NotFound):
    en = "This ride or help is over, or nobody has asked for it yet."
    vi = "Chuyến xe hoặc việc hỗ trợ này đã xong, hoặc chưa ai cần."


class NotWaitingForHelp(Refused):
    en = "Nobody waits for this help any more: somebody has taken it, or it is over."
    vi = "Việc này không còn chờ người giúp: đã có bạn nhận, hoặc đã xong."


class HelperElsewhere(Refused):
    en = "This member is not on the floor, or has another job now. Choose somebody else."
    vi = "Bạn này không có mặt tại trung tâm hoặc đang bận việc khác. Hãy chọn bạn khác."


# ------------------------------------------------------------------------------------------ who there is


def describe(dispatch: Dispatch, described: CentreDescribed, *, now: datetime) -> Sequence[Fact]:
    """The centre's part of its YAML, whole."""
    return _and_what_follows(dispatch, [described], now)


def hear_member(dispatch: Dispatch, event: MemberChanged, *, now: datetime) -> Sequence[Fact]:
    if event.origin.sequence <= dispatch.member(event.member).known:
        return []
    known = MemberKnown(
        member=event.member,
        sequence=event.origin.sequence,
        active=event.active,
        vehicle=event.vehicle,
        spare_helmet=event.spare_helmet,
        hamlet=event.hamlet,
        skills=event.skills,
        languages=event.languages,
        contact_ref=event.contact_ref,
    )
    return _and_what_follows(dispatch, [known], now)


def check_in(dispatch: Dispatch, event: VolunteerCheckedIn, *, now: datetime) -> Sequence[Fact]:
    if event.origin.sequence <= dispatch.member(event.member).seen:
        return []
    return _and_what_follows(dispatch, [OnTheFloor(member=event.member, sequence=event.origin.sequence)], now)


def check_out(dispatch: Dispatch, event: VolunteerCheckedOut, *, now: datetime) -> Sequence[Fact]:
    """Never blocked. His open assistance goes back to the floor, his ride goes on; a thin floor is told."""
    if event.origin.sequence <= dispatch.member(event.member).seen:
        return []
    facts: list[Fact] = [OffTheFloor(member=event.member, sequence=event.origin.sequence, left=event.at)]
    left = len(_after(dispatch, facts, now).scene.present)
    if left < FLOOR_MINIMUM and now - event.at < THIN_IS_NEWS:
        facts.append(FloorThin(centre=dispatch.id, on_floor=left))
    return _and_what_follows(dispatch, facts, now)


# ------------------------------------------------------------------------------------------ what there is to do


def open_assistance(dispatch: Dispatch, event: AssistanceRequested, *, now: datetime) -> Sequence[Fact]:
    opened = JobOpened(
        job=event.assistance_id,
        kind=JobKind.ASSISTANCE,
        sequence=event.origin.sequence,
        asked=event.at,
        code=event.code,
        language=event.language,
        too_late=_too_late(event, now),
    )
    return _opened(dispatch, opened, now)


def open_ride(dispatch: Dispatch, event: RideHomeRequested | RideReleased, *, now: datetime) -> Sequence[Fact]:
    """Due, or given back by its driver: then it is offered to others."""
    opened = JobOpened(
        job=event.ride_id,
        kind=JobKind.RIDE,
        sequence=event.origin.sequence,
        asked=event.at,
        code=event.code,
        hamlet=event.hamlet,
        seats=event.seats,
        too_late=_too_late(event, now),
        not_to=event.member if isinstance(event, RideReleased) else None,
    )
    return _opened(dispatch, opened, now)


def give(dispatch: Dispatch, event: RideAssigned | AssistanceTaken, *, now: datetime) -> Sequence[Fact]:
    """Who has it, as the ride or assistance says: an echo of our own acceptance, or decided by hand."""
    id, kind = _named(event)
    job = dispatch.jobs.get(id)
    if event.origin.sequence <= dispatch.newest(id) or now - event.at > KEPT:
        return []
    if kind is JobKind.ASSISTANCE and (event.member not in dispatch.scene.present or (job and job.member)):
        return []  # an assistance is never given by hand: this is an echo, and things may have moved on since
    by_hand = _reference(dispatch, id, event.member, f"by hand {event.origin.sequence}")
    offer_id = job.offer if job and job.offer and job.member == event.member else by_hand
    given = JobGiven(
        job=id, kind=kind, sequence=event.origin.sequence, member=event.member, offer_id=offer_id, given=event.at
    )
    facts: list[Fact] = [*_freed(dispatch, id, VoidBecause.ASSIGNED_BY_HAND, but=event.member)]
    return _and_what_follows(dispatch, [*facts, given], now)


def end(
    dispatch: Dispatch,
    event: RideCancelled | RideCompleted | RidePlanned | AssistanceFinished | AssistanceCancelled,
    *,
    now: datetime,
) -> Sequence[Fact]:
    """Over, or (a ride only planned again) not due any more. An end that is heard first is remembered."""
    id, _ = _named(event)
    if event.origin.sequence <= dispatch.newest(id):
        return []
    done = isinstance(event, RideCompleted | AssistanceFinished)
    himself = event.member if isinstance(event, RideCancelled) and event.by is CancelledBy.VOLUNTEER else None
    facts: list[Fact] = [*_freed(dispatch, id, VoidBecause.CANCELLED, but=himself, done=done)]
    return _and_what_follows(dispatch, [*facts, JobEnded(job=id, sequence=event.origin.sequence)], now)


def _opened(dispatch: Dispatch, opened: JobOpened, now: datetime) -> Sequence[Fact]:
    job = dispatch.jobs.get(opened.job)
    if now - opened.asked > KEPT:
        return []
    if opened.sequence <= dispatch.newest(opened.job):
        if job is None or job.code is not None:
            return []
        details = JobDescribed(
            job=opened.job, code=opened.code, hamlet=opened.hamlet, seats=opened.seats, language=opened.language
        )
        return _and_what_follows(dispatch, [details], now)
    facts: list[Fact] = [*_freed(dispatch, opened.job, VoidBecause.CANCELLED, offers=False)]
    return _and_what_follows(dispatch, [*facts, opened], now)


def _freed(
    dispatch: Dispatch,
    id: str,
    reason: VoidBecause,
    *,
    but: str | None = None,
    done: bool = False,
    offers: bool = True,
) -> Iterator[OfferVoid]:
    """Tells whoever has the job or was asked about it that it is not his: all `but` one, not him who has `done` it."""
    job = dispatch.jobs.get(id)
    if job is None:
        return
    if job.member and job.offer and job.member != but and not done:
        yield _void(dispatch, job.offer, Offer(id, job.member, job.asked, job.asked), reason, tell=True)
    for offer_id, offer in dispatch.standing(id) if offers else ():
        yield _void(dispatch, offer_id, offer, VoidBecause.TAKEN if done else reason, tell=offer.member != but)


def _too_late(event: Event, now: datetime) -> bool:
    return now - event.at > ESCALATED_AFTER


def _named(
    event: RideAssigned
    | RideCancelled
    | RideCompleted
    | RidePlanned
    | AssistanceTaken
    | AssistanceFinished
    | AssistanceCancelled,
) -> tuple[str, JobKind]:
    if isinstance(event, AssistanceTaken | AssistanceFinished | AssistanceCancelled):
        return event.assistance_id, JobKind.ASSISTANCE
    return event.ride_id, JobKind.RIDE


# ------------------------------------------------------------------------------------------ what they answer


def accept(dispatch: Dispatch, offer_id: str, member: str, *, now: datetime) -> Sequence[Fact]:
    """The first acceptance wins. An offer that expired is as good while nobody has the job: she is still waiting."""
    offer = _his(dispatch, offer_id, member)
    job = dispatch.jobs.get(offer.job)
    _check_still_open(offer_id, offer, job)
    assert job is not None
    scene = dispatch.scene
    if member in scene.busy:
        raise HasAnotherJob
    if offer_id not in dispatch.offers and not may_take(scene, job, member, dispatch.member(member)):
        raise NotOnTheFloor if job.kind is JobKind.ASSISTANCE else FloorTooThin(minimum=FLOOR_MINIMUM)
    accepted = OfferAccepted(centre=dispatch.id, offer_id=offer_id, job=offer.job, kind=job.kind, member=member)
    others = [
        _void(dispatch, other_id, other, VoidBecause.TAKEN, tell=other.member != member)
        for other_id, other in dispatch.standing(offer.job)
        if other_id != offer_id
    ]
    return _and_what_follows(dispatch, [accepted, *others], now)


def decline(dispatch: Dispatch, offer_id: str, member: str, *, now: datetime) -> Sequence[Fact]:
    """The next one is asked at once."""
    offer = _his(dispatch, offer_id, member)
    _check_still_open(offer_id, offer, dispatch.jobs.get(offer.job))
    return _and_what_follows(dispatch, [_void(dispatch, offer_id, offer, VoidBecause.DECLINED)], now)


def assign(dispatch: Dispatch, job_id: str, member: str, *, now: datetime) -> Sequence[Fact]:
    """Help by hand: the coordinator accepts for somebody who stands there and has nothing else to do. (Who drives is
    the ride's to say.)"""
    job, scene = dispatch.jobs.get(job_id), dispatch.scene
    if job is None or job.member:
        raise NotWaitingForHelp
    if member not in scene.present or member in scene.busy:
        raise HelperElsewhere
    standing = dispatch.standing(job_id)
    his = next((id for id, offer in standing if offer.member == member), None)
    offer_id = his or _reference(dispatch, job_id, member, "by hand")
    accepted = OfferAccepted(centre=dispatch.id, offer_id=offer_id, job=job_id, kind=job.kind, member=member)
    others = [_void(dispatch, id, one, VoidBecause.ASSIGNED_BY_HAND, tell=True) for id, one in standing if id != his]
    return _and_what_follows(dispatch, [accepted, *others], now)


def why_over(dispatch: Dispatch, offer_id: str, member: str) -> Refused | None:
    """What he would be told who accepted it now because it is over; None while it is his to take."""
    offer = _his(dispatch, offer_id, member)
    try:
        _check_still_open(offer_id, offer, dispatch.jobs.get(offer.job))
    except Refused as over:
        return over
    return None


def _his(dispatch: Dispatch, offer_id: str, member: str) -> Offer:
    offer = dispatch.offers.get(offer_id) or dispatch.closed.get(offer_id)
    if offer is None:
        raise UnknownOffer
    if offer.member != member:
        raise NotYourOffer
    return offer


def _check_still_open(offer_id: str, offer: Offer, job: Job | None) -> None:
    if job and job.offer == offer_id:
        raise AlreadyYours
    match offer.closed:
        case VoidBecause.TAKEN | VoidBecause.ASSIGNED_BY_HAND:
            raise OfferTaken
        case VoidBecause.DECLINED:
            raise OfferDeclined
        case VoidBecause.CANCELLED:
            raise NoLongerNeeded
    if job is None:
        raise OfferExpired if offer.closed is VoidBecause.EXPIRED else NoLongerNeeded
    if job.member:
        raise OfferTaken


# ------------------------------------------------------------------------------------------ what time does


def due(dispatch: Dispatch) -> datetime | None:
    """The next moment at which an offer expires or a job must be looked at."""
    return min(_moments(dispatch), default=None)


def _moments(dispatch: Dispatch) -> Iterator[datetime]:
    for offer in dispatch.offers.values():
        yield offer.expires
    for job in dispatch.jobs.values():
        yield job.asked + KEPT
        if job.open and not job.escalated:
            yield job.asked + ESCALATED_AFTER
        if job.open and job.kind is JobKind.RIDE and not (job.floor_too or job.too_late):
            yield job.asked + FLOOR_ASKED_AFTER


def pass_on(dispatch: Dispatch, *, now: datetime) -> Sequence[Fact]:
    """What is due: expired offers are replaced, rides come to the floor too, the coordinator is told."""
    return _and_what_follows(dispatch, [], now)


# ------------------------------------------------------------------------------------------ what follows


def _and_what_follows(dispatch: Dispatch, facts: list[Fact], now: datetime) -> list[Fact]:
    """`facts`, and what the dispatch must say because of them and of the time. Each answer makes one more thing right,
    so this ends."""
    after = _after(dispatch, facts, now)
    while (fact := next(_following(after, now), None)) is not None:
        facts.append(fact)
        evolve(after, fact, now)
    return facts


def _after(dispatch: Dispatch, facts: Sequence[Fact], now: datetime) -> Dispatch:
    after = dispatch.copy()
    for fact in facts:
        evolve(after, fact, now)
    return after


def _following(dispatch: Dispatch, now: datetime) -> Iterator[Fact]:
    """What must be said in this state, the most urgent first."""
    if dispatch.day is None or dispatch.day < local_day(now):
        yield DayBegun(day=local_day(now))
    for id, job in dispatch.jobs.items():
        if now >= job.asked + KEPT:
            yield from (_void(dispatch, *standing, VoidBecause.EXPIRED) for standing in dispatch.standing(id))
            yield JobForgotten(job=id)
    scene = dispatch.scene
    for offer_id, offer in dispatch.offers.items():
        if reason := _cannot_stand(dispatch, scene, offer, now):
            yield _void(dispatch, offer_id, offer, reason)
    for id, job in sorted(dispatch.jobs.items(), key=lambda item: item[1].asked):
        if job.open:
            yield from _wanting(dispatch, scene, id, job, now)


def _cannot_stand(dispatch: Dispatch, scene: Scene, offer: Offer, now: datetime) -> VoidBecause | None:
    job = dispatch.jobs[offer.job]
    volunteer = dispatch.member(offer.member)
    if now >= offer.expires:
        return VoidBecause.EXPIRED
    if offer.member in scene.busy:
        return VoidBecause.BUSY
    if not volunteer.active or (job.kind is JobKind.ASSISTANCE and not volunteer.on_floor):
        return VoidBecause.LEFT_THE_FLOOR
    if job.kind is JobKind.RIDE and offer.member in scene.may_leave and scene.to_spare < 0:
        return VoidBecause.FLOOR_TOO_THIN
    return None


def _wanting(dispatch: Dispatch, scene: Scene, id: str, job: Job, now: datetime) -> Iterator[Fact]:
    """What an open job wants: the floor asked too, the coordinator told, one more offer."""
    waited = now - job.asked
    if job.kind is JobKind.RIDE and not (job.floor_too or job.too_late) and waited >= FLOOR_ASKED_AFTER:
        yield FloorAskedToo(job=id)
    if not job.escalated and (reason := _escalated_because(dispatch, scene, job, now)):
        yield OfferEscalated(centre=dispatch.id, job=id, kind=job.kind, reason=reason)
    offered_for = HELP_OFFERED_FOR if job.kind is JobKind.ASSISTANCE else ESCALATED_AFTER
    if job.too_late or waited >= offered_for or len(dispatch.standing(id)) >= WINDOW:
        return
    if member := next_to_ask(dispatch, scene, id, now):
        yield _offer(dispatch, id, job, member, now)


def _escalated_because(dispatch: Dispatch, scene: Scene, job: Job, now: datetime) -> EscalatedBecause | None:
    if job.too_late:
        return EscalatedBecause.BORN_EXPIRED
    if job.kind is JobKind.ASSISTANCE and not scene.present:
        return EscalatedBecause.NOBODY_ON_DUTY
    if now < job.asked + ESCALATED_AFTER:
        return None
    on_floor = any(dispatch.members[ref].can_take(job.seats) for ref in scene.present)
    if job.kind is JobKind.RIDE and not job.times_asked and on_floor and scene.to_spare < 1:
        return EscalatedBecause.FLOOR_BELOW_MINIMUM
    return EscalatedBecause.NOBODY_ACCEPTED


def _offer(dispatch: Dispatch, id: str, job: Job, member: str, now: datetime) -> OfferMade:
    assert job.code is not None
    return OfferMade(
        centre=dispatch.id,
        offer_id=_reference(dispatch, id, member),
        job=id,
        kind=job.kind,
        member=member,
        expires=now + OFFER_STANDS,
        code=job.code,
        contact_ref=dispatch.members[member].contact_ref,
        hamlet=job.hamlet,
        metres=metres_to(dispatch, job),
    )


def metres_to(dispatch: Dispatch, job: Job) -> int | None:
    """From the centre to the middle of the hamlet; None when one of both is not known."""
    return metres(dispatch.point, dispatch.point_of(job.hamlet))


def _void(dispatch: Dispatch, offer_id: str, offer: Offer, reason: VoidBecause, tell: bool = False) -> OfferVoid:
    return OfferVoid(
        centre=dispatch.id,
        offer_id=offer_id,
        job=offer.job,
        kind=JobKind.RIDE if offer.job.endswith("-ride") else JobKind.ASSISTANCE,
        member=offer.member,
        reason=reason,
        tell=tell,
        contact_ref=dispatch.member(offer.member).contact_ref if tell else None,
    )


def _reference(dispatch: Dispatch, *made_of: str) -> str:
    """Of an offer: the same again when it is decided again on the same state."""
    text = " ".join((dispatch.id, str(dispatch.made), *made_of))
    return f"{dispatch.id}-o-{blake2b(text.encode(), digest_size=8).hexdigest()}"
