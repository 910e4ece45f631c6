"""What we tell an upstream that it may ask: what the client at the other end can be asked, as far as we carry it. Pure.

The client's roots may change without our telling, so `listChanged` is never passed on. Tasks exist
only between modern peers. A legacy upstream hears it once per session, so there the sets are few:
each is one more session.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeAlias, cast

import orjson

from mcp_gateway.model.call import Era

Capabilities: TypeAlias = Mapping[str, Any]

TASKS = "io.modelcontextprotocol/tasks"
UI = "io.modelcontextprotocol/ui"
_UI_SETTINGS = {"mimeTypes": ["text/html;profile=mcp-app"]}
_KINDS: Mapping[str, tuple[str, ...]] = {"elicitation": ("form", "url"), "sampling": ("tools", "context"), "roots": ()}
"""What can be asked, and the parts of it that are declared one by one."""
_KIND_OF = {"elicitation/create": "elicitation", "sampling/createMessage": "sampling", "roots/list": "roots"}

NOTHING: Capabilities = MappingProxyType({})
EVERYTHING: Capabilities = MappingProxyType(
    {**{kind: {part: {} for part in parts} for kind, parts in _KINDS.items()}, "extensions": {UI: _UI_SETTINGS}}
)
"""For listing: some servers offer less to a client that declares less, and the catalog is one for all clients."""


def for_modern(said: Capabilities, client: Era) -> Capabilities:
    """With every request; `said` is what the client declared."""
    told = _questions(said)
    extensions = _object(said.get("extensions"))
    if client is not Era.MODERN:
        extensions = {name: settings for name, settings in extensions.items() if name != TASKS}
    if extensions:
        told["extensions"] = extensions
    return told


def for_legacy(said: Capabilities) -> str:
    """With `initialize`: JSON that is equal for equal sets, empty for none; few sets whatever clients say."""
    told = _questions(said)
    if UI in _object(said.get("extensions")):
        told["extensions"] = {UI: _UI_SETTINGS}
    return orjson.dumps(told).decode() if told else ""


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


def _may_elicit(parts: Mapping[str, Any], mode: object) -> bool:
    """Until 2025-11-25 an empty object meant forms; it still does."""
    return mode in parts if isinstance(mode, str) and parts else mode == "form"


def _questions(said: Capabilities) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for kind, parts in _KINDS.items():
        if isinstance(said.get(kind), Mapping):
            found[kind] = {part: {} for part in parts if isinstance(said[kind].get(part), Mapping)}
    return found


def _object(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else NOTHING
