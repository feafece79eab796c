"""`caunoi seed FILE...`: a ward's YAML, looked over as a whole, then split among the services' own routes.

A mistake is told with file, line, column and what is expected there; nothing is sent before all files are right.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from services.caunoi import shown
from services.caunoi.client import Caller, connected
from services.caunoi.failures import Failed
from services.chassis.problems import fields_of
from services.chassis.settings import Settings
from services.notify.shapes import CentreGiven as NotifyPart
from services.queue.centre import CentreConfig as QueuePart
from services.volunteers.shapes import CentreGiven as VolunteersPart

Where = tuple[str | int, ...]
LARGEST: Final = 1_000_000
_OF_QUEUE: Final = frozenset(QueuePart.model_fields)
_OWN: Final = frozenset({"centre", "illustrative"})
_OF_OTHERS: Final = frozenset({"hamlets", "on_duty", "short_name", "location"})


@dataclass(frozen=True)
class Part:
    """What one service is given of a ward's YAML. `place` leads from a field of it back to the YAML."""

    service: str
    shape: type[BaseModel]
    body: Callable[[Mapping[str, Any]], dict[str, Any]]
    place: Callable[[Where], Where]


def _for_queue(ward: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in ward.items() if name in _OF_QUEUE}


def _for_volunteers(ward: Mapping[str, Any]) -> dict[str, Any]:
    return {"hamlets": ward.get("hamlets", {}), **_inner(ward, "on_duty")}


def _for_notify(ward: Mapping[str, Any]) -> dict[str, Any]:
    given = {"hamlets": ward.get("hamlets", {}), **_inner(ward, "location")}
    return given | ({"short_name": ward["short_name"]} if "short_name" in ward else {})


def _inner(ward: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = ward.get(name, {})
    return dict(value) if isinstance(value, dict) else {name: value}


def _within(name: str, *, but: Sequence[str] = ()) -> Callable[[Where], Where]:
    """Fields of that part stand below `name` in the YAML, except those in `but`."""

    def place(where: Where) -> Where:
        return where if where and where[0] in (*but, name) else (name, *where)

    return place


PARTS: Final = (
    Part("queue", QueuePart, _for_queue, lambda where: where),
    Part("volunteers", VolunteersPart, _for_volunteers, _within("on_duty", but=("hamlets",))),
    Part("notify", NotifyPart, _for_notify, _within("location", but=("short_name", "hamlets"))),
)


@dataclass(frozen=True)
class Ward:
    """A file without mistakes: its centre, and what each service is given."""

    file: Path
    centre: str
    bodies: Mapping[str, dict[str, Any]]


@dataclass(frozen=True, order=True)
class Mistake:
    """Line and column count from 1."""

    file: str
    line: int
    column: int
    where: str
    expected: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {f'{self.where}: ' if self.where else ''}{self.expected}"


class Mistaken(Failed):
    """`mistakes` in the order of the file."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        found = sorted(set(mistakes))
        super().__init__("\n  ".join(map(str, found)), "Nothing was changed.")
        self.mistakes = found


async def seed(settings: Settings, files: Sequence[Path], *, check_only: bool = False) -> None:
    wards = read_all(files, settings.language)
    if check_only:
        shown.out.print(f"{len(wards)} tệp không có lỗi. [dim]no mistakes[/]")
        return
    async with connected(settings, make=True) as operator:
        for ward in wards:
            await put(operator, ward)
            shown.out.print(f"{ward.file}: đã nạp trung tâm {ward.centre}. [dim]seeded[/]")


async def put(operator: Caller, ward: Ward) -> None:
    """The same file again changes nothing."""
    for service, body in ward.bodies.items():
        await operator.put(f"/{service}/centres/{ward.centre}", body)


def read_all(files: Sequence[Path], language: str = "vi") -> list[Ward]:
    """All of them, or `Mistaken` with the mistakes of all."""
    wards, mistakes = [], []
    for file in files:
        try:
            wards.append(read(file, language))
        except Mistaken as found:
            mistakes.extend(found.mistakes)
    if mistakes:
        raise Mistaken(mistakes)
    return wards


def read(file: Path, language: str = "vi") -> Ward:
    """One file as the services take it. Raises `Mistaken`, or `Failed` when it cannot be read."""
    tree = _parsed(file)
    if not isinstance(tree, dict):
        raise Mistaken([Mistake(str(file), 1, 1, "", "một danh mục `tên: giá trị` (a mapping)")])
    ward = _plain(tree)
    found = [*_unknown(tree, file), *_wrong_centre(ward, tree, file)]
    bodies: dict[str, dict[str, Any]] = {}
    for part in PARTS:
        bodies[part.service] = part.body(ward)
        try:
            # As JSON, which is how it is going to arrive: there a date is a string and a tuple a list.
            part.shape.model_validate(bodies[part.service])
        except ValidationError as error:
            found.extend(_mistakes(error, part, tree, file, language))
    if found:
        raise Mistaken(found)
    return Ward(file, ward["centre"], bodies)


def _parsed(file: Path) -> Any:
    try:
        if file.stat().st_size > LARGEST:
            raise Failed(f"{file}: tệp quá lớn.", f"{file}: larger than {LARGEST} bytes.")
        return YAML(typ="rt").load(file.read_text("utf-8"))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        said = " ".join(str(error.problem or error.context or "").split())
        raise Mistaken([Mistake(str(file), line, column, "", f"không đúng YAML ({said})")]) from None
    except YAMLError as error:
        raise Mistaken([Mistake(str(file), 1, 1, "", f"không đúng YAML ({str(error).splitlines()[0]})")]) from None
    except UnicodeDecodeError:
        raise Mistaken([Mistake(str(file), 1, 1, "", "tệp phải là văn bản UTF-8")]) from None


def _plain(value: Any) -> Any:
    """Dates in a YAML are dates; what the services are sent is JSON."""
    if isinstance(value, dict):
        return {key.isoformat() if isinstance(key, date) else key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value.isoformat() if isinstance(value, date) else value


def _unknown(tree: Any, file: Path) -> list[Mistake]:
    known = _OWN | _OF_QUEUE | _OF_OTHERS
    return [
        Mistake(
            str(file),
            *_position(tree, (name,), key=True),
            str(name),
            f"không có mục này; có: {', '.join(sorted(known))}",
        )
        for name in tree
        if name not in known
    ]


def _wrong_centre(ward: Mapping[str, Any], tree: Any, file: Path) -> list[Mistake]:
    centre = ward.get("centre")
    if isinstance(centre, str) and len(centre) == 5 and centre.isascii() and centre.isdigit():
        return []
    return [Mistake(str(file), *_position(tree, ("centre",)), "centre", 'mã năm chữ số trong ngoặc kép, ví dụ "31186"')]


def _mistakes(error: ValidationError, part: Part, tree: Any, file: Path, language: str) -> list[Mistake]:
    errors = error.errors(include_url=False, include_input=False)
    said = fields_of(RequestValidationError(errors), language)
    found = []
    for one, told in zip(errors, said, strict=False):
        where = part.place(tuple(step for step in one["loc"] if step != "[key]"))
        about_key = one["loc"][-1:] == ("[key]",) or one["type"] == "extra_forbidden"
        expected = told.expected if one["type"] in _WELL_SAID else f"{told.expected} ({one['msg']})"
        line, column = _position(tree, where, key=about_key)
        found.append(Mistake(str(file), line, column, ".".join(map(str, where)), expected))
    return found


_WELL_SAID: Final = frozenset(
    (
        *("missing", "extra_forbidden", "string_type", "string_too_short", "string_too_long", "plain_text", "int_type"),
        *("int_parsing", "int_from_float", "float_type", "float_parsing", "bool_type", "bool_parsing", "enum"),
        *("greater_than_equal", "greater_than", "less_than_equal", "less_than", "list_type", "tuple_type", "dict_type"),
        *("too_short", "too_long", "literal_error", "half_a_point", "hours_in_order"),
        "string_pattern_mismatch",
    )
)


def _position(tree: Any, where: Where, *, key: bool = False) -> tuple[int, int]:
    """Line and column of the value there (or of its key); of the deepest thing above it that is there."""
    line, column = 0, 0
    for depth, named in enumerate(where):
        step = _as_written(tree, named)
        last = depth == len(where) - 1
        try:
            if isinstance(tree, list):
                line, column = tree.lc.item(step)  # type: ignore[attr-defined]
            else:
                line, column = tree.lc.key(step) if key and last else tree.lc.value(step)
            tree = tree[step]
        except (AttributeError, KeyError, IndexError, TypeError):
            break
    return line + 1, column + 1


def _as_written(tree: Any, step: str | int) -> Any:
    """A key that was a date in the YAML is a string in what the services are sent."""
    if isinstance(tree, dict) and step not in tree:
        return next((key for key in tree if isinstance(key, date) and key.isoformat() == step), step)
    return step
