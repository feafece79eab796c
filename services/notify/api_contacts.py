"""HTTP for numbers and those behind them: the vault, STOP and erasure, and how a volunteer signs in."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Annotated, Final

from fastapi import Request, Response

from services.chassis.access import Actor, NotYourCentre, NotYourTicket, PassNotValid, keep_session, may, ticket_of
from services.chassis.documents import Collection
from services.chassis.errors import Invalid
from services.chassis.ids import centre_of, token
from services.chassis.once import Once
from services.chassis.sealing import Sealer
from services.chassis.web import Now, OnceKey, Router, TheAccess, of, problems
from services.contracts.words import ContactRef, Fact
from services.notify import contacts as rules
from services.notify import messages
from services.notify.api import Contacts, Dispatches, OurSealer, OurViews
from services.notify.contacts import (
    CODE_LASTS,
    CODES_AT_MOST,
    CODES_PER,
    Asker,
    Channel,
    CodeGiven,
    CodeNotValid,
    CodeUsed,
    ContactGiven,
    UnknownContact,
)
from services.notify.links import SignInSecrets, contact_of, digest_of, offer_of
from services.notify.messages import Message, MessagePlanned, Template
from services.notify.shapes import (
    CodeAsked,
    CodeOnItsWay,
    CodeOrLink,
    ContactGivenHere,
    ContactMade,
    ContactState,
    NumberStopped,
    VolunteerSession,
)
from services.notify.vault import (
    PhoneNotMobile,
    PhoneNotValid,
    blind_of,
    e164,
    is_current,
    members_at,
    same_number,
    stop_number,
)
from services.notify.views import OFFERS

router = Router(tags=["notify"])

Messages = Annotated[Collection[Message], of(Message)]
Owner = Annotated[Actor, may("holder", "volunteer", "coordinator", "operator")]

SAME_ANSWER_AFTER: Final = 0.25
"""Seconds from a request for a code to its answer, whether there is anything to send or not."""
OFFER_LINK_OUTLIVES: Final = timedelta(minutes=30)
CODES_TRIED_A_NUMBER: Final = 15


class CentreNeeded(Invalid):
    en = "Say which `centre`: you have more than one."
    vi = "Vui lòng chọn trung tâm (`centre`): bạn phụ trách nhiều nơi."


class PassNeeded(Invalid):
    en = "Say for which `ticket`, by its pass."
    vi = "Vui lòng gửi kèm mã phiếu (`ticket`)."


class CodeOrLinkNeeded(Invalid):
    en = "Either `phone` and `code`, or `link`."
    vi = "Cần `phone` và `code`, hoặc `link`."


# ---------------------------------------------------------------------------------------------------- contacts


@router.post(
    "/notify/contacts",
    status_code=201,
    responses=problems(PhoneNotValid, PhoneNotMobile, CentreNeeded, PassNeeded, PassNotValid, NotYourTicket),
)
async def give_contact(
    given: ContactGivenHere,
    contacts: Contacts,
    sealer: OurSealer,
    who: Annotated[Actor, may("kiosk", "holder", "volunteer", "coordinator")],
    key: OnceKey,
    now: Now,
) -> ContactMade:
    """A number into the vault; its reference comes back. A holder gives it for her ticket, a volunteer his own."""
    number = e164(given.phone)
    ticket = ticket_of(given.ticket, who) if given.ticket else None
    if who.ticket is not None and ticket is None:
        raise PassNeeded
    contact = _new_contact(key, sealer)
    fact = ContactGiven(
        centre=_centre_for(given, ticket, who),
        phone=await sealer.seal(contact, number),
        blind=blind_of(number, sealer),
        purposes=tuple(dict.fromkeys(given.purposes)),
        channel=_channel(who),
        language=given.language,
        ticket=ticket,
        member=who.member,
    )
    await contacts.change(contact, partial(rules.give, given=fact), now=now, by=who.ref, once=key)
    return ContactMade(contact_ref=contact)


def _new_contact(key: Once | None, sealer: Sealer) -> str:
    """The same key leads to the same document: a repeat finds what it did."""
    return "c-" + (sealer.blind("contact", f"{key.actor}/{key.key}")[:26] if key else token(26))


def _centre_for(given: ContactGivenHere, ticket: str | None, who: Actor) -> str:
    if ticket:
        return centre_of(ticket)
    if who.member:
        return centre_of(who.member)
    centre = given.centre or (next(iter(who.centres)) if len(who.centres) == 1 else None)
    if centre is None:
        raise CentreNeeded
    if not who.reaches(centre):
        raise NotYourCentre
    return centre


def _channel(who: Actor) -> Channel:
    if who.ticket is not None:
        return Channel.HOLDER
    if who.member is not None:
        return Channel.VOLUNTEER
    return Channel.KIOSK if who.is_a("kiosk") else Channel.COORDINATOR


def _asker(who: Actor) -> Asker:
    return Asker(who.centres, who.is_a("operator"), who.ticket, who.member)


@router.post("/notify/contacts/{contact_ref}/stop", responses=problems(UnknownContact))
async def stop_contact(contact_ref: ContactRef, contacts: Contacts, who: Owner, key: OnceKey, now: Now) -> ContactState:
    """Nothing more is sent to this number, whatever was agreed to; a code asked for by its owner still is."""
    rule = partial(rules.stop, channel=_channel(who), asker=_asker(who))
    await contacts.change(contact_ref, rule, now=now, by=who.ref, once=key)
    return ContactState(contact_ref=contact_ref, stopped=True)


@router.post("/notify/contacts/{contact_ref}/start", responses=problems(UnknownContact))
async def start_contact(
    contact_ref: ContactRef, contacts: Contacts, our: OurViews, who: Owner, key: OnceKey, now: Now
) -> ContactState:
    """Its owner wants to be told again: as he had agreed to before."""
    blind = await contacts.read(contact_ref, partial(_blind_for, asker=_asker(who)))
    rule = partial(rules.restart, channel=_channel(who))
    for contact in await same_number(blind, our):
        await contacts.change(contact, rule, now=now, by=who.ref)
    return ContactState(contact_ref=contact_ref, stopped=False)


def _blind_for(contact: rules.Contact, asker: Asker) -> str:
    rules.check_there(contact, asker)
    return contact.blind or ""


@router.delete("/notify/contacts/{contact_ref}", status_code=204, responses=problems(UnknownContact))
async def erase_contact(
    contact_ref: ContactRef, contacts: Contacts, sealer: OurSealer, who: Owner, key: OnceKey, now: Now
) -> None:
    """The number is gone for good, here at once and in every copy: its key is deleted."""
    await contacts.change(contact_ref, partial(rules.erase, asker=_asker(who)), now=now, by=who.ref, once=key)
    await sealer.forget(contact_ref)


@router.post("/notify/stop", status_code=204, responses=problems(PhoneNotValid, PhoneNotMobile))
async def stop_this_number(
    given: NumberStopped,
    contacts: Contacts,
    our: OurViews,
    sealer: OurSealer,
    who: Annotated[Actor, may("coordinator", "operator")],
    key: OnceKey,
    now: Now,
) -> None:
    """Somebody rang to say STOP. Known or not, the answer is the same."""
    await stop_number(e164(given.phone), Channel.COORDINATOR, contacts, our, sealer, now, who.ref)


# ----------------------------------------------------------------------------------------------------- sign-in


@router.post("/notify/sign-in", status_code=202, responses=problems(PhoneNotValid, PhoneNotMobile))
async def ask_for_code(
    asked: CodeAsked,
    request: Request,
    contacts: Contacts,
    dispatches: Dispatches,
    documents: Messages,
    our: OurViews,
    sealer: OurSealer,
    access: TheAccess,
    who: Annotated[Actor, may("anyone")],
    now: Now,
) -> CodeOnItsWay:
    """A code and a link by SMS, if this is a volunteer's number. Known or not, the same answer after the same time.

    It takes no `Idempotency-Key`, which would have to name who asks: a repeat sends another code; the newest counts."""
    answer_at = asyncio.get_running_loop().time() + SAME_ANSWER_AFTER
    number = e164(asked.phone)
    _limit_address(request, access, now)
    blind = blind_of(number, sealer)
    access.limit("code_number", CODES_AT_MOST, CODES_PER).take(blind, now)
    for contact, member in await members_at(blind, our, dispatches):
        await _send_code(contact, member, contacts, documents, sealer, now)
    await asyncio.sleep(max(0.0, answer_at - asyncio.get_running_loop().time()))
    return CodeOnItsWay(
        valid_minutes=int(CODE_LASTS.total_seconds() // 60),
        message="Nếu số này của một đoàn viên, mã đăng nhập sẽ đến bằng tin nhắn trong giây lát.",
    )


async def _send_code(
    contact: str, member: str, contacts: Contacts, documents: Messages, sealer: Sealer, now: Now
) -> None:
    fresh = SignInSecrets.make(contact, sealer)
    rule = partial(rules.give_code, code=fresh.code_digest, link=fresh.link_digest)
    given = await contacts.change(contact, rule, now=now)
    if not any(isinstance(fact, CodeGiven) for fact in given):
        return
    planned = MessagePlanned(
        centre=centre_of(member),
        template=Template.SIGN_IN,
        contact_ref=contact,
        expires=now + CODE_LASTS,
        about={},
        secret=await sealer.seal(contact, f"{fresh.digits} {fresh.link}"),
    )
    await documents.change(f"{contact}-{fresh.link_digest[:16]}", partial(messages.plan, planned=planned), now=now)


@router.post("/session/code", responses=problems(CodeNotValid, CodeOrLinkNeeded, PhoneNotValid, PhoneNotMobile))
async def sign_in_with_code(
    given: CodeOrLink,
    request: Request,
    response: Response,
    contacts: Contacts,
    dispatches: Dispatches,
    our: OurViews,
    sealer: OurSealer,
    access: TheAccess,
    who: Annotated[Actor, may("anyone")],
    now: Now,
) -> VolunteerSession:
    """The code, or the link, of an SMS to a session of 12 hours. Each works once; what is wrong gets one answer.

    It takes no `Idempotency-Key`: an answer kept for a repeat would be a second session for whoever has the key."""
    _limit_address(request, access, now)
    if given.link is not None and given.phone is None and given.code is None:
        contact, rule = await _by_link(given.link, our, sealer)
        member = await _reached(contact, contacts, dispatches)
        await contacts.change(contact, rule, now=now)
    elif given.phone is not None and given.code is not None and given.link is None:
        number = e164(given.phone)
        blind = blind_of(number, sealer)
        access.limit("code_tried", CODES_TRIED_A_NUMBER, CODES_PER).take(blind, now)
        member = await _by_code(blind, given.code, contacts, dispatches, our, sealer, now)
    else:
        raise CodeOrLinkNeeded
    issued = access.tokens.issue(member, ["volunteer"], [centre_of(member)], member=member)
    keep_session(response, request, issued)
    return VolunteerSession(
        token=issued.token, expires=issued.expires, member=member, roles=["volunteer"], centres=[centre_of(member)]
    )


async def _by_code(
    blind: str, code: str, contacts: Contacts, dispatches: Dispatches, our: OurViews, sealer: Sealer, now: Now
) -> str:
    """The member whose code it is; each that it is not counts as a try."""
    for contact, member in await members_at(blind, our, dispatches):
        try:
            said = await contacts.change(
                contact, partial(rules.use_code, code=digest_of("code", contact, code, sealer)), now=now
            )
        except CodeNotValid:
            continue
        if any(isinstance(fact, CodeUsed) for fact in said):
            return member
    raise CodeNotValid


async def _by_link(link: str, our: OurViews, sealer: Sealer) -> tuple[str, partial[Sequence[Fact]]]:
    """The contact that a link was sent to, and the rule that uses it up."""
    if contact := contact_of(link):
        return contact, partial(rules.use_link, link=digest_of("link", contact, link, sealer))
    offer_id = offer_of(link, sealer)
    if offer_id is None:
        raise CodeNotValid
    offer = await our.get(OFFERS, offer_id)
    if offer is None or offer.contact_ref is None:
        raise CodeNotValid
    until = offer.expires + OFFER_LINK_OUTLIVES
    return offer.contact_ref, partial(rules.use_offer_link, offer_id=offer.offer_id, until=until)


async def _reached(contact: str, contacts: Contacts, dispatches: Dispatches) -> str:
    member = await contacts.read(contact, lambda one: one.member)
    if member is None or not await is_current(contact, member, dispatches):
        raise CodeNotValid
    return member


def _limit_address(request: Request, access: TheAccess, now: Now) -> None:
    address = request.client.host if request.client else ""
    per_address = request.app.state.system.settings.sign_ins_per_address
    access.limit("code_address", per_address, CODES_PER).take(address, now)
