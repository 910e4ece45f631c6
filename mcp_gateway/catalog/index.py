"""Names, digests and the order of what is listed. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from mcp_gateway.catalog.uris import exposed_uri, marked_uri
from mcp_gateway.model.tool import JsonObject, Kind, ResourceRule, ReviewState, Tool

SEPARATOR = "__"
MAX_EXPOSED = 45
"""Cursor allows 60 characters with its own server name in front."""

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")
_HASH_LENGTH = 8
_NAMED_BY_URI = frozenset({Kind.RESOURCE, Kind.TEMPLATE})


def exposed_name(server: str, tool: str) -> str:
    """The name on `/mcp`: `<server>__<tool>`, with a stable hash wherever the plain text would not be exact."""
    plain = f"{server}{SEPARATOR}{tool}"
    safe = _UNSAFE.sub("_", plain)
    if safe == plain and len(plain) <= MAX_EXPOSED:
        return plain
    suffix = hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_LENGTH]
    return f"{safe[: MAX_EXPOSED - _HASH_LENGTH - 1]}_{suffix}"


def exposed(kind: Kind, server: str, name: str) -> str:
    """What anything on offer is called on `/mcp`."""
    return exposed_uri(server, name) if kind in _NAMED_BY_URI else exposed_name(server, name)


def digest(definition: JsonObject) -> str:
    """SHA-256 of the definition's canonical JSON: sorted keys, no spaces, UTF-8."""
    canonical = json.dumps(definition, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def mapping_digest(rules: Sequence[ResourceRule]) -> str:
    """Of what says which resources a call names; empty when it names none."""
    if not rules:
        return ""
    plain = [[rule.relation, rule.type, rule.pointer, rule.template, rule.normalise] for rule in rules]
    return hashlib.sha256(json.dumps(plain).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Listing:
    """What is approved of one kind at one endpoint, in its fixed order and by the names that endpoint uses."""

    tools: tuple[Tool, ...]
    by_name: Mapping[str, Tool]
    generation: int
    """Differs whenever the catalog was rebuilt."""


def listing(tools: Iterable[Tool], *, endpoint: str | None, generation: int) -> Listing:
    """What `/mcp` (endpoint None) or `/mcp/<endpoint>` can offer at most of one kind, ordered by server and name."""
    chosen = sorted(
        (tool for tool in tools if tool.state is ReviewState.APPROVED and endpoint in (None, tool.server)),
        key=lambda tool: (tool.server, tool.name),
    )
    if endpoint is None:
        chosen = _told_apart(chosen)
    by_name = {tool.name if endpoint else tool.exposed: tool for tool in chosen}
    return Listing(tuple(chosen), by_name, generation)


def _told_apart(tools: list[Tool]) -> list[Tool]:
    """A web address that two servers list is nobody's: each gets the form that names its server."""
    if not tools or tools[0].kind not in _NAMED_BY_URI:
        return tools
    claims = Counter(tool.exposed for tool in tools)
    return [
        replace(tool, exposed=marked_uri(tool.server, tool.name)) if claims[tool.exposed] > 1 else tool
        for tool in tools
    ]
