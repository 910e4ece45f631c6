"""What we tell an upstream that it may ask: what the client at the other end can be asked, as far as we carry it. Pure.

The client's roots may change without our telling, so `listChanged` is never passed on. Tasks exist
only between modern peers. A legacy upstream hears it once per session, so there the sets are few:
each is one more session.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, TypeAlias, cast

import orjson

from mcp_gateway.model.call import Era

Capabilities: TypeAlias = Mapping[str, Any]

TASKS = "io.modelcontextprotocol/tasks"
UI = "io.modelcontextprotocol/ui"
_UI_SETTINGS = {"mimeTypes": ["text/html;profile=mcp-app"]}
_BITS = (
    ("elicitation", 1, (("form", 2), ("url", 4))),
    ("sampling", 8, (("tools", 16), ("context", 32))),
    ("roots", 64, ()),
)
"""What can be asked, the parts of it that are declared one by one, and their place in a set."""
_KIND_OF = {"elicitation/create": "elicitation", "sampling/createMessage": "sampling", "roots/list": "roots"}

NOTHING: Capabilities = MappingProxyType({})
_ALL: dict[str, Any] = {kind: {part: {} for part, _ in parts} for kind, _, parts in _BITS}
EVERYTHING: Capabilities = MappingProxyType({**_ALL, "extensions": {UI: _UI_SETTINGS}})
"""For listing: some servers offer less to a client that declares less, and the catalog is one for all clients."""


def for_modern(said: Capabilities, client: Era) -> Capabilities:
    """With every request; `said` is what the client declared."""
    found = _questions(_set_of(said))
    extensions = said.get("extensions")
    if not isinstance(extensions, dict) or not extensions:
        return found
    passed = cast("dict[str, Any]", extensions)
    if client is not Era.MODERN:
        passed = {name: settings for name, settings in passed.items() if name != TASKS}
    return {**found, "extensions": passed} if passed else found


def for_legacy(said: Capabilities) -> str:
    """With `initialize`: JSON that is equal for equal sets, empty for none; few sets whatever clients say."""
    extensions = said.get("extensions")
    return _as_json(_set_of(said), with_ui=isinstance(extensions, dict) and UI in extensions)


def told(capabilities: str) -> Capabilities:
    """What `for_legacy` made."""
    return cast("Capabilities", orjson.loads(capabilities)) if capabilities else NOTHING


def refusal(told: Capabilities, method: str, params: Mapping[str, Any]) -> tuple[int, str] | None:
    """Why an upstream that was told so may not ask this: JSON-RPC code and sentence. None = it may."""
    kind = _KIND_OF.get(method)
    if kind is None or kind not in told:
        return -32601, "this client cannot be asked that"
    parts = _object(told[kind])
    if kind == "elicitation" and not _may_elicit(parts, params.get("mode", "form")):
        return -32602, "this client does not support that mode of elicitation"
    if kind == "sampling" and "tools" not in parts and not params.keys().isdisjoint(("tools", "toolChoice")):
        return -32602, "this client does not support tools in sampling"
    return None


def needed(method: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """What a client declares that can be asked this; empty when none can."""
    kind = _KIND_OF.get(method)
    if kind is None:
        return {}
    url = kind == "elicitation" and params.get("mode") == "url"
    tools = kind == "sampling" and not params.keys().isdisjoint(("tools", "toolChoice"))
    return {kind: {"url": {}} if url else {"tools": {}} if tools else {}}


def declares(said: Capabilities, wanted: Mapping[str, Any]) -> bool:
    """Whether a client that said so can be asked all of `wanted`."""
    return all(kind in said and parts.keys() <= _object(said[kind]).keys() for kind, parts in wanted.items())


def _may_elicit(parts: Mapping[str, Any], mode: object) -> bool:
    """Until 2025-11-25 an empty object meant forms; it still does."""
    return mode in parts if isinstance(mode, str) and parts else mode == "form"


def _set_of(said: Capabilities) -> int:
    """What can be asked, one bit each: there are few sets, and a call is not to build one anew."""
    found = 0
    for kind, bit, parts in _BITS:
        declared = said.get(kind)
        if isinstance(declared, dict):
            found |= bit
            if declared:
                fields = cast("dict[str, Any]", declared)
                for part, part_bit in parts:
                    if isinstance(fields.get(part), dict):
                        found |= part_bit
    return found


@cache
def _questions(chosen: int) -> Capabilities:
    return {kind: {part: {} for part, one in parts if chosen & one} for kind, bit, parts in _BITS if chosen & bit}


@cache
def _as_json(chosen: int, *, with_ui: bool) -> str:
    found = dict(_questions(chosen))
    if with_ui:
        found["extensions"] = {UI: _UI_SETTINGS}
    return orjson.dumps(found).decode() if found else ""


def _object(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else NOTHING
