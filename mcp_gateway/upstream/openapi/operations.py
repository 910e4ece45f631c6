"""An OpenAPI document as MCP tools: one per operation, each definition with its binding. Pure.

What is wrong with one operation makes a tool that review quarantines, with the place in the document
as its finding; what is wrong with the document as a whole is raised. `servers`, `security` and
`callbacks` are not read: where requests go and as whom is the registry entry's to say.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import unquote

import orjson

from mcp_gateway.model.tool import JsonObject
from mcp_gateway.upstream.openapi.binding import META, Binding, Unusable, written
from mcp_gateway.upstream.openapi.document import Document, Flaw, Object, a_text, an_object, below
from mcp_gateway.upstream.openapi.parameters import Parameter, Payload, Reader, Taken
from mcp_gateway.upstream.openapi.schema import Schemas

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_WITHOUT_BODY = ("get", "head")
_HINTS: dict[str, JsonObject] = {
    "get": {"readOnlyHint": True},
    "head": {"readOnlyHint": True},
    "delete": {"destructiveHint": True},
    "put": {"idempotentHint": True},
}
_PATH = re.compile(r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2}|\{[^{}/]+\})*)+")
_NAMED = re.compile(r"\{([^{}/]+)\}")
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")
_MAX_NAME = 128
_HASH = 8
_MAX_DESCRIPTION = 4_000
_MAX_PARTS = 2_000_000
"""Of all schemas of a document, as often as operations use them: seconds of work."""
_MAX_BYTES = 64 * 1024 * 1024
_MAX_TOOL_BYTES = 256 * 1024
"""Of one definition: what a large document repeats for each operation is written, compared and kept for each."""


@dataclass(frozen=True, slots=True)
class Operation:
    method: str
    path: str
    item: Object
    """What the path says of all its operations."""
    declared: Object
    item_pointer: str
    pointer: str


def tools(document: Document, *, taken: Taken, limit: int) -> tuple[JsonObject, ...]:
    """Every operation as a tool definition, in the document's order; raises Flaw."""
    operations = list(_operations(document, limit))
    parts = size = 0
    found: list[JsonObject] = []
    for name, operation in zip(_names(operations), operations, strict=True):
        schemas = Schemas(document)
        tool = _tool(name, operation, document, schemas, taken)
        parts, size = parts + schemas.parts, size + (length := len(orjson.dumps(tool)))
        if parts > _MAX_PARTS or size > _MAX_BYTES:
            raise Flaw("its operations are too large in all, with the schemas they use", "/paths")
        if length > _MAX_TOOL_BYTES:
            tool = _quarantined(
                name, operation, str(Flaw(f"is larger than {_MAX_TOOL_BYTES} bytes", operation.pointer))
            )
        found.append(tool)
    return tuple(found)


def server_info(document: Document) -> JsonObject:
    info = an_object(document.root.get("info", {}), "/info")
    return {"name": str(info.get("title", "")), "version": str(info.get("version", ""))}


def _operations(document: Document, limit: int) -> Iterator[Operation]:
    count = 0
    for path, declared in an_object(document.root.get("paths", {}), "/paths").items():
        if path.startswith("x-"):
            continue
        value, pointer = document.follow(declared, below("/paths", path))
        item = an_object(value, pointer)
        for method in _METHODS:
            if method not in item:
                continue
            count += 1
            if count > limit:
                raise Flaw(f"has more than {limit} operations", "/paths")
            place = below(pointer, method)
            yield Operation(method, path, item, an_object(item[method], place), pointer, place)


def _names(operations: Sequence[Operation]) -> list[str]:
    """Their `operationId`s made safe, or method and path; a hash is added where two would be the same."""
    exact = [_exact(operation) for operation in operations]
    same = Counter(exact)
    for name, operation in zip(exact, operations, strict=True):
        if same[name] > 1:
            raise Flaw("another operation has the same", below(operation.pointer, "operationId"))
    plain = [_UNSAFE.sub("_", name).strip("_") or "operation" for name in exact]
    same = Counter(plain)
    return [
        safe if same[safe] == 1 and len(safe) <= _MAX_NAME else _hashed(safe, name)
        for safe, name in zip(plain, exact, strict=True)
    ]


def _exact(operation: Operation) -> str:
    if "operationId" in operation.declared:
        return a_text(operation.declared["operationId"], below(operation.pointer, "operationId"))
    return f"{operation.method} {operation.path}"


def _hashed(safe: str, exact: str) -> str:
    suffix = hashlib.sha256(exact.encode("utf-8")).hexdigest()[:_HASH]
    return f"{safe[: _MAX_NAME - _HASH - 1]}_{suffix}"


def _tool(name: str, operation: Operation, document: Document, schemas: Schemas, taken: Taken) -> JsonObject:
    try:
        return _usable(name, operation, document, schemas, taken)
    except Flaw as flaw:
        why = str(flaw)
    except RecursionError:
        why = str(Flaw("the references form too long a chain", operation.pointer))
    return _quarantined(name, operation, why)


def _quarantined(name: str, operation: Operation, why: str) -> JsonObject:
    return {
        "name": name,
        **_words(operation),
        "inputSchema": {"type": "object"},
        "_meta": {META: written(Unusable(why))},
    }


def _usable(name: str, operation: Operation, document: Document, schemas: Schemas, taken: Taken) -> JsonObject:
    if operation.method == "trace":
        raise Flaw("TRACE would answer with the gateway's credential", operation.pointer)
    reader = Reader(document, schemas, taken)
    payload = _payload(operation, reader)
    parameters = reader.parameters(list(_parameter_lists(operation)), has_body=payload is not None)
    _check_path(operation, parameters)
    binding = Binding.model_validate(
        {
            "method": operation.method.upper(),
            "path": operation.path,
            "parameters": [parameter.place for parameter in parameters],
            "body": payload.body if payload else None,
        }
    )
    definition: dict[str, Any] = {
        "name": name,
        **_words(operation),
        "inputSchema": _input_schema(parameters, payload, schemas),
    }
    output = _output_schema(operation, document)
    if output is not None:
        definition["outputSchema"] = output
    if operation.method in _HINTS:
        definition["annotations"] = _HINTS[operation.method]
    return {**definition, "_meta": {META: written(binding)}}


def _words(operation: Operation) -> JsonObject:
    said = [operation.declared.get(key) for key in ("summary", "description")]
    texts = [text.strip() for text in said if isinstance(text, str) and text.strip()]
    description = "\n\n".join(dict.fromkeys(texts))[:_MAX_DESCRIPTION]
    return {"description": description or f"{operation.method.upper()} {operation.path}"}


def _parameter_lists(operation: Operation) -> Iterator[tuple[object, str]]:
    if "parameters" in operation.item:
        yield operation.item["parameters"], below(operation.item_pointer, "parameters")
    if "parameters" in operation.declared:
        yield operation.declared["parameters"], below(operation.pointer, "parameters")


def _payload(operation: Operation, reader: Reader) -> Payload | None:
    if "requestBody" not in operation.declared:
        return None
    pointer = below(operation.pointer, "requestBody")
    if operation.method in _WITHOUT_BODY:
        raise Flaw(f"{operation.method.upper()} has no body", pointer)
    return reader.payload(operation.declared["requestBody"], pointer)


def _check_path(operation: Operation, parameters: Sequence[Parameter]) -> None:
    pointer = operation.item_pointer
    if not _PATH.fullmatch(operation.path):
        raise Flaw("is no path of a URL", pointer)
    if any(unquote(segment) in (".", "..") for segment in operation.path.split("/")):
        raise Flaw("has a segment that leads upwards", pointer)
    named = set(_NAMED.findall(operation.path))
    declared = {parameter.place.name for parameter in parameters if parameter.place.where == "path"}
    if named != declared:
        wrong = sorted(named ^ declared)[0]
        raise Flaw(f"its path and its path parameters do not fit: {wrong}", operation.pointer)


def _input_schema(parameters: Sequence[Parameter], payload: Payload | None, schemas: Schemas) -> JsonObject:
    properties = {parameter.place.argument: parameter.schema for parameter in parameters}
    required = [parameter.place.argument for parameter in parameters if parameter.required]
    if payload is not None:
        properties[payload.body.argument] = payload.schema
        required += [payload.body.argument] if payload.required else []
    schema: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        schema["required"] = required
    if schemas.defs:
        schema["$defs"] = schemas.defs
    return schema


def _output_schema(operation: Operation, document: Document) -> JsonObject | None:
    """Only where every success is described as the same JSON object: clients refuse an answer that differs."""
    try:
        return _success(operation, document)
    except (Flaw, RecursionError):
        return None  # what the answer looks like is a courtesy


def _success(operation: Operation, document: Document) -> JsonObject | None:
    pointer = below(operation.pointer, "responses")
    responses = an_object(operation.declared.get("responses"), pointer)
    good = [code for code in responses if code[:1] == "2"]
    if len(good) != 1:
        return None
    value, place = document.follow(responses[good[0]], below(pointer, good[0]))
    content = an_object(an_object(value, place).get("content"), below(place, "content"))
    if list(content) != ["application/json"]:
        return None
    place = below(place, "content", "application/json")
    schema = an_object(content["application/json"], place).get("schema")
    schemas = Schemas(document)
    if not schemas.is_object(schema, below(place, "schema")):
        return None
    value, place = document.follow(schema, below(place, "schema"))
    found = schemas.translated(value, place)
    if schemas.defs:
        found["$defs"] = schemas.defs
    return cast("JsonObject", found)
