"""One line of text that says what it shows."""

import unicodedata
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from services.chassis.text import PlainText

line: TypeAdapter[str] = TypeAdapter(Annotated[str, PlainText(40)])


@pytest.mark.parametrize(
    "text",
    [
        "Nguyễn Thị Thủy",
        "Ấp Thới Bình A, xã Thới Hưng",
        "<script>alert(1)</script>",
        "ភូមិ\u200bថ្មី",
        "👩‍🦳"[:1],
        "O'Neil & Cô",
    ],
)
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert line.validate_python(text) == text


def test_the_same_letters_typed_in_two_ways_become_one_text() -> None:
    decomposed = unicodedata.normalize("NFD", "Thủy")
    assert line.validate_python(f"  {decomposed} ") == "Thủy"


@pytest.mark.parametrize(
    "text",
    [
        "a\x00b",
        "two\nlines",
        "tab\there",
        "abc\u202edcba",
        "a\u2066b\u2069",
        "zero\u200bwidth",
        "join\u200der",
        "\ufeffstart",
        "soft\u00adhyphen",
        "line\u2028separator",
        "private\ue000use",
        "tag\U000e0041",
    ],
)
def test_characters_that_nobody_sees_are_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        line.validate_python(text)


@pytest.mark.parametrize("text", ["", "   ", "x" * 41, 7, None, b"bytes"])
def test_too_long_too_short_or_no_text_is_refused(text: object) -> None:
    with pytest.raises(ValidationError):
        line.validate_python(text)


def test_its_length_is_in_the_json_schema() -> None:
    schema = line.json_schema()
    assert (schema["minLength"], schema["maxLength"]) == (1, 40)


@given(st.text(max_size=60))
def test_whatever_is_accepted_is_accepted_again_unchanged(text: str) -> None:
    try:
        accepted = line.validate_python(text)
    except ValidationError:
        return
    assert line.validate_python(accepted) == accepted
    assert accepted.isprintable() or max(accepted) >= "\u1780"
