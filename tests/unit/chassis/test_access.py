"""Who may do what: tokens that cannot be forged, passes that open one ticket, doors that are shut unless named."""

import base64
import json
from datetime import datetime, timedelta
from typing import Annotated, Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI
from pydantic import BaseModel

from services.chassis import metrics
from services.chassis.access import (
    AccountsKnown,
    Actor,
    NotYourCentre,
    NotYourTicket,
    Passes,
    PassNotValid,
    Standing,
    TicketOrPass,
    TicketPath,
    Tokens,
    Verified,
    may,
    ticket_of,
)
from services.chassis.errors import Unavailable
from services.chassis.web import Router
from services.contracts.events import AccountChanged, MemberChanged
from services.contracts.words import CentreRef, Origin, RideRef, Role, Vehicle
from tests.desk import NOON, OTHER_TICKET, TICKET, Desk, client
from tests.support import run

# ------------------------------------------------------------------------------------------------------ tokens

KEY = Ed25519PrivateKey.generate()


def tokens(now: datetime = NOON) -> Tokens:
    return Tokens(KEY, lambda: now)


def test_a_token_says_who_it_was_issued_to() -> None:
    issued = tokens().issue("31186-m-abcdef", ["volunteer"], ["31186"], member="31186-m-abcdef", version=3)
    verified = tokens().verify(issued.token)
    assert verified is not None
    expected = Actor("31186-m-abcdef", frozenset({"volunteer"}), frozenset({"31186"}), "31186-m-abcdef")
    assert (verified.actor, verified.version) == (expected, 3)


def test_a_token_lasts_twelve_hours_also_when_it_is_remembered() -> None:
    now = NOON
    ours = Tokens(KEY, lambda: now)
    issued = ours.issue("a-000001", ["staff"], ["31186"])
    assert issued.expires == NOON + timedelta(hours=12)
    now = NOON + timedelta(hours=11, minutes=59)
    assert ours.verify(issued.token)
    now = NOON + timedelta(hours=12)
    assert ours.verify(issued.token) is None


def claims(**changed: Any) -> dict[str, Any]:
    return {
        "iss": "caunoi",
        "aud": "caunoi",
        "sub": "a-000001",
        "roles": ["operator"],
        "centres": [],
        "ver": 1,
        "iat": NOON.timestamp(),
        "exp": (NOON + timedelta(hours=1)).timestamp(),
    } | changed


def signed(headers: dict[str, Any] | None = None, key: Any = KEY, algorithm: str = "EdDSA", **changed: Any) -> str:
    return jwt.encode(claims(**changed), key, algorithm, headers={"typ": "at+jwt"} | (headers or {}))


def unsigned() -> str:
    parts = [{"alg": "none", "typ": "at+jwt"}, claims()]
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


def public_key_as_secret() -> bytes:
    return KEY.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


FORGED = {
    "no signature": unsigned(),
    "the public key as a shared secret": signed(key=public_key_as_secret(), algorithm="HS256"),
    "a key of their own": signed(key=Ed25519PrivateKey.generate()),
    "for somebody else": signed(aud="other"),
    "by somebody else": signed(iss="other"),
    "not an access token": signed({"typ": "JWT"}),
    "without an end": jwt.encode({k: v for k, v in claims().items() if k != "exp"}, KEY, "EdDSA", {"typ": "at+jwt"}),
    "roles that are a number": signed(roles=7),
    "a version that is none": signed(ver="x"),
    "very long": signed(sub="a" * 5_000),
    "no token": "abc",
    "nothing": "",
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED.keys())
def test_a_forged_token_is_no_token(forged: str) -> None:
    assert tokens().verify(forged) is None


def test_the_forgeries_would_be_good_were_they_not_forged() -> None:
    assert tokens().verify(signed()) is not None


def test_a_token_with_one_letter_changed_is_refused() -> None:
    token = tokens().issue("a-000001", ["staff"], ["31186"]).token
    head, body, signature = token.split(".")
    changed = body[:20] + ("A" if body[20] != "A" else "B") + body[21:]
    assert tokens().verify(f"{head}.{changed}.{signature}") is None


# ------------------------------------------------------------------------------------------------------ passes


def test_a_pass_opens_its_ticket_and_no_other() -> None:
    passes = Passes(b"k" * 32)
    mac = passes.sign(TICKET).partition(".")[2]
    assert passes.open(passes.sign(TICKET)) == TICKET
    assert len(mac) == 26  # 130 bits in base32, 128 of them the MAC
    assert passes.open(f"{OTHER_TICKET}.{mac}") is None


@pytest.mark.parametrize("text", ["", ".", TICKET, f"{TICKET}.", f"{TICKET}.é", f"{TICKET}.{'a' * 26}"])
def test_a_pass_that_was_never_given_opens_nothing(text: str) -> None:
    assert Passes(b"k" * 32).open(text) is None


# ------------------------------------------------------------------------------------------------------ routes

router = Router()


class Named(BaseModel):
    ticket: TicketOrPass


@router.get("/centres/{centre}/board")
async def board(centre: CentreRef, who: Annotated[Actor, may("staff", "city", "display")]) -> str:
    return who.ref


@router.get("/tickets/{ticket}")
async def one_ticket(ticket: TicketPath, who: Annotated[Actor, may("staff", "holder")]) -> dict[str, str]:
    return {"ticket": ticket, "who": who.ref}


@router.get("/rides/{ride_id}")
async def ride(ride_id: RideRef, who: Annotated[Actor, may("volunteer", "holder")]) -> str:
    return who.ref


@router.post("/rides")
async def ask_for_ride(body: Named, who: Annotated[Actor, may("kiosk", "holder")]) -> dict[str, str]:
    return {"ticket": ticket_of(body.ticket, who), "who": who.ref}


@router.post("/everybody")
async def everybody(who: Annotated[Actor, may("anyone")]) -> str:
    return who.ref


@router.post("/operators")
async def operators(who: Annotated[Actor, may("operator")]) -> str:
    return who.ref


def desk() -> tuple[Desk, FastAPI]:
    ours = Desk()
    return ours, ours.app(router)


def answer(app: FastAPI, method: str, path: str, **request: Any) -> tuple[int, Any]:
    async def ask() -> tuple[int, Any]:
        async with client(app) as ours:
            answered = await ours.request(method, path, **request)
            return answered.status_code, answered.json()

    return run(ask())


def slug(answered: tuple[int, Any]) -> tuple[int, str]:
    return answered[0], answered[1]["slug"]


def test_who_is_not_signed_in_is_asked_to() -> None:
    _, app = desk()
    assert slug(answer(app, "GET", "/centres/31186/board")) == (401, "sign-in-needed")


def test_the_answer_says_how_to_sign_in() -> None:
    _, app = desk()

    async def ask() -> Any:
        async with client(app) as ours:
            return (await ours.get("/centres/31186/board")).headers["www-authenticate"]

    assert run(ask()) == 'Bearer realm="caunoi"'


@pytest.mark.parametrize(
    ("roles", "centres", "expected"),
    [
        (["staff"], ["31186"], 200),
        (["kiosk", "display"], ["31186"], 200),
        (["city"], [], 200),
        (["staff"], ["31510"], 403),
        (["staff"], [], 403),
        (["kiosk"], ["31186"], 403),
        (["operator"], [], 403),
        (["city"], ["31510"], 403),
    ],
)
def test_a_door_opens_to_the_roles_it_names_in_their_own_centre(
    roles: list[str], centres: list[str], expected: int
) -> None:
    ours, app = desk()
    headers = ours.bearer(*roles, centres=tuple(centres))
    assert answer(app, "GET", "/centres/31186/board", headers=headers)[0] == expected


def test_a_forbidden_body_is_not_even_judged() -> None:
    ours, app = desk()
    assert slug(answer(app, "POST", "/rides", json={"wrong": 1})) == (401, "sign-in-needed")
    assert slug(answer(app, "POST", "/rides", json={"wrong": 1}, headers=ours.bearer("staff"))) == (
        403,
        "not-your-role",
    )


def test_the_centre_is_read_off_any_reference() -> None:
    ours, app = desk()
    headers = ours.bearer("staff", centres=("31510",))
    assert slug(answer(app, "GET", f"/tickets/{TICKET}", headers=headers)) == (403, "not-your-centre")
    headers = ours.bearer("volunteer", centres=("31510",))
    assert slug(answer(app, "GET", f"/rides/{TICKET}-ride", headers=headers)) == (403, "not-your-centre")


def test_staff_open_a_ticket_by_reference_and_its_holder_by_pass() -> None:
    ours, app = desk()
    passed = ours.access.passes.sign(TICKET)
    by_staff = answer(app, "GET", f"/tickets/{TICKET}", headers=ours.bearer("staff"))
    assert by_staff == (200, {"ticket": TICKET, "who": "a-000001"})
    assert answer(app, "GET", f"/tickets/{passed}") == (200, {"ticket": TICKET, "who": TICKET})


def test_staff_of_one_centre_are_citizens_in_another() -> None:
    ours, app = desk()
    passed = ours.access.passes.sign(TICKET)
    elsewhere = ours.bearer("staff", centres=("31510",))
    assert answer(app, "GET", f"/tickets/{passed}", headers=elsewhere) == (200, {"ticket": TICKET, "who": TICKET})


def test_a_reference_is_not_a_secret() -> None:
    _, app = desk()
    assert slug(answer(app, "GET", f"/tickets/{TICKET}")) == (401, "sign-in-needed")
    assert slug(answer(app, "GET", f"/tickets/{TICKET}.{'a' * 26}")) == (404, "pass-not-valid")


def test_a_pass_opens_what_belongs_to_its_ticket_and_nothing_else() -> None:
    ours, app = desk()
    headers = {"Authorization": f"Pass {ours.access.passes.sign(TICKET)}"}
    assert answer(app, "GET", f"/rides/{TICKET}-ride", headers=headers) == (200, TICKET)
    assert slug(answer(app, "GET", f"/rides/{OTHER_TICKET}-ride", headers=headers)) == (403, "not-your-ticket")
    assert slug(answer(app, "GET", f"/tickets/{OTHER_TICKET}", headers=headers)) == (403, "not-your-ticket")
    assert slug(answer(app, "GET", "/centres/31186/board", headers=headers)) == (401, "sign-in-needed")


def test_a_holder_may_give_her_pass_in_the_body() -> None:
    ours, app = desk()
    passed = ours.access.passes.sign(TICKET)
    assert answer(app, "POST", "/rides", json={"ticket": passed}) == (200, {"ticket": TICKET, "who": TICKET})
    assert slug(answer(app, "POST", "/rides", json={"ticket": TICKET})) == (401, "sign-in-needed")


def test_a_pass_for_one_ticket_does_not_speak_for_another_in_the_body() -> None:
    ours, app = desk()
    headers = {"Authorization": f"Pass {ours.access.passes.sign(TICKET)}"}
    answered = answer(app, "POST", "/rides", json={"ticket": OTHER_TICKET}, headers=headers)
    assert slug(answered) == (403, "not-your-ticket")


@pytest.mark.parametrize("body", [b"[1]", b'"x"', b"{", b"", b"null", b'{"ticket": 7}', b"[" * 5_000])
def test_a_body_without_a_pass_is_no_proof(body: bytes) -> None:
    _, app = desk()
    headers = {"Content-Type": "application/json"}
    assert answer(app, "POST", "/rides", content=body, headers=headers)[0] in (401, 422)


def test_a_kiosk_names_the_ticket_by_reference_in_its_own_centre() -> None:
    ours, app = desk()
    assert answer(app, "POST", "/rides", json={"ticket": TICKET}, headers=ours.bearer("kiosk"))[0] == 200
    elsewhere = ours.bearer("kiosk", centres=("31510",))
    assert slug(answer(app, "POST", "/rides", json={"ticket": TICKET}, headers=elsewhere)) == (403, "not-your-centre")


def test_what_anyone_may_is_done_also_with_a_token_that_has_ended() -> None:
    ours, app = desk()
    headers = ours.bearer("staff")
    ours.later(hours=13)
    assert answer(app, "POST", "/everybody", headers=headers) == (200, "anyone")


# ------------------------------------------------------------------------------------------------------ sessions


def cookie(ours: Desk) -> dict[str, str]:
    return {"Cookie": f"caunoi_session={ours.access.tokens.issue('a-000001', ['operator']).token}"}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "http://desk"}, 200),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://desk"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({}, 403),
    ],
)
def test_a_session_changes_things_only_from_our_own_pages(headers: dict[str, str], expected: int) -> None:
    ours, app = desk()
    assert answer(app, "POST", "/operators", headers=cookie(ours) | headers)[0] == expected


def test_a_session_reads_without_further_proof() -> None:
    ours = Desk()
    reads = Router()

    @reads.get("/mine")
    async def mine(who: Annotated[Actor, may("operator")]) -> str:
        return who.ref

    assert answer(ours.app(reads), "GET", "/mine", headers=cookie(ours)) == (200, "a-000001")


def test_a_pass_that_is_given_comes_before_the_session_of_the_browser() -> None:
    ours, app = desk()
    session = {"Cookie": f"caunoi_session={ours.access.tokens.issue('a-000001', ['staff'], ['31186']).token}"}
    passed = {"Authorization": f"Pass {ours.access.passes.sign(TICKET)}"}
    path = f"/tickets/{TICKET}"
    assert answer(app, "GET", path, headers=session) == (200, {"ticket": TICKET, "who": "a-000001"})
    assert answer(app, "GET", path, headers=session | passed) == (200, {"ticket": TICKET, "who": TICKET})
    assert slug(answer(app, "GET", f"/tickets/{OTHER_TICKET}", headers=session | passed)) == (403, "not-your-ticket")


def test_a_token_or_a_pass_that_is_wrong_is_not_mended_by_the_session_of_the_browser() -> None:
    ours, app = desk()
    session = {"Cookie": f"caunoi_session={ours.access.tokens.issue('a-000001', ['staff'], ['31186']).token}"}
    for wrong in ("Bearer abc", f"Pass {TICKET}.{'a' * 26}"):
        answered = answer(app, "GET", f"/tickets/{TICKET}", headers=session | {"Authorization": wrong})
        assert slug(answered) == (401, "sign-in-needed")


def test_what_another_program_writes_into_the_header_leaves_the_session_alone() -> None:
    ours, app = desk()
    session = {"Cookie": f"caunoi_session={ours.access.tokens.issue('a-000001', ['staff'], ['31186']).token}"}
    by_a_proxy = session | {"Authorization": "Basic cHJveHk6cHJveHk="}
    assert answer(app, "GET", f"/tickets/{TICKET}", headers=by_a_proxy)[0] == 200


def failures(kind: str) -> float:
    return metrics.registry.get_sample_value("caunoi_auth_failures_total", {"kind": kind}) or 0


def test_credentials_that_are_not_taken_are_counted_by_kind_and_none_at_all_is_no_failure() -> None:
    _, app = desk()
    before = failures("token-not-valid"), failures("pass-not-valid")
    answer(app, "GET", f"/tickets/{TICKET}")
    answer(app, "GET", f"/tickets/{TICKET}", headers={"Authorization": "Bearer abc"})
    answer(app, "GET", f"/tickets/{TICKET}.{'a' * 26}")
    assert (failures("token-not-valid"), failures("pass-not-valid")) == (before[0] + 1, before[1] + 1)


# ------------------------------------------------------------------------------------------------------ bodies


def holder(passes: Passes, ticket: str) -> Actor:
    return Actor(ticket, frozenset({"holder"}), frozenset({ticket[:5]}), None, ticket, passes)


def test_a_ticket_in_a_body_is_named_by_pass_or_reference() -> None:
    passes = Passes(b"k" * 32)
    staff = Actor("a-000001", frozenset({"staff"}), frozenset({"31186"}), passes=passes)
    assert ticket_of(TICKET, staff) == ticket_of(passes.sign(TICKET), staff) == TICKET
    assert ticket_of(TICKET, holder(passes, TICKET)) == TICKET


def test_a_ticket_in_a_body_must_be_ones_own() -> None:
    passes = Passes(b"k" * 32)
    elsewhere = Actor("a-000001", frozenset({"staff"}), frozenset({"31510"}), passes=passes)
    with pytest.raises(NotYourCentre):
        ticket_of(passes.sign(TICKET), elsewhere)
    with pytest.raises(NotYourTicket):
        ticket_of(passes.sign(OTHER_TICKET), holder(passes, TICKET))
    with pytest.raises(PassNotValid):
        ticket_of(f"{TICKET}.{'a' * 26}", elsewhere)


# ------------------------------------------------------------------------------------------------------ accounts


def changed(version: int, active: bool = True, account: str = "a-000001") -> AccountChanged:
    event = AccountChanged(
        centre="31186",
        account=account,
        active=active,
        roles=(Role.STAFF,),
        centres=("31186",),
        account_version=version,
    )
    return event.from_origin(Origin(f"e{version}", f"/queue/account/{account}", version, NOON))


def member_changed(sequence: int, active: bool) -> MemberChanged:
    event = MemberChanged(
        centre="31186",
        member="31186-m-abcdef",
        active=active,
        vehicle=Vehicle.NONE,
        spare_helmet=False,
        hamlet=None,
        skills=(),
        languages=(),
        contact_ref=None,
    )
    return event.from_origin(Origin(f"m{sequence}", "/volunteers/member/31186-m-abcdef", sequence, NOON))


def of(version: int, ref: str = "a-000001", member: str | None = None) -> Verified:
    return Verified(Actor(ref, frozenset({"staff"}), frozenset({"31186"}), member), version, 0)


def known(*events: AccountChanged | MemberChanged) -> AccountsKnown:
    accounts = AccountsKnown(lambda: NOON)
    run(accounts.receive(events))
    return accounts


def test_a_disabled_account_is_refused() -> None:
    assert run(known(changed(1)).stands(of(1)))
    assert not run(known(changed(1), changed(2, active=False)).stands(of(1)))
    assert not run(known(changed(1), changed(2, active=False)).stands(of(2)))


def test_a_token_from_before_the_last_change_is_refused() -> None:
    assert not run(known(changed(1), changed(2)).stands(of(1)))
    assert run(known(changed(1), changed(2)).stands(of(2)))


def test_older_news_never_overwrites_newer() -> None:
    assert not run(known(changed(2, active=False), changed(1)).stands(of(1)))


def test_an_account_that_nobody_heard_of_yet_stands_on_its_signature() -> None:
    assert run(known().stands(of(1)))


def test_a_member_who_left_is_refused_until_he_is_back() -> None:
    volunteer = of(0, "31186-m-abcdef", "31186-m-abcdef")
    left, back = member_changed(4, active=False), member_changed(5, active=True)
    assert not run(known(left).stands(volunteer))
    assert run(known(left, back).stands(volunteer))
    assert run(known(back, left).stands(volunteer))


def test_when_the_bus_is_silent_queue_is_asked() -> None:
    asked = []

    async def queue(verified: Verified) -> Standing:
        asked.append(verified.actor.ref)
        return Standing(False, 2)

    accounts = AccountsKnown(lambda: NOON, queue, lambda: NOON - timedelta(seconds=31))
    assert not run(accounts.stands(of(1)))
    assert not run(accounts.stands(of(1)))
    assert (asked, accounts.degraded) == (["a-000001"], False)


async def silent(verified: Verified) -> Standing:
    raise Unavailable


def test_when_both_are_silent_it_goes_on_with_what_it_knows() -> None:
    heard: datetime | None = NOON
    accounts = AccountsKnown(lambda: NOON, silent, lambda: heard)
    run(accounts.receive([changed(2, active=False)]))
    heard = None
    assert not run(accounts.stands(of(1)))
    assert run(accounts.stands(of(1, "a-000002")))
    assert accounts.degraded


def test_while_accounts_are_not_known_nothing_is_done_that_only_the_operator_may() -> None:
    ours, app = desk()
    ours.access.accounts = AccountsKnown(ours.clock, silent, lambda: None)
    headers = ours.bearer("operator", "staff", centres=("31186",))
    assert answer(app, "POST", "/operators", headers=headers)[0] == 503
    assert answer(app, "GET", f"/tickets/{TICKET}", headers=headers)[0] == 200


def test_it_recovers_when_the_bus_answers_again() -> None:
    heard: datetime | None = None
    accounts = AccountsKnown(lambda: NOON, silent, lambda: heard)
    run(accounts.stands(of(1)))
    heard = NOON
    run(accounts.stands(of(1)))
    assert not accounts.degraded


def test_a_route_that_nobody_may_call_cannot_be_declared() -> None:
    with pytest.raises(ValueError, match="nobody"):
        may()
