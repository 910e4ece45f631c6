"""What `tools/list` says of a tool besides its own definition: that a call also depends on what it names. Pure.

Only what is listed is annotated, and only when it is not plainly callable. The key is ours: an
upstream that sends it does not get it through.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from mcp_gateway.model.tool import JsonObject, ResourceRule, Tool

ACCESS = "io.github.mcp-gateway/access"
"""In a listed tool's `_meta` (MCP 2026-07-28 basic/index: a prefix of reversed DNS labels, a slash, a name)."""


def annotated(definition: JsonObject, tool: Tool, *, depends: bool) -> JsonObject:
    """`definition` with `_meta` saying what the call's arguments must name; unchanged for most tools."""
    given: object = definition.get("_meta")
    meta = dict(cast("Mapping[str, Any]", given)) if isinstance(given, Mapping) else None
    if not depends and (meta is None or ACCESS not in meta):
        return definition
    kept = {name: value for name, value in (meta or {}).items() if name != ACCESS}
    if depends:
        kept[ACCESS] = {"state": "depends", "resources": list(_resources(tool.resources))}
    return {**definition, "_meta": kept}


def _resources(rules: tuple[ResourceRule, ...]) -> Iterator[dict[str, Any]]:
    for rule in rules:
        # The JSON Pointer into the arguments, or the template it is composed by.
        yield {"type": rule.type, "relation": rule.relation, "named_by": rule.pointer or rule.template}
