"""Copies of SQLite files while their owner writes: one consistent moment each, checked page by page.

Only from a process that does not have the file open otherwise: closing it would drop the locks that SQLite holds.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from services.chassis.backends.sqlite import FileNotUsable


def copy(source: Path, target: Path) -> None:
    """`target` becomes what `source` held at one moment. Raises `FileNotUsable`."""
    try:
        with closing(sqlite3.connect(source, timeout=10)) as original, closing(sqlite3.connect(target)) as fresh:
            original.execute("PRAGMA query_only=ON")
            original.backup(fresh)
            fresh.execute("PRAGMA journal_mode=DELETE")  # one file, whole by itself
    except sqlite3.Error as error:
        raise FileNotUsable(file=source.name, why=str(error)) from None
    check(target)


def check(path: Path) -> None:
    """Raises `FileNotUsable` unless SQLite finds every page and index in order."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as opened:
            found = opened.execute("PRAGMA integrity_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        raise FileNotUsable(file=path.name, why=str(error)) from None
    if found != "ok":
        raise FileNotUsable(file=path.name, why=found)
