"""Dead letters: kept byte for byte, shown without anything a rogue record may hold, replayed or discarded once."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from services.chassis.backends.sqlite_bus import SqliteBus
from services.chassis.deadletters import DeadLetters, LetterResolved, LettersLeft, NoSuchLetter, NotAWord
from services.chassis.ports import Record
from tests.conformance.bus_records import CALLED, CANCELLED, called, changed, raw, topics, with_body
from tests.virtual import NOON, run_virtual, virtual_clock


def with_letters(path: Path, story: Callable[[SqliteBus, DeadLetters], Awaitable[None]]) -> None:
    async def play() -> None:
        bus = SqliteBus(path / "bus.sqlite", virtual_clock)
        await bus.open(topics())
        try:
            await story(bus, DeadLetters(bus, virtual_clock))
        finally:
            await bus.close()

    run_virtual(play())


def test_a_letter_says_where_it_died_and_why(tmp_path: Path) -> None:
    async def story(_: SqliteBus, letters: DeadLetters) -> None:
        await letters.put(raw(called("a"), offset=41), group="notify", reason="not-found", detail="x")
        (letter,) = await letters.open([CALLED])
        assert letter.reference == f"{CALLED}/0/0"
        assert (letter.topic, letter.partition, letter.offset) == (CALLED, 0, 41)
        assert (letter.group, letter.reason, letter.detail, letter.when) == ("notify", "not-found", "x", NOON)

    with_letters(tmp_path, story)


@pytest.mark.parametrize(
    "record",
    [
        called("a"),
        changed(called("a"), ce_id=b"\xff\x00\xfe"),
        with_body(called("a"), None),
        with_body(called("a"), b"\x00\xff" * 1000),
        Record(CALLED, None, [("twice", b"1"), ("twice", b"2"), ("", b"")], b""),
    ],
)
def test_what_is_replayed_is_the_original_byte_for_byte(tmp_path: Path, record: Record) -> None:
    async def story(bus: SqliteBus, letters: DeadLetters) -> None:
        await letters.put(raw(record), group="notify", reason="bug")
        await letters.replay(f"{CALLED}/0/0", by="a-operator")
        (again,) = await bus.read(CALLED)
        assert (again.key, again.headers, again.value) == (record.key, tuple(record.headers), record.value)

    with_letters(tmp_path, story)


def test_a_letter_that_was_dealt_with_is_not_open_any_more(tmp_path: Path) -> None:
    async def story(_: SqliteBus, letters: DeadLetters) -> None:
        for name in "abc":
            await letters.put(raw(called(name)), group="notify", reason="bug")
        await letters.replay(f"{CALLED}/0/0", by="a-operator")
        await letters.discard(f"{CALLED}/0/2", by="a-operator", why="test-data")
        assert [letter.reference for letter in await letters.open([CALLED])] == [f"{CALLED}/0/1"]
        resolutions = [letter.resolution for letter in await letters.all([CALLED])]
        assert [resolution and (resolution.what, resolution.by, resolution.why) for resolution in resolutions] == [
            ("replayed", "a-operator", None),
            None,
            ("discarded", "a-operator", "test-data"),
        ]

    with_letters(tmp_path, story)


def test_what_dies_again_after_a_replay_is_a_new_letter(tmp_path: Path) -> None:
    async def story(bus: SqliteBus, letters: DeadLetters) -> None:
        await letters.put(raw(called("a")), group="notify", reason="bug")
        await letters.replay(f"{CALLED}/0/0", by="a-operator")
        (again,) = await bus.read(CALLED)
        await letters.put(again, group="notify", reason="bug")
        (letter,) = await letters.open([CALLED])
        assert letter.reference == f"{CALLED}/0/2"
        assert letter.original().headers == called("a").headers

    with_letters(tmp_path, story)


def test_a_discarded_letter_stays_discarded(tmp_path: Path) -> None:
    async def story(bus: SqliteBus, letters: DeadLetters) -> None:
        await letters.put(raw(called("a")), group="notify", reason="bug")
        await letters.discard(f"{CALLED}/0/0", by="a-operator", why="test-data")
        with pytest.raises(LetterResolved, match="discarded already"):
            await letters.replay(f"{CALLED}/0/0", by="a-operator")
        with pytest.raises(LetterResolved):
            await letters.discard(f"{CALLED}/0/0", by="a-operator", why="test-data")
        assert await bus.read(CALLED) == []

    with_letters(tmp_path, story)


@pytest.mark.parametrize("reference", ["", "queue-called", f"{CALLED}/0/7", f"{CALLED}/0/x", "no-such-topic/0/0"])
def test_a_letter_that_does_not_exist_is_not_found(tmp_path: Path, reference: str) -> None:
    async def story(_: SqliteBus, letters: DeadLetters) -> None:
        with pytest.raises(NoSuchLetter):
            await letters.replay(reference, by="a-operator")

    with_letters(tmp_path, story)


def test_a_reason_in_free_text_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    async def story(bus: SqliteBus, letters: DeadLetters) -> None:
        await letters.put(raw(called("a")), group="notify", reason="bug")
        with pytest.raises(NotAWord, match="why"):
            await letters.discard(f"{CALLED}/0/0", by="a-operator", why="Mrs Thủy called 0912345678")
        with pytest.raises(NotAWord, match="by"):
            await letters.replay(f"{CALLED}/0/0", by="Mrs Thủy")
        assert await bus.read(CALLED) == []
        assert len(await letters.open([CALLED])) == 1

    with_letters(tmp_path, story)


def test_what_is_shown_holds_nothing_that_the_contract_does_not(tmp_path: Path) -> None:
    async def story(_: SqliteBus, letters: DeadLetters) -> None:
        person = "Mrs Thủy 0912345678"
        body = called("a").value or b""
        rogue = with_body(called("a"), body.replace(b"{", f'{{"name": "{person}", '.encode(), 1))
        await letters.put(raw(rogue), group="notify", reason="bug")
        await letters.put(raw(with_body(called("b"), person.encode())), group="notify", reason="broken-json")
        await letters.put(raw(changed(called("c"), ce_subject=person.encode())), group="notify", reason="x")
        shown = [letter.shown() for letter in await letters.open([CALLED])]
        assert "0912345678" not in str(shown)
        assert shown[0]["event"]["code"] == "A012"
        assert shown[1]["event"] is None
        assert shown[1]["bytes"] == len(person.encode())

    with_letters(tmp_path, story)


def test_what_somebody_else_left_in_the_topic_does_not_hide_the_letters(tmp_path: Path) -> None:
    async def story(bus: SqliteBus, letters: DeadLetters) -> None:
        strange = [("x-dlq-resolves", b"\xff"), ("x-dlq-time", b"yesterday")]
        await bus.publish([Record(f"{CALLED}.dlq", b"k", strange, None), Record(f"{CALLED}.dlq", None, [], b"hello")])
        await letters.put(raw(called("a")), group="notify", reason="bug")
        assert [letter.reference for letter in await letters.open([CALLED])] == [f"{CALLED}/0/2"]

    with_letters(tmp_path, story)


def test_thousands_of_letters_are_all_listed(tmp_path: Path) -> None:
    async def story(bus: SqliteBus, letters: DeadLetters) -> None:
        await letters.put(raw(called("a")), group="notify", reason="bug")
        (letter,) = await bus.read(f"{CALLED}.dlq")
        await bus.publish([Record(letter.topic, letter.key, letter.headers, letter.value)] * 2_499)
        assert len(await letters.open([CALLED])) == 2_500

    with_letters(tmp_path, story)


def test_letters_left_are_those_that_nobody_saw_to(tmp_path: Path) -> None:
    async def story(bus: SqliteBus, letters: DeadLetters) -> None:
        left = LettersLeft(bus, [CALLED, CANCELLED])
        for offset in range(3):
            await letters.put(raw(called("a"), offset=offset), group="notify", reason="bug")
        await left.look()
        assert left.counted(NOON) == {CALLED: 3, CANCELLED: 0}
        await letters.replay(f"{CALLED}/0/0", by="a-k3y7qd")
        await letters.discard(f"{CALLED}/0/1", by="a-k3y7qd", why="test-data")
        await left.look()
        assert left.counted(NOON) == {CALLED: 1, CANCELLED: 0}
        assert left.counted(NOON + timedelta(days=60)) == {CALLED: 0, CANCELLED: 0}

    with_letters(tmp_path, story)
