"""A call as a sound, made by espeak-ng where it is installed: for a board whose browser has no Vietnamese voice.

What is said is ours alone (a code and a counter in words), the program runs without a shell, two at a time at most, and
the last sentences are kept.
"""

import asyncio
import shutil
from asyncio.subprocess import DEVNULL, PIPE
from collections import OrderedDict
from struct import pack
from typing import Final

PROGRAM: Final = "espeak-ng"
SPOKEN_LIKE: Final = ("-v", "vi-vn-x-south", "-s", "130", "-g", "4", "--stdout")
"""Of the south, as people in Cần Thơ speak, slowly, with pauses between words; WAV to standard output."""
AT_ONCE: Final = 2
KEPT: Final = 32
"""Sentences; one is some 200 KB."""
PATIENCE: Final = 5.0
"""Seconds; it takes a fiftieth of one."""


class Voice:
    """`program` is found once; where there is none, nothing is ever said."""

    def __init__(self, program: str = PROGRAM, patience: float = PATIENCE) -> None:
        self._program = shutil.which(program)
        self._patience = patience
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._kept: OrderedDict[str, bytes] = OrderedDict()

    @property
    def can_speak(self) -> bool:
        return self._program is not None

    async def say(self, sentence: str) -> bytes | None:
        """WAV, or None when nothing came of it."""
        if sound := self._kept.get(sentence):
            self._kept.move_to_end(sentence)
            return sound
        async with self._turns:
            sound = await self._made(sentence)
        if sound:
            self._kept[sentence] = sound
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return sound

    async def _made(self, sentence: str) -> bytes | None:
        if self._program is None:
            return None
        try:
            process = await asyncio.create_subprocess_exec(
                self._program, *SPOKEN_LIKE, "--", sentence, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL
            )
        except OSError:
            return None
        try:
            async with asyncio.timeout(self._patience):
                sound, _ = await process.communicate()
        except TimeoutError:
            return None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return _with_lengths(sound) if process.returncode == 0 and sound.startswith(b"RIFF") else None


def _with_lengths(sound: bytes) -> bytes:
    """Who writes to a pipe does not know how long it will be, and says two gigabytes."""
    length, header = len(sound), 44
    return sound[:4] + pack("<I", length - 8) + sound[8 : header - 4] + pack("<I", length - header) + sound[header:]
