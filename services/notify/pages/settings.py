"""Setting up: the notifier's part of the ward's YAML; a member's phone number, which goes straight into the vault."""

from copy import deepcopy
from typing import Annotated, Any

from fastapi import Response
from starlette.responses import HTMLResponse

from services.chassis.access import Actor, may
from services.chassis.downloads import as_yaml
from services.chassis.errors import Refusal
from services.chassis.pages import TheForm, ThePage
from services.chassis.web import Now, Router
from services.contracts.words import CentreRef, MemberRef
from services.notify.api import Contacts, Dispatches, OurSealer
from services.notify.api_contacts import give_contact
from services.notify.contacts import Purpose
from services.notify.shapes import ContactGivenHere
from services.notify.texts import masked
from services.notify.vault import e164

router = Router(prefix="/notify/settings", tags=["pages"], include_in_schema=False)


@router.get("/{centre}/ward.yaml")
async def our_part_of_the_yaml(
    centre: CentreRef, dispatches: Dispatches, who: Annotated[Actor, may("coordinator", "operator")]
) -> Response:
    known = await dispatches.read(centre, deepcopy)
    part = {"short_name": known.short_name, "location": {"lat": known.lat, "lon": known.lon}}
    return as_yaml(part, f"{centre}-notify.yaml")


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
