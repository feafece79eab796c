"""Setting up: hamlets, members of the team, who is on duty when, and the volunteers' part of the ward's YAML."""

import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from datetime import date, timedelta
from typing import Annotated, Any, Final

from fastapi import Query, Response
from starlette.responses import HTMLResponse

from services.chassis.access import Actor, may
from services.chassis.clock import local_day
from services.chassis.downloads import as_yaml
from services.chassis.errors import Refusal
from services.chassis.pages import Form, TheForm, ThePage
from services.chassis.pages.page import FormNotValid
from services.chassis.pages.speech import N_
from services.chassis.web import Now, Router
from services.contracts.words import CentreRef, Code, MemberRef, Vehicle
from services.volunteers.api import Centres, Members, OurSealer, OurViews
from services.volunteers.api_members import (
    Rosters,
    change_member,
    describe_centre,
    enrol_member,
    list_duties,
    list_hamlets,
    put_on_duty,
    show_member,
    take_off_duty,
)
from services.volunteers.centres import Centre, Hamlet
from services.volunteers.pages.coordinator import by_name, chosen, people_of
from services.volunteers.shapes import (
    CentreGiven,
    Day,
    DutyGivenTo,
    HamletGiven,
    MemberChanges,
    MemberGiven,
    MemberInFull,
)

router = Router(prefix="/volunteers/settings", tags=["pages"], include_in_schema=False)

Coordinator = Annotated[Actor, may("coordinator")]
Keeper = Annotated[Actor, may("coordinator", "operator")]

VEHICLES: Final[Mapping[Vehicle, str]] = {
    Vehicle.NONE: N_("không có xe"),
    Vehicle.MOTORBIKE: N_("xe máy"),
    Vehicle.CAR: N_("ô tô"),
}
LANGUAGES: Final = {"vi": N_("tiếng Việt"), "en": N_("tiếng Anh"), "km": N_("tiếng Khmer")}
SKILLS: Final = {"vneid": N_("VNeID"), "digital-key": N_("Chìa khoá số")}
"""What a coordinator ticks; others that a member has stay as they are."""
TEAM_MEANT: Final = N_("chữ thường không dấu, số và gạch nối, ví dụ to-cong-nghe-so")
CODE_MEANT: Final = N_("chữ thường không dấu, số và gạch nối, ví dụ khu-vuc-5")
CODE_TAKEN: Final = N_("một mã chưa dùng ở trung tâm này")

Change = Callable[[CentreGiven], CentreGiven]


@router.get("/{centre}/ward.yaml")
async def our_part_of_the_yaml(centre: CentreRef, centres: Centres, who: Keeper) -> Response:
    known = await centres.read(centre, deepcopy)
    hamlets = {code: hamlet.model_dump(exclude_none=True) for code, hamlet in known.hamlets.items()}
    part = {"hamlets": hamlets, "on_duty": {"minimum": known.minimum, "maximum": known.maximum}}
    return as_yaml(part, f"{centre}-volunteers.yaml")


# ------------------------------------------------------------------------------------------------------------ hamlets


@router.get("/{centre}/ward")
async def ward(centre: CentreRef, page: ThePage, centres: Centres, who: Keeper) -> HTMLResponse:
    return await _ward(centre, page, centres, None, {})


@router.post("/{centre}/ward")
async def set_how_many(
    centre: CentreRef, page: ThePage, form: TheForm, centres: Centres, who: Keeper, now: Now
) -> Response:
    """How many stand on duty a day."""
    typed = {name: form.text(name) for name in ("minimum", "maximum")}

    def change(known: CentreGiven) -> CentreGiven:
        return form.into(CentreGiven, **(dict(known) | typed))

    try:
        await _amend(centre, form, centres, who, now, change)
    except Refusal as refused:
        return await _ward(centre, page, centres, refused, typed)
    return page.go(f"/volunteers/settings/{centre}/ward")


async def _ward(
    centre: str, page: ThePage, centres: Centres, refused: Refusal | None, typed: Mapping[str, str]
) -> HTMLResponse:
    known = await centres.read(centre, deepcopy)
    kept = {"minimum": str(known.minimum), "maximum": str(known.maximum)}
    values = kept | (dict(typed) if isinstance(refused, FormNotValid) else {})
    return page.show("volunteers/settings-ward.html", refused=refused, centre=centre, known=known, values=values)


@router.get("/{centre}/hamlets/new")
async def another_hamlet(centre: CentreRef, page: ThePage, centres: Centres, who: Keeper) -> HTMLResponse:
    return await _hamlet(centre, None, page, centres, None, {})


@router.post("/{centre}/hamlets/new")
async def add_hamlet(
    centre: CentreRef,
    page: ThePage,
    form: TheForm,
    centres: Centres,
    who: Keeper,
    now: Now,
) -> Response:
    return await _keep_hamlet(centre, None, page, form, centres, who, now)


@router.get("/{centre}/hamlets/{hamlet}")
async def one_hamlet(centre: CentreRef, hamlet: Code, page: ThePage, centres: Centres, who: Keeper) -> HTMLResponse:
    return await _hamlet(centre, hamlet, page, centres, None, {})


@router.post("/{centre}/hamlets/{hamlet}")
async def change_hamlet(
    centre: CentreRef,
    hamlet: Code,
    page: ThePage,
    form: TheForm,
    centres: Centres,
    who: Keeper,
    now: Now,
) -> Response:
    return await _keep_hamlet(centre, hamlet, page, form, centres, who, now)


@router.post("/{centre}/hamlets/{hamlet}/remove")
async def remove_hamlet(
    centre: CentreRef,
    hamlet: Code,
    page: ThePage,
    form: TheForm,
    centres: Centres,
    who: Keeper,
    now: Now,
) -> Response:
    """Rides and members that name it stay as they are: they are shown without it."""

    def change(known: CentreGiven) -> CentreGiven:
        kept = {code: one for code, one in known.hamlets.items() if code != hamlet}
        return known.model_copy(update={"hamlets": kept})

    try:
        await _amend(centre, form, centres, who, now, change)
    except Refusal as refused:
        return await _hamlet(centre, hamlet, page, centres, refused, {})
    return page.pass_on(f"/notify/settings/{centre}/hamlets/{hamlet}/remove")


async def _keep_hamlet(
    centre: str,
    code: str | None,
    page: ThePage,
    form: Form,
    centres: Centres,
    who: Actor,
    now: Now,
) -> Response:
    """Here, then by the same form at the notifier, which tells how far it is."""
    typed = {name: form.text(name) for name in ("code", "name", "lat", "lon")}
    named = code or typed["code"]

    def change(known: CentreGiven) -> CentreGiven:
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,39}", named):
            raise FormNotValid({"code": page.speech._(CODE_MEANT)})
        if code is None and (named in known.hamlets or named == "new"):
            raise FormNotValid({"code": page.speech._(CODE_TAKEN)})
        given = form.into(HamletGiven, name=typed["name"], lat=typed["lat"] or None, lon=typed["lon"] or None)
        return form.into(CentreGiven, **(dict(known) | {"hamlets": {**known.hamlets, named: given}}))

    try:
        await _amend(centre, form, centres, who, now, change)
    except Refusal as refused:
        return await _hamlet(centre, code, page, centres, refused, typed)
    return page.pass_on(f"/notify/settings/{centre}/hamlets/{named}")


async def _hamlet(
    centre: str,
    code: str | None,
    page: ThePage,
    centres: Centres,
    refused: Refusal | None,
    typed: Mapping[str, str],
) -> HTMLResponse:
    known = await centres.read(centre, deepcopy)
    if code:
        known.check_hamlet(code)
    hamlet = known.hamlets[code] if code else Hamlet(name="")
    kept = {"code": "", "name": hamlet.name, "lat": _degrees(hamlet.lat), "lon": _degrees(hamlet.lon)}
    facts: dict[str, Any] = {
        "centre": centre,
        "code": code,
        "hamlet": hamlet,
        "revision": known.revision,
        "values": kept | (dict(typed) if isinstance(refused, FormNotValid) else {}),
    }
    return page.show("volunteers/settings-hamlet.html", refused=refused, **facts)


def _degrees(value: float | None) -> str:
    return "" if value is None else str(value)


async def _amend(centre: str, form: Form, centres: Centres, who: Actor, now: Now, change: Change) -> None:
    """`change` of what stands now, if it is what the form was made from."""
    known = await centres.read(centre, _as_given)
    seen = int(form.text("revision")) if form.text("revision").isdecimal() else 0
    await describe_centre(centre, change(known), centres, who, form.once, now, seen)


def _as_given(known: Centre) -> CentreGiven:
    hamlets = {code: HamletGiven(**dict(one)) for code, one in known.hamlets.items()}
    return CentreGiven(hamlets=hamlets, minimum=known.minimum, maximum=known.maximum)


# ------------------------------------------------------------------------------------------------------------ members


@router.get("/{centre}/members")
async def members(
    centre: CentreRef, page: ThePage, our: OurViews, centres: Centres, sealer: OurSealer, who: Coordinator
) -> HTMLResponse:
    return page.show(
        "volunteers/settings-members.html",
        centre=centre,
        people=await people_of(centre, our, sealer, who),
        hamlets=(await list_hamlets(centre, centres, who)).hamlets,
        vehicles=VEHICLES,
        languages=LANGUAGES,
        skills=SKILLS,
    )


@router.get("/{centre}/members/new")
async def another_member(centre: CentreRef, page: ThePage, centres: Centres, who: Coordinator) -> HTMLResponse:
    return await _form(centre, None, page, centres, who, None, {})


@router.post("/{centre}/members/new")
async def add_member(
    centre: CentreRef,
    page: ThePage,
    form: TheForm,
    members: Members,
    centres: Centres,
    sealer: OurSealer,
    who: Coordinator,
    now: Now,
) -> Response:
    typed = _typed(form)
    try:
        given = form.into(MemberGiven, **_given(typed, ()), centre=centre)
        made = await enrol_member(given, members, centres, sealer, who, form.once, now)
    except Refusal as refused:
        return await _form(
            centre, None, page, centres, who, page.at_fields(refused, typed, {"team": TEAM_MEANT}), typed
        )
    return page.go(f"/volunteers/settings/members/{made.member}")


@router.get("/members/{member}")
async def one_member(
    member: MemberRef, page: ThePage, members: Members, centres: Centres, sealer: OurSealer, who: Coordinator
) -> HTMLResponse:
    found = await show_member(member, members, sealer, who)
    return await _form(member[:5], found, page, centres, who, None, {})


@router.post("/members/{member}")
async def change(
    member: MemberRef,
    page: ThePage,
    form: TheForm,
    members: Members,
    centres: Centres,
    sealer: OurSealer,
    who: Coordinator,
    now: Now,
) -> Response:
    found = await show_member(member, members, sealer, who)
    typed = _typed(form)
    others = tuple(skill for skill in found.skills if skill.skill not in SKILLS)
    kept = {skill.skill: skill for skill in found.skills}
    try:
        given = _given(typed, others)
        given["skills"] = [kept.get(one["skill"], one) if isinstance(one, dict) else one for one in given["skills"]]
        changes = form.into(MemberChanges, **given)
        await change_member(member, changes, members, centres, sealer, who, form.once, now)
    except Refusal as refused:
        return await _form(
            member[:5], found, page, centres, who, page.at_fields(refused, typed, {"team": TEAM_MEANT}), typed
        )
    return page.go(f"/volunteers/settings/{member[:5]}/members")


@router.post("/members/{member}/active")
async def rest_or_return(
    member: MemberRef,
    page: ThePage,
    form: TheForm,
    members: Members,
    centres: Centres,
    sealer: OurSealer,
    who: Coordinator,
    now: Now,
) -> Response:
    changes = MemberChanges(active=form.text("active") == "yes")
    await change_member(member, changes, members, centres, sealer, who, form.once, now)
    return page.go(f"/volunteers/settings/members/{member}")


@router.post("/members/{member}/number")
async def is_reached_there(
    member: MemberRef,
    page: ThePage,
    form: TheForm,
    members: Members,
    centres: Centres,
    sealer: OurSealer,
    who: Coordinator,
    now: Now,
) -> Response:
    """By the reference that the vault gave; the number itself never comes here."""
    changes = form.into(MemberChanges, contact_ref=form.text("contact_ref") or None)
    await change_member(member, changes, members, centres, sealer, who, form.once, now)
    return page.go(f"/volunteers/settings/members/{member}")


async def _form(
    centre: str,
    found: MemberInFull | None,
    page: ThePage,
    centres: Centres,
    who: Actor,
    refused: Refusal | None,
    typed: Mapping[str, Any],
) -> HTMLResponse:
    hamlets = (await list_hamlets(centre, centres, who)).hamlets
    kept: dict[str, Any] = {
        "name": (found and found.name) or "",
        "team": found.team if found else "to-cong-nghe-so",
        "vehicle": (found.vehicle if found else Vehicle.NONE).value,
        "spare_helmet": found.spare_helmet if found else False,
        "hamlet": (found and found.hamlet) or "",
        "skills": [skill.skill for skill in found.skills] if found else [],
        "languages": list(found.languages) if found else ["vi"],
    }
    facts: dict[str, Any] = {
        "centre": centre,
        "member": found,
        "values": kept | dict(typed),
        "hamlets": hamlets,
        "vehicles": VEHICLES,
        "languages": LANGUAGES,
        "skills": SKILLS,
    }
    template = "volunteers/settings-member.html"
    return page.show(template, refused=refused, **facts)


def _typed(form: Form) -> dict[str, Any]:
    return {
        **{name: form.text(name) for name in ("name", "team", "vehicle", "hamlet")},
        "spare_helmet": form.ticked("spare_helmet"),
        "skills": list(form.all("skills")),
        "languages": list(form.all("languages")),
    }


def _given(typed: Mapping[str, Any], others: tuple[Any, ...]) -> dict[str, Any]:
    skills = [{"skill": skill} for skill in typed["skills"]]
    return {**typed, "hamlet": typed["hamlet"] or None, "skills": [*skills, *others]}


# ------------------------------------------------------------------------------------------------------------- duties


@router.get("/{centre}/duties")
async def duties(
    centre: CentreRef,
    page: ThePage,
    our: OurViews,
    rosters: Rosters,
    members: Members,
    centres: Centres,
    sealer: OurSealer,
    who: Coordinator,
    now: Now,
    since: Annotated[Day | None, Query(alias="from")] = None,
) -> HTMLResponse:
    return await _duties(centre, page, our, rosters, members, centres, sealer, who, now, since, None)


@router.post("/{centre}/duties")
async def put_on(
    centre: CentreRef,
    page: ThePage,
    form: TheForm,
    our: OurViews,
    rosters: Rosters,
    members: Members,
    centres: Centres,
    sealer: OurSealer,
    who: Coordinator,
    now: Now,
) -> Response:
    try:
        asked = {"day": form.text("day"), "member": chosen(form), "override": form.ticked("override")}
        given = form.into(DutyGivenTo, **asked)
        await put_on_duty(centre, given, rosters, members, centres, who, form.once, now)
    except Refusal as refused:
        week = _week_of(form.text("day"))
        return await _duties(centre, page, our, rosters, members, centres, sealer, who, now, week, refused)
    return page.go(f"/volunteers/settings/{centre}/duties?from={_monday(given.day)}")


@router.post("/{centre}/duties/remove")
async def take_off(
    centre: CentreRef,
    page: ThePage,
    form: TheForm,
    our: OurViews,
    rosters: Rosters,
    members: Members,
    centres: Centres,
    sealer: OurSealer,
    who: Coordinator,
    now: Now,
) -> Response:
    try:
        given = form.into(DutyGivenTo, day=form.text("day"), member=form.text("member"))
        await take_off_duty(centre, given.day, given.member or "", rosters, who, form.once, now)
    except Refusal as refused:
        week = _week_of(form.text("day"))
        return await _duties(centre, page, our, rosters, members, centres, sealer, who, now, week, refused)
    return page.go(f"/volunteers/settings/{centre}/duties?from={_monday(given.day)}")


async def _duties(
    centre: str,
    page: ThePage,
    our: OurViews,
    rosters: Rosters,
    members: Members,
    centres: Centres,
    sealer: OurSealer,
    who: Actor,
    now: Now,
    since: date | None,
    refused: Refusal | None,
) -> HTMLResponse:
    """A week, Monday to Sunday."""
    today = local_day(now)
    first = _monday(since or today)
    found = await list_duties(centre, rosters, members, centres, sealer, who, now, first, 7)
    for day in found.days:
        day.members.sort(key=by_name)
    facts: dict[str, Any] = {
        "centre": centre,
        "duties": found,
        "people": [one for one in await people_of(centre, our, sealer, who) if one.active],
        "today": today,
        "first": first,
        "before": first - timedelta(days=7),
        "after": first + timedelta(days=7),
    }
    template = "volunteers/settings-duties.html"
    return page.show(template, refused=refused, **facts)


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _week_of(text: str) -> date | None:
    try:
        return _monday(date.fromisoformat(text))
    except (ValueError, OverflowError):
        return None
