"""Every event has its Vietnamese sentence, made of fields that it really has."""

import re
from enum import Enum
from typing import Any, get_args

import pytest

from services.caunoi.pages.sentences import FOLLOWS, SENTENCES, WORDS, sentence
from services.contracts.events import EVENTS
from services.contracts.words import Event


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.topic())
def test_every_event_is_said_with_fields_that_it_has(event: type[Event]) -> None:
    said = re.findall(r"\{(\w+)\}", SENTENCES[event.topic()])
    assert set(said) | set(FOLLOWS.get(event.topic(), {})) <= set(event.model_fields)


def test_no_sentence_is_left_of_an_event_that_is_gone() -> None:
    topics = {event.topic() for event in EVENTS}
    assert set(SENTENCES) == topics
    assert set(FOLLOWS) <= topics


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.topic())
def test_every_word_of_an_enumeration_is_said_in_vietnamese(event: type[Event]) -> None:
    for field in re.findall(r"\{(\w+)\}", SENTENCES[event.topic()]):
        for kind in _enumerations(event.model_fields[field].annotation):
            assert {member.value for member in kind} <= set(WORDS[field])


def test_what_follows_is_said_only_when_it_is_so() -> None:
    issued = {"code": "A012", "service": "chung-thuc", "ahead": 2, "needs_help": True, "ride_home": False}
    assert sentence("ticket-issued", issued) == (
        "Số A012 được lấy cho dịch vụ chung-thuc; trước đó có 2 người, cần người hỗ trợ"
    )


def test_a_ticket_is_said_by_its_code_and_who_is_not_known_by_the_end_of_his_reference() -> None:
    assigned = {"ticket_id": "31186-20261124-7hk2m9x4tq0v", "member": "31186-m-4tq0v7hk2m9x"}
    said = sentence("ride-assigned", assigned, {"31186-20261124-7hk2m9x4tq0v": "A012"})
    assert said == "Chuyến xe của phiếu A012 do đoàn viên …2m9x chở"


def test_an_event_that_nobody_knows_is_named_as_it_is() -> None:
    assert sentence("comet-seen", {"centre": "31186"}) == "comet-seen"


def _enumerations(annotation: Any) -> list[type[Enum]]:
    kinds = [annotation, *get_args(annotation)]
    return [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Enum)]
