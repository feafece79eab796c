"""An SMS as a stored intent."""

from datetime import timedelta

import pytest

from services.chassis.sealing import Sealed
from services.contracts.words import Fact
from services.notify import messages
from services.notify.messages import (
    TERMS,
    Message,
    MessageExpired,
    MessagePlanned,
    MessageRefused,
    MessageSent,
    MessageState,
    NotSentBecause,
    SubmissionBegun,
    Template,
)
from tests.unit.notify.build import AN, CENTRE, NOON, TICKET, Document, contact_of, minute, only

SENT = MessageSent(carrier="drawer", text=Sealed(f"s1:{contact_of(AN)}:" + "A" * 60), segments=1)


def planned(template: Template = Template.CALLED, expires: float = 10) -> Document[Message]:
    document = Document(Message(f"{TICKET}-called"), messages.evolve, messages.due, messages.expire)
    document.do(messages.plan, _plan(template, expires))
    return document


def _plan(template: Template = Template.CALLED, expires: float = 10) -> MessagePlanned:
    return MessagePlanned(
        centre=CENTRE,
        template=template,
        contact_ref=contact_of(AN),
        expires=minute(expires),
        about={"code": "A012", "counter": 3},
    )


def test_the_same_cause_plans_one_message() -> None:
    assert planned().do(messages.plan, _plan()) == []


def test_what_is_born_expired_is_kept_as_expired_and_never_begun() -> None:
    document = planned(expires=-1)
    assert document.state.state is MessageState.EXPIRED
    assert document.do(messages.begin) == []


def test_a_message_that_nobody_sends_in_time_expires_by_itself() -> None:
    document = planned()
    assert only(document.tick(minute(10)), MessageExpired)
    assert document.do(messages.begin, at=minute(10)) == []


def test_two_senders_never_begin_the_same_message() -> None:
    document = planned()
    assert only(document.do(messages.begin), SubmissionBegun)
    assert document.do(messages.begin) == []


@pytest.mark.parametrize("template", Template)
def test_a_message_whose_outcome_is_unknown_is_tried_as_often_as_its_terms_say(template: Template) -> None:
    document = planned(template)
    at, begun = NOON, 0
    for _ in range(5):
        begun += len(document.do(messages.begin, at=at))
        at += messages.TRY_AGAIN_AFTER
    assert begun == TERMS[template].attempts


@pytest.mark.parametrize("outcome", [SENT, MessageRefused(reason=NotSentBecause.STOPPED), MessageExpired()])
def test_what_became_of_a_message_never_changes(outcome: Fact) -> None:
    document = planned()
    document.do(messages.begin)
    document.do(messages.record, outcome)
    assert document.do(messages.record, SENT, at=minute(1)) == []
    assert document.tick(minute(11)) == []


def test_calls_last_ten_minutes_and_offers_two() -> None:
    assert TERMS[Template.CALLED].lasts == timedelta(minutes=10)
    assert TERMS[Template.OFFER].lasts == timedelta(seconds=120)
