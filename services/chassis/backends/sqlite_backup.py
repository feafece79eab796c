"""Copies of SQLite files while their owner writes: one consistent moment each, checked page by page.

Only from a process that does not have the file open otherwise: closing it would drop the locks that SQLite holds.
"""

import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path

from services.chassis.backends.sqlite import FileNotUsable
from services.chassis.datadir import BACKUP
from services.chassis.keys import write_secret


class SqliteCopies:
    """`Copies` of the files of a data directory; see `services.chassis.ports`."""

    kind = "files"
    with_views = True

    def __init__(self, directory: Path, services: Sequence[str]) -> None:
        self._directory = directory
        self.data = (*(f"{service}.sqlite" for service in services), "bus.sqlite", "demo", "demo.json")
        self.keys = tuple(f"{service}.keys.sqlite" for service in services)

    def occupied(self) -> bool:
        return (self._directory / "version").exists()

    def take(self, names: Sequence[str], into: Path, before: datetime) -> Iterator[str]:
        for name in names:
            source = self._directory / name
            if source.exists():
                _copy(source, into / name) if source.suffix == ".sqlite" else shutil.copyfile(source, into / name)
                yield name

    def note(self, begun: datetime) -> None:
        write_secret(self._directory / BACKUP, begun.isoformat().encode())

    def check(self, file: Path) -> None:
        if file.suffix == ".sqlite":
            _check(file)

    def put(self, names: Sequence[str], unpacked: Path, aside: str) -> None:
        for name in (*(self.keys if set(self.keys) & set(names) else ()), *self.data):
            for present in (self._directory / f"{name}{end}" for end in ("", "-wal", "-shm")):
                if present.exists():
                    (self._directory / aside).mkdir(exist_ok=True, mode=0o700)
                    present.replace(self._directory / aside / present.name)
        for name in names:
            (unpacked / name).replace(self._directory / name)


def _copy(source: Path, target: Path) -> None:
    """`target` becomes what `source` held at one moment. Raises `FileNotUsable`."""
    try:
        with closing(sqlite3.connect(source, timeout=10)) as original, closing(sqlite3.connect(target)) as fresh:
            original.execute("PRAGMA query_only=ON")
            original.backup(fresh)
            fresh.execute("PRAGMA journal_mode=DELETE")  # one file, whole by itself
    except sqlite3.Error as error:
        raise FileNotUsable(file=source.name, why=str(error)) from None
    _check(target)


def _check(path: Path) -> None:
    """Raises `FileNotUsable` unless SQLite finds every page and index in order."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as opened:
            found = opened.execute("PRAGMA integrity_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        raise FileNotUsable(file=path.name, why=str(error)) from None
    if found != "ok":
        raise FileNotUsable(file=path.name, why=found)
