"""What a page gives away as a file: tables for spreadsheets, descriptions as YAML."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from fastapi import Response

Cell = str | int | None
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""How a formula begins; a number is one of ours and never text."""


def as_csv(rows: Iterable[Sequence[Cell]], name: str) -> Response:
    """UTF-8 with the mark by which Excel knows it, and no text that a spreadsheet would take for a formula. `name` is
    the file's, ASCII without spaces."""
    written = io.StringIO()
    csv.writer(written).writerows([_harmless(cell) for cell in row] for row in rows)
    return _file("\ufeff" + written.getvalue(), name, "text/csv")


def as_yaml(content: Mapping[str, Any], name: str) -> Response:
    """`content` as JSON would have it."""
    from ruamel.yaml import YAML

    writer = YAML()
    writer.width = 120
    written = io.StringIO()
    writer.dump(dict(content), written)
    return _file(written.getvalue(), name, "application/yaml")


def _harmless(cell: Cell) -> Cell:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _file(content: str, name: str, kind: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, headers=headers, media_type=f"{kind}; charset=utf-8")
