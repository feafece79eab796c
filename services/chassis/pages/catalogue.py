"""The texts of all pages. Vietnamese is what stands in the templates; every other language has a catalogue beside
them, `services/<name>/pages/en.po`, read when it is first spoken. A new language is that and a line in `LANGUAGES`.

`renewed` gives each catalogue as it must be for the texts that are there now; `make generate` writes it, and a test
fails on a text that was not translated.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from gettext import NullTranslations
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from babel.messages import Catalog

SOURCE: Final = "vi"
LANGUAGES: Final[Mapping[str, str]] = {SOURCE: "Tiếng Việt", "en": "English"}
"""Code and own name, in the order in which they are offered."""

_SERVICES: Final = Path(__file__).parents[2]
_READ_BY: Final = [("**.py", "python"), ("**.html", "jinja2")]
_AS: Final = {"**.html": {"trimmed": "true", "newstyle_gettext": "true", "silent": "false"}}


@cache
def folders() -> Mapping[str, Path]:
    """Where each service (and the chassis) has its pages, by its name."""
    return {folder.parent.name: folder for folder in sorted(_SERVICES.glob("*/pages"))}


@cache
def translations(language: str) -> NullTranslations:
    """What the pages say in that language, of all services together."""
    if language == SOURCE:
        return NullTranslations()
    from babel.messages.mofile import write_mo
    from babel.support import Translations

    spoken: NullTranslations | None = None
    for folder in folders().values():
        compiled = BytesIO()
        write_mo(compiled, catalogue(folder, language))
        compiled.seek(0)
        one = Translations(compiled)
        if spoken is None:
            spoken = one
        else:
            spoken.add_fallback(one)
    return spoken or NullTranslations()


def catalogue(folder: Path, language: str) -> "Catalog":
    """As it is kept; empty when there is none yet."""
    from babel.messages import Catalog
    from babel.messages.pofile import read_po

    path = folder / f"{language}.po"
    if not path.exists():
        return Catalog(locale=language)
    with path.open("rb") as file:
        return read_po(file, locale=language, charset="utf-8")


def renewed() -> Iterator[tuple[Path, str]]:
    """Every catalogue that there must be, and its content: what is said now, with the translations that are known."""
    for language in LANGUAGES:
        if language != SOURCE:
            for folder in folders().values():
                if text := _as_po(folder, language):
                    yield folder / f"{language}.po", text


def _as_po(folder: Path, language: str) -> str:
    from babel.messages import Catalog
    from babel.messages.extract import extract_from_dir
    from babel.messages.pofile import write_po

    known, fresh = catalogue(folder, language), Catalog(locale=language)
    for file, _, text, comments, context in extract_from_dir(
        folder,
        _READ_BY,
        _AS,
        {"_": None, "N_": None, "gettext": None, "ngettext": (1, 2), "pgettext": ((1, "c"), 2)},
        ["L10n:"],
    ):
        before = known.get(text, context)
        fresh.add(text, before.string if before else None, [(file, 0)], auto_comments=comments, context=context)
    if not len(fresh):
        return ""
    written = BytesIO()
    write_po(written, fresh, width=120, omit_header=True, include_lineno=False, sort_output=True)
    return written.getvalue().decode()
