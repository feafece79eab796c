"""A table as a file that a spreadsheet opens: CSV in UTF-8 with the mark by which Excel knows it, and nothing in it
that a spreadsheet would take for a formula.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Final

from fastapi import Response

Cell = str | int | None
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""How a formula begins; a number is one of ours and never text."""


def as_csv(rows: Iterable[Sequence[Cell]], name: str) -> Response:
    """`name` is of the file, ASCII without spaces."""
    written = io.StringIO()
    csv.writer(written).writerows([_harmless(cell) for cell in row] for row in rows)
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response("\ufeff" + written.getvalue(), headers=headers, media_type="text/csv")


def _harmless(cell: Cell) -> Cell:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
