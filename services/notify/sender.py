"""Carries out what is pending: asks what may be sent at the moment of sending, renders, submits, records.

Nothing here decides twice: a submission begins by a fact of the message's own document, so two processes or a restart
never both send it, and its outcome is another.
"""

from datetime import datetime
from functools import partial
from typing import Any, Final

import structlog
from prometheus_client import Counter

from services.chassis import metrics
from services.chassis.access import Passes
from services.chassis.clock import local_day
from services.chassis.documents import Collection
from services.chassis.errors import Unavailable
from services.chassis.sealing import Sealer
from services.chassis.service import Running
from services.chassis.views import Views
from services.notify import messages, texts, views
from services.notify.carrier import Carrier, CarrierRefuses, Sms
from services.notify.contacts import Contact
from services.notify.dispatch_state import Dispatch
from services.notify.links import offer_link
from services.notify.messages import (
    TERMS,
    Message,
    MessageExpired,
    MessageRefused,
    MessageSent,
    MessageState,
    NotSentBecause,
    SubmissionBegun,
    Template,
)
from services.notify.views import CONTACTS, MESSAGES, OFFERS, MessageRow

LOOK_EVERY_SECONDS = 0.25
DEFAULT_NAME = "Cầu Nối"
Outcome = MessageSent | MessageRefused | MessageExpired
_RESULTS: Final = {MessageSent: "sent", MessageRefused: "refused", MessageExpired: "expired"}
ended: Final = Counter(
    "caunoi_messages_total",
    "What the sender did with messages: sent, refused, expired",
    ("template", "result"),
    registry=metrics.registry,
)

log = structlog.get_logger()


class Sender:
    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier

    async def keep_sending(self, running: Running) -> None:
        while not running.stopping:
            await self.send_pending(running)
            await running.pause(LOOK_EVERY_SECONDS)

    async def send_pending(self, running: Running) -> None:
        """Everything that is pending now, once."""
        for id, row in await running.views.find(MESSAGES, state=MessageState.PENDING.value):
            if running.stopping:
                return  # between two messages: one that was begun is not begun again
            try:
                await self._send(running, id, row)
            except Unavailable:
                log.warning("message_waits", document=id)

    async def _send(self, running: Running, id: str, row: MessageRow) -> None:
        documents = running[Message]
        begun = await documents.change(id, messages.begin, now=running.now())
        if not any(isinstance(fact, SubmissionBegun) for fact in begun):
            return
        outcome = await self._outcome(running, id, row)
        await documents.change(id, partial(messages.record, outcome=outcome), now=running.now())
        ended.labels(row.template.value, _RESULTS[type(outcome)]).inc()

    async def _outcome(self, running: Running, id: str, row: MessageRow) -> Outcome:
        if _may_have_gone_out(row, running.store.restored) or not await _worth_it(row, running.views):
            return MessageExpired()
        number = await _may_be_sent_to(row, running[Contact], running.views, running.sealer, running.now())
        return number if isinstance(number, MessageRefused) else await self._submit(running, id, row, number)

    async def _submit(self, running: Running, id: str, row: MessageRow, number: str) -> Outcome:
        system = running.system
        text = await text_of(row, running[Dispatch], running.sealer, system.access.passes, system.settings.base_url)
        try:
            await self._carrier.submit(Sms(id, number, text))
        except CarrierRefuses:
            return MessageRefused(reason=NotSentBecause.CARRIER)
        sealed = await running.sealer.seal(row.contact_ref, text)
        return MessageSent(carrier=self._carrier.name, text=sealed, segments=texts.segments(text))


def _may_have_gone_out(row: MessageRow, restored: datetime | None) -> bool:
    """Its cause is from before a backup was put back, so it may have been sent in the time that nobody remembers."""
    return restored is not None and row.expires - TERMS[row.template].lasts <= restored


async def _worth_it(row: MessageRow, own: Views) -> bool:
    """An offer that stands no more is not sent, nor is it taken back from somebody who never heard of it."""
    offer_id = str(row.about.get("offer_id"))
    if row.template is Template.OFFER:
        offer = await own.get(OFFERS, offer_id)
        return offer is None or offer.state == "open"
    if row.template is Template.OFFER_VOID:
        told = await own.get(MESSAGES, f"{offer_id}-offer")
        return told is None or told.state is MessageState.SENT
    return True


async def _may_be_sent_to(
    row: MessageRow, contacts: Collection[Contact], own: Views, sealer: Sealer, now: datetime
) -> str | MessageRefused:
    """The number, or why nothing may be sent to it. Opting out and the daily cap are the number's, not the person's."""
    terms = TERMS[row.template]
    known = await contacts.read(row.contact_ref, lambda one: (one.phone, one.blind, frozenset(one.purposes)))
    sealed, blind, purposes = known
    number = await sealer.open(sealed) if sealed else None
    if number is None or blind is None:
        return MessageRefused(reason=NotSentBecause.ERASED)
    if terms.purpose is not None and terms.purpose not in purposes:
        return MessageRefused(reason=NotSentBecause.NO_CONSENT)
    same_number = [(key, one) async for key, one in views.every(own, CONTACTS, blind=blind)]
    if terms.purpose is not None and any(one.stopped for _, one in same_number):
        return MessageRefused(reason=NotSentBecause.STOPPED)
    sent_today = 0
    for contact_ref, _ in same_number:
        mine = {"contact_ref": contact_ref, "day": local_day(now).isoformat(), "state": MessageState.SENT.value}
        sent_today += len(await own.find(MESSAGES, limit=terms.a_day, **mine))
    return MessageRefused(reason=NotSentBecause.BUDGET) if sent_today >= terms.a_day else number


async def text_of(
    row: MessageRow, dispatches: Collection[Dispatch], sealer: Sealer, passes: Passes, base_url: str
) -> str:
    """What it says: as it was sent, or as it would be sent now. Empty when it can be known no more."""
    if row.text is not None:
        return await sealer.open(row.text) or ""
    about: dict[str, Any] = {
        name: value for name, value in row.about.items() if name not in ("hamlet", "offer_id", "ticket")
    }
    hamlet = row.about.get("hamlet")
    short_name, named = await dispatches.read(
        row.centre, lambda dispatch: (dispatch.short_name, dispatch.hamlets.get(str(hamlet)))
    )
    about["name"] = short_name or DEFAULT_NAME
    if named:
        about["hamlet"] = named.name
    if row.template is Template.TICKET:
        about["link"] = f"{base_url}/ticket#{passes.sign(str(row.about['ticket']))}"
    if row.template is Template.RIDE_GIVEN:
        about["link"] = f"{base_url}/volunteer"
    if row.template is Template.OFFER:
        about["link"] = f"{base_url}/o#{offer_link(str(row.about['offer_id']), sealer)}"
    if row.template is Template.SIGN_IN:
        digits, _, link = (await sealer.open(row.secret or "") or "").partition(" ")
        if not digits:
            return ""
        about |= {"digits": digits, "link": f"{base_url}/v#{link}"}
    return texts.render(row.template, row.language, about)
