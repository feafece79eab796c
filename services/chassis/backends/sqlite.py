"""One SQLite file: WAL, `synchronous=FULL`, group commit, and the driver's errors translated. No table lives here.

Statements of a group run on the loop thread and its COMMIT (the fsync) in a thread of its own: statements in a thread
would give up the GIL once each and wait for it again behind a busy loop. Nothing touches the writer meanwhile.
"""

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from services.chassis.errors import Unavailable

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

SURVIVES_A_POWER_CUT = {"journal_mode": "wal", "synchronous": "full"}


class DiskFull(Unavailable):
    en = "The disk is full ({file}): nothing was changed; make room and try again."
    vi = "Ổ đĩa đã đầy ({file}): chưa có gì thay đổi; hãy giải phóng chỗ trống rồi thử lại."


class FileInUse(Unavailable):
    en = "{file} is in use by another process."
    vi = "Tệp {file} đang được một tiến trình khác sử dụng."


class FileNotUsable(Unavailable):
    en = "{file} cannot be used: {why}."
    vi = "Không dùng được tệp {file}: {why}."


class FileFromNewerVersion(Unavailable):
    en = "{file} was written by a newer version (schema {found}, this program knows {known})."
    vi = "Tệp {file} do phiên bản mới hơn ghi (lược đồ {found}, chương trình này biết đến {known})."


class OutcomeUnknown(Unavailable):
    """The write may have happened or not; what a later read gives is the truth."""

    en = "The disk reported an error while writing {file}; it is not known whether the change was kept."
    vi = "Ổ đĩa báo lỗi khi ghi tệp {file}; chưa biết thay đổi đã được lưu hay chưa."


class Database:
    """A file that this process has to itself. Use it from one event loop.

    `schema` is the history of the file's tables: each entry is a script run once, in order; their number is the
    version of the file. Only append to it.
    """

    def __init__(self, path: Path, schema: Sequence[str]) -> None:
        self.path = path
        self._schema = schema
        self._lock: int | None = None
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"commit-{path.stem}")
        self._waiting: list[tuple[Work[Any], asyncio.Future[Any]]] = []
        self._committing: asyncio.Task[None] | None = None
        self._troubled = False

    async def open(self) -> None:
        """Lock the file, bring its tables up to date, check the pragmas. Raises an `Unavailable` in one line."""
        try:
            self._take_lock()
            self._connect()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Finish the writes that wait, then let go of the file."""
        while self._committing is not None:
            await asyncio.wait([self._committing])
        self._disconnect()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def write(self, work: Work[T]) -> T:
        """Run `work` in the next group and return what it gave, once the group would survive a power cut.

        `work` runs statements on the connection it is given and must not await, commit or keep it. If it raises, only
        its own statements are undone. `DiskFull`: nothing was done. `OutcomeUnknown`: read to find out.
        """
        if self._writer is None and self._lock is None:
            raise self._not_usable("it is closed")
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[T] = loop.create_future()
        self._waiting.append((work, waiter))
        if self._committing is None:
            self._committing = loop.create_task(self._commit_all())
        return await waiter

    def read(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query over what is durable. On the loop thread: keep it short, page with a limit."""
        try:
            return self._open_reader().execute(statement, parameters).fetchall()
        except sqlite3.Error as error:
            raise self._translated(error) from error

    async def health(self) -> dict[str, Any]:
        """What a power cut depends on, as it is now. After trouble it tries a write: `Unavailable` if that fails."""

        def look(at: sqlite3.Connection) -> dict[str, Any]:
            if self._troubled:
                at.execute(f"PRAGMA user_version={len(self._schema)}")
            return {"file": self.path.name, **_pragmas(at)}

        return await self.write(look)

    async def _commit_all(self) -> None:
        """Group after group, for as long as somebody waits."""
        try:
            while self._waiting:
                group, self._waiting = self._waiting, []
                await self._commit_group([(work, waiter) for work, waiter in group if not waiter.done()])
        finally:
            self._committing = None

    async def _commit_group(self, group: list[tuple[Work[Any], asyncio.Future[Any]]]) -> None:
        results: list[tuple[asyncio.Future[Any], Any]] = []
        try:
            writer = self._open_writer()
            writer.execute("BEGIN IMMEDIATE")
            for work, waiter in group:
                try:
                    results.append((waiter, _apart(writer, work)))
                except Exception as error:
                    if not writer.in_transaction:  # a full disk may have undone all of it
                        raise
                    _fail([waiter], self._translated(error))
            await asyncio.get_running_loop().run_in_executor(self._thread, writer.execute, "COMMIT")
        except BaseException as error:
            self._troubled = True
            self._undo(error)
            _fail([waiter for _, waiter in group], self._translated(error))
            if not isinstance(error, Exception):
                raise
        else:
            self._troubled = False
            for waiter, result in results:
                if not waiter.done():
                    waiter.set_result(result)

    def _undo(self, error: BaseException) -> None:
        if isinstance(error, sqlite3.Error) and _primary_code(error) == sqlite3.SQLITE_IOERR:
            # The commit frame may lie in the log though its fsync failed. Closing and opening anew makes one truth of
            # it, and the checkpoint on the way writes it all again, past pages that the kernel gave up.
            self._disconnect()
            return
        if self._writer is not None and self._writer.in_transaction:
            try:
                self._writer.execute("ROLLBACK")
            except sqlite3.Error:
                self._disconnect()

    def _take_lock(self) -> None:
        # Beside the database and not on it: closing any descriptor of that one would drop SQLite's own locks.
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FileInUse(file=self.path.name) from error
        except OSError as error:
            raise self._not_usable(error.strerror or type(error).__name__) from error

    def _connect(self) -> None:
        try:
            writer = self._writer = self._connection()
            writer.execute("PRAGMA journal_mode=WAL")
            writer.execute("PRAGMA synchronous=FULL")
            writer.execute("PRAGMA journal_size_limit=16777216")
            if _pragmas(writer) != SURVIVES_A_POWER_CUT:
                raise self._not_usable("it cannot promise that a write survives a power cut")
            writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            self._bring_up_to_date(writer)
            self._reader = self._connection()
            self._reader.execute("PRAGMA query_only=ON")
        except sqlite3.Error as error:
            self._disconnect()
            raise self._translated(error) from error

    def _connection(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=2.0, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        connection.execute("PRAGMA cache_size=-8192")
        return connection

    def _bring_up_to_date(self, writer: sqlite3.Connection) -> None:
        found = writer.execute("PRAGMA user_version").fetchone()[0]
        if found > len(self._schema):
            raise FileFromNewerVersion(file=self.path.name, found=found, known=len(self._schema))
        for version, script in enumerate(self._schema[found:], start=found + 1):
            writer.executescript(f"BEGIN IMMEDIATE; {script}; PRAGMA user_version={version}; COMMIT;")

    def _open_writer(self) -> sqlite3.Connection:
        if self._writer is None:
            self._reopen()
        assert self._writer is not None
        return self._writer

    def _open_reader(self) -> sqlite3.Connection:
        if self._reader is None:
            self._reopen()
        assert self._reader is not None
        return self._reader

    def _reopen(self) -> None:
        if self._lock is None:
            raise self._not_usable("it is closed")
        self._disconnect()
        self._connect()

    def _disconnect(self) -> None:
        for connection in (self._reader, self._writer):
            if connection is not None:
                with suppress(sqlite3.Error):
                    connection.close()
        self._reader = self._writer = None

    def _not_usable(self, why: str) -> FileNotUsable:
        return FileNotUsable(file=self.path.name, why=why)

    def _translated(self, error: BaseException) -> BaseException:
        if not isinstance(error, sqlite3.Error):
            return error
        match _primary_code(error):
            case sqlite3.SQLITE_FULL:
                return DiskFull(file=self.path.name)
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
                return FileInUse(file=self.path.name)
            case sqlite3.SQLITE_IOERR:
                return OutcomeUnknown(file=self.path.name)
            case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY:
                return self._not_usable(str(error))
            case _:
                return error  # a wrong statement or a broken constraint: a bug or the caller's own business


def _apart(writer: sqlite3.Connection, work: Work[T]) -> T:
    """Run the work of one among several, so that its failure undoes nothing of the others."""
    writer.execute("SAVEPOINT one")
    try:
        result = work(writer)
    except BaseException:
        if writer.in_transaction:
            writer.execute("ROLLBACK TO one")
            writer.execute("RELEASE one")
        raise
    writer.execute("RELEASE one")
    return result


def _pragmas(at: sqlite3.Connection) -> dict[str, str]:
    mode = at.execute("PRAGMA journal_mode").fetchone()[0]
    level = at.execute("PRAGMA synchronous").fetchone()[0]
    return {"journal_mode": mode, "synchronous": {0: "off", 1: "normal", 2: "full", 3: "extra"}[level]}


def _primary_code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def _fail(waiters: Sequence[asyncio.Future[Any]], error: BaseException) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_exception(error)


def micros_of(moment: datetime) -> int:
    """A time as these files keep it: whole microseconds since 1970."""
    return round(moment.timestamp() * 1_000_000)


def moment_of(micros: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=micros)
