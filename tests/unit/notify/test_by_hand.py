"""What a coordinator decides by hand: who is to help, and who could; her family asked to come."""

from services.contracts.events import OfferAccepted, OfferVoid
from services.contracts.words import CancelledBy, EscalatedBecause, Instead, Vehicle, VoidBecause
from services.notify import dispatch
from services.notify.choosing import candidates
from services.notify.dispatch import HelperElsewhere, NotWaitingForHelp
from services.notify.messages import MessageState, NotSentBecause, Template
from services.notify.pages.coordinator import BECAME, MESSAGES, NOT_SENT, WHY
from tests.unit.notify.alone import Notifier
from tests.unit.notify.build import (
    AN,
    BINH,
    CENTRE,
    CHI,
    DUNG,
    EM,
    HELP,
    RIDE,
    Ward,
    arrived,
    changed,
    help_asked,
    left,
    minute,
    only,
    ride_cancelled,
    ride_due,
)
from tests.unit.notify.test_api import PHONE, play
from tests.visitor import Visitor

NOBODY = "31186-m-nobodyyy"
SCREEN = f"/notify/coordinator/{CENTRE}"


# --------------------------------------------------------------------------------------------------------- help


def test_help_is_given_by_hand_and_those_who_were_asked_are_told() -> None:
    ward = Ward(AN, BINH, CHI)
    ward.do(dispatch.open_assistance, help_asked())
    facts = ward.do(dispatch.assign, HELP, BINH)
    assert [won.member for won in only(facts, OfferAccepted)] == [BINH]
    over = {void.member: (void.reason, void.tell) for void in only(facts, OfferVoid)}
    assert over == dict.fromkeys((AN, CHI), (VoidBecause.ASSIGNED_BY_HAND, True))
    assert ward.state.jobs[HELP].member == BINH and ward.asked(HELP) == set()


def test_help_is_given_by_hand_to_one_who_declined() -> None:
    ward = Ward(AN, BINH)
    ward.do(dispatch.open_assistance, help_asked())
    ward.decline(AN, HELP)
    ward.do(dispatch.assign, HELP, AN)
    assert ward.state.jobs[HELP].member == AN


def test_help_is_not_given_to_somebody_who_is_elsewhere() -> None:
    ward = Ward(AN, BINH, off_duty=[CHI])
    ward.do(dispatch.open_assistance, help_asked())
    for member in (CHI, NOBODY):
        assert ward.refused(dispatch.assign, HELP, member) is HelperElsewhere


def test_help_that_somebody_has_is_not_given_again() -> None:
    ward = Ward(AN, BINH)
    ward.do(dispatch.open_assistance, help_asked())
    ward.do(dispatch.assign, HELP, AN)
    assert ward.refused(dispatch.assign, HELP, BINH) is NotWaitingForHelp
    assert ward.refused(dispatch.assign, RIDE, BINH) is NotWaitingForHelp


# --------------------------------------------------------------------------------------------------- who could do it


def test_whoever_would_be_asked_next_is_the_first_to_choose() -> None:
    ward = Ward(AN, BINH, off_duty=[CHI, DUNG])
    ward.do(dispatch.hear_member, changed(CHI, hamlet="an-binh"))
    ward.do(dispatch.open_ride, ride_due())
    assert [one.member for one in candidates(ward.state, RIDE, minute(0))][:2] == [DUNG, CHI]


def test_those_against_whom_something_speaks_come_last_and_it_is_said() -> None:
    ward = Ward(AN, BINH, off_duty=[CHI, DUNG, EM])
    ward.do(dispatch.hear_member, changed(EM, vehicle=Vehicle.NONE))
    ward.do(dispatch.open_ride, ride_due())
    ward.decline(CHI, RIDE)
    found = {one.member: one for one in candidates(ward.state, RIDE, minute(1))}
    assert list(found)[:2] == [DUNG, CHI] and found[CHI].declined and EM not in found
    assert found[AN].thins and found[AN].on_floor and not found[DUNG].thins


def test_the_candidates_are_the_coordinators_to_see_and_gone_with_the_job() -> None:
    async def story(ours: Notifier) -> None:
        await ours.hear(changed(AN), ride_due())
        there = f"/notify/jobs/{RIDE}/candidates"
        shown = (await ours.ask("GET", there, as_=ours.token("coordinator"))).json()
        assert [one["member"] for one in shown["candidates"]] == [AN] and shown["job"]["asked"] == 1
        assert (await ours.ask("GET", there, as_=ours.token("staff"))).status_code == 403
        await ours.hear(ride_cancelled())
        assert (await ours.ask("GET", there, as_=ours.token("coordinator"))).status_code == 404

    play(story)


# ------------------------------------------------------------------------------------------------- messages about it


def test_her_family_is_asked_to_come_once_and_only_by_who_left_a_number() -> None:
    async def story(ours: Notifier) -> None:
        contact = await ours.contact(PHONE)
        event = ride_cancelled(by=CancelledBy.COORDINATOR)
        told = event.model_copy(update={"instead": Instead.FAMILY, "contact_ref": contact})
        told.comes_from(event.origin)
        await ours.hear(event, told, told)
        assert len(await ours.send()) == 1
        row = await ours.message(f"{RIDE}-fetch")
        assert (row.template, row.state) == (Template.FETCH, MessageState.SENT)

    play(story)


def test_a_coordinator_learns_what_became_of_messages_and_neither_number_nor_text() -> None:
    async def story(ours: Notifier) -> None:
        contact = await ours.contact(PHONE)
        event = ride_cancelled(by=CancelledBy.COORDINATOR)
        told = event.model_copy(update={"instead": Instead.FAMILY, "contact_ref": contact})
        told.comes_from(event.origin)
        await ours.hear(told)
        (text,) = await ours.send()
        answer = await ours.ask("GET", f"/notify/centres/{CENTRE}/messages", as_=ours.token("coordinator"))
        assert answer.json()["count"] == {"sent": 1}
        assert answer.json()["messages"][0]["to"] == "09••• ••678"
        assert text not in answer.text and PHONE not in answer.text

    play(story)


def test_help_is_given_over_http_by_the_coordinator_alone() -> None:
    async def story(ours: Notifier) -> None:
        await ours.hear(changed(AN), help_asked())
        there = f"/notify/assistances/{HELP}/assign"
        refused = await ours.ask("POST", there, {"member": AN}, as_=ours.token("coordinator"))
        assert refused.json()["slug"] == "helper-elsewhere"
        assert (await ours.ask("POST", there, {"member": AN}, as_=ours.token("staff"))).status_code == 403

    play(story)


# --------------------------------------------------------------------------------------------------------- the pages


def test_what_waits_for_the_coordinator_is_shown_and_otherwise_that_all_is_well() -> None:
    async def story(ours: Notifier) -> None:
        visitor = Visitor(ours.http).become(ours.token("coordinator"))
        assert "Mọi việc ổn" in (await visitor.open(SCREEN)).text
        await ours.hear(help_asked())
        shown = await visitor.open(SCREEN)
        assert "Giúp A012 tại sảnh" in shown.text and "Lúc được nhờ, không có đoàn viên nào đang trực" in shown.text
        job = await visitor.open(f"/notify/coordinator/jobs/{HELP}")
        assert "Không có đoàn viên nào làm được việc này" in job.text

    play(story)


def test_help_given_to_somebody_who_just_left_is_refused_on_the_same_page() -> None:
    async def story(ours: Notifier) -> None:
        await ours.hear(changed(AN), arrived(AN), changed(BINH), arrived(BINH), help_asked())
        visitor = Visitor(ours.http).become(ours.token("coordinator"))
        await visitor.open(f"/notify/coordinator/jobs/{HELP}")
        await ours.hear(left(AN))
        refused = await visitor.press(f"/notify/coordinator/help/{HELP}/assign", member=AN)
        assert refused.status == 409 and "không có mặt tại trung tâm" in refused.text
        done = await visitor.press(f"/notify/coordinator/help/{HELP}/assign", member=BINH)
        assert done.path == f"/coordinator/{CENTRE}"

    play(story)


def test_the_page_has_a_word_for_whatever_may_happen() -> None:
    assert MESSAGES.keys() == set(Template) and WHY.keys() == set(EscalatedBecause)
    assert BECAME.keys() == set(MessageState) - {MessageState.BLANK} and NOT_SENT.keys() == set(NotSentBecause)


def test_a_members_number_goes_into_the_vault_and_only_its_reference_on() -> None:
    async def story(ours: Notifier) -> None:
        there = f"/notify/settings/members/{AN}/number"
        visitor = Visitor(ours.http).become(ours.token("coordinator"))
        await visitor.open(there)
        wrong = await visitor.press(there, phone="<svg onload> \u202e 123")
        assert wrong.status == 422 and "<svg onload>" not in wrong.source
        kept = await visitor.press(there, phone=PHONE)
        attach = kept.form(f"/volunteers/settings/members/{AN}/number").fields
        assert attach["contact_ref"].startswith("c-") and "09••• ••678" in kept.text and PHONE not in kept.source

    play(story)
