"""How people here say a day, an hour, an amount, a name. One `Speech` a language; templates have it as filters."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import cache
from typing import Any, Final

from services.chassis.clock import LOCAL
from services.chassis.pages.catalogue import translations

_COUNTED: Final = re.compile(r"(?:(?<=\d)|(?<=\)s)) (?=[^\W\d])")


def together(text: str) -> str:
    """A number (or the place of one) and what it counts never part at the end of a line."""
    return _COUNTED.sub("\u00a0", text)


class Speech:
    """`_` and `ngettext` are those of the catalogue; the rest says values as that language does."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._texts = translations(language)

    def _(self, text: str, **values: Any) -> str:
        said = self._texts.gettext(text)
        return said % values if values else said

    def ngettext(self, one: str, many: str, number: int, **values: Any) -> str:
        return self.counted(one, many, number) % {"num": self.number(number), **values}

    def counted(self, one: str, many: str, number: int) -> str:
        """`ngettext` before the number is put in."""
        return together(self._texts.ngettext(one, many, number))

    def day(self, moment: date | datetime) -> str:
        """thứ Ba, 24 tháng 11 (written as Decree 30/2020/NĐ-CP, annex II: thứ Ba, Chủ nhật) · Tuesday, 24 November"""
        from babel.dates import format_date

        said = format_date(_local_day(moment), "EEEE, d MMMM", self.language)
        return said.replace("Thứ", "thứ").replace("Nhật", "nhật") if self.language == "vi" else said

    def full_day(self, moment: date | datetime) -> str:
        """24/11/2026"""
        return f"{_local_day(moment):%d/%m/%Y}"

    def clock(self, moment: datetime) -> str:
        """07:45, the centre's local time."""
        return f"{moment.astimezone(LOCAL):%H:%M}"

    def number(self, value: float) -> str:
        """1.600 · 1,600"""
        from babel.numbers import format_decimal

        return format_decimal(value, locale=self.language)

    def money(self, dong: int) -> str:
        """50.000 đồng"""
        return together(self._("%(amount)s đồng", amount=self.number(dong)))

    def kilometres(self, metres: float) -> str:
        """2,1 km"""
        return together(f"{self.number(round(metres / 1000, 1))} km")

    def minutes(self, span: tuple[int, int]) -> str:
        """10 đến 20 phút"""
        low, high = span
        if low == high:
            return self.ngettext("%(num)s phút", "%(num)s phút", high)
        return together(self._("%(low)s đến %(high)s phút", low=low, high=high))

    def hours(self, minutes: int) -> str:
        """3 giờ 05 phút; less than an hour in minutes alone"""
        if minutes < 60:
            return self.ngettext("%(num)s phút", "%(num)s phút", minutes)
        said = self._("%(hours)s giờ %(rest)s phút", hours=self.number(minutes // 60), rest=f"{minutes % 60:02}")
        return together(said)

    def given_name(self, name: str) -> str:
        """What a Vietnamese person is called by: the last word. A family name never stands alone."""
        return name.split()[-1] if name.split() else ""

    def filters(self) -> Mapping[str, Callable[..., Any]]:
        said = (self.day, self.full_day, self.clock, self.number, self.money, self.kilometres, self.minutes, self.hours)
        return {one.__name__: one for one in (*said, self.given_name)}


@cache
def speech(language: str) -> Speech:
    return Speech(language)


def N_(text: str) -> str:  # noqa: N802  (as gettext calls it)
    """Marks a text that is said later, in whatever language it is asked for."""
    return text


def name_order(name: str) -> tuple[Any, ...]:
    """Sorts people as a list in Vietnam does: by given name, then by family and middle name, đ after d, à after a."""
    words = name.split()
    return tuple(_letters(word) for word in (words[-1:] + words[:-1]))


def _local_day(moment: date | datetime) -> date:
    return moment.astimezone(LOCAL).date() if isinstance(moment, datetime) else moment


_ALPHABET: Final = {letter: place for place, letter in enumerate("aăâbcdđeêfghijklmnoôơpqrstuưvwxyz")}
_TONES: Final = {"\u0300": 1, "\u0309": 2, "\u0303": 3, "\u0301": 4, "\u0323": 5}
"""After the level tone: huyền, hỏi, ngã, sắc, nặng."""


def _letters(word: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The letters first; words that differ only by tone, by tone."""
    letters: list[int] = []
    tones: list[int] = []
    for sign in unicodedata.normalize("NFC", word.lower()):
        parts = unicodedata.normalize("NFD", sign)
        tone = next((_TONES[part] for part in parts if part in _TONES), 0)
        plain = unicodedata.normalize("NFC", "".join(part for part in parts if part not in _TONES))
        letters.append(_ALPHABET.get(plain, len(_ALPHABET) + ord(plain[0])))
        tones.append(tone)
    return tuple(letters), tuple(tones)
