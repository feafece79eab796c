"""HTTP for the people: members, duties, check-in and check-out, and what this service knows of a centre."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict
from datetime import date, timedelta
from functools import partial
from typing import Annotated, Any

from fastapi import Query

from services.chassis.access import Actor, NotYourRole, may
from services.chassis.clock import local_day
from services.chassis.documents import Collection, the
from services.chassis.errors import Invalid
from services.chassis.ids import token
from services.chassis.once import Once
from services.chassis.sealing import Sealed, Sealer
from services.chassis.web import Now, OnceKey, Router, of, problems
from services.contracts.events import MemberChanged, VolunteerCheckedIn, VolunteerCheckedOut
from services.contracts.words import CentreRef, Fact, MemberRef
from services.volunteers import centres as centre_rules
from services.volunteers import members as member_rules
from services.volunteers import roster as roster_rules
from services.volunteers import views
from services.volunteers.api import After, Centres, Limit, Members, OurSealer, OurViews, check_reach
from services.volunteers.centres import Centre, CentreChangedMeanwhile, CentreDescribed, Hamlet, UnknownHamlet
from services.volunteers.members import (
    AlreadyCheckedIn,
    Member,
    MemberDescribed,
    MemberExists,
    MemberInactive,
    NotCheckedIn,
    Profile,
    UnknownMember,
    check_active,
)
from services.volunteers.roster import (
    DayHasPassed,
    DayIsFull,
    DutyGiven,
    NotOnDuty,
    OnDutyAlready,
    Roster,
    roster_of,
)
from services.volunteers.shapes import (
    CentreGiven,
    CentreShown,
    CheckedIn,
    CheckedOut,
    Day,
    Duties,
    DutyDay,
    DutyGivenTo,
    DutyShown,
    Floor,
    HamletShown,
    HamletsShown,
    MemberChanges,
    MemberGiven,
    MemberInFull,
    MemberShown,
    MembersPage,
    OnDuty,
    OnFloor,
    WhoCheck,
)

router = Router(prefix="/volunteers", tags=["volunteers"])

Rosters = Annotated[Collection[Roster], of(Roster)]
ForHimself = Annotated[Actor, may("volunteer", "coordinator")]
_HIS_OWN = frozenset({"vehicle", "spare_helmet", "hamlet", "languages", "contact_ref"})


class CentreNeeded(Invalid):
    en = "Say which `centre`: you have more than one."
    vi = "Vui lòng chọn trung tâm (`centre`): bạn phụ trách nhiều nơi."


class MemberNeeded(Invalid):
    en = "Say which `member`."
    vi = "Vui lòng chọn đoàn viên (`member`)."


# ----------------------------------------------------------------------------------------------------- centre


@router.put("/centres/{centre}", responses=problems(CentreChangedMeanwhile))
async def describe_centre(
    centre: CentreRef,
    given: CentreGiven,
    centres: Centres,
    who: Annotated[Actor, may("operator", "coordinator")],
    key: OnceKey,
    now: Now,
    seen: Annotated[
        int | None, Query(ge=0, description="the revision it was made from; refused if it is older")
    ] = None,
) -> CentreShown:
    """This service's part of the ward's YAML, whole: hamlets, and how many stand on duty a day. The same again: no
    change."""
    hamlets = {code: Hamlet(name=one.name, lat=one.lat, lon=one.lon) for code, one in given.hamlets.items()}
    described = CentreDescribed(hamlets=hamlets, minimum=given.minimum, maximum=given.maximum)
    rule = partial(centre_rules.describe, described=described, seen=seen)
    await centres.change(centre, rule, now=now, by=who.ref, once=key)
    return CentreShown(centre=centre, hamlets=_shown(hamlets), minimum=given.minimum, maximum=given.maximum)


@router.get("/centres/{centre}/hamlets")
async def list_hamlets(
    centre: CentreRef,
    centres: Centres,
    who: Annotated[Actor, may("holder", "kiosk", "volunteer", "staff", "coordinator", "operator")],
) -> HamletsShown:
    """Where a ride can go, to choose from."""
    return HamletsShown(hamlets=_shown(await centres.read(centre, lambda found: dict(found.hamlets))))


def _shown(hamlets: dict[str, Hamlet]) -> dict[str, HamletShown]:
    return {code: HamletShown.model_validate(hamlet) for code, hamlet in sorted(hamlets.items())}


# ---------------------------------------------------------------------------------------------------- members


@router.post("/members", status_code=201, responses=problems(CentreNeeded, UnknownHamlet, MemberExists))
async def enrol_member(
    given: MemberGiven,
    members: Members,
    centres: Centres,
    sealer: OurSealer,
    who: Annotated[Actor, may("coordinator", "operator")],
    key: OnceKey,
    now: Now,
) -> MemberShown:
    """A member of the Youth Union, with what a helper or driver must have. The name is sealed at once."""
    centre = _centre_for(given, who)
    await _check_hamlet(centres, centre, given.hamlet)
    member = _new_member(centre, key, sealer)
    profile = Profile(
        name=await sealer.seal(member, given.name),
        team=given.team,
        vehicle=given.vehicle,
        spare_helmet=given.spare_helmet,
        hamlet=given.hamlet,
        skills=given.skills,
        languages=given.languages,
        contact_ref=given.contact_ref,
    )
    rule = partial(member_rules.enrol, profile=profile)
    return await _described(await members.change(member, rule, now=now, by=who.ref, once=key), sealer)


def _centre_for(given: MemberGiven, who: Actor) -> str:
    centre = given.centre or (next(iter(who.centres)) if len(who.centres) == 1 else None)
    if centre is None:
        raise CentreNeeded
    check_reach(who, centre)
    return centre


def _new_member(centre: str, key: Once | None, sealer: Sealer) -> str:
    """The same key leads to the same document: a repeat finds what it did."""
    suffix = sealer.blind("member", f"{centre}/{key.actor}/{key.key}")[:16] if key else token(16)
    return f"{centre}-m-{suffix}"


async def _check_hamlet(centres: Collection[Centre], centre: str, hamlet: str | None) -> None:
    if hamlet:
        (await centres.read(centre, deepcopy)).check_hamlet(hamlet)


async def _described(facts: Sequence[Fact], sealer: Sealer) -> MemberShown:
    described, changed = the(facts, MemberDescribed), the(facts, MemberChanged)
    return MemberShown(
        name=await sealer.open(described.name),
        team=described.team,
        **changed.model_dump(exclude={"centre"}),
    )


@router.get("/centres/{centre}/members")
async def list_members(
    centre: CentreRef,
    our: OurViews,
    sealer: OurSealer,
    who: Annotated[Actor, may("coordinator", "operator")],
    after: After = None,
    limit: Limit = 100,
) -> MembersPage:
    rows = await our.find(views.MEMBERS, after=after, limit=limit, centre=centre)
    shown = [
        MemberShown(
            member=member,
            name=await _name(sealer, row.name, who),
            team=row.team or "-",
            active=row.active,
            vehicle=row.vehicle,
            spare_helmet=row.spare_helmet,
            hamlet=row.hamlet,
            skills=row.skills,
            languages=row.languages,
            contact_ref=row.contact_ref,
        )
        for member, row in rows
    ]
    return MembersPage(members=shown, next=rows[-1][0] if len(rows) == limit else None)


@router.get("/members/{member}", responses=problems(UnknownMember))
async def show_member(member: MemberRef, members: Members, sealer: OurSealer, who: ForHimself) -> MemberInFull:
    """Whole: to the coordinator, and to himself."""
    _check_himself(who, member)
    found = await members.read(member, deepcopy)
    profile = found.profile()
    check_in = found.check_in
    return MemberInFull(
        member=member,
        checked_in_at=check_in.centre if check_in else None,
        checked_in_since=check_in.at if check_in else None,
        minutes=found.minutes,
        **{**asdict(profile), "name": await sealer.open(profile.name), "skills": profile.skills},
    )


@router.patch("/members/{member}", responses=problems(UnknownMember, UnknownHamlet))
async def change_member(
    member: MemberRef,
    changes: MemberChanges,
    members: Members,
    centres: Centres,
    sealer: OurSealer,
    who: ForHimself,
    key: OnceKey,
    now: Now,
) -> MemberShown:
    """What is named and not null changes, except that `hamlet` and `contact_ref` may be set to null."""
    _check_himself(who, member)
    named = changes.model_fields_set
    if not who.is_a("coordinator") and not named <= _HIS_OWN:
        raise NotYourRole
    await _check_hamlet(centres, member[:5], changes.hamlet)
    given: dict[str, Any] = {field: getattr(changes, field) for field in named}
    given = {field: new for field, new in given.items() if new is not None or field in ("hamlet", "contact_ref")}
    if "name" in given:
        given["name"] = await sealer.seal(member, given["name"])
    rule = partial(member_rules.amend, changes=given)
    return await _described(await members.change(member, rule, now=now, by=who.ref, once=key), sealer)


def _check_himself(who: Actor, member: str) -> None:
    if not who.is_a("coordinator") and who.member != member:
        raise NotYourRole


async def _name(sealer: Sealer, sealed: Sealed | None, who: Actor) -> str | None:
    return await sealer.open(sealed) if sealed and who.is_a("coordinator") else None


# ----------------------------------------------------------------------------------------------------- duties


@router.post(
    "/centres/{centre}/duties",
    status_code=201,
    responses=problems(DayIsFull, OnDutyAlready, DayHasPassed, UnknownMember, MemberInactive, MemberNeeded),
)
async def put_on_duty(
    centre: CentreRef,
    given: DutyGivenTo,
    rosters: Rosters,
    members: Members,
    centres: Centres,
    who: ForHimself,
    key: OnceKey,
    now: Now,
) -> DutyShown:
    """A member for a day: put there by the coordinator, or signing up himself. Two or three stand there a day."""
    member = _who_is_meant(who, given.member)
    if given.override and not who.is_a("coordinator"):
        raise NotYourRole
    check_active(await members.read(member, deepcopy))
    maximum = await centres.read(centre, lambda found: found.maximum)
    rule = partial(roster_rules.put_on_duty, day=given.day, member=member, maximum=maximum, override=given.override)
    facts = await rosters.change(roster_of(centre, given.day), rule, now=now, by=who.ref, once=key)
    return DutyShown.model_validate(the(facts, DutyGiven))


@router.get("/centres/{centre}/duties")
async def list_duties(
    centre: CentreRef,
    rosters: Rosters,
    members: Members,
    centres: Centres,
    sealer: OurSealer,
    who: Annotated[Actor, may("volunteer", "staff", "coordinator")],
    now: Now,
    since: Annotated[Day | None, Query(alias="from", description="first local day; today when not given")] = None,
    days: Annotated[int, Query(ge=1, le=14)] = 7,
) -> Duties:
    """Who stands there on which day, and how many are missing."""
    minimum, maximum = await centres.read(centre, lambda found: (found.minimum, found.maximum))
    first = since or local_day(now)
    shown = []
    for day in (first + timedelta(days=ahead) for ahead in range(days)):
        on_duty = await rosters.read(roster_of(centre, day), partial(_on, day=day))
        people = [OnDuty(member=one, name=await _name_of(members, sealer, one, who)) for one in on_duty]
        shown.append(DutyDay(day=day, members=people, missing=max(0, minimum - len(people))))
    return Duties(minimum=minimum, maximum=maximum, days=shown)


def _on(roster: Roster, day: date) -> list[str]:
    return list(roster.on(day))


async def _name_of(members: Collection[Member], sealer: Sealer, member: str, who: Actor) -> str | None:
    return await _name(sealer, await members.read(member, lambda found: found.name), who)


@router.delete(
    "/centres/{centre}/duties/{day}/{member}",
    status_code=204,
    response_model=None,
    responses=problems(NotOnDuty, DayHasPassed),
)
async def take_off_duty(
    centre: CentreRef, day: Day, member: MemberRef, rosters: Rosters, who: ForHimself, key: OnceKey, now: Now
) -> None:
    """Taken away by the coordinator, or given back by the member himself."""
    _check_himself(who, member)
    rule = partial(roster_rules.take_off_duty, day=day, member=member)
    await rosters.change(roster_of(centre, day), rule, now=now, by=who.ref, once=key)


# -------------------------------------------------------------------------------------- check-in and check-out


@router.post(
    "/centres/{centre}/check-in",
    responses=problems(AlreadyCheckedIn, UnknownMember, MemberInactive, MemberNeeded),
)
async def check_in(
    centre: CentreRef, members: Members, who: ForHimself, key: OnceKey, now: Now, given: WhoCheck | None = None
) -> CheckedIn:
    """On the floor: asked from now on whether he helps. Elsewhere he is checked out by it."""
    member = _who_is_meant(who, given.member if given else None)
    rule = partial(member_rules.check_in, centre=centre)
    arrived = the(await members.change(member, rule, now=now, by=who.ref, once=key), VolunteerCheckedIn)
    return CheckedIn.model_validate(arrived)


@router.post("/centres/{centre}/check-out", responses=problems(NotCheckedIn, UnknownMember, MemberNeeded))
async def check_out(
    centre: CentreRef, members: Members, who: ForHimself, key: OnceKey, now: Now, given: WhoCheck | None = None
) -> CheckedOut:
    """Never refused for who would be left: an open ride goes on, an open assistance is offered to others."""
    member = _who_is_meant(who, given.member if given else None)
    rule = partial(member_rules.check_out, centre=centre)
    left = the(await members.change(member, rule, now=now, by=who.ref, once=key), VolunteerCheckedOut)
    return CheckedOut.model_validate(left)


@router.get("/centres/{centre}/on-duty")
async def on_floor(
    centre: CentreRef,
    our: OurViews,
    sealer: OurSealer,
    who: Annotated[Actor, may("volunteer", "staff", "coordinator")],
    now: Now,
) -> Floor:
    """Who is checked in here now."""
    people = [
        OnFloor(
            member=member,
            name=await _name(sealer, row.name, who),
            since=row.since or now,
            skills=row.skills,
            languages=row.languages,
        )
        async for member, row in views.every(our, views.MEMBERS, floor=centre)
    ]
    return Floor(members=people)


def _who_is_meant(who: Actor, member: str | None) -> str:
    """A volunteer means himself; the coordinator names a member of his centre."""
    if not who.is_a("coordinator"):
        if who.member is None or member not in (None, who.member):
            raise NotYourRole
        return who.member
    if member is None:
        raise MemberNeeded
    check_reach(who, member)
    return member
