"""Every text of every page, in every language. A text in English that nobody translated is Vietnamese to a visitor."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import nodes

from services.chassis.pages.catalogue import LANGUAGES, catalogue, folders
from services.chassis.pages.render import environment

OTHERS = [language for language in LANGUAGES if language != "vi"]
TEMPLATES = [f"{name}/{path.name}" for name, folder in folders().items() for path in sorted(folder.glob("*.html"))]
OWN_NAME = "Cầu Nối"
ATTRIBUTES = ("screen", "main_class", "home")
"""Blocks whose text stands inside a tag."""
TEXTS = (".py", ".html", ".js", ".yaml", ".po", ".md")
MARKED_BEFORE = r"\w*(?:[òóỏõọ][ae]|[ùúủũụ]y)\b"
NAMES = {"Thủy"}
"""Of people, who write themselves as they like."""
SPOKEN = ("alt", "aria-label", "placeholder", "title")


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("folder", folders().values(), ids=folders().keys())
def test_every_text_is_translated(folder: Path, language: str) -> None:
    missing = [one.id for one in catalogue(folder, language) if one.id and not _all(one.string)]
    assert missing == []


@pytest.mark.parametrize("folder", folders().values(), ids=folders().keys())
def test_a_translation_names_what_the_text_names(folder: Path) -> None:
    for one in filter(lambda one: one.id, catalogue(folder, "en")):
        vi = one.id if isinstance(one.id, str) else one.id[0]
        said = [one.string] if isinstance(one.string, str) else one.string
        for en in said:
            assert _named(en) <= _named(vi) and (len(said) > 1 or _named(en) == _named(vi)), (vi, en)


def test_one_text_has_one_translation_in_all_services() -> None:
    """The catalogues are read as one."""
    known: dict[object, object] = {}
    for folder in folders().values():
        for one in catalogue(folder, "en"):
            if one.id:
                assert known.setdefault((one.context, one.id), one.string) == one.string, one.id


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_has_no_text_that_cannot_be_translated(template: str) -> None:
    assert _bare(template) == []


def test_tone_marks_stand_on_one_letter_throughout() -> None:
    """Hoà, khoá, huỷ: a page that has both ways looks as if two people had not spoken to each other."""
    ours = (path for folder in folders().values() for path in folder.parent.rglob("*") if path.suffix in TEXTS)
    otherwise = {word for path in ours for word in re.findall(MARKED_BEFORE, path.read_text("utf-8"))}
    assert otherwise <= NAMES


def _all(string: object) -> bool:
    return all(string) if isinstance(string, tuple) else bool(string)


def _named(text: str) -> set[str]:
    return set(re.findall(r"%\(\w+\)s|\{\w+\}|<[^>]+>", text))


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in SPOKEN:
                self._note(value or "")

    def handle_data(self, data: str) -> None:
        self._note(data)

    def _note(self, text: str) -> None:
        if re.search(r"[^\W\d_]", text.replace(OWN_NAME, "")):
            self.found.append(" ".join(text.split()))


def _bare(template: str) -> list[str]:
    made = environment("vi")
    assert made.loader is not None
    source, _, _ = made.loader.get_source(made, template)
    words = _Words()
    # What is computed has no letters here; what stands between is the template's own.
    words.feed("".join(_data(made.parse(source))))
    return words.found


def _data(parsed: nodes.Node) -> Iterator[str]:
    for node in parsed.iter_child_nodes():
        if isinstance(node, nodes.TemplateData):
            yield node.data
        elif (isinstance(node, nodes.Block) and node.name in ATTRIBUTES) or isinstance(node, nodes.Expr):
            yield "·"
        else:
            yield from _data(node)
