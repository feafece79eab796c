"""One file, many callers, one fsync a group; and what is said when the disk does not play along."""

import asyncio
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from services.chassis.backends.sqlite import (
    Database,
    DiskFull,
    FileFromNewerVersion,
    FileInUse,
    FileNotUsable,
    OutcomeUnknown,
)
from tests.support import run

TABLE = "CREATE TABLE t (n INTEGER PRIMARY KEY, body BLOB)"


def add(n: int, size: int = 10) -> Callable[[sqlite3.Connection], int]:
    def work(at: sqlite3.Connection) -> int:
        at.execute("INSERT INTO t VALUES (?, ?)", (n, b"x" * size))
        return n

    return work


def numbers(database: Database) -> list[int]:
    return [n for (n,) in database.read("SELECT n FROM t ORDER BY n")]


async def opened(path: Path) -> Database:
    database = Database(path / "a.sqlite", [TABLE])
    await database.open()
    return database


def test_what_was_written_is_there_after_opening_again(tmp_path: Path) -> None:
    async def story() -> None:
        database = await opened(tmp_path)
        assert await asyncio.gather(*(database.write(add(n)) for n in range(100))) == list(range(100))
        await database.close()
        again = await opened(tmp_path)
        assert numbers(again) == list(range(100))
        await again.close()

    run(story())


def test_a_caller_that_fails_undoes_nothing_of_the_others(tmp_path: Path) -> None:
    async def story() -> None:
        database = await opened(tmp_path)

        def add_and_fail(at: sqlite3.Connection) -> None:
            add(50)(at)
            raise KeyError

        works = [database.write(add(1)), database.write(add_and_fail), database.write(add(1)), database.write(add(2))]
        outcomes = await asyncio.gather(*works, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [int, KeyError, sqlite3.IntegrityError, int]
        assert numbers(database) == [1, 2]
        await database.close()

    run(story())


def test_nobody_reads_what_is_not_durable(tmp_path: Path) -> None:
    async def story() -> None:
        database = await opened(tmp_path)
        seen: list[list[int]] = []
        seen_in_write: Callable[[sqlite3.Connection], None] = lambda at: seen.append(numbers(database))  # noqa: E731
        await asyncio.gather(database.write(add(1)), database.write(seen_in_write))
        assert seen == [[]]
        assert numbers(database) == [1]
        await database.close()

    run(story())


def test_a_caller_that_went_away_before_its_turn_writes_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        database = await opened(tmp_path)
        gone = asyncio.create_task(database.write(add(1)))
        await asyncio.sleep(0)
        gone.cancel()
        await database.write(add(2))
        assert numbers(database) == [2]
        await database.close()

    run(story())


def test_closing_waits_for_what_is_on_its_way(tmp_path: Path) -> None:
    async def story() -> None:
        database = await opened(tmp_path)
        writes = [asyncio.create_task(database.write(add(n))) for n in range(20)]
        await asyncio.sleep(0)
        await database.close()
        assert await asyncio.gather(*writes) == list(range(20))
        with pytest.raises(FileNotUsable, match="closed"):
            await database.write(add(99))

    run(story())


def test_a_power_cut_is_provided_for(tmp_path: Path) -> None:
    async def story() -> None:
        database = await opened(tmp_path)
        assert await database.health() == {"file": "a.sqlite", "journal_mode": "wal", "synchronous": "full"}
        await database.close()

    run(story())


def test_a_file_is_opened_once(tmp_path: Path) -> None:
    async def story() -> None:
        database = await opened(tmp_path)
        with pytest.raises(FileInUse, match=r"a\.sqlite is in use"):
            await opened(tmp_path)
        await database.close()
        await (await opened(tmp_path)).close()

    run(story())


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    async def story() -> None:
        newer = Database(tmp_path / "a.sqlite", [TABLE, "CREATE TABLE u (n)"])
        await newer.open()
        await newer.close()
        with pytest.raises(FileFromNewerVersion, match="schema 2, this program knows 1"):
            await opened(tmp_path)

    run(story())


def test_an_older_file_is_brought_up_to_date(tmp_path: Path) -> None:
    async def story() -> None:
        database = await opened(tmp_path)
        await database.write(add(1))
        await database.close()
        newer = Database(tmp_path / "a.sqlite", [TABLE, "ALTER TABLE t ADD COLUMN more INTEGER DEFAULT 7"])
        await newer.open()
        assert newer.read("SELECT n, more FROM t") == [(1, 7)]
        await newer.close()

    run(story())


@pytest.mark.parametrize("content", [b"this is a letter and not a database at all" * 100, b"\x00" * 8192])
def test_a_file_that_is_no_database_is_named_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.sqlite").write_bytes(content)
    with pytest.raises(FileNotUsable, match=r"a\.sqlite cannot be used") as refusal:
        run(opened(tmp_path))
    assert "\n" not in str(refusal.value)


def test_a_directory_that_is_none_is_named_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileNotUsable, match="cannot be used"):
        run(Database(tmp_path / "file" / "a.sqlite", [TABLE]).open())


def test_on_a_full_disk_nothing_is_done_and_room_is_all_it_takes(tmp_path: Path) -> None:
    async def story() -> None:
        database = await opened(tmp_path)
        await database.write(add(1))
        await database.write(lambda at: at.execute("PRAGMA max_page_count=20").fetchone())
        for _ in range(2):
            with pytest.raises(DiskFull, match="nothing was changed"):
                await database.write(add(2, size=200_000))
        assert numbers(database) == [1]
        await database.write(lambda at: at.execute("PRAGMA max_page_count=100000").fetchone())
        await database.write(add(2, size=200_000))
        assert numbers(database) == [1, 2]
        await database.close()

    run(story())


def test_a_full_disk_fails_only_what_did_not_fit(tmp_path: Path) -> None:
    async def story() -> None:
        database = await opened(tmp_path)
        await database.write(lambda at: at.execute("PRAGMA max_page_count=20").fetchone())
        works = [database.write(add(1)), database.write(add(2, size=200_000)), database.write(add(3))]
        outcomes = await asyncio.gather(*works, return_exceptions=True)
        done = [outcome for outcome in outcomes if isinstance(outcome, int)]
        assert numbers(database) == done
        assert all(isinstance(outcome, int | DiskFull) for outcome in outcomes)
        await database.close()

    run(story())


# What follows is asked of the kernel: a child runs under strace, which counts its fsyncs or makes its calls fail.

_CHILD = """
import asyncio, os, signal, sys
from pathlib import Path
from services.chassis.backends.sqlite import Database
async def main(path, how):
    database = Database(Path(path) / "a.sqlite", ["CREATE TABLE t (n INTEGER PRIMARY KEY, body BLOB)"])
    await database.open()
    if how == "off":
        await database.write(lambda at: at.execute("PRAGMA wal_autocheckpoint=0"))
        database._writer.execute("PRAGMA synchronous=OFF")
    for group in range(int(sys.argv[3])):
        works = [
            database.write(lambda at, n=n: at.execute("INSERT INTO t VALUES (?, zeroblob(3000))", (n,)))
            for n in range(group * 4, group * 4 + 4)
        ]
        outcomes = await asyncio.gather(*works, return_exceptions=True)
        print(" ".join(type(o).__name__ if isinstance(o, Exception) else "kept" for o in outcomes), flush=True)
        print("rows", *[n for (n,) in database.read("SELECT n FROM t")], flush=True)
        if how == "killed" and isinstance(outcomes[0], Exception):
            os.kill(os.getpid(), signal.SIGKILL)
    print(await database.health())
    await database.close()
asyncio.run(main(*sys.argv[1:3]))
"""


def under_strace(path: Path, groups: int, how: str = "full", inject: str = "") -> tuple[list[str], str]:
    """What the child printed, and the trace of its writes and fsyncs."""
    trace = path / "trace"
    options = ["-f", "-qq", "-o", str(trace), "-e", "trace=fdatasync,fsync,pwrite64,write"]
    options += ["-e", f"inject={inject}"] if inject else []
    child = subprocess.run(
        ["strace", *options, sys.executable, "-c", _CHILD, str(path), how, str(groups)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert child.returncode == (-signal.SIGKILL if how == "killed" else 0), child.stderr
    return child.stdout.splitlines(), trace.read_text()


def syncs_before_each_answer(trace: str) -> list[int]:
    """How often the disk was waited for between one answer and the next."""
    pieces = re.split(r'write\(1, "kept kept kept kept', trace)
    return [len(re.findall(r"(fdatasync|fsync)\(\d+\s*(\)|<unf)", piece)) for piece in pieces[:-1]]


@pytest.mark.needs_tool("strace")
def test_each_group_waits_for_the_disk_once_before_its_answers(tmp_path: Path) -> None:
    _, trace = under_strace(tmp_path, groups=20)
    syncs = syncs_before_each_answer(trace)
    assert len(syncs) == 20
    assert set(syncs[1:]) == {1}


@pytest.mark.needs_tool("strace")
def test_the_count_of_fsyncs_would_see_that_nobody_waits_for_the_disk(tmp_path: Path) -> None:
    _, trace = under_strace(tmp_path, groups=20, how="off")
    assert set(syncs_before_each_answer(trace)[1:]) == {0}


@pytest.mark.needs_tool("strace")
def test_a_disk_without_room_for_the_log_is_told_and_survived(tmp_path: Path) -> None:
    lines, _ = under_strace(tmp_path, groups=20, inject="pwrite64:error=ENOSPC:when=40..44")
    answers = [line for line in lines if line.split()[0] in ("kept", "DiskFull")]
    assert "DiskFull DiskFull DiskFull DiskFull" in answers
    assert answers[-1] == "kept kept kept kept"
    assert_rows_are_those_kept(lines)


@pytest.mark.needs_tool("strace")
def test_an_fsync_that_fails_is_no_answer_and_reading_tells_the_truth(tmp_path: Path) -> None:
    lines, _ = under_strace(tmp_path, groups=8, inject="fdatasync:error=EIO:when=6")
    answers = [line for line in lines if line.split()[0] in ("kept", OutcomeUnknown.__name__)]
    assert answers.count("OutcomeUnknown " * 3 + "OutcomeUnknown") == 1
    assert answers[-1] == "kept kept kept kept"
    assert "'synchronous': 'full'" in lines[-1]
    assert_rows_are_those_kept(lines)


@pytest.mark.needs_tool("strace")
def test_what_was_read_after_an_fsync_failed_stays_true_after_a_kill(tmp_path: Path) -> None:
    lines, _ = under_strace(tmp_path, groups=8, how="killed", inject="fdatasync:error=EIO:when=6")
    assert lines[-2].startswith("OutcomeUnknown")
    told = [int(n) for n in lines[-1].split()[1:]]

    async def story() -> None:
        database = await opened(tmp_path)
        assert numbers(database) == told
        await database.close()

    run(story())


def assert_rows_are_those_kept(lines: list[str]) -> None:
    """All groups told as kept are there, and what was refused is not; only of the unknown either may be true."""
    answers = [line for line in lines if not line.startswith(("rows", "{"))]
    rows = {int(n) for n in [line for line in lines if line.startswith("rows")][-1].split()[1:]}
    for group, answer in enumerate(answers):
        expected = set(range(group * 4, group * 4 + 4))
        if answer.startswith("kept"):
            assert expected <= rows
        elif answer.startswith("DiskFull"):
            assert not expected & rows


def test_what_was_answered_survives_a_kill(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(tmp_path), "full", "100000"], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout
    answered = 0
    for line in child.stdout:
        answered += line.startswith("kept")
        if answered == 50:
            child.send_signal(signal.SIGKILL)
            break
    child.wait()

    async def story() -> None:
        database = await opened(tmp_path)
        kept = numbers(database)
        assert len(kept) >= 200
        assert kept == list(range(len(kept)))
        assert len(kept) % 4 == 0  # all of a group or nothing of it
        await database.close()

    run(story())
