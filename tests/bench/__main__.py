"""`make bench`: how fast this machine is with it. Ratios side by side in one run, rounds interleaved, medians; a table
on standard output and nowhere else. Servers have one core's worth of work, the load generator is another process.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.distributed import distributed
from tests.bench.measures import (
    Row,
    bare_server,
    call_to_sms,
    cycles_against_bare,
    issue_against_bare,
    product,
    queue_alone,
    start_and_memory,
    with_a_past,
)
from tests.bench.screens import first_view

out = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
err = Console(stderr=True)


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="caunoi-bench-") as where:
        yield Path(where)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds of each pair (5)")
    parser.add_argument("--only", choices=("embedded", "distributed"), help="one of the two parts")
    parser.add_argument("--rows", default="", help="letters of the rows to measure, as `abe` (all)")
    parser.add_argument("--past", type=int, default=50_000, help="past tickets of the last measurement (50000)")
    given = parser.parse_args()
    rows: list[Row] = []

    def measure(what: str, found: Callable[[], list[Row]]) -> None:
        if what in (given.rows or what):
            with err.status(f"({what}) ..."):
                rows.extend(found())

    if given.only != "distributed":
        with _scratch() as where, ExitStack() as stack:
            bare = stack.enter_context(bare_server(where / "bare"))
            with product(where / "ours") as ours:
                measure("a", lambda: issue_against_bare(ours, bare, given.rounds))
                with queue_alone(where / "queue") as alone:
                    measure("a", lambda: issue_against_bare(alone, bare, given.rounds, "; queue alone"))
                measure("b", lambda: cycles_against_bare(ours, bare, given.rounds))
                measure("c", lambda: call_to_sms(ours))
            measure("d", lambda: start_and_memory(where / "start"))
            measure("f", lambda: first_view(where / "screens", given.rounds))
            measure("e", lambda: with_a_past(where / "past", where / "empty", given.past, given.rounds))
    if given.only != "embedded":
        with _scratch() as where:
            for letter, found in distributed(where, given.rounds):
                measure(letter, found)
    show(rows)


def show(rows: list[Row]) -> None:
    table = Table(title="Cầu Nối: bench", title_justify="left")
    for heading in ("what", "ours", "beside", "measure", "goal", ""):
        table.add_column(heading)
    for row in rows:
        verdict = "" if row.met is None else "[green]met[/]" if row.met else "[red]not met[/]"
        table.add_row(row.what, row.ours, row.beside, row.measure, row.goal, verdict)
    out.print(table)


if __name__ == "__main__":
    main()
