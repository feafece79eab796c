"""Days, hours, amounts and names as people say them here."""

from datetime import UTC, date, datetime

import pytest

from services.chassis.pages.render import environment
from services.chassis.pages.speech import name_order, speech

VI, EN = speech("vi"), speech("en")
MORNING = datetime(2026, 11, 24, 0, 45, tzinfo=UTC)


def test_a_day_and_an_hour_are_local() -> None:
    assert VI.day(MORNING) == "thứ Ba, 24 tháng 11"
    assert VI.day(date(2026, 11, 29)) == "Chủ nhật, 29 tháng 11"
    assert EN.day(date(2026, 11, 24)) == "Tuesday, 24 November"
    assert VI.clock(MORNING) == "07:45"
    assert VI.full_day(datetime(2026, 11, 23, 17, 30, tzinfo=UTC)) == "24/11/2026"


def test_amounts_have_their_signs() -> None:
    assert (VI.money(50_000), EN.money(50_000)) == ("50.000\u00a0đồng", "50,000\u00a0dong")
    assert (VI.kilometres(2_130), EN.kilometres(2_130)) == ("2,1\u00a0km", "2.1\u00a0km")
    assert (VI.number(1_600), EN.number(1_600)) == ("1.600", "1,600")


@pytest.mark.parametrize(
    ("span", "vi", "en"),
    [
        ((10, 20), "10\u00a0đến 20\u00a0phút", "10\u00a0to 20\u00a0minutes"),
        ((1, 1), "1\u00a0phút", "1\u00a0minute"),
        ((0, 2), "0\u00a0đến 2\u00a0phút", "0\u00a0to 2\u00a0minutes"),
    ],
)
def test_a_wait_is_a_range(span: tuple[int, int], vi: str, en: str) -> None:
    assert (VI.minutes(span), EN.minutes(span)) == (vi, en)


def test_a_number_and_what_it_counts_stay_on_one_line() -> None:
    said = "Còn {{ count }} người"
    template = environment("vi").from_string(f"{{% trans count=n %}}{said}{{% pluralize %}}{said}{{% endtrans %}}")
    assert template.render(n=5) == "Còn 5\u00a0người"
    assert EN.ngettext("%(num)s phút", "%(num)s phút", 3) == "3\u00a0minutes"


def test_people_are_called_and_sorted_by_their_given_name() -> None:
    people = ["Võ Minh Khang", "Đặng Thuỳ Dương", "Trần Ý", "Nguyễn Văn An", "Lê Thị Ân", "Hồ Đức", "Bùi Ánh", "Lý Ấn"]
    assert VI.given_name("Thạch Thị Sô Phi") == "Phi"
    in_order = [
        "Nguyễn Văn An",
        "Bùi Ánh",
        "Lê Thị Ân",
        "Lý Ấn",
        "Đặng Thuỳ Dương",
        "Hồ Đức",
        "Võ Minh Khang",
        "Trần Ý",
    ]
    assert sorted(people, key=name_order) == in_order
