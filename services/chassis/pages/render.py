"""Templates: one environment a language, over all `pages/` folders. `<service>/<file>` names a template."""

from functools import cache
from typing import TYPE_CHECKING, Any

from services.chassis.pages.catalogue import folders, translations
from services.chassis.pages.files import address_of
from services.chassis.pages.speech import Speech, speech

if TYPE_CHECKING:
    from jinja2 import Environment


def rendered(template: str, spoken: Speech, **facts: Any) -> str:
    return environment(spoken.language).get_template(template).render(facts)


@cache
def environment(language: str) -> "Environment":
    # A tenth of a second that the start need not wait for.
    from jinja2 import Environment, FileSystemLoader, PrefixLoader, StrictUndefined

    made = Environment(
        loader=PrefixLoader({name: FileSystemLoader(folder) for name, folder in folders().items()}),
        extensions=["jinja2.ext.i18n"],
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    made.policies["ext.i18n.trimmed"] = True
    texts = translations(language)
    made.install_gettext_callables(  # type: ignore[attr-defined]
        texts.gettext, speech(language).counted, newstyle=True, pgettext=texts.pgettext, npgettext=texts.npgettext
    )
    made.filters.update(speech(language).filters())
    made.globals["static"] = address_of
    return made
