"""What happens when X, in whatever order it arrives and however often. One change a document, from the event alone."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Annotated

from services.chassis.documents import Collection
from services.chassis.sealing import Sealer
from services.chassis.views import Views
from services.contracts.events import (
    AssistanceCancelled,
    AssistanceFinished,
    AssistanceRequested,
    AssistanceTaken,
    ContactErased,
    MemberChanged,
    OfferMade,
    OfferVoid,
    QueueCalled,
    RideAssigned,
    RideCancelled,
    RideCompleted,
    RideHomeRequested,
    RidePlanned,
    RideReleased,
    TicketIssued,
    VolunteerCheckedIn,
    VolunteerCheckedOut,
)
from services.contracts.words import ContactRef, Event, Instead, Language
from services.notify import contacts as contact_rules
from services.notify import dispatch as rules
from services.notify import messages, views
from services.notify.contacts import Contact
from services.notify.dispatch_state import Dispatch
from services.notify.messages import TERMS, Message, MessagePlanned, Template
from services.notify.views import CONTACTS

Now = Annotated[datetime, "when it is handled"]
Dispatches = Collection[Dispatch]
Messages = Collection[Message]


# ------------------------------------------------------------------------------------------ the dispatch


async def know_member(event: MemberChanged, dispatches: Dispatches, now: Now) -> None:
    await dispatches.change(event.centre, partial(rules.hear_member, event=event), now=now, because=event)


async def put_on_the_floor(event: VolunteerCheckedIn, dispatches: Dispatches, now: Now) -> None:
    await dispatches.change(event.centre, partial(rules.check_in, event=event), now=now, because=event)


async def take_off_the_floor(event: VolunteerCheckedOut, dispatches: Dispatches, now: Now) -> None:
    await dispatches.change(event.centre, partial(rules.check_out, event=event), now=now, because=event)


async def offer_help(event: AssistanceRequested, dispatches: Dispatches, now: Now) -> None:
    await dispatches.change(event.centre, partial(rules.open_assistance, event=event), now=now, because=event)


async def offer_ride_home(event: Event, dispatches: Dispatches, now: Now) -> None:
    assert isinstance(event, RideHomeRequested | RideReleased)
    await dispatches.change(event.centre, partial(rules.open_ride, event=event), now=now, because=event)


async def note_who_has_it(event: Event, dispatches: Dispatches, now: Now) -> None:
    assert isinstance(event, RideAssigned | AssistanceTaken)
    await dispatches.change(event.centre, partial(rules.give, event=event), now=now, because=event)


async def free_whoever_had_it(event: Event, dispatches: Dispatches, now: Now) -> None:
    assert isinstance(event, RideCancelled | RideCompleted | RidePlanned | AssistanceFinished | AssistanceCancelled)
    await dispatches.change(event.centre, partial(rules.end, event=event), now=now, because=event)


# ------------------------------------------------------------------------------------------ the vault


async def know_whose_number_it_is(event: MemberChanged, contacts: Collection[Contact], our: Views, now: Now) -> None:
    """The contact that it names is his, and those that were his before are not. Which those are, is looked up: what a
    crash left undone is found again when the event is delivered again."""
    before = {ref async for ref, _ in views.every(our, CONTACTS, member=event.member)}
    rule = partial(contact_rules.hear_member, event=event)
    for ref in sorted(before | ({event.contact_ref} if event.contact_ref else set())):
        await contacts.change(ref, rule, now=now, because=event)


async def forget_the_number(event: ContactErased, sealer: Sealer) -> None:
    """The key goes, and with it the number and every text that was sent to it, in every copy."""
    await sealer.forget(event.contact_ref)


# ------------------------------------------------------------------------------------------ messages


async def send_her_ticket(event: TicketIssued, documents: Messages, now: Now) -> None:
    """The link to its page, to who gave a number for it at the kiosk. Her pass is made only as the text is."""
    about = {"code": event.code, "ticket": event.ticket_id}
    message = f"{event.ticket_id}-issued"
    await _plan(message, Template.TICKET, event, event.contact_ref, about, documents, now, language=event.language)


async def tell_citizen_to_come(event: QueueCalled, documents: Messages, now: Now) -> None:
    """One text a ticket in all: a recall finds the message of the first call."""
    about: dict[str, str | int | None] = {"code": event.code, "counter": event.counter}
    message = f"{event.ticket_id}-called"
    await _plan(message, Template.CALLED, event, event.contact_ref, about, documents, now, language=event.language)


async def tell_citizen_who_drives(event: RideAssigned, documents: Messages, now: Now) -> None:
    """Once for each driver. His name is on her ticket page, not in the text."""
    message = f"{event.ride_id}-by-{event.member[8:]}"
    await _plan(message, Template.RIDE_ASSIGNED, event, event.contact_ref, {}, documents, now, language=event.language)


async def ask_family_to_come(event: RideCancelled, documents: Messages, now: Now) -> None:
    """The coordinator found nobody who drives her: whoever left a number for her ride is asked to come."""
    if event.instead is Instead.FAMILY:
        message = f"{event.ride_id}-fetch"
        await _plan(message, Template.FETCH, event, event.contact_ref, {}, documents, now, language=event.language)


async def tell_the_driver(event: RideAssigned, documents: Messages, our: Views, now: Now) -> None:
    """Whom the coordinator chose; who accepted an offer knows it."""
    if event.by_hand:
        contact = await anext((ref async for ref, _ in views.every(our, CONTACTS, member=event.member)), None)
        await _plan(f"{event.ride_id}-to-{event.member[8:]}", Template.RIDE_GIVEN, event, contact, {}, documents, now)


async def tell_the_volunteer(event: OfferMade, documents: Messages, now: Now) -> None:
    about = {
        "kind": event.kind.value,
        "offer_id": event.offer_id,
        "code": event.code,
        "hamlet": event.hamlet,
        "metres": event.metres,
    }
    message = f"{event.offer_id}-offer"
    await _plan(message, Template.OFFER, event, event.contact_ref, about, documents, now, expires=event.expires)


async def tell_the_volunteer_it_is_over(event: OfferVoid, documents: Messages, now: Now) -> None:
    if event.tell:
        about = {"kind": event.kind.value, "reason": event.reason.value, "offer_id": event.offer_id}
        await _plan(f"{event.offer_id}-void", Template.OFFER_VOID, event, event.contact_ref, about, documents, now)


async def _plan(
    id: str,
    template: Template,
    event: Event,
    to: ContactRef | None,
    about: Mapping[str, str | int | None],
    documents: Messages,
    now: datetime,
    *,
    language: Language = "vi",
    expires: datetime | None = None,
) -> None:
    """Nothing where nobody is `to` be told."""
    if to:
        planned = MessagePlanned(
            centre=event.centre,
            template=template,
            contact_ref=to,
            expires=expires or event.at + TERMS[template].lasts,
            language=language,
            about={name: value for name, value in about.items() if value is not None},
        )
        await documents.change(id, partial(messages.plan, planned=planned), now=now, because=event)
