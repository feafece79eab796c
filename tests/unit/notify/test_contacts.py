"""The vault: consent, STOP, erasure, whose a number is, and codes that sign in once."""

from datetime import timedelta

import pytest
from pydantic import TypeAdapter

from services.chassis.sealing import Sealed
from services.contracts.events import ContactErased
from services.notify import contacts
from services.notify.contacts import (
    Asker,
    Channel,
    CodeGiven,
    CodeMissed,
    CodeNotValid,
    CodeUsed,
    Contact,
    ContactGiven,
    Purpose,
    UnknownContact,
)
from tests.unit.notify.build import AN, BINH, CENTRE, NOON, TICKET, Document, changed, contact_of, minute, only

REF = contact_of(AN)
COORDINATOR = Asker(centres=frozenset({CENTRE}))


def vault(*, ticket: str | None = None, member: str | None = None) -> Document[Contact]:
    """A contact that somebody gave."""
    document = Document(Contact(REF), contacts.evolve, contacts.due, contacts.drop)
    given = ContactGiven(
        centre=CENTRE,
        phone=Sealed(f"s1:{REF}:" + "A" * 60),
        blind="0" * 64,
        purposes=(Purpose.VOLUNTEER,),
        channel=Channel.COORDINATOR,
        ticket=ticket,
    )
    document.do(contacts.give, given)
    if member:
        document.do(contacts.hear_member, changed(member, contact_ref=REF))
    return document


def test_consent_is_kept_with_its_time_purpose_by_purpose() -> None:
    assert vault().state.purposes == {Purpose.VOLUNTEER: NOON}


def test_a_number_of_a_visit_goes_after_three_days() -> None:
    document = vault(ticket=TICKET)
    assert only(document.tick(NOON + contacts.KEPT), ContactErased)
    assert document.state.erased


def test_a_members_number_stays() -> None:
    document = vault(member=AN)
    assert document.tick(NOON + timedelta(days=400)) == []


def test_a_number_that_is_no_members_any_more_goes_too() -> None:
    document = vault(member=AN)
    document.do(contacts.hear_member, changed(AN, contact_ref=None))
    assert only(document.tick(NOON + contacts.KEPT), ContactErased)


def test_nothing_of_a_number_is_left_after_erasure() -> None:
    document = vault(ticket=TICKET, member=AN)
    document.do(contacts.give_code, "digest-of-code", "digest-of-link")
    document.do(contacts.erase, COORDINATOR)
    left = TypeAdapter(Contact).dump_json(document.state).decode()
    assert not any(trace in left for trace in ("s1:", "0" * 64, TICKET, AN, "digest"))
    assert document.refused(contacts.erase, COORDINATOR) is UnknownContact


def test_an_erased_number_is_nobodys_again() -> None:
    document = vault()
    document.do(contacts.erase, COORDINATOR)
    assert document.do(contacts.hear_member, changed(AN, contact_ref=REF)) == []


@pytest.mark.parametrize(
    "asker",
    [Asker(centres=frozenset({"31510"})), Asker(ticket="31186-20261124-another12345"), Asker(member=BINH)],
)
def test_anothers_contact_is_as_if_it_were_not_there(asker: Asker) -> None:
    document = vault(ticket=TICKET, member=AN)
    assert document.refused(contacts.erase, asker) is UnknownContact
    assert document.refused(contacts.stop, Channel.HOLDER, asker) is UnknownContact


@pytest.mark.parametrize("asker", [COORDINATOR, Asker(ticket=TICKET), Asker(member=AN), Asker(everywhere=True)])
def test_its_owner_may_stop_and_start_it(asker: Asker) -> None:
    document = vault(ticket=TICKET, member=AN)
    document.do(contacts.stop, Channel.HOLDER, asker)
    assert document.state.stopped
    document.do(contacts.restart, Channel.HOLDER, asker)
    assert not document.state.stopped


def test_the_newest_word_says_whose_it_is() -> None:
    document = vault()
    document.do(contacts.hear_member, changed(AN, sequence=9_002, contact_ref=None))
    document.do(contacts.hear_member, changed(AN, sequence=9_003, contact_ref=REF))
    assert document.do(contacts.hear_member, changed(AN, sequence=9_002, contact_ref=None)) == []
    assert document.state.member == AN


def test_who_left_the_union_signs_in_no_more() -> None:
    document = vault(member=AN)
    document.do(contacts.give_code, "right", "link")
    document.do(contacts.hear_member, changed(AN, contact_ref=REF, active=False))
    assert document.refused(contacts.use_code, "right") is CodeNotValid


# ------------------------------------------------------------------------------------------ codes and links


def test_a_code_signs_in_once() -> None:
    document = vault(member=AN)
    document.do(contacts.give_code, "right", "link")
    assert only(document.do(contacts.use_code, "right"), CodeUsed)
    assert document.refused(contacts.use_code, "right") is CodeNotValid
    assert document.refused(contacts.use_link, "link") is CodeNotValid


def test_five_wrong_tries_end_a_code() -> None:
    document = vault(member=AN)
    document.do(contacts.give_code, "right", "link")
    for _ in range(5):
        assert only(document.do(contacts.use_code, "wrong"), CodeMissed)
    assert document.refused(contacts.use_code, "right") is CodeNotValid


def test_a_code_lasts_ten_minutes() -> None:
    document = vault(member=AN)
    document.do(contacts.give_code, "right", "link")
    assert document.refused(contacts.use_code, "right", at=minute(10)) is CodeNotValid


def test_three_codes_in_ten_minutes_and_then_silence() -> None:
    document = vault(member=AN)
    given = [only(document.do(contacts.give_code, str(number), "link"), CodeGiven) for number in range(5)]
    assert [len(codes) for codes in given] == [1, 1, 1, 0, 0]
    assert only(document.do(contacts.give_code, "later", "link", at=minute(10)), CodeGiven)


def test_only_a_member_is_given_a_code() -> None:
    assert vault(ticket=TICKET).do(contacts.give_code, "right", "link") == []


def test_the_link_of_an_offer_signs_in_once_and_not_for_ever() -> None:
    document = vault(member=AN)
    document.do(contacts.use_offer_link, "31186-o-0123456789", minute(30))
    assert document.refused(contacts.use_offer_link, "31186-o-0123456789", minute(30)) is CodeNotValid
    assert document.refused(contacts.use_offer_link, "31186-o-9876543210", minute(30), at=minute(30)) is CodeNotValid
