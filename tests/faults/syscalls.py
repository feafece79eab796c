"""What a process said to the kernel, as strace saw it: was every answer preceded by the fsync of what it tells?

A kill cannot show this (the kernel keeps what was written), only the calls themselves can.
"""

import re
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_CALLS = "fdatasync,fsync,read,recvfrom,recvmsg,write,writev,sendto,sendmsg"
_LINE = re.compile(r"^(?P<thread>\d+)\s+(?P<rest>.*)$")
_SYNC = re.compile(r"^(?:fdatasync|fsync)\(\d+<(?P<file>[^>]*)>(?P<open> <unfinished)?")
_SYNCED = re.compile(r"^<\.\.\. (?:fdatasync|fsync) resumed>")
_ASKED = re.compile(r"^(?:read|recvfrom|recvmsg)\((?P<socket>\d+)<.*?\"(?:POST|PUT) ")
_READING = re.compile(r"^(?:read|recvfrom|recvmsg)\((?P<socket>\d+)<[^>]*>.* <unfinished")
_READ = re.compile(r"^<\.\.\. (?:read|recvfrom|recvmsg) resumed>.*?\"(?:POST|PUT) ")
_TOLD = re.compile(r"^(?:write|writev|sendto|sendmsg)\((?P<socket>\d+)<.*?\"HTTP/1\.1 (?P<status>\d{3})")


@dataclass
class Seen:
    """`answers`: 2xx to a command; `unsynced`: those that came before a log of the store was on the disk."""

    answers: int = 0
    syncs: int = 0
    """Of the log of `queue`, from beginning to end within what was watched."""
    unsynced: list[str] = field(default_factory=list)


def watched(pid: int, out: Path) -> AbstractContextManager[None]:
    """Everything in here is seen; ends when strace has written its last line."""
    return _attached(pid, "-y", "-s", "64", "-e", f"trace={_CALLS}", "-o", str(out))


def failing(pid: int, call: str, error: str) -> AbstractContextManager[None]:
    """In here that system call of the process fails, as on a disk that is full (`pwrite64`, `ENOSPC`) or broken."""
    return _attached(pid, "-e", f"trace={call}", "-e", f"inject={call}:error={error}", "-o", "/dev/null")


@contextmanager
def _attached(pid: int, *how: str) -> Iterator[None]:
    with subprocess.Popen(["strace", "-f", *how, "-p", str(pid)], stderr=subprocess.DEVNULL) as strace:
        try:
            _wait_until_attached(pid)
            yield
        finally:
            strace.send_signal(signal.SIGINT)
            strace.wait(10)


def _wait_until_attached(pid: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        tracers = [task.joinpath("status").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
        if all("TracerPid:\t0\n" not in status for status in tracers):
            return
        time.sleep(0.01)
    raise TimeoutError("strace did not attach")


def judge(lines: Iterable[str], log: str = "queue.sqlite-wal") -> Seen:
    """Each command, from the read of its request to the write of its answer, must span a whole fsync of the log."""
    seen = Seen()
    asked: dict[str, int] = {}
    begun: dict[str, int] = {}
    reading: dict[str, str] = {}
    synced_since = -1  # where the newest finished fsync of the log had begun
    for place, line in enumerate(lines):
        found = _LINE.match(line)
        if found is None:
            continue
        thread, rest = found["thread"], found["rest"]
        if (sync := _SYNC.match(rest)) and sync["file"].endswith(log):
            begun[thread] = place
            if not sync["open"]:
                synced_since, seen.syncs = begun.pop(thread), seen.syncs + 1
        elif _SYNCED.match(rest) and thread in begun:
            synced_since, seen.syncs = begun.pop(thread), seen.syncs + 1
        elif request := _ASKED.match(rest):
            asked[request["socket"]] = place
        elif request := _READING.match(rest):
            reading[thread] = request["socket"]
        elif _READ.match(rest) and thread in reading:
            asked[reading.pop(thread)] = place
        elif (answer := _TOLD.match(rest)) and answer["socket"] in asked:
            since = asked.pop(answer["socket"])
            if answer["status"].startswith("2"):
                seen.answers += 1
                if synced_since < since:
                    seen.unsynced.append(rest[:160])
    return seen
