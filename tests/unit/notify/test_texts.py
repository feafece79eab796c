"""Every text in one segment, with the longest names there are."""

import unicodedata
from itertools import product
from pathlib import Path

import pytest
from ruamel.yaml import YAML

import services
from services.contracts.words import AT_KIOSK, JobKind, VoidBecause
from services.notify.messages import Template
from services.notify.texts import SHORT_NAME_AT_MOST, fitted, masked, render, segments

WARDS = [
    YAML(typ="safe").load(file.read_text("utf-8"))
    for file in sorted(Path(services.__file__).parent.glob("caunoi/demo/*.yaml"))
]
LONGEST_HAMLET = max((hamlet["name"] for ward in WARDS for hamlet in ward["hamlets"].values()), key=len)
SHORT_NAMES = [*(ward["short_name"] for ward in WARDS), "Ư" * SHORT_NAME_AT_MOST]
LINK = "https://caunoi.phuongcairang.cantho.gov.vn/o#o31186" + "0" * 16 + "." + "k" * 26
SIGN_IN_LINK = "https://caunoi.phuongcairang.cantho.gov.vn/v#s" + "k" * 52
TICKET_LINK = "https://caunoi.phuongcairang.cantho.gov.vn/ticket#31186-20261124-" + "k" * 12 + "." + "a" * 26
HERE = "https://caunoi.phuongcairang.cantho.gov.vn/volunteer"
LINKS = {Template.SIGN_IN: SIGN_IN_LINK, Template.TICKET: TICKET_LINK, Template.RIDE_GIVEN: HERE}
EVERYTHING = {
    "code": "A99999",
    "counter": 99,
    "metres": 99_999,
    "hamlet": LONGEST_HAMLET,
    "link": LINK,
    "digits": "481516",
}


def test_the_demo_wards_are_read() -> None:
    assert len(WARDS) == 4


@pytest.mark.parametrize("name", SHORT_NAMES)
@pytest.mark.parametrize(
    ("template", "kind", "reason"),
    list(product(Template, JobKind, [VoidBecause.TAKEN, VoidBecause.CANCELLED, VoidBecause.ASSIGNED_BY_HAND])),
)
@pytest.mark.parametrize("language", ["vi", "en", "km"])
def test_every_text_is_one_segment(
    name: str, template: Template, kind: JobKind, reason: VoidBecause, language: str
) -> None:
    link = LINKS.get(template, LINK)
    text = render(template, language, {**EVERYTHING, "name": name, "kind": kind, "reason": reason, "link": link})
    assert segments(text) == 1
    assert "{" not in text


def test_an_offer_keeps_its_link_and_says_where_and_how_far() -> None:
    text = render(
        Template.OFFER, "vi", {**EVERYTHING, "name": "P. Cái Răng", "kind": JobKind.RIDE, "hamlet": "Khu vực 5"}
    )
    assert text.startswith("P. Cai Rang: ")
    assert LINK in text
    assert "Khu vuc 5" in text


@pytest.mark.parametrize("name", SHORT_NAMES)
@pytest.mark.parametrize("template", LINKS)
def test_a_text_that_is_nothing_without_its_link_has_it(name: str, template: Template) -> None:
    text = render(template, "vi", {**EVERYTHING, "name": name, "link": LINKS[template]})
    assert LINKS[template] in text


def test_somebody_at_a_kiosk_has_no_number_to_be_found_by() -> None:
    text = render(
        Template.OFFER, "vi", {**EVERYTHING, "name": "P. Cái Răng", "kind": JobKind.ASSISTANCE, "code": AT_KIOSK}
    )
    assert text == f"P. Cai Rang: Co nguoi o ki-ot can ban giup. Nhan trong 2 phut: {LINK}"


def test_an_offer_to_nowhere_known_says_nothing_of_the_way() -> None:
    text = render(Template.OFFER, "vi", {"name": "P. Cái Răng", "kind": JobKind.RIDE, "link": LINK})
    assert "km" not in text
    assert LINK in text


def test_a_link_that_is_too_long_is_left_out_rather_than_cut() -> None:
    text = render(Template.SIGN_IN, "vi", {**EVERYTHING, "name": "P. Cái Răng", "link": LINK * 4})
    assert "://" not in text
    assert "481516" in text


def test_a_short_text_keeps_its_diacritics_and_a_long_one_loses_them() -> None:
    assert fitted("Mời số A012 đến quầy 3") == "Mời số A012 đến quầy 3"
    assert fitted("Mời số A012 đến quầy 3. " * 4) == "Moi so A012 den quay 3. " * 4


def test_a_text_with_a_link_has_no_diacritics_whatever_its_length() -> None:
    assert fitted("Mời bạn mở https://x.vn/o") == "Moi ban mo https://x.vn/o"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 80 + "a", 2),
        ("ầ" * 70, 1),
        ("ầ" * 71, 2),
        ("ầ" * 134, 2),
        ("ầ" * 135, 3),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        ("à è ì ò ù é", 1),
    ],
)
def test_segments_are_counted_as_networks_count_them(text: str, expected: int) -> None:
    assert segments(text) == expected


def test_decomposed_letters_are_sent_as_composed_ones() -> None:
    text = "Mời số A012 đến quầy 3"
    assert fitted(unicodedata.normalize("NFD", text)) == text


def test_a_number_is_masked() -> None:
    assert masked("+84912345678") == "09••• ••678"
