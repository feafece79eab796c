"""What the command line writes: results on standard output, everything else on standard error. One place for both."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def as_json(value: Any) -> None:
    """For a machine: one JSON document."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")


def line_of_json(value: Any) -> None:
    """For a machine that follows: one JSON document a line, at once."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str) + "\n")
    sys.stdout.flush()


def wrong(vi: str, en: str) -> None:
    """Why it did not work: Vietnamese, then English below it."""
    err.print(f"[bold red]✗[/] {_plain(vi)}" + (f"\n  [dim]{_plain(en)}[/]" if en else ""))


@contextmanager
def progress(vi: str, total: int | None = None) -> Iterator[Progress]:
    """A bar on a terminal, nothing elsewhere."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}"), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        bar.add_task(vi, total=total)
        yield bar


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)
