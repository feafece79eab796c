"""Text that people type, made harmless without changing what it says: `Annotated[str, PlainText(80)]`.

HTML is just text here: pages escape it. What is refused are characters that nobody sees and that deceive whoever does.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

# Control, invisible formatting (bidi overrides too), surrogates, private use, unassigned, line separators.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Khmer is written without spaces: there the zero-width space and joiners belong to the text.
_KHMER_JOINT = re.compile("(?<=[\u1780-\u17ff])[\u200b-\u200d](?=[\u1780-\u17ff])")


@dataclass(frozen=True, slots=True)
class PlainText:
    """One line of text of `min_length` to `max_length` characters, NFC, without space around it."""

    max_length: int
    min_length: int = 1

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(
            plain, core_schema.str_schema(min_length=self.min_length, max_length=self.max_length, strict=True)
        )


def plain(text: Any) -> Any:
    """NFC and stripped; raises for characters that nobody sees. What is not text is left for the schema to refuse."""
    if not isinstance(text, str):
        return text
    text = unicodedata.normalize("NFC", text).strip()
    if not text.isprintable() and hides_something(text):
        raise PydanticCustomError("plain_text", "one line of visible characters")
    return text


def hides_something(text: str) -> bool:
    return any(unicodedata.category(character) in _UNSEEN for character in _KHMER_JOINT.sub("", text))
