"""Setting up: how an SMS begins, where the centre and its hamlets lie, this part of the YAML; a member's number, which
goes straight into the vault.
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import Annotated, Any, Final

from fastapi import Response
from starlette.responses import HTMLResponse

from services.chassis.access import Actor, may
from services.chassis.downloads import as_yaml
from services.chassis.errors import Refusal
from services.chassis.pages import Form, TheForm, ThePage
from services.chassis.pages.page import FormNotValid
from services.chassis.web import Now, Router
from services.contracts.words import CentreRef, Code, MemberRef
from services.notify.api import Contacts, Dispatches, OurSealer, describe_centre
from services.notify.api_contacts import give_contact
from services.notify.contacts import Purpose
from services.notify.dispatch_state import Dispatch
from services.notify.sender import DEFAULT_NAME
from services.notify.shapes import CentreGiven, ContactGivenHere, HamletGiven
from services.notify.texts import masked
from services.notify.vault import e164

router = Router(prefix="/notify/settings", tags=["pages"], include_in_schema=False)

Keeper = Annotated[Actor, may("coordinator", "operator")]
_OURS: Final = ("short_name", "lat", "lon")


@router.get("/{centre}/ward.yaml")
async def our_part_of_the_yaml(centre: CentreRef, dispatches: Dispatches, who: Keeper) -> Response:
    known = await dispatches.read(centre, deepcopy)
    part = {"short_name": known.short_name, "location": {"lat": known.lat, "lon": known.lon}}
    return as_yaml(part, f"{centre}-notify.yaml")


@router.get("/{centre}")
async def messages(centre: CentreRef, page: ThePage, dispatches: Dispatches, who: Keeper) -> HTMLResponse:
    return await _messages(centre, page, dispatches, None, {})


@router.post("/{centre}")
async def set_messages(
    centre: CentreRef, page: ThePage, form: TheForm, dispatches: Dispatches, who: Keeper, now: Now
) -> Response:
    typed = {name: form.text(name) for name in _OURS}
    try:
        given = typed | {name: typed[name] or None for name in ("lat", "lon")}
        await _amend(centre, form, dispatches, who, now, given)
    except Refusal as refused:
        return await _messages(centre, page, dispatches, refused, typed)
    return page.go(f"/settings/{centre}")


@router.post("/{centre}/hamlets/{hamlet}")
async def place_hamlet(
    centre: CentreRef, hamlet: Code, page: ThePage, form: TheForm, dispatches: Dispatches, who: Keeper, now: Now
) -> Response:
    """As the volunteers' service, whose form it is, has just taken it."""
    typed = {name: form.text(name) or None for name in ("name", "lat", "lon")}
    placed = form.into(HamletGiven, **typed)
    known = await dispatches.read(centre, _as_given)
    await _amend(centre, form, dispatches, who, now, {"hamlets": {**known["hamlets"], hamlet: placed}})
    return page.go(f"/volunteers/settings/{centre}/ward")


@router.post("/{centre}/hamlets/{hamlet}/remove")
async def drop_hamlet(
    centre: CentreRef, hamlet: Code, page: ThePage, form: TheForm, dispatches: Dispatches, who: Keeper, now: Now
) -> Response:
    known = await dispatches.read(centre, _as_given)
    kept = {code: one for code, one in known["hamlets"].items() if code != hamlet}
    await _amend(centre, form, dispatches, who, now, {"hamlets": kept})
    return page.go(f"/volunteers/settings/{centre}/ward")


async def _messages(
    centre: str, page: ThePage, dispatches: Dispatches, refused: Refusal | None, typed: Mapping[str, str]
) -> HTMLResponse:
    known = await dispatches.read(centre, _as_given)
    kept = {name: "" if known[name] is None else str(known[name]) for name in _OURS}
    values = kept | (dict(typed) if isinstance(refused, FormNotValid) else {})
    return page.show("notify/settings.html", refused=refused, centre=centre, values=values)


async def _amend(
    centre: str, form: Form, dispatches: Dispatches, who: Actor, now: Now, changed: Mapping[str, Any]
) -> None:
    known = await dispatches.read(centre, _as_given)
    await describe_centre(centre, form.into(CentreGiven, **(known | dict(changed))), dispatches, who, form.once, now)


def _as_given(known: Dispatch) -> dict[str, Any]:
    hamlets = {code: HamletGiven(**dict(one)) for code, one in known.hamlets.items()}
    return {"short_name": known.short_name or DEFAULT_NAME, "lat": known.lat, "lon": known.lon, "hamlets": hamlets}


# ------------------------------------------------------------------------------------------------- a member's number


@router.get("/members/{member}/number")
async def whose_number(member: MemberRef, page: ThePage, who: Annotated[Actor, may("coordinator")]) -> HTMLResponse:
    return page.show("notify/settings-number.html", centre=member[:5], member=member, contact=None)


@router.post("/members/{member}/number")
async def into_the_vault(
    member: MemberRef,
    page: ThePage,
    form: TheForm,
    contacts: Contacts,
    sealer: OurSealer,
    who: Annotated[Actor, may("coordinator")],
    now: Now,
) -> Response:
    """The vault keeps it and gives a reference; the next press tells the volunteers' service whose it is."""
    template = "notify/settings-number.html"
    facts: dict[str, Any] = {"centre": member[:5], "member": member}
    try:
        given = form.into(ContactGivenHere, phone=form.text("phone"), purposes=[Purpose.VOLUNTEER], centre=member[:5])
        made = await give_contact(given, contacts, sealer, who, form.once, now)
    except Refusal as refused:
        return page.refuse(template, refused, contact=None, **facts)
    shown = masked(e164(given.phone))
    return page.show(template, contact=made.contact_ref, number=shown, **facts)
