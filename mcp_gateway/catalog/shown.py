"""The URIs in an upstream's answer, as the endpoint that asked shows them. Pure.

They stand in resource links and embedded resources of tool results and prompts, in the contents of a
resource that was read, in what an MCP App names as its page, and in an error about a resource. Most
results have none, and are returned as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, cast

from mcp_gateway.model.tool import JsonObject

Rename: TypeAlias = Callable[[str], str]
"""An upstream's URI to the endpoint's."""

_OF_RESOURCES = ("resource_link", "resource")
_APP_PAGE = "ui/resourceUri"
"""The flat spelling of `ui.resourceUri` in `_meta`, which older MCP Apps use."""


def blocks(result: JsonObject) -> Sequence[Any]:
    """The content blocks of a tool result or of a prompt's messages that have to do with resources."""
    content: object = result.get("content")
    if content is None:
        content = _of_messages(result.get("messages"))
    if not isinstance(content, list):
        return ()
    return [block for block in cast("list[Any]", content) if _is_of_resource(block)]


def result(found: JsonObject, rename: Rename) -> JsonObject:
    """A result of any method with its URIs renamed."""
    changed: dict[str, Any] = {}
    for name, change in _PLACES.items():
        members: object = found.get(name)
        if isinstance(members, list) and members:
            changed[name] = [change(member, rename) for member in cast("list[object]", members)]
    meta: object = found.get("_meta")
    if isinstance(meta, Mapping):
        renamed = meta_of(cast("JsonObject", meta), rename)
        if renamed is not meta:
            changed["_meta"] = renamed
    return {**found, **changed} if changed else found


def error(found: JsonObject, rename: Rename) -> JsonObject:
    """A JSON-RPC error whose `data` may name a resource."""
    data: object = found.get("data")
    if isinstance(data, Mapping) and isinstance(cast("JsonObject", data).get("uri"), str):
        return {**found, "data": _uri_renamed(cast("JsonObject", data), rename)}
    return found


def meta_of(meta: JsonObject, rename: Rename) -> JsonObject:
    """`_meta` of a tool or result that names the page of an MCP App."""
    changed: dict[str, Any] = {}
    page: object = meta.get("ui")
    if isinstance(page, Mapping) and isinstance(uri := cast("JsonObject", page).get("resourceUri"), str):
        changed["ui"] = {**cast("JsonObject", page), "resourceUri": rename(uri)}
    if isinstance(flat := meta.get(_APP_PAGE), str):
        changed[_APP_PAGE] = rename(flat)
    return {**meta, **changed} if changed else meta


def _of_messages(messages: object) -> list[Any] | None:
    if not isinstance(messages, list):
        return None
    found = [cast("JsonObject", message) for message in cast("list[object]", messages) if isinstance(message, dict)]
    return [message.get("content") for message in found]


def _is_of_resource(block: object) -> bool:
    return isinstance(block, dict) and cast("JsonObject", block).get("type") in _OF_RESOURCES


def _block(block: object, rename: Rename) -> object:
    if not isinstance(block, dict):
        return block
    fields = cast("JsonObject", block)
    match fields.get("type"):
        case "resource_link":
            return _uri_renamed(fields, rename)
        case "resource" if isinstance(inner := fields.get("resource"), Mapping):
            return {**fields, "resource": _uri_renamed(cast("JsonObject", inner), rename)}
        case _:
            return fields


def _message(message: object, rename: Rename) -> object:
    if not isinstance(message, dict):
        return message
    fields = cast("JsonObject", message)
    return {**fields, "content": _block(fields["content"], rename)} if "content" in fields else fields


def _content(content: object, rename: Rename) -> object:
    return _uri_renamed(cast("JsonObject", content), rename) if isinstance(content, dict) else content


def _uri_renamed(fields: JsonObject, rename: Rename) -> JsonObject:
    uri: object = fields.get("uri")
    return {**fields, "uri": rename(uri)} if isinstance(uri, str) else fields


_PLACES: Mapping[str, Callable[[object, Rename], object]] = {
    "content": _block,
    "messages": _message,
    "contents": _content,
}
