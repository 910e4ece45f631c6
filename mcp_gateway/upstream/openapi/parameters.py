"""Which arguments an operation takes, and where each goes. Pure.

Cookie parameters are never sent, nor headers that belong to the connection, to the registry entry
or to its credential: an optional one is left out, a required one makes the operation unusable.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Any, cast

from mcp_gateway.upstream.openapi.binding import FORM_BODY, JSON_BODY, Body, Place, Style
from mcp_gateway.upstream.openapi.document import Document, Flaw, Object, a_list, a_text, an_object, below
from mcp_gateway.upstream.openapi.schema import Schemas

NOT_ARGUMENTS = frozenset({"accept", "authorization", "content-type"})
"""OpenAPI 3.1 §4.8.12.1: such parameters shall be ignored, required or not."""
_OURS = re.compile(
    r"(?i)connection|content-.*|cookie2?|expect|forwarded|host|keep-alive|origin|proxy-.*|referer|te|trailer"
    r"|transfer-encoding|upgrade|user-agent|via|x-forwarded-.*|x-http-method(-override)?|x-method-override|x-original-.*"
    r"|x-real-ip|x-rewrite-.*"
)
"""What they would change is how the request is carried, who sends it, or which request it is."""
_KIND_OF_JSON = re.compile(r"application/[a-z0-9.-]+\+json")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")
_MAX_ARGUMENT = 64
_MAX_PARAMETERS = 200
_STYLES: dict[str, tuple[str, ...]] = {
    "path": ("simple",),
    "query": ("form", "spaceDelimited", "pipeDelimited", "deepObject"),
    "header": ("simple",),
}


@dataclass(frozen=True, slots=True)
class Parameter:
    place: Place
    schema: Any
    required: bool


@dataclass(frozen=True, slots=True)
class Payload:
    body: Body
    schema: Any
    required: bool


@dataclass(frozen=True, slots=True)
class Taken:
    """What the registry entry sends itself, in lower case; no argument may replace it."""

    headers: Set[str] = frozenset()
    queries: Set[str] = frozenset()


class Reader:
    """Of one operation; raises Flaw."""

    def __init__(self, document: Document, schemas: Schemas, taken: Taken) -> None:
        self._document = document
        self._schemas = schemas
        self._taken = taken

    def parameters(self, lists: Sequence[tuple[object, str]], *, has_body: bool) -> list[Parameter]:
        """Of the path and of the operation, whose own come last and replace the path's."""
        found: dict[tuple[str, str], tuple[Object, str]] = {}
        for declared, pointer in lists:
            for parameter, place in self._declared(declared, pointer):
                name = a_text(parameter.get("name"), below(place, "name"))
                found[name, a_text(parameter.get("in"), below(place, "in"))] = (parameter, place)
                if len(found) > _MAX_PARAMETERS:
                    raise Flaw(f"has more than {_MAX_PARAMETERS} parameters", pointer)
        kept = {key: value for key, value in found.items() if self._is_argument(*key, *value)}
        arguments = _arguments(list(kept), {"body"} if has_body else frozenset[str]())
        return [
            self._parameter(parameter, pointer, where, arguments[name, where])
            for (name, where), (parameter, pointer) in kept.items()
        ]

    def payload(self, declared: object, pointer: str) -> Payload:
        value, pointer = self._document.follow(declared, pointer)
        body = an_object(value, pointer)
        content = an_object(body.get("content"), below(pointer, "content"))
        kind, name = _body_type(content, below(pointer, "content"))
        place = below(pointer, "content", name)
        media = an_object(content[name], place)
        if media.get("encoding"):
            raise Flaw("an encoding of its own for parts of a body is not supported", below(place, "encoding"))
        schema = self._schemas.translated(media.get("schema", {}), below(place, "schema"))
        if kind == FORM_BODY and not self._schemas.is_object(media.get("schema"), below(place, "schema")):
            raise Flaw("a form must be an object", below(place, "schema"))
        return Payload(Body(argument="body", type=kind), _described(schema, body), body.get("required") is True)

    def _declared(self, declared: object, pointer: str) -> Iterator[tuple[Object, str]]:
        for index, one in enumerate(a_list(declared, pointer)):
            value, place = self._document.follow(one, below(pointer, index))
            yield an_object(value, place), place

    def _is_argument(self, name: str, where: str, parameter: Object, pointer: str) -> bool:
        if where not in ("path", "query", "header", "cookie"):
            raise Flaw("must be path, query, header or cookie", below(pointer, "in"))
        if where == "header" and name.lower() in NOT_ARGUMENTS:
            return False
        if not self._is_kept(name, where):
            return True
        if parameter.get("required") is True:
            raise Flaw(f"a required {where} parameter that callers may not set", pointer)
        return False

    def _is_kept(self, name: str, where: str) -> bool:
        """Kept from callers."""
        if where == "header":
            return name.lower() in self._taken.headers or _OURS.fullmatch(name) is not None
        return where == "cookie" or (where == "query" and name.lower() in self._taken.queries)

    def _parameter(self, parameter: Object, pointer: str, where: str, argument: str) -> Parameter:
        name = cast("str", parameter["name"])
        if where == "header" and not _HEADER_NAME.fullmatch(name):
            raise Flaw("is no name of a header", below(pointer, "name"))
        style, explode, schema = self._form(parameter, pointer, where)
        place = Place.model_validate(
            {"argument": argument, "name": name, "in": where, "style": style, "explode": explode}
        )
        return Parameter(place, _described(schema, parameter), where == "path" or parameter.get("required") is True)

    def _form(self, parameter: Object, pointer: str, where: str) -> tuple[Style, bool, Any]:
        if "content" in parameter:
            return "json", False, self._as_json(parameter["content"], below(pointer, "content"))
        style = parameter.get("style", _STYLES[where][0])
        if style not in _STYLES[where]:
            raise Flaw(f"this style is not supported in a {where}", below(pointer, "style"))
        explode = parameter.get("explode", style == "form")
        if not isinstance(explode, bool):
            raise Flaw("must be true or false", below(pointer, "explode"))
        return style, explode, self._schemas.translated(parameter.get("schema", {}), below(pointer, "schema"))

    def _as_json(self, declared: object, pointer: str) -> Any:
        content = an_object(declared, pointer)
        if list(content) != [JSON_BODY]:
            raise Flaw("only application/json is supported in a parameter", pointer)
        media = an_object(content[JSON_BODY], below(pointer, JSON_BODY))
        return self._schemas.translated(media.get("schema", {}), below(pointer, JSON_BODY, "schema"))


def _body_type(content: Object, pointer: str) -> tuple[str, str]:
    """JSON if the API takes it, or a kind of JSON, else a form; and the name it has in the document."""
    kinds = {name.partition(";")[0].strip().lower(): name for name in content}
    for kind in (JSON_BODY, *filter(_KIND_OF_JSON.fullmatch, kinds), FORM_BODY):
        if kind in kinds:
            return kind, kinds[kind]
    if "*/*" in kinds:
        return JSON_BODY, kinds["*/*"]
    if any(kind.startswith("multipart/") for kind in kinds):
        raise Flaw("multipart bodies (uploads) are not supported", pointer)
    raise Flaw("only bodies of application/json and application/x-www-form-urlencoded are supported", pointer)


def _arguments(keys: Sequence[tuple[str, str]], reserved: Set[str]) -> dict[tuple[str, str], str]:
    """A name for each parameter's argument: its own, made safe; with its place in front where two would be the same."""
    plain = {key: _safe(key[0]) for key in keys}
    names = list(plain.values())
    found: dict[tuple[str, str], str] = {}
    for (name, where), argument in plain.items():
        clear = names.count(argument) == 1 and argument not in reserved
        found[name, where] = _free(argument if clear else f"{where}_{argument}", {*found.values(), *reserved})
    return found


def _free(name: str, taken: Set[str]) -> str:
    found, number = name[:_MAX_ARGUMENT], 2
    while found in taken:
        suffix = f"_{number}"
        found, number = name[: _MAX_ARGUMENT - len(suffix)] + suffix, number + 1
    return found


def _safe(name: str) -> str:
    """What clients take for the name of a property; `filter[name]` becomes `filter_name`."""
    safe = name if _UNSAFE.search(name) is None else _UNSAFE.sub("_", name).strip("_")
    return safe[:_MAX_ARGUMENT] or "parameter"


def _described(schema: Any, declared: Object) -> Any:
    """The parameter's own description, where its schema has none."""
    description: object = declared.get("description")
    if not isinstance(description, str) or not description or not isinstance(schema, dict) or "description" in schema:
        return cast("Any", schema)
    return cast("Object", schema) | {"description": description}
