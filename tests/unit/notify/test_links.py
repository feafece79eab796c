"""Links and codes that sign in."""

from services.chassis.keys import Keys
from services.chassis.sealing import Sealer
from services.chassis.views import Projector
from services.notify.links import SignInSecrets, contact_of, offer_link, offer_of
from tests.conformance.memory_store import MemoryStore

CONTACT = "c-0123456789abcdefghjkmnpqrs"
OFFER = "31186-o-7hk2m9x4tq0v"


def sealer() -> Sealer:
    return Sealer(MemoryStore(Projector((), {}, {})), Keys.random())


def test_the_link_of_an_offer_leads_to_it_and_to_no_other() -> None:
    ours = sealer()
    link = offer_link(OFFER, ours)
    assert offer_of(link, ours) == OFFER
    assert offer_of(link.replace("7hk2", "7hk3"), ours) is None
    assert offer_of(link, sealer()) is None


def test_a_sign_in_link_leads_to_its_contact() -> None:
    assert contact_of(SignInSecrets.make(CONTACT, sealer()).link) == CONTACT


def test_what_is_kept_of_a_code_says_nothing_of_it() -> None:
    secrets = SignInSecrets.make(CONTACT, sealer())
    assert len(secrets.digits) == 6
    assert secrets.digits not in secrets.code_digest
    assert secrets.link[27:] not in secrets.link_digest


def test_a_link_that_is_none_leads_nowhere() -> None:
    for link in ("", "o31186", "s" + "0" * 51, "o31186" + "0" * 12 + "." + "0" * 26):
        assert contact_of(link) is None
        assert offer_of(link, sealer()) is None
