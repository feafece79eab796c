"""What the volunteers' service knows for the coordinator's screen: who is on the floor and who is due, rides, help; and
what can be done about each by hand. A page of its own too; `/coordinator/{centre}` fetches its parts by their ids.
"""

from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Final, get_args

from fastapi import Response
from starlette.responses import HTMLResponse

from services.chassis.access import Actor, may
from services.chassis.errors import Invalid, Refusal
from services.chassis.pages import Form, TheForm, ThePage
from services.chassis.pages.lists import whole
from services.chassis.pages.speech import N_, name_order
from services.chassis.web import Now, Router
from services.contracts.words import AssistanceRef, AssistanceResult, CentreRef, Instead, RideRef
from services.volunteers.api import (
    Assistances,
    Centres,
    Members,
    OurSealer,
    OurViews,
    Rides,
    assign_ride,
    cancel_assistance,
    cancel_ride,
    finish_assistance,
    list_assistances,
    list_rides,
    release,
    ride_for,
    show_assistance,
    show_ride,
)
from services.volunteers.api_members import (
    Rosters,
    check_in,
    check_out,
    list_duties,
    list_hamlets,
    list_members,
    on_floor,
)
from services.volunteers.assistances import HelpStage
from services.volunteers.rides import RideStage
from services.volunteers.shapes import (
    AssistanceListed,
    GivenTo,
    MemberShown,
    OnDuty,
    Result,
    RideEnd,
    RideListed,
    WhatCameOfIt,
    WhoCheck,
)

router = Router(prefix="/volunteers/coordinator", tags=["pages"], include_in_schema=False)

Coordinator = Annotated[Actor, may("coordinator")]

RIDE: Final[Mapping[RideStage, tuple[str, str]]] = {
    RideStage.PLANNED: (N_("chưa đến lúc đi"), ""),
    RideStage.REQUESTED: (N_("đang tìm người chở"), "wait"),
    RideStage.ASSIGNED: (N_("đã có người chở"), "brand"),
    RideStage.PICKED_UP: (N_("đang trên đường"), "brand"),
    RideStage.COMPLETED: (N_("đã về đến nơi"), "go"),
    RideStage.CANCELLED: (N_("đã huỷ"), ""),
}
"""What a stage is called, and the kind of its tag."""
HELP: Final[Mapping[HelpStage, tuple[str, str]]] = {
    HelpStage.OPEN: (N_("đang chờ người giúp"), "wait"),
    HelpStage.TAKEN: (N_("đang được giúp"), "brand"),
    HelpStage.FINISHED: (N_("đã giúp xong"), "go"),
    HelpStage.CANCELLED: (N_("đã huỷ"), ""),
}
INSTEAD: Final[Mapping[Instead, str]] = {
    Instead.TAXI: N_("đi taxi"),
    Instead.FAMILY: N_("gia đình đón"),
    Instead.OTHERWISE: N_("về bằng cách khác"),
}
RESULTS: Final[Mapping[AssistanceResult, str]] = {
    AssistanceResult.SHOWN: N_("đã hướng dẫn"),
    AssistanceResult.INSTALLED: N_("đã cài ứng dụng"),
    AssistanceResult.ACTIVATED: N_("đã kích hoạt định danh"),
    AssistanceResult.PASSWORD_RECOVERED: N_("đã lấy lại mật khẩu"),
    AssistanceResult.FILED_ONLINE: N_("đã nộp hồ sơ trực tuyến"),
    AssistanceResult.PAID_CASHLESS: N_("đã thanh toán không tiền mặt"),
    AssistanceResult.NOT_FINISHED: N_("chưa xong"),
    AssistanceResult.NOT_RECORDED: N_("chưa ghi kết quả"),
}
CAN_BE_SAID: Final = tuple(get_args(Result))
ELSEWHERE: Final = N_("nơi khác")
A_RIDE: Final = "volunteers/coordinator-ride.html"
A_HELP: Final = "volunteers/coordinator-help.html"


class NobodyChosen(Invalid):
    en = "Choose a member first."
    vi = "Hãy chọn một đoàn viên."


def chosen(form: Form) -> str:
    """The member that was chosen; raises `NobodyChosen`."""
    if member := form.text("member"):
        return member
    raise NobodyChosen


# ------------------------------------------------------------------------------------------------ the screen's parts


@router.get("/{centre}")
async def floor_and_rides(
    centre: CentreRef,
    page: ThePage,
    our: OurViews,
    rosters: Rosters,
    members: Members,
    centres: Centres,
    sealer: OurSealer,
    who: Coordinator,
    now: Now,
) -> HTMLResponse:
    floor = (await on_floor(centre, our, sealer, who, now)).members
    today = (await list_duties(centre, rosters, members, centres, sealer, who, now, days=1)).days[0]
    rides, helps = await rides_of(centre, our, who, now), await helps_of(centre, our, who, now)
    here = {one.member for one in floor}
    people = await people_of(centre, our, sealer, who)
    return page.show(
        "volunteers/coordinator.html",
        centre=centre,
        floor=sorted(floor, key=by_name),
        due=sorted([one for one in today.members if one.member not in here], key=by_name),
        others=[one for one in people if one.active and one.member not in here],
        today=today,
        helping={one.member: one for one in helps if one.state is HelpStage.TAKEN},
        driving={one.member: one for one in rides if one.state in (RideStage.ASSIGNED, RideStage.PICKED_UP)},
        rides=rides,
        rides_ended=Counter(one.state for one in rides),
        helps=helps,
        helps_ended=Counter(one.state for one in helps),
        names={one.member: one.name for one in people},
        hamlets=(await list_hamlets(centre, centres, who)).hamlets,
        ride_words=RIDE,
        help_words=HELP,
        instead_words=INSTEAD,
    )


def by_name(one: OnDuty | MemberShown) -> tuple[Any, ...]:
    return name_order(one.name or "")


async def rides_of(centre: str, our: OurViews, who: Actor, now: Now) -> list[RideListed]:
    """Today's, the one that has waited longest at the head."""
    found = await whole(partial(list_rides, centre, our, who, now), lambda part: part.rides)
    return sorted(found, key=lambda one: one.since)


async def helps_of(centre: str, our: OurViews, who: Actor, now: Now) -> list[AssistanceListed]:
    found = await whole(partial(list_assistances, centre, our, who, now), lambda part: part.assistances)
    return sorted(found, key=lambda one: one.since)


async def people_of(centre: str, our: OurViews, sealer: OurSealer, who: Actor) -> list[MemberShown]:
    """All members, as a list of names is sorted here."""
    found = await whole(partial(list_members, centre, our, sealer, who), lambda part: part.members)
    return sorted(found, key=by_name)


@router.get("/{centre}/people")
async def people(centre: CentreRef, page: ThePage, our: OurViews, sealer: OurSealer, who: Coordinator) -> HTMLResponse:
    """Whose reference is whose name: for pages of other services, put in by the browser."""
    found = await people_of(centre, our, sealer, who)
    return page.show("volunteers/coordinator-people.html", centre=centre, people=found)


@router.post("/{centre}/check-in")
async def let_in(
    centre: CentreRef, page: ThePage, form: TheForm, members: Members, who: Coordinator, now: Now
) -> Response:
    """For somebody whose phone is empty."""
    await check_in(centre, members, who, form.once, now, form.into(WhoCheck, member=chosen(form)))
    return page.go(f"/coordinator/{centre}")


@router.post("/{centre}/check-out")
async def let_go(
    centre: CentreRef, page: ThePage, form: TheForm, members: Members, who: Coordinator, now: Now
) -> Response:
    await check_out(centre, members, who, form.once, now, form.into(WhoCheck, member=chosen(form)))
    return page.go(f"/coordinator/{centre}")


# ----------------------------------------------------------------------------------------------------------- a ride


@router.get("/rides/{ride_id}")
async def one_ride(
    ride_id: RideRef,
    page: ThePage,
    rides: Rides,
    members: Members,
    centres: Centres,
    our: OurViews,
    sealer: OurSealer,
    who: Coordinator,
) -> HTMLResponse:
    return page.show(A_RIDE, **await _ride(ride_id, rides, members, centres, our, sealer, who))


@router.get("/rides/{ride_id}/destination")
async def where_to(
    ride_id: RideRef,
    page: ThePage,
    rides: Rides,
    members: Members,
    centres: Centres,
    our: OurViews,
    sealer: OurSealer,
    who: Coordinator,
) -> HTMLResponse:
    """For the taxi: opened for her, and the opening is in the log."""
    opened = (await show_ride(ride_id, rides, members, sealer, who)).destination
    facts = await _ride(ride_id, rides, members, centres, our, sealer, who)
    return page.show(A_RIDE, **facts | {"destination": opened or ""})


async def _ride(
    ride_id: str, rides: Rides, members: Members, centres: Centres, our: OurViews, sealer: OurSealer, who: Actor
) -> dict[str, Any]:
    shown, ride = await ride_for(ride_id, rides, members, sealer, who)
    centre = ride_id[:5]
    return {
        "centre": centre,
        "ride": shown,
        "known": ride.destination is not None,
        "reachable": ride.ticket.contact_ref is not None,
        "destination": None,
        "hamlets": (await list_hamlets(centre, centres, who)).hamlets,
        "people": [one for one in await people_of(centre, our, sealer, who) if one.active],
        "words": RIDE,
        "instead_words": INSTEAD,
    }


@router.post("/rides/{ride_id}/assign")
async def give_ride(
    ride_id: RideRef,
    page: ThePage,
    form: TheForm,
    rides: Rides,
    members: Members,
    centres: Centres,
    our: OurViews,
    sealer: OurSealer,
    who: Coordinator,
    now: Now,
) -> Response:
    try:
        given = form.into(GivenTo, member=chosen(form))
        await assign_ride(ride_id, given, rides, members, who, form.once, now)
    except Refusal as refused:
        return page.refuse(A_RIDE, refused, **await _ride(ride_id, rides, members, centres, our, sealer, who))
    return page.go(f"/coordinator/{ride_id[:5]}")


@router.post("/rides/{ride_id}/release")
async def take_back(
    ride_id: RideRef,
    page: ThePage,
    form: TheForm,
    rides: Rides,
    members: Members,
    centres: Centres,
    our: OurViews,
    sealer: OurSealer,
    who: Coordinator,
    now: Now,
) -> Response:
    released = release(ride_id, rides, who, form.once, now)
    again = partial(_ride, ride_id, rides, members, centres, our, sealer, who)
    return await page.after(released, f"/coordinator/{ride_id[:5]}", A_RIDE, again)


@router.post("/rides/{ride_id}/end")
async def end_ride(
    ride_id: RideRef,
    page: ThePage,
    form: TheForm,
    rides: Rides,
    members: Members,
    centres: Centres,
    our: OurViews,
    sealer: OurSealer,
    who: Coordinator,
    now: Now,
) -> Response:
    """A taxi, her family, another way; or she needs none any more."""
    try:
        end = form.into(RideEnd, instead=form.text("instead") or None)
        await cancel_ride(ride_id, rides, who, form.once, now, end)
    except Refusal as refused:
        return page.refuse(A_RIDE, refused, **await _ride(ride_id, rides, members, centres, our, sealer, who))
    return page.go(f"/coordinator/{ride_id[:5]}")


# ------------------------------------------------------------------------------------------------------------- help


@router.get("/help/{assistance_id}")
async def one_help(
    assistance_id: AssistanceRef,
    page: ThePage,
    assistances: Assistances,
    members: Members,
    sealer: OurSealer,
    who: Coordinator,
) -> HTMLResponse:
    return page.show(A_HELP, **await _help(assistance_id, assistances, members, sealer, who))


async def _help(
    assistance_id: str, assistances: Assistances, members: Members, sealer: OurSealer, who: Actor
) -> dict[str, Any]:
    return {
        "centre": assistance_id[:5],
        "help": await show_assistance(assistance_id, assistances, members, sealer, who),
        "words": HELP,
        "results": RESULTS,
        "can_be_said": CAN_BE_SAID,
    }


@router.post("/help/{assistance_id}/finish")
async def helped(
    assistance_id: AssistanceRef,
    page: ThePage,
    form: TheForm,
    assistances: Assistances,
    members: Members,
    sealer: OurSealer,
    who: Coordinator,
    now: Now,
) -> Response:
    """Somebody helped without pressing: what came of it."""
    try:
        came = form.into(WhatCameOfIt, result=form.text("result"))
        await finish_assistance(assistance_id, came, assistances, who, form.once, now)
    except Refusal as refused:
        return page.refuse(A_HELP, refused, **await _help(assistance_id, assistances, members, sealer, who))
    return page.go(f"/coordinator/{assistance_id[:5]}")


@router.post("/help/{assistance_id}/cancel")
async def not_needed(
    assistance_id: AssistanceRef,
    page: ThePage,
    form: TheForm,
    assistances: Assistances,
    members: Members,
    sealer: OurSealer,
    who: Coordinator,
    now: Now,
) -> Response:
    cancelled = cancel_assistance(assistance_id, assistances, who, form.once, now)
    again = partial(_help, assistance_id, assistances, members, sealer, who)
    return await page.after(cancelled, f"/coordinator/{assistance_id[:5]}", A_HELP, again)
