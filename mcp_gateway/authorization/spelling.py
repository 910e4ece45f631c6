"""A value of the arguments → the one name it spells, or None when somebody could read another one in it. Pure.

The gateway decides on the name and the upstream reads the value. Where the two could differ the value
names nothing: control and invisible characters, space around it, forms that Unicode folds together
(full width, ligatures, unordered accents), letters of scripts that look alike in one word. A spelling
the upstream does accept is declared, as a step of the rule's `normalise`.

Words that look alike in one script only, such as a wholly Cyrillic one, are another name: nobody has
a right to it who was not given one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from mcp_gateway.model.tool import Normalisation

MAX_CHARACTERS = 512

_MAX_INTEGER = 2**53
"""JavaScript and whatever else reads numbers as doubles takes larger ones for their neighbours."""
_JSON_SPACE = " \t\r\n"
_URL_SEGMENT = re.compile(r"[A-Za-z0-9._~-]+")
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_TOGETHER = frozenset({"CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO", "LATIN"})
"""Scripts one word may mix; no letter of one is mistaken for a letter of another."""


def name_of(value: Any, steps: tuple[Normalisation, ...] = ()) -> str | None:
    """The name a text or an integer spells."""
    if value.__class__ is int:
        text = str(value) if -_MAX_INTEGER < value < _MAX_INTEGER else None
    else:
        text = value if value.__class__ is str and len(value) <= MAX_CHARACTERS else None
    for kind, detail in steps:
        text = _STEPS[kind](text, detail) if text else None
    return text if text and is_clear(text) else None


def is_clear(text: str) -> bool:
    """Nobody reads another text in it."""
    if len(text) > MAX_CHARACTERS or not text.isprintable() or text != text.strip():
        return False
    return text.isascii() or _is_clear_beyond_ascii(text)


def folded(text: str) -> str:
    """What a reader who ignores case and form would read."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()


def have_twins(names: Iterable[str]) -> bool:
    """Two different names are one to a reader who ignores case and form."""
    different = set(names)
    return len(set(map(folded, different))) < len(different)


def _is_clear_beyond_ascii(text: str) -> bool:
    if unicodedata.normalize("NFKC", text) != text or _INVISIBLE.search(text):
        return False
    if unicodedata.combining(text[0]):
        return False
    scripts = {_script(character) for character in text if character.isalpha()}
    return len(scripts) < 2 or scripts <= _TOGETHER


@lru_cache(maxsize=4096)
def _script(character: str) -> str:
    """The first word of the character's name, which for letters is the script's."""
    return unicodedata.name(character, "UNNAMED").partition(" ")[0]


def _without_prefix(text: str, prefix: str) -> str | None:
    """Once; a reader might take off two."""
    bare = text.removeprefix(prefix)
    return None if bare.startswith(prefix) else bare


def _of_url(text: str, template: str) -> str | None:
    """The one plain path segment that stands for `{id}`."""
    before, _, after = template.partition("{id}")
    if not text.startswith(before) or not text.endswith(after):
        return None
    middle = text[len(before) : len(text) - len(after)]
    return middle if _URL_SEGMENT.fullmatch(middle) and middle.strip(".") else None


_STEPS: Mapping[str, Callable[[str, str], str | None]] = {
    "trim": lambda text, _: text.strip(_JSON_SPACE),
    "lower": lambda text, _: text.lower(),
    "nfc": lambda text, _: unicodedata.normalize("NFC", text),
    "strip_prefix": _without_prefix,
    "url": _of_url,
}
