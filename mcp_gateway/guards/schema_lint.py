"""Is an input schema one that clients accept and that we can check fast, offline and in bounded time. Pure.

The catalog quarantines a tool with a finding. A schema may be small and still cost 2^30 steps to check, when each
of its parts refers twice to the next; so references are followed here once, and their cost is added up.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast
from urllib.parse import unquote

import jsonschema_rs
import orjson

MAX_BYTES = 64 * 1024
MAX_DEPTH = 32
MAX_SUBSCHEMAS = 2000
MAX_STEPS = 500_000
"""Parts that one check may visit, counted through references: tens of milliseconds. A recursive one counts once."""

_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_PATTERN_BYTES = 1 << 20


def lint(input_schema: object) -> str | None:
    """What is wrong with `input_schema`, for a reviewer; None when nothing is."""
    if not isinstance(input_schema, dict):
        return "the input schema is not an object"
    schema = cast("dict[str, Any]", input_schema)
    if schema.get("type") != "object":
        # One such tool makes some clients drop every tool of the server.
        return 'the input schema lacks "type": "object"'
    return _size_finding(schema) or _reference_finding(schema) or _compile_finding(schema)


def compiled(schema: dict[str, Any]) -> jsonschema_rs.Validator:
    """A validator that fetches nothing and whose patterns run in linear time; raises ValueError.

    Without `$schema` it is 2020-12 (MCP 2026-07-28 server/tools). `format` annotates and asserts nothing.
    """
    return jsonschema_rs.validator_for(
        schema,
        offline=True,
        validate_formats=False,
        pattern_options=jsonschema_rs.RegexOptions(size_limit=_PATTERN_BYTES, dfa_size_limit=_PATTERN_BYTES),
    )


def _size_finding(schema: dict[str, Any]) -> str | None:
    # Depth first: the serialiser has a limit of its own.
    if _is_deeper(schema, MAX_DEPTH):
        return f"the input schema is nested deeper than {MAX_DEPTH}"
    if len(orjson.dumps(schema)) > MAX_BYTES:
        return f"the input schema is larger than {MAX_BYTES} bytes"
    if sum(1 for _ in _objects(schema)) > MAX_SUBSCHEMAS:
        return f"the input schema has more than {MAX_SUBSCHEMAS} parts"
    return None


def _reference_finding(schema: dict[str, Any]) -> str | None:
    for part in _objects(schema):
        for reference in _references(part):
            if not reference.startswith("#"):
                return "the input schema refers to something outside itself"
    try:
        if _steps(schema, schema, {}) > MAX_STEPS:
            return "the references of the input schema multiply beyond measure"
    except RecursionError:
        return "the references of the input schema form too long a chain"
    return None


def _compile_finding(schema: dict[str, Any]) -> str | None:
    try:
        compiled(schema)
    except jsonschema_rs.ValidationError as exc:
        where = "/".join(str(step) for step in exc.instance_path)
        return f"the input schema is invalid, or its patterns need more than linear time, at /{where}"
    except ValueError:
        return "the input schema cannot be compiled"
    return None


def _is_deeper(value: object, left: int) -> bool:
    if not _is_container(value):
        return False
    return left == 0 or any(_is_deeper(child, left - 1) for child in _children(value))


def _is_container(value: object) -> bool:
    return isinstance(value, (dict, list))


def _children(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        yield from cast("dict[str, object]", value).values()
    elif isinstance(value, list):
        yield from cast("list[object]", value)


def _objects(value: object) -> Iterator[dict[str, object]]:
    if isinstance(value, dict):
        yield (members := cast("dict[str, object]", value))
        for child in members.values():
            yield from _objects(child)
    elif isinstance(value, list):
        for child in cast("list[object]", value):
            yield from _objects(child)


def _references(part: dict[str, object]) -> Iterator[str]:
    for keyword in _REFERENCES:
        reference = part.get(keyword)
        if isinstance(reference, str):
            yield reference


def _steps(value: object, root: dict[str, Any], known: dict[int, int]) -> int:
    """How many parts a check of `value` may visit; `known` holds what was counted, 1 while it is being counted."""
    key = id(value)
    if not _is_container(value) or key in known:
        return known.get(key, 0)
    known[key] = 1
    steps = 1 + sum(_steps(child, root, known) for child in _children(value))
    if isinstance(value, dict):
        targets = (_target(reference, root) for reference in _references(cast("dict[str, object]", value)))
        steps += sum(_steps(target, root, known) for target in targets)
    known[key] = steps
    return steps


def _target(reference: str, root: dict[str, Any]) -> object:
    """What a local reference points at; an anchor is looked up by name."""
    name = unquote(reference[1:])
    if name and not name.startswith("/"):
        anchored = (part for part in _objects(root) if name in (part.get("$anchor"), part.get("$dynamicAnchor")))
        return next(anchored, None)
    found: object = root
    for step in name.split("/")[1:]:
        found = _member(found, step.replace("~1", "/").replace("~0", "~"))
    return found


def _member(value: object, name: str) -> object:
    if isinstance(value, dict):
        return cast("dict[str, object]", value).get(name)
    if isinstance(value, list) and name.isdecimal():
        items = cast("list[object]", value)
        return items[int(name)] if int(name) < len(items) else None
    return None
