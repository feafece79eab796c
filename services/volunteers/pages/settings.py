"""Setting up: members of the team, who is on duty when, and the volunteers' part of the ward's YAML."""

from collections.abc import Mapping
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
from services.chassis.pages.speech import N_
from services.chassis.web import Now, Router
from services.contracts.words import CentreRef, MemberRef, Vehicle
from services.volunteers.api import Centres, Members, OurSealer, OurViews
from services.volunteers.api_members import (
    Rosters,
    change_member,
    enrol_member,
    list_duties,
    list_hamlets,
    put_on_duty,
    show_member,
    take_off_duty,
)
from services.volunteers.pages.coordinator import by_name, chosen, people_of
from services.volunteers.shapes import Day, DutyGivenTo, MemberChanges, MemberGiven, MemberInFull

router = Router(prefix="/volunteers/settings", tags=["pages"], include_in_schema=False)

Coordinator = Annotated[Actor, may("coordinator")]

VEHICLES: Final[Mapping[Vehicle, str]] = {
    Vehicle.NONE: N_("không có xe"),
    Vehicle.MOTORBIKE: N_("xe máy"),
    Vehicle.CAR: N_("ô tô"),
}
LANGUAGES: Final = {"vi": N_("tiếng Việt"), "en": N_("tiếng Anh"), "km": N_("tiếng Khmer")}
SKILLS: Final = {"vneid": N_("VNeID"), "digital-key": N_("Chìa khoá số")}
"""What a coordinator ticks; others that a member has stay as they are."""
TEAM_MEANT: Final = N_("chữ thường không dấu, số và gạch nối, ví dụ to-cong-nghe-so")


@router.get("/{centre}/ward.yaml")
async def our_part_of_the_yaml(
    centre: CentreRef, centres: Centres, who: Annotated[Actor, may("coordinator", "operator")]
) -> Response:
    known = await centres.read(centre, deepcopy)
    hamlets = {code: hamlet.model_dump(exclude_none=True) for code, hamlet in known.hamlets.items()}
    part = {"hamlets": hamlets, "on_duty": {"minimum": known.minimum, "maximum": known.maximum}}
    return as_yaml(part, f"{centre}-volunteers.yaml")


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
