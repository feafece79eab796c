"""What happens when X, in whatever order, however often, and however late."""

import itertools
import json
from datetime import timedelta

from services.contracts.events import ContactErased, OfferMade, OfferVoid, QueueCalled, RideAssigned, TicketIssued
from services.contracts.words import Because, Event, JobKind, VoidBecause
from services.notify.contacts import Channel, Contact
from services.notify.dispatch_state import Dispatch
from services.notify.messages import MessageState, NotSentBecause
from services.notify.texts import segments
from services.notify.vault import stop_number
from tests.support import run
from tests.unit.notify.alone import Notifier, from_the_bus, notifier
from tests.unit.notify.build import (
    AN,
    BINH,
    CENTRE,
    NOON,
    RIDE,
    TICKET,
    arrived,
    changed,
    help_asked,
    help_finished,
    minute,
    ride_due,
)

CALLED = f"{TICKET}-called"
OFFER = "31186-o-0123456789"


def called(contact: str, call_count: int = 1, ago: timedelta = timedelta(0), language: str = "vi") -> Event:
    event = QueueCalled(
        centre=CENTRE,
        ticket_id=TICKET,
        code="A012",
        counter=3,
        call_count=call_count,
        selected_because=Because.LONGEST_WAIT,
        contact_ref=contact,
        language=language,
    )
    return from_the_bus(event, at=NOON - ago, sequence=call_count, id=f"call {contact} {call_count}")


def issued(contact: str | None, ago: timedelta = timedelta(0), language: str = "vi") -> Event:
    event = TicketIssued(
        centre=CENTRE,
        ticket_id=TICKET,
        code="A012",
        number=12,
        series="A",
        service="land",
        contact_ref=contact,
        language=language,
    )
    return from_the_bus(event, at=NOON - ago, id=f"issued {contact}")


def assigned(by_hand: bool) -> Event:
    event = RideAssigned(centre=CENTRE, ride_id=RIDE, ticket_id=TICKET, member=AN, by_hand=by_hand)
    return from_the_bus(event)


def offered(contact: str, ago: timedelta = timedelta(0)) -> Event:
    event = OfferMade(
        centre=CENTRE,
        offer_id=OFFER,
        job=RIDE,
        kind=JobKind.RIDE,
        member=AN,
        expires=NOON - ago + timedelta(seconds=120),
        code="A012",
        contact_ref=contact,
    )
    return from_the_bus(event, at=NOON - ago)


def void(contact: str, tell: bool = True) -> Event:
    event = OfferVoid(
        centre=CENTRE,
        offer_id=OFFER,
        job=RIDE,
        kind=JobKind.RIDE,
        member=AN,
        reason=VoidBecause.TAKEN,
        tell=tell,
        contact_ref=contact,
    )
    return from_the_bus(event)


# ------------------------------------------------------------------------------------------ what citizens hear


def test_a_call_is_told_by_sms_once() -> None:
    async def story() -> None:
        async with notifier() as ours:
            contact = await ours.contact("0912345678", "queue_sms")
            await ours.hear(called(contact), called(contact))
            assert await ours.send() == ["Cầu Nối: Mời số A012 đến quầy 3. Bác cần giúp xin gọi bạn áo xanh."]
            assert ours.carrier.took[0].number == "+84912345678"
            assert await ours.send() == []

    run(story())


def test_what_may_have_gone_out_before_a_backup_was_put_back_does_not_go_out_again() -> None:
    async def story() -> None:
        async with notifier() as ours:
            contact = await ours.contact("0912345678", "queue_sms", "volunteer")
            await ours.hear(called(contact))
            await ours.running.store.note_restored(ours.clock.now)
            await ours.hear(offered(contact))
            assert await ours.send() == []
            assert {row.state for row in (await ours.messages()).values()} == {MessageState.EXPIRED}

    run(story())


def test_what_is_caused_after_a_backup_was_put_back_goes_out() -> None:
    async def story() -> None:
        async with notifier() as ours:
            contact = await ours.contact("0912345678", "queue_sms")
            await ours.running.store.note_restored(ours.clock.now - timedelta(seconds=1))
            await ours.hear(called(contact))
            assert len(await ours.send()) == 1

    run(story())


def test_recalls_send_nothing_in_whatever_order_they_come() -> None:
    async def story() -> None:
        for order in itertools.permutations((1, 2, 3)):
            async with notifier() as ours:
                contact = await ours.contact("0912345678", "queue_sms")
                await ours.hear(*(called(contact, call_count) for call_count in order))
                assert len(await ours.send()) == 1

    run(story())


def test_a_log_of_seven_days_sends_nothing() -> None:
    async def story() -> None:
        async with notifier() as ours:
            contact = await ours.contact("0912345678", "queue_sms", "ride", "volunteer")
            week = timedelta(days=7)
            assigned = RideAssigned(
                centre=CENTRE, ride_id=RIDE, ticket_id=TICKET, member=AN, by_hand=True, contact_ref=contact
            )
            await ours.hear(called(contact, ago=week), offered(contact, ago=week))
            await ours.hear(from_the_bus(assigned, at=NOON - week))
            await ours.hear(changed(AN, at=NOON - week), arrived(AN, at=NOON - week))
            await ours.hear(help_asked(at=NOON - week), ride_due(at=NOON - week))
            await ours.pass_on()
            assert await ours.send() == []
            assert {row.state for row in (await ours.messages()).values()} == {MessageState.EXPIRED}

    run(story())


def test_a_call_that_is_not_sent_within_ten_minutes_never_is() -> None:
    async def story() -> None:
        async with notifier() as ours:
            contact = await ours.contact("0912345678", "queue_sms")
            await ours.hear(called(contact))
            await ours.later(minutes=10)
            assert await ours.send() == []
            assert (await ours.message(CALLED)).state is MessageState.EXPIRED

    run(story())


def test_the_driver_is_told_to_her_without_his_name() -> None:
    async def story() -> None:
        async with notifier() as ours:
            contact = await ours.contact("0912345678", "ride")
            assigned = RideAssigned(centre=CENTRE, ride_id=RIDE, ticket_id=TICKET, member=AN, contact_ref=contact)
            again = from_the_bus(assigned, sequence=2)
            await ours.hear(from_the_bus(assigned, sequence=1), again)
            (text,) = await ours.send()
            assert "dua bac ve" in text
            assert segments(text) == 1

    run(story())


# ------------------------------------------------------------------------------------------ what may be sent


async def refused_because(ours: Notifier, contact: str) -> NotSentBecause | None:
    await ours.hear(called(contact))
    assert await ours.send() == []
    return (await ours.message(CALLED)).reason


def test_nothing_is_sent_without_consent_for_its_purpose() -> None:
    async def story() -> None:
        async with notifier() as ours:
            contact = await ours.contact("0912345678", "ride")
            assert await refused_because(ours, contact) is NotSentBecause.NO_CONSENT

    run(story())


def test_stop_holds_for_the_number_whoever_gave_it_again() -> None:
    async def story() -> None:
        async with notifier() as ours:
            await ours.contact("0912345678", "queue_sms")
            running = ours.running
            stopped = await stop_number(
                "+84912345678", Channel.SMS, running[Contact], running.views, running.sealer, NOON, None
            )
            assert stopped == 1
            again = await ours.contact("0912 345 678", "queue_sms")
            assert await refused_because(ours, again) is NotSentBecause.STOPPED

    run(story())


def test_an_erased_number_is_sent_nothing_and_its_key_is_gone() -> None:
    async def story() -> None:
        async with notifier() as ours:
            contact = await ours.contact("0912345678", "queue_sms")
            sealed = await ours.running[Contact].read(contact, lambda found: found.phone)
            assert sealed is not None
            assert await ours.running.sealer.open(sealed) == "+84912345678"
            await ours.hear(from_the_bus(ContactErased(centre=CENTRE, contact_ref=contact)))
            assert await ours.running.sealer.open(sealed) is None
            assert await refused_because(ours, contact) is NotSentBecause.ERASED

    run(story())


def test_one_number_gets_no_more_than_its_texts_a_day() -> None:
    async def story() -> None:
        async with notifier() as ours:
            for number in range(9):
                contact = await ours.contact("0912345678", "queue_sms")
                event = called(contact)
                assert isinstance(event, QueueCalled)
                ticket = f"31186-20261124-{number}1b2c3d4e5f6"
                await ours.hear(from_the_bus(event.model_copy(update={"ticket_id": ticket}), id=ticket))
            assert len(await ours.send()) == 8
            reasons = [row.reason for row in (await ours.messages()).values() if row.reason]
            assert reasons == [NotSentBecause.BUDGET]

    run(story())


def test_an_offer_that_is_over_is_neither_sent_nor_taken_back() -> None:
    async def story() -> None:
        async with notifier() as ours:
            contact = await ours.contact("0912345678", "volunteer", as_=ours.token("coordinator"))
            await ours.hear(changed(AN, contact_ref=contact), ride_due())
            await ours.pass_on()
            (offer,) = await ours.running[Dispatch].read(CENTRE, lambda dispatch: list(dispatch.offers))
            taken = await ours.ask("POST", f"/notify/offers/{offer}/decline", as_=ours.token("volunteer", member=AN))
            assert taken.status_code == 200, taken.text
            assert await ours.send() == []

    run(story())


def test_an_offer_and_its_end_are_told_to_whoever_heard_of_it() -> None:
    async def story() -> None:
        async with notifier() as ours:
            contact = await ours.contact("0912345678", "volunteer", as_=ours.token("coordinator"))
            await ours.hear(offered(contact))
            assert len(await ours.send()) == 1
            await ours.hear(void(contact), void(contact))
            assert len(await ours.send()) == 1

    run(story())


def test_who_is_not_to_be_told_is_not() -> None:
    async def story() -> None:
        async with notifier() as ours:
            contact = await ours.contact("0912345678", "volunteer", as_=ours.token("coordinator"))
            await ours.hear(void(contact, tell=False))
            assert await ours.messages() == {}

    run(story())


# ------------------------------------------------------------------------------------------ any order, twice


def test_a_morning_in_any_order_and_twice_comes_to_the_same() -> None:
    async def end(order: tuple[int, ...]) -> object:
        async with notifier() as ours:
            events = [
                changed(AN, sequence=1),
                arrived(AN, sequence=2),
                changed(BINH, sequence=1),
                help_asked(sequence=1),
                help_finished(sequence=3),
                ride_due(sequence=2, at=minute(0)),
            ]
            for place in order:
                await ours.hear(events[place], events[place])
            return await ours.running[Dispatch].read(
                CENTRE,
                lambda state: (
                    state.scene.present,
                    sorted(state.members),
                    {job: found.sequence for job, found in state.jobs.items()},
                    {offer.member for offer in state.offers.values()},
                ),
            )

    async def story() -> None:
        expected = await end((0, 1, 2, 3, 4, 5))
        for order in [(5, 4, 3, 2, 1, 0), (3, 5, 1, 0, 4, 2), (4, 3, 0, 2, 5, 1), (2, 4, 0, 3, 1, 5)]:
            assert await end(order) == expected

    run(story())


def test_a_member_has_the_number_that_was_named_last() -> None:
    async def story() -> None:
        for order in ((1, 2), (2, 1)):
            async with notifier() as ours:
                refs = [await ours.contact(f"091234567{number}", "volunteer") for number in range(2)]
                events = {1: changed(AN, sequence=1, contact_ref=refs[0])}
                events[2] = changed(AN, sequence=2, contact_ref=refs[1])
                for place in order:
                    await ours.hear(events[place], events[place])
                holds = [await ours.running[Contact].read(ref, lambda contact: contact.member) for ref in refs]
                current = await ours.running[Dispatch].read(CENTRE, lambda state: state.members[AN].contact_ref)
                assert current == refs[1]
                assert holds[1] == AN

    run(story())


# ------------------------------------------------------------------------------------------ what is written down


def test_no_number_and_no_code_is_in_any_file_or_fact() -> None:
    async def story() -> None:
        async with notifier() as ours:
            contact = await ours.contact("0918273645", "queue_sms", "volunteer", as_=ours.token("coordinator"))
            await ours.hear(called(contact), changed(AN, contact_ref=contact), offered(contact))
            await ours.ask("POST", "/notify/sign-in", {"phone": "0918273645"})
            texts = await ours.send()
            code = next(text for text in texts if "Ma dang nhap" in text or "Mã đăng nhập" in text)
            digits = next(word.strip(",") for word in code.split() if word.strip(",").isdigit() and len(word) >= 6)
            link = code.partition("#")[2]
            entries, _ = await ours.running.store.journal(None, 500)
            facts = " ".join(entry.body.decode() for entry in entries) + json.dumps(
                [entry.subject for entry in entries]
            )
            files = b"".join(file.read_bytes() for file in ours.directory.rglob("*") if file.is_file())
            assert "918273645" not in facts
            assert b"918273645" not in files
            assert f"{digits} {link}" not in facts
            assert len(link) == 53
            assert link.encode() not in files

    run(story())


# ------------------------------------------------------------------------------------------ the link to her ticket


def test_who_gave_a_number_at_the_kiosk_gets_the_link_to_her_ticket_once() -> None:
    async def story() -> None:
        async with notifier() as ours:
            event = issued(await ours.contact("0912345678", "queue_sms"))
            for _ in range(3):
                await ours.hear(event)
            (text,) = await ours.send()
            pass_ = text.partition("/ticket#")[2]
            assert ours.app.state.system.access.passes.open(pass_) == TICKET
            assert text.isascii() and "A012" in text and segments(text) == 1

    run(story())


def test_whoever_reads_the_drawer_does_not_read_her_pass() -> None:
    async def story() -> None:
        async with notifier() as ours:
            await ours.hear(issued(await ours.contact("0912345678", "queue_sms")))
            for _ in range(2):
                drawer = await ours.ask("GET", f"/notify/messages?centre={CENTRE}", as_=ours.token("operator"))
                assert "/ticket#..." in drawer.text
                assert ours.app.state.system.access.passes.sign(TICKET) not in drawer.text
                await ours.send()

    run(story())


def test_no_link_without_a_number_without_consent_or_long_after() -> None:
    async def story() -> None:
        async with notifier() as ours:
            await ours.hear(issued(None))
            await ours.hear(issued(await ours.contact("0912345678", "ride")))
            assert await ours.send() == []
        async with notifier() as ours:
            await ours.hear(issued(await ours.contact("0912345678", "queue_sms"), ago=timedelta(minutes=11)))
            assert await ours.send() == []

    run(story())


# ------------------------------------------------------------------------------------------ a driver chosen by hand


def test_a_driver_chosen_by_hand_is_told_and_one_who_accepted_is_not() -> None:
    async def story() -> None:
        async with notifier() as ours:
            contact = await ours.contact("0912345678", "volunteer", as_=ours.token("coordinator"))
            await ours.hear(changed(AN, contact_ref=contact))
            await ours.hear(assigned(by_hand=False))
            assert await ours.send() == []
            await ours.hear(assigned(by_hand=True), assigned(by_hand=True))
            (text,) = await ours.send()
            assert "Ban duoc giao cho mot nguoi ve nha" in text and text.endswith("/volunteer")

    run(story())
