"""What belongs to a person: opened by faces, bound to her, gone when she is forgotten."""

import json
import sys

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from services.chassis import logs
from services.chassis.keys import Keys
from services.chassis.sealing import Sealed, Sealer, SealingKeyWrong
from services.chassis.trace import acting
from tests.desk import TICKET
from tests.support import run

KEYS = Keys.random()


class Table:
    """Wrapped keys by subject, as a store keeps them."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    async def subject_key(self, subject: str, fresh: bytes | None) -> bytes | None:
        if fresh is not None:
            self.kept.setdefault(subject, fresh)
        return self.kept.get(subject)

    async def forget_subject(self, subject: str) -> bool:
        return self.kept.pop(subject, None) is not None


def test_what_was_sealed_opens_again_also_after_a_restart() -> None:
    async def story() -> None:
        table = Table()
        sealed = await Sealer(table, KEYS).seal("31186-m-abcdef", "Trần Văn Bé")
        assert await Sealer(table, KEYS).open(sealed) == "Trần Văn Bé"

    run(story())


@given(st.text(max_size=200))
def test_any_text_opens_as_it_was_sealed(text: str) -> None:
    sealer = Sealer(Table(), KEYS)

    async def there_and_back() -> str | None:
        return await sealer.open(await sealer.seal("31186-m-abcdef", text))

    try:
        text.encode()
    except UnicodeEncodeError:
        return
    assert run(there_and_back()) == text


def test_sealed_text_shows_nothing_and_is_never_the_same_twice() -> None:
    async def story() -> None:
        sealer = Sealer(Table(), KEYS)
        first, second = [await sealer.seal("31186-m-abcdef", "Trần Văn Bé") for _ in range(2)]
        assert first != second
        assert "Trần" not in first
        assert repr(first) == "Sealed(31186-m-abcdef)"

    run(story())


def test_who_is_forgotten_can_be_read_by_nobody() -> None:
    async def story() -> None:
        table = Table()
        sealer = Sealer(table, KEYS)
        sealed = await sealer.seal("31186-m-abcdef", "Trần Văn Bé")
        assert await sealer.forget("31186-m-abcdef")
        assert await sealer.open(sealed) is None
        assert await Sealer(table, KEYS).open(sealed) is None
        await sealer.seal("31186-m-abcdef", "somebody new under the old reference")
        assert await sealer.open(sealed) is None

    run(story())


def test_text_moved_to_another_subject_does_not_open() -> None:
    async def story() -> None:
        sealer = Sealer(Table(), KEYS)
        hers = await sealer.seal("31186-m-aaaaaa", "12 đường Trần Chiên")
        await sealer.seal("31186-m-bbbbbb", "khác")
        assert await sealer.open(hers.replace("aaaaaa", "bbbbbb")) is None

    run(story())


@pytest.mark.parametrize("text", ["", "s1", "s1:x:y", "s2:31186-m-aaaaaa:AAAA", "s1:31186-m-aaaaaa:!!!!", "plain"])
def test_what_was_never_sealed_opens_to_nothing(text: str) -> None:
    assert run(Sealer(Table(), KEYS).open(text)) is None


def test_with_the_wrong_key_of_the_house_it_says_so_rather_than_that_she_was_forgotten() -> None:
    async def story() -> None:
        table = Table()
        sealed = await Sealer(table, KEYS).seal("31186-m-abcdef", "Trần Văn Bé")
        with pytest.raises(SealingKeyWrong):
            await Sealer(table, Keys.random()).open(sealed)

    run(story())


def test_each_opening_of_a_citizens_data_for_somebody_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    async def story() -> None:
        sealer = Sealer(Table(), KEYS)
        hers = await sealer.seal(f"{TICKET}-ride", "12 đường Trần Chiên")
        ours = await sealer.seal("31186-m-abcdef", "Trần Văn Bé")
        await sealer.open(hers)
        token = acting.set("a-000001")
        await sealer.open(hers)
        await sealer.open(ours)
        acting.reset(token)

    logs.start("info", sys.stdout)
    run(story())
    structlog.reset_defaults()
    [line] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (line["event"], line["subject"], line["who"]) == ("opened_for_somebody", f"{TICKET}-ride", "a-000001")


def test_a_blind_index_finds_the_same_text_for_the_same_purpose_only() -> None:
    sealer = Sealer(Table(), KEYS)
    assert sealer.blind("phone", "+84901234567") == sealer.blind("phone", "+84901234567")
    assert sealer.blind("phone", "+84901234567") != sealer.blind("account", "+84901234567")
    assert sealer.blind("phone", "+84901234567") != Sealer(Table(), Keys.random()).blind("phone", "+84901234567")


def test_a_field_for_sealed_text_takes_no_plain_text() -> None:
    field = TypeAdapter(Sealed)
    sealed = run(Sealer(Table(), KEYS).seal("31186-m-abcdef", "x"))
    assert type(field.validate_json(field.dump_json(sealed))) is Sealed
    with pytest.raises(ValidationError):
        field.validate_python("12 đường Trần Chiên")
