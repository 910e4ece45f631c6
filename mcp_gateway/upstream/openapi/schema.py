"""A schema of an OpenAPI document as JSON Schema 2020-12 that stands alone. Pure.

What the schema refers to is gathered under `$defs`, so a recursive one stays finite. Keywords of
neither vocabulary are left out; what would give references another base is refused.
"""

from __future__ import annotations

import re
from typing import Any, cast

from mcp_gateway.upstream.openapi.document import Document, Flaw, Object, a_list, an_object, below

_ONE = frozenset(
    {
        "additionalProperties",
        "contains",
        "contentSchema",
        "else",
        "if",
        "items",
        "not",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)
_MANY = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_NAMED = frozenset({"dependentSchemas", "patternProperties", "properties"})
_AS_IT_IS = frozenset(
    {
        "const",
        "contentEncoding",
        "contentMediaType",
        "default",
        "dependentRequired",
        "deprecated",
        "description",
        "enum",
        "examples",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "format",
        "maxContains",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minContains",
        "minItems",
        "minLength",
        "minProperties",
        "minimum",
        "multipleOf",
        "pattern",
        "readOnly",
        "required",
        "title",
        "type",
        "uniqueItems",
        "writeOnly",
    }
)
_REBASING = ("$anchor", "$dynamicAnchor", "$dynamicRef", "$id", "$recursiveAnchor", "$recursiveRef")
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")
_MAX_NAME = 64
MAX_PARTS = 4_000
"""Of one tool, before it is given up: review would quarantine it anyway."""


class Schemas:
    """The schemas of one tool. `defs` is filled while they are translated."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._names: dict[str, str] = {}
        self.defs: Object = {}
        self.parts = 0

    def translated(self, schema: object, pointer: str) -> Any:
        """Raises Flaw."""
        self.parts += 1
        if self.parts > MAX_PARTS:
            raise Flaw(f"has more than {MAX_PARTS} parts, with all it refers to", pointer)
        if isinstance(schema, bool):
            return schema
        members = an_object(schema, pointer)
        for keyword in _REBASING:
            if keyword in members:
                raise Flaw("is not supported: references are read from the document's root", below(pointer, keyword))
        referred = self._referred(members, pointer) if "$ref" in members else {}
        if referred and self._document.is_30:
            return referred  # 3.0 ignores what stands beside a reference
        found = referred | {
            keyword: self._member(keyword, value, below(pointer, keyword))
            for keyword, value in members.items()
            if _is_known(keyword)
        }
        return _from_30(members, found) if self._document.is_30 else found

    def is_object(self, schema: object, pointer: str) -> bool:
        """Whether every value that fits is an object, as far as the schema says so plainly."""
        value, _ = self._document.follow(schema, pointer)
        members = cast("Object", value) if isinstance(value, dict) else {}
        return members.get("type") == "object" and not members.get("nullable")

    def _member(self, keyword: str, value: object, pointer: str) -> Any:
        if keyword in _ONE:
            return self.translated(value, pointer)
        if keyword in _MANY:
            return [self.translated(one, below(pointer, index)) for index, one in enumerate(a_list(value, pointer))]
        if keyword in _NAMED:
            named = an_object(value, pointer)
            return {name: self.translated(one, below(pointer, name)) for name, one in named.items()}
        return value

    def _referred(self, members: Object, pointer: str) -> Object:
        target, place = self._document.target(members["$ref"], below(pointer, "$ref"))
        name = self._names.get(place)
        if name is None:
            name = self._names[place] = self._new_name(place)
            self.defs[name] = True  # taken, before what it refers to takes it
            self.defs[name] = self.translated(target, place)
        return {"$ref": f"#/$defs/{name}"}

    def _new_name(self, place: str) -> str:
        plain = _UNSAFE.sub("_", place.rpartition("/")[2])[:_MAX_NAME] or "schema"
        name, number = plain, 2
        while name in self.defs:
            name, number = f"{plain}_{number}", number + 1
        return name


def _is_known(keyword: str) -> bool:
    return keyword in _AS_IT_IS or keyword in _ONE or keyword in _MANY or keyword in _NAMED


def _from_30(members: Object, found: Object) -> Object:
    """What 3.0 says in its own way."""
    for bound, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(found.get(bound), bool):
            exclusive = found.pop(bound)
            if exclusive and limit in found:
                found[bound] = found.pop(limit)
    if "example" in members:
        found["examples"] = [members["example"]]
    return _nullable(found) if members.get("nullable") is True else found


def _nullable(found: Object) -> Object:
    if not isinstance(found.get("type"), str):
        return {"anyOf": [found, {"type": "null"}]}
    if isinstance(found.get("enum"), list) and None not in found["enum"]:
        found["enum"] = [*found["enum"], None]
    return found | {"type": [found["type"], "null"]}
