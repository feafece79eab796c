"""Over HTTP: numbers, sign-in, offers, what the coordinator and the operator see."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any

import pytest

from services.notify import handlers
from services.notify.contacts import Contact
from tests.support import run
from tests.unit.notify.alone import Notifier, notifier
from tests.unit.notify.build import (
    AN,
    BINH,
    CENTRE,
    DESCRIBED,
    HELP,
    RIDE,
    TICKET,
    arrived,
    changed,
    help_asked,
    ride_due,
)

PHONE = "0912345678"
CENTRE_PART = {
    "short_name": DESCRIBED.short_name,
    "lat": DESCRIBED.lat,
    "lon": DESCRIBED.lon,
    "hamlets": {code: hamlet.model_dump() for code, hamlet in DESCRIBED.hamlets.items()},
}


def play(story: Callable[[Notifier], Awaitable[None]]) -> None:
    async def played() -> None:
        async with notifier() as ours:
            described = await ours.ask("PUT", f"/notify/centres/{CENTRE}", CENTRE_PART, as_=ours.token("operator"))
            assert described.status_code == 200
            await story(ours)

    run(played())


async def volunteer(ours: Notifier, member: str = AN, phone: str = PHONE) -> str:
    """A member whose number is known; his contact."""
    contact = await ours.contact(phone, "volunteer", as_=ours.token("coordinator"))
    await ours.hear(changed(member, contact_ref=contact))
    return contact


async def texted(ours: Notifier, phone: str = PHONE) -> tuple[str, str]:
    """The code and the link that arrive after asking for them."""
    answer = await ours.ask("POST", "/notify/sign-in", {"phone": phone})
    assert answer.status_code == 202
    (text,) = await ours.send()
    digits = next(word.strip(",.") for word in text.split() if word.strip(",.").isdigit() and len(word) >= 6)
    return digits, text.partition("#")[2]


# ---------------------------------------------------------------------------------------------------- contacts


@pytest.mark.parametrize("typed", ["0912345678", "0912 345 678", "+84 912 345 678", "84912345678", "0912.345.678"])
def test_a_mobile_number_is_taken_however_it_is_typed(typed: str) -> None:
    async def story(ours: Notifier) -> None:
        contact = await ours.contact(typed)
        sealed = await ours.running[Contact].read(contact, lambda found: found.phone or "")
        assert await ours.running.sealer.open(sealed) == "+84912345678"

    play(story)


@pytest.mark.parametrize(
    ("typed", "slug"),
    [
        ("0292 3820 111", "phone-not-mobile"),
        ("0981", "phone-not-valid"),
        ("113", "phone-not-valid"),
        ("+44 7911 123456", "phone-not-valid"),
        ("số nhà tôi", "phone-not-valid"),
        ("0" * 40, "phone-not-valid"),
        ("0912345678 ext 5", "phone-not-valid"),
    ],
)
def test_what_is_no_mobile_number_of_vietnam_is_refused_and_not_repeated(typed: str, slug: str) -> None:
    async def story(ours: Notifier) -> None:
        body = {"phone": typed, "purposes": ["queue_sms"]}
        answer = await ours.ask("POST", "/notify/contacts", body, as_=ours.token("kiosk"))
        assert (answer.status_code, answer.json()["slug"]) == (422, slug)
        assert typed not in answer.text

    play(story)


def test_the_same_key_makes_one_contact() -> None:
    async def story(ours: Notifier) -> None:
        body = {"phone": PHONE, "purposes": ["queue_sms"]}
        asks = [ours.ask("POST", "/notify/contacts", body, as_=ours.token("kiosk"), key="kiosk-1-17") for _ in range(4)]
        answers = await asyncio.gather(*asks)
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.json()["contact_ref"] for answer in answers}) == 1
        other = await ours.ask(
            "POST", "/notify/contacts", {**body, "phone": "0987654321"}, as_=ours.token("kiosk"), key="kiosk-1-17"
        )
        assert (other.status_code, other.json()["slug"]) == (422, "key-reused")

    play(story)


def test_a_holder_gives_and_erases_the_number_of_her_own_ticket() -> None:
    async def story(ours: Notifier) -> None:
        passes = ours.app.state.system.access.passes
        holder = f"Pass {passes.sign(TICKET)}"
        stranger = f"Pass {passes.sign(TICKET[:-1] + 'x')}"
        body = {"phone": PHONE, "purposes": ["queue_sms"], "ticket": passes.sign(TICKET)}
        contact = (await ours.ask("POST", "/notify/contacts", body, as_=holder)).json()["contact_ref"]
        path = f"/notify/contacts/{contact}"
        assert (await ours.ask("DELETE", path, as_=stranger)).status_code == 404
        assert (await ours.ask("DELETE", path, as_=holder)).status_code == 204
        assert (await ours.ask("DELETE", path, as_=holder)).status_code == 404

    play(story)


def test_another_centres_coordinator_reaches_no_contact_of_this_one() -> None:
    async def story(ours: Notifier) -> None:
        contact = await ours.contact(PHONE)
        for action in ("stop", "start"):
            path = f"/notify/contacts/{contact}/{action}"
            answer = await ours.ask("POST", path, as_=ours.token("coordinator", "31510"))
            assert answer.status_code == 404

    play(story)


def test_stop_by_number_says_nothing_of_whether_it_is_known() -> None:
    async def story(ours: Notifier) -> None:
        await ours.contact(PHONE)
        for phone in (PHONE, "0987654321"):
            answer = await ours.ask("POST", "/notify/stop", {"phone": phone}, as_=ours.token("coordinator"))
            assert (answer.status_code, answer.text) == (204, "")

    play(story)


# ----------------------------------------------------------------------------------------------------- sign-in


def test_a_volunteer_signs_in_with_the_code_once() -> None:
    async def story(ours: Notifier) -> None:
        await volunteer(ours)
        digits, _ = await texted(ours)
        answer = await ours.ask("POST", "/session/code", {"phone": PHONE, "code": digits})
        assert answer.status_code == 200
        assert (answer.json()["member"], answer.json()["roles"]) == (AN, ["volunteer"])
        mine = await ours.ask("GET", "/notify/me/offers", as_=f"Bearer {answer.json()['token']}")
        assert mine.status_code == 200
        again = await ours.ask("POST", "/session/code", {"phone": PHONE, "code": digits})
        assert (again.status_code, again.json()["slug"]) == (401, "code-not-valid")

    play(story)


def test_a_volunteer_signs_in_with_the_link_once() -> None:
    async def story(ours: Notifier) -> None:
        await volunteer(ours)
        _, link = await texted(ours)
        answers = [await ours.ask("POST", "/session/code", {"link": link}) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 401]

    play(story)


def test_the_link_of_an_offer_signs_in_once() -> None:
    async def story(ours: Notifier) -> None:
        await volunteer(ours)
        await ours.hear(ride_due())
        await ours.pass_on()
        (text,) = await ours.send()
        link = text.partition("#")[2]
        await ours.later(minutes=5)
        answers = [await ours.ask("POST", "/session/code", {"link": link}) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 401]

    play(story)


def test_the_link_of_an_offer_dies_half_an_hour_after_it() -> None:
    async def story(ours: Notifier) -> None:
        await volunteer(ours)
        await ours.hear(ride_due())
        await ours.pass_on()
        (text,) = await ours.send()
        await ours.later(minutes=33)
        answer = await ours.ask("POST", "/session/code", {"link": text.partition("#")[2]})
        assert answer.status_code == 401

    play(story)


def test_known_and_unknown_numbers_get_the_same_answer_after_the_same_time() -> None:
    async def story(ours: Notifier) -> None:
        await volunteer(ours)
        answers, took = [], []
        for phone in (PHONE, "0987654321"):
            began = monotonic()
            answers.append(await ours.ask("POST", "/notify/sign-in", {"phone": phone}))
            took.append(monotonic() - began)
        assert answers[0].text == answers[1].text
        assert {answer.status_code for answer in answers} == {202}
        assert abs(took[0] - took[1]) < 0.1

    play(story)


def test_a_number_is_sent_three_codes_in_ten_minutes() -> None:
    async def story(ours: Notifier) -> None:
        await volunteer(ours)
        answers = [await ours.ask("POST", "/notify/sign-in", {"phone": PHONE}) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [202, 202, 202, 429]
        assert "retry-after" in answers[3].headers

    play(story)


def test_his_old_number_signs_him_in_no_more() -> None:
    async def story(ours: Notifier) -> None:
        await volunteer(ours)
        await volunteer(ours, phone="0987654321")
        await ours.ask("POST", "/notify/sign-in", {"phone": PHONE})
        assert await ours.send() == []
        await texted(ours, "0987654321")

    play(story)


def test_the_dispatch_alone_knows_which_number_is_the_newest() -> None:
    """Even while the old contact has not heard yet that it is not his any more."""

    async def story(ours: Notifier) -> None:
        await volunteer(ours)
        moved = changed(AN, contact_ref="c-" + "9" * 26)
        await ours.running.bound(handlers.know_member)(moved)
        await ours.ask("POST", "/notify/sign-in", {"phone": PHONE})
        assert await ours.send() == []

    play(story)


def test_a_code_belongs_to_its_number() -> None:
    async def story(ours: Notifier) -> None:
        await volunteer(ours)
        await volunteer(ours, BINH, "0987654321")
        digits, _ = await texted(ours)
        answer = await ours.ask("POST", "/session/code", {"phone": "0987654321", "code": digits})
        assert answer.status_code == 401

    play(story)


@pytest.mark.parametrize("body", [{}, {"phone": PHONE}, {"code": "123456"}, {"link": "o" + "0" * 30, "phone": PHONE}])
def test_half_of_what_is_needed_is_refused(body: dict[str, Any]) -> None:
    async def story(ours: Notifier) -> None:
        answer = await ours.ask("POST", "/session/code", body)
        assert (answer.status_code, answer.json()["slug"]) == (422, "code-or-link-needed")

    play(story)


# ------------------------------------------------------------------------------------------------------ offers


def test_three_accept_at_once_one_wins_and_two_hear_that_it_is_taken() -> None:
    async def story(ours: Notifier) -> None:
        members = [AN, BINH, "31186-m-chiiii"]
        for member in members:
            await ours.hear(changed(member))
        await ours.hear(ride_due())
        tokens = {member: ours.token("volunteer", member=member) for member in members}
        offers = {}
        for member, token in tokens.items():
            (offer,) = (await ours.ask("GET", "/notify/me/offers", as_=token)).json()["offers"]
            offers[member] = offer["offer_id"]
        answers = await asyncio.gather(
            *(ours.ask("POST", f"/notify/offers/{offers[m]}/accept", as_=tokens[m]) for m in members)
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
        assert {answer.json()["slug"] for answer in answers if answer.status_code == 409} == {"offer-taken"}
        assert "đã có bạn khác nhận" in next(answer for answer in answers if answer.status_code == 409).text

    play(story)


def test_an_offer_shows_where_it_goes_and_is_mine_alone() -> None:
    async def story(ours: Notifier) -> None:
        await ours.hear(changed(AN), ride_due(hamlet="an-binh"))
        (offer,) = (await ours.ask("GET", "/notify/me/offers", as_=ours.token("volunteer", member=AN))).json()["offers"]
        assert (offer["job"], offer["hamlet_name"], offer["code"]) == (RIDE, "An Bình", "A012")
        assert offer["metres"] > 0
        path = f"/notify/offers/{offer['offer_id']}/accept"
        other = await ours.ask("POST", path, as_=ours.token("volunteer", member=BINH))
        assert (other.status_code, other.json()["slug"]) == (403, "not-your-offer")

    play(story)


def test_the_same_key_accepts_once_and_answers_the_same() -> None:
    async def story(ours: Notifier) -> None:
        await ours.hear(changed(AN), ride_due())
        token = ours.token("volunteer", member=AN)
        (offer,) = (await ours.ask("GET", "/notify/me/offers", as_=token)).json()["offers"]
        path = f"/notify/offers/{offer['offer_id']}/accept"
        answers = await asyncio.gather(*(ours.ask("POST", path, as_=token, key="one") for _ in range(8)))
        assert {(answer.status_code, answer.text) for answer in answers} == {(200, answers[0].text)}
        twice = await ours.ask("POST", path, as_=token, key="two")
        assert (twice.status_code, twice.json()["slug"]) == (409, "already-yours")

    play(story)


def test_the_coordinator_sees_the_floor_what_is_wanted_and_what_waits_for_him() -> None:
    async def story(ours: Notifier) -> None:
        coordinator = ours.token("coordinator")
        await ours.hear(help_asked())
        path = f"/notify/centres/{CENTRE}"
        shown = (await ours.ask("GET", f"{path}/dispatch", as_=coordinator)).json()
        assert [one["reason"] for one in shown["escalations"]] == ["nobody_on_duty"]
        await ours.hear(changed(AN), arrived(AN))
        shown = (await ours.ask("GET", f"{path}/dispatch", as_=coordinator)).json()
        assert [one["member"] for one in shown["on_floor"]] == [AN]
        assert [offer["member"] for offer in shown["jobs"][0]["open_offers"]] == [AN]
        offer = shown["jobs"][0]["open_offers"][0]["offer_id"]
        await ours.ask("POST", f"/notify/offers/{offer}/accept", as_=ours.token("volunteer", member=AN))
        listed = [
            (await ours.ask("GET", f"{path}/escalations?state={state}", as_=coordinator)).json()["escalations"]
            for state in ("open", "closed")
        ]
        assert [[one["job"] for one in rows] for rows in listed] == [[], [HELP]]

    play(story)


def test_what_nobody_takes_is_the_coordinators_after_six_minutes() -> None:
    async def story(ours: Notifier) -> None:
        await ours.hear(changed(AN), ride_due())
        for _ in range(3):
            await ours.later(minutes=2)
        path = f"/notify/centres/{CENTRE}/escalations"
        (one,) = (await ours.ask("GET", path, as_=ours.token("coordinator"))).json()["escalations"]
        assert (one["job"], one["reason"]) == (RIDE, "nobody_accepted")

    play(story)


# ---------------------------------------------------------------------------------------------------- messages


def test_the_operator_reads_the_drawer_with_numbers_masked() -> None:
    async def story(ours: Notifier) -> None:
        contact = await volunteer(ours)
        await ours.hear(ride_due())
        await ours.pass_on()
        path = f"/notify/messages?centre={CENTRE}"
        (pending,) = (await ours.ask("GET", path, as_=ours.token("operator"))).json()["messages"]
        (text,) = await ours.send()
        (sent,) = (await ours.ask("GET", path, as_=ours.token("operator"))).json()["messages"]
        assert (pending["state"], sent["state"], sent["to"]) == ("pending", "sent", "09••• ••678")
        assert sent["text"] == text == pending["text"]
        assert (await ours.ask("GET", path, as_=ours.token("coordinator"))).status_code == 403
        erased = await ours.ask("DELETE", f"/notify/contacts/{contact}", as_=ours.token("operator"))
        assert erased.status_code == 204
        (left,) = (await ours.ask("GET", path, as_=ours.token("operator"))).json()["messages"]
        assert (left["to"], left["text"]) == (None, "")

    play(story)


def test_a_centre_with_a_mistake_is_refused_by_field() -> None:
    async def story(ours: Notifier) -> None:
        wrong = {**CENTRE_PART, "short_name": "Phường Cái Răng, thành phố Cần Thơ", "lat": 100}
        answer = await ours.ask("PUT", f"/notify/centres/{CENTRE}", wrong, as_=ours.token("operator"))
        assert answer.status_code == 422
        assert {one["field"] for one in answer.json()["errors"]} == {"body.short_name", "body.lat"}

    play(story)
