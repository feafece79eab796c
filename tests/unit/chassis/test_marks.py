"""What a document remembers: packed, bounded, and the same after it was written and read."""

from datetime import UTC, datetime, timedelta

from services.chassis.marks import KEYS_AT_MOST, Answered, Marks, same_body
from services.chassis.once import Once
from services.contracts.events import VolunteerCheckedIn
from services.contracts.words import Origin

NOW = datetime(2026, 11, 24, 1, tzinfo=UTC)


def event(number: int, source: str = "/volunteers/member/31186-m-000001") -> VolunteerCheckedIn:
    found = VolunteerCheckedIn(centre="31186", member="31186-m-000001")
    return found.from_origin(Origin(f"e{number}", source, number, NOW))


def once(number: int, body: bytes = b"") -> Once:
    return Once("kiosk", f"key-{number}", body)


def test_marks_are_the_same_after_packing() -> None:
    marks = Marks()
    for number in range(300):
        marks.add(event(number), NOW + timedelta(hours=number))
    again = Marks(marks.packed())
    assert all(event(number) in again for number in range(300))
    assert event(300) not in again
    assert again.packed() == marks.packed()


def test_an_id_counts_only_together_with_its_source() -> None:
    marks = Marks()
    marks.add(event(1), NOW)
    assert event(1, source="/volunteers/member/31186-m-000002") not in marks


def test_marks_of_forty_six_days_ago_are_dropped_and_those_of_yesterday_kept() -> None:
    marks = Marks()
    marks.add(event(1), NOW)
    marks.add(event(2), NOW + timedelta(days=45))
    assert event(1) in marks
    marks.add(event(3), NOW + timedelta(days=46))
    assert event(1) not in marks
    assert event(2) in Marks(marks.packed())


def test_five_hundred_marks_take_four_kilobytes() -> None:
    marks = Marks()
    for number in range(500):
        marks.add(event(number), NOW)
    assert len(marks.packed()) < 4_100


def test_a_key_is_known_with_its_body_after_packing() -> None:
    answered = Answered()
    answered.add(once(1, b"body"), first=7, count=2, now=NOW)
    found = Answered(answered.packed()).get(once(1))
    assert found is not None
    assert (found.first, found.count) == (7, 2)
    assert same_body(found, once(1, b"body"))
    assert not same_body(found, once(1, b"other"))


def test_the_oldest_keys_go_when_there_are_too_many_or_a_day_has_passed() -> None:
    answered = Answered()
    for number in range(KEYS_AT_MOST + 1):
        answered.add(once(number), number, 1, NOW)
    assert answered.get(once(0)) is None
    assert answered.get(once(1)) is not None
    answered.add(once(9_999), 1, 1, NOW + timedelta(hours=25))
    assert answered.get(once(1)) is None
    assert Answered(answered.packed()).get(once(9_999)) is not None
