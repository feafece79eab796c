"""The centre as its ward describes it, and the plan of a day that comes of it."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from services.contracts.events import CentreChanged
from services.queue.centre import Centre, CentreConfig, describe, evolve, plan_for
from services.queue.hall import DayPlan, Span
from services.queue.refusals import NoSuchCentre
from tests.unit.queue.morning import EIGHT, config, words

TUESDAY, SATURDAY = date(2026, 11, 24), date(2026, 11, 28)


def put(centre: Centre, described: CentreConfig) -> list[Any]:
    facts = list(describe(centre, config=described, now=EIGHT))
    for fact in facts:
        evolve(centre, fact, EIGHT)
    return facts


def plan(day: date = TUESDAY, **changes: Any) -> DayPlan:
    return plan_for(Centre("31186", config(**changes), 1), day)


def test_a_new_description_is_told_with_its_revision() -> None:
    centre = Centre("31186")
    assert put(centre, config())[1] == CentreChanged(centre="31186", revision=1)
    assert put(centre, config(in_a_row=3))[1].revision == 2


def test_the_same_description_again_changes_nothing() -> None:
    centre = Centre("31186")
    put(centre, config())
    assert put(centre, config()) == []


def test_a_centre_comes_back_from_its_bytes() -> None:
    centre, stored = Centre("31186"), TypeAdapter(Centre)
    put(centre, config(exceptions={"2026-11-28": ["08:00-11:00"]}))
    assert stored.validate_json(stored.dump_json(centre)) == centre


def test_an_unknown_centre_has_no_plan() -> None:
    with pytest.raises(NoSuchCentre, match="31999"):
        plan_for(Centre("31999"), TUESDAY)


def test_local_hours_become_moments() -> None:
    assert plan().hours[0] == Span(
        opens=datetime(2026, 11, 24, 0, 30, tzinfo=UTC), closes=datetime(2026, 11, 24, 4, 30, tzinfo=UTC)
    )


def test_a_weekday_without_hours_is_closed() -> None:
    assert plan(SATURDAY).hours == ()


def test_an_exception_opens_a_weekend_and_closes_a_workday() -> None:
    exceptions = {"2026-11-28": ["08:00-11:00"], "2026-11-24": []}
    assert len(plan(SATURDAY, exceptions=exceptions).hours) == 1
    assert plan(TUESDAY, exceptions=exceptions).hours == ()


def test_a_day_may_be_open_until_midnight() -> None:
    assert plan(hours={"tue": ["18:00-24:00"]}).hours[0].closes == datetime(2026, 11, 24, 17, tzinfo=UTC)


@pytest.mark.parametrize(
    "changes",
    [
        {"hours": {"tue": ["11:30-07:30"]}},
        {"hours": {"tue": ["07:30-11:30", "11:00-17:00"]}},
        {"hours": {"tue": ["7h30-11h30"]}},
        {"hours": {"tuesday": []}},
        {"exceptions": {"24/11/2026": []}},
        {"services": {}},
        {"services": {"Birth": {"name": words("Khai sinh"), "series": "A", "counters": [1]}}},
        {"services": {"birth": {"name": words("Khai sinh"), "series": "AB", "counters": [1]}}},
        {"services": {"birth": {"name": words("Khai sinh"), "series": "A", "counters": []}}},
        {"services": {"birth": {"name": words("Khai\u202esinh"), "series": "A", "counters": [1]}}},
        {"services": {"birth": {"name": words("Khai sinh"), "series": "A", "counters": [1], "fee": 1}}},
        {"in_a_row": 0},
        {"colour": "blue"},
    ],
)
def test_a_mistake_in_a_description_is_found(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as found:
        config(**changes)
    assert found.value.errors()[0]["loc"][0] == next(iter(changes))
