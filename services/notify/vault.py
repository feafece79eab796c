"""What faces do with phone numbers: read them, find whose they are, stop them. They pass through here alone."""

from datetime import datetime
from functools import partial
from typing import Final

from services.chassis.documents import Collection
from services.chassis.errors import Invalid
from services.chassis.sealing import Sealer
from services.chassis.views import Views
from services.notify import contacts as rules
from services.notify import views
from services.notify.contacts import Channel, Contact
from services.notify.dispatch_state import Dispatch
from services.notify.views import CONTACTS

COUNTRY: Final = "VN"


class PhoneNotValid(Invalid):
    en = "This is no mobile number of Vietnam. It looks like this: 0912 345 678."
    vi = "Đây không phải số di động Việt Nam. Hãy nhập như ví dụ: 0912 345 678."


class PhoneNotMobile(Invalid):
    en = "This is a landline; an SMS goes to a mobile number only."
    vi = "Đây là số máy bàn; chỉ số di động mới nhận được tin nhắn."


def e164(typed: str) -> str:
    """The number as +84..., however it was typed."""
    import phonenumbers  # the numbers of the whole world: nothing that a start should wait for

    try:
        number = phonenumbers.parse(typed, COUNTRY)
    except phonenumbers.NumberParseException:
        raise PhoneNotValid from None
    if number.extension or not phonenumbers.is_valid_number_for_region(number, COUNTRY):
        raise PhoneNotValid
    if phonenumbers.number_type(number) is not phonenumbers.PhoneNumberType.MOBILE:
        raise PhoneNotMobile
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def blind_of(number: str, sealer: Sealer) -> str:
    return sealer.blind("phone", number)


async def same_number(blind: str, our: Views) -> list[str]:
    """Every contact that has this number."""
    return [contact async for contact, _ in views.every(our, CONTACTS, blind=blind)]


async def stop_number(
    number: str,
    channel: Channel,
    contacts: Collection[Contact],
    our: Views,
    sealer: Sealer,
    now: datetime,
    by: str | None,
) -> int:
    """STOP, however it reaches us: nothing more goes to this number. How many contacts had it."""
    found = await same_number(blind_of(number, sealer), our)
    for contact in found:
        await contacts.change(contact, partial(rules.stop, channel=channel), now=now, by=by)
    return len(found)


async def members_at(blind: str, our: Views, dispatches: Collection[Dispatch]) -> list[tuple[str, str]]:
    """(contact, member) of each active member who is reached at this number now."""
    linked = [(contact, row.member) async for contact, row in views.every(our, CONTACTS, blind=blind) if row.member]
    return [(contact, member) for contact, member in linked if await is_current(contact, member, dispatches)]


async def is_current(contact: str, member: str, dispatches: Collection[Dispatch]) -> bool:
    """The newest that was said of him: he is active, and this is his number (an older one signs nobody in)."""
    known = await dispatches.read(member[:5], lambda dispatch: dispatch.members.get(member))
    return known is not None and known.active and known.contact_ref == contact
