"""How a call is said, and the program that says it."""

import io
import stat
import wave
from pathlib import Path

import pytest

from services.queue.voice import KEPT, PROGRAM, Voice
from services.queue.wording import call_as_spoken
from tests.support import run


def a_program(folder: Path, lines: str) -> str:
    """One that may be run in place of espeak-ng; it notes each time that it was."""
    program = folder / "speaks"
    program.write_text(f'#!/bin/sh\necho "$@" >> {folder}/asked\n{lines}\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return str(program)


SOUND = f"printf RIFF; head -c {100} /dev/zero"


def test_each_digit_is_said_by_itself() -> None:
    assert call_as_spoken("A012", 3) == "Mời số a, không một hai, đến quầy 3."
    assert call_as_spoken("H10405", 12) == "Mời số hát, một không bốn không năm, đến quầy 12."


def test_a_sentence_is_made_once_and_kept(tmp_path: Path) -> None:
    voice = Voice(a_program(tmp_path, SOUND))

    async def twice() -> list[bytes | None]:
        return [await voice.say("Mời số a"), await voice.say("Mời số a")]

    first, second = run(twice())
    assert first and first == second
    assert (tmp_path / "asked").read_text().count("-- Mời số a\n") == 1


def test_no_more_sentences_are_kept_than_that(tmp_path: Path) -> None:
    voice = Voice(a_program(tmp_path, SOUND))

    async def many() -> None:
        for number in [*range(KEPT + 1), 0]:
            await voice.say(f"số {number}.")

    run(many())
    assert (tmp_path / "asked").read_text().count("số 0.") == 2


@pytest.mark.parametrize("lines", ["exit 1", "echo no sound", "printf RIFF; exit 3", "exec sleep 60"])
def test_nothing_comes_of_a_program_that_fails_or_hangs(tmp_path: Path, lines: str) -> None:
    voice = Voice(a_program(tmp_path, lines), patience=2)
    assert voice.can_speak and run(voice.say("Mời số a")) is None


def test_without_the_program_nobody_speaks(tmp_path: Path) -> None:
    voice = Voice(str(tmp_path / "nothing"))
    assert not voice.can_speak and run(voice.say("Mời số a")) is None


@pytest.mark.needs_tool(PROGRAM)
def test_the_program_speaks_vietnamese_for_some_seconds() -> None:
    sound = run(Voice().say(call_as_spoken("A012", 3)))
    assert sound is not None
    with wave.open(io.BytesIO(sound)) as read:
        assert 2 < read.getnframes() / read.getframerate() < 8
