"""An OpenAPI document as a tree: bounded, without surprises of its notation, references followed inside it. Pure.

JSON or YAML. Of YAML only what JSON can say: no aliases (a few of them unfold to gigabytes), no tags,
no dates; a key such as `200` is text. A key that stands twice is refused in both.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias, cast
from urllib.parse import unquote

import orjson
import yaml

Object: TypeAlias = dict[str, Any]

MAX_DEPTH = 64
MAX_YAML_BYTES = 4 * 1024 * 1024
"""YAML is read a hundred times slower than JSON."""
_MAX_HOPS = 32
_MAX_SHOWN = 200
_VERSION = re.compile(r"3\.[01]\.[0-9]+")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}
"""Plain scalars that are no text (YAML 1.2 core schema)."""
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Flaw(Exception):
    """What is wrong, and where: a JSON Pointer into the document."""

    def __init__(self, problem: str, pointer: str = "") -> None:
        shown = "".join(c for c in pointer if c.isprintable())[:_MAX_SHOWN]
        super().__init__(f"#{shown}: {problem}" if shown else problem)


def below(pointer: str, *steps: str | int) -> str:
    return pointer + "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)


def an_object(value: object, pointer: str) -> Object:
    if not isinstance(value, dict):
        raise Flaw("must be an object", pointer)
    return cast("Object", value)


def a_list(value: object, pointer: str) -> list[Any]:
    if not isinstance(value, list):
        raise Flaw("must be a list", pointer)
    return cast("list[Any]", value)


def a_text(value: object, pointer: str) -> str:
    if not isinstance(value, str):
        raise Flaw("must be text", pointer)
    return value


@dataclass(frozen=True, slots=True)
class Document:
    root: Object
    is_30: bool
    """3.0, whose schemas are not yet JSON Schema."""

    def follow(self, value: object, pointer: str) -> tuple[object, str]:
        """What `value` stands for if it is a reference, with its own place; references out of the document are refused."""
        for _ in range(_MAX_HOPS):
            if not isinstance(value, dict) or "$ref" not in value:
                return cast("object", value), pointer
            value, pointer = self.target(cast("Object", value)["$ref"], below(pointer, "$ref"))
        raise Flaw("the references form too long a chain, or a circle", pointer)

    def target(self, reference: object, pointer: str) -> tuple[object, str]:
        text = a_text(reference, pointer)
        if not text.startswith("#/"):
            raise Flaw("refers to something outside the document, which is never fetched", pointer)
        steps = [step.replace("~1", "/").replace("~0", "~") for step in unquote(text[2:]).split("/")]
        found: object = self.root
        for step in steps:
            found = _member(found, step, pointer)
        return found, below("", *steps)


def read(data: bytes) -> Document:
    """Raises Flaw."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Flaw("is not UTF-8") from None
    root = _json(text) if text.lstrip()[:1] == "{" else _yaml(text)
    version = root.get("openapi")
    if "swagger" in root:
        raise Flaw("is Swagger 2.0; convert it to OpenAPI 3", "/swagger")
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise Flaw("must be 3.0.x or 3.1.x", "/openapi")
    return Document(root, version.startswith("3.0."))


def _member(value: object, step: str, pointer: str) -> object:
    if isinstance(value, dict) and step in value:
        return cast("Object", value)[step]
    if isinstance(value, list) and step.isdecimal() and len(step) < 6:
        items = cast("list[object]", value)
        if int(step) < len(items):
            return items[int(step)]
    raise Flaw("refers to something that is not in the document", pointer)


def _json(text: str) -> Object:
    try:
        orjson.loads(text)  # refuses NaN, half characters and any depth, which the other does not
        root: object = json.loads(text, object_pairs_hook=_pairs, parse_int=_integer, parse_float=_float)
    except (orjson.JSONDecodeError, RecursionError) as exc:
        line = f": line {exc.lineno}" if isinstance(exc, json.JSONDecodeError) else ""
        raise Flaw(f"is not valid JSON{line}") from None
    _refuse_depth(root)
    return an_object(root, "")


def _pairs(pairs: list[tuple[str, Any]]) -> Object:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise Flaw(f"the key {twice[:_MAX_SHOWN]!r} stands twice in one object")
    return found


def _integer(text: str) -> int | float:
    """What no 64 bits hold could not be written again."""
    return int(text) if len(text) < 19 else _float(text)


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise Flaw("has a number that is too large")
    return number


def _refuse_depth(root: object) -> None:
    level = [root]
    for _ in range(MAX_DEPTH):
        level = [child for value in level for child in _children(value)]
        if not level:
            return
    raise Flaw(f"is nested deeper than {MAX_DEPTH}")


def _children(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        yield from cast("Object", value).values()
    elif isinstance(value, list):
        yield from cast("list[object]", value)


def _yaml(text: str) -> Object:
    if len(text) > MAX_YAML_BYTES:
        raise Flaw(f"is YAML of more than {MAX_YAML_BYTES} bytes; write it as JSON")
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except yaml.MarkedYAMLError as exc:
        line = exc.problem_mark.line + 1 if exc.problem_mark else 1
        raise Flaw(f"is neither JSON nor YAML: line {line}: {exc.problem or 'unreadable'}") from None
    except (yaml.YAMLError, UnicodeError):
        raise Flaw("is neither JSON nor YAML") from None
    return an_object(builder.root, "")


class _Builder:
    """A value out of a stream of events, so that no depth of nesting costs any stack."""

    def __init__(self) -> None:
        self.root: object = None
        self._documents = 0
        self._open: list[Object | list[Any]] = []
        self._keys: list[str | None] = []
        """Of every open container the key whose value comes next; None = a key comes next, or it is a list."""

    def take(self, event: yaml.Event) -> None:
        match event:
            case yaml.AliasEvent():
                raise self._flaw(event, "anchors and aliases are not followed; use $ref")
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.MappingStartEvent():
                self._begin(event, cast("Object", {}))
            case yaml.SequenceStartEvent():
                self._begin(event, cast("list[Any]", []))
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._open.pop()
                self._keys.pop()
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise self._flaw(event, "a second document begins")
            case _:
                pass

    def _begin(self, event: yaml.CollectionStartEvent, container: Object | list[Any]) -> None:
        if event.tag not in (None, "!"):
            raise self._flaw(event, "tags are not read")
        if len(self._open) >= MAX_DEPTH:
            raise self._flaw(event, f"is nested deeper than {MAX_DEPTH}")
        if self._awaits_key():
            raise self._flaw(event, "a key must be text")
        self._put(container)
        self._open.append(container)
        self._keys.append(None)

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        if event.tag not in (None, "!"):
            raise self._flaw(event, "tags are not read")
        text: str = event.value
        if not self._awaits_key():
            self._put(_plain(text) if event.implicit[0] else text)
            return
        if text in self._open[-1]:
            raise self._flaw(event, f"the key {text[:_MAX_SHOWN]!r} stands twice")
        self._keys[-1] = text

    def _awaits_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1], dict) and self._keys[-1] is None

    def _put(self, value: object) -> None:
        if not self._open:
            self.root = value
        elif isinstance(around := self._open[-1], dict):
            around[cast("str", self._keys[-1])] = value
            self._keys[-1] = None
        else:
            around.append(value)

    @staticmethod
    def _flaw(event: yaml.Event, problem: str) -> Flaw:
        line = event.start_mark.line + 1 if event.start_mark else 1
        return Flaw(f"line {line}: {problem}")


def _plain(text: str) -> object:
    if text.lower() in _WORDS and text in (text.lower(), text.upper(), text.capitalize()):
        return _WORDS[text.lower()]
    if _INTEGER.fullmatch(text):
        return _integer(text)
    return _float(text) if _FLOAT.fullmatch(text) else text
