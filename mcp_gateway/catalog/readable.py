"""Which resource or template a URI of one server stands for. Pure.

A listed resource is judged by its own name and nothing else: also while it waits for a reviewer, and
whatever spelling a template would take for another one. So is one that is switched off by its own name,
which no list need have.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import unquote

from mcp_gateway.catalog.matching import Values, match
from mcp_gateway.catalog.templates import Template, parse
from mcp_gateway.model.ids import encode, is_digest
from mcp_gateway.model.tool import Kind, ReviewState, Tool

Found: TypeAlias = "tuple[Tool, Values]"


@dataclass(frozen=True, slots=True)
class Shelf:
    """What one server lists of resources and templates, in any state but missing."""

    resources: Mapping[str, Tool]
    templates: Sequence[tuple[Template, Tool]]
    """The most literal first, then by name."""
    spellings: frozenset[str]
    """Of the resources and of what is switched off, without everything that a careless server may not look at."""
    off: frozenset[str]
    """Digests in ids that are switched off and too long to tell what they name."""

    def knows(self, uri: str) -> bool:
        """Whether the server lists it, or it is switched off, or it may be another spelling of such a one."""
        return uri in self.resources or _spelling(uri) in self.spellings or (bool(self.off) and encode(uri) in self.off)

    def fitting(self, uri: str) -> Iterator[tuple[Template, Tool]]:
        for template, tool in self.templates:
            first = template.parts[0]
            if isinstance(first, str) and uri.startswith(first):
                yield template, tool


def shelf(tools: Iterable[Tool], switched_off: Iterable[str] = ()) -> Shelf:
    """`tools` are those of one server, of any kind; `switched_off` the names of its resources, as ids spell them."""
    served = [tool for tool in tools if tool.state is not ReviewState.MISSING]
    resources = {tool.name: tool for tool in served if tool.kind is Kind.RESOURCE}
    parsed = [(found, tool) for tool in served if tool.kind is Kind.TEMPLATE and (found := _parsed(tool))]
    parsed.sort(key=lambda one: order(*one))
    off = frozenset(switched_off)
    spellings = {_spelling(uri) for uri in (*resources, *map(unquote, off))}
    return Shelf(resources, parsed, frozenset(spellings), frozenset(name for name in off if is_digest(name)))


def order(template: Template, tool: Tool) -> tuple[int, int, str, str]:
    return -template.literal, template.free, tool.server, tool.name


def find(shelves: Sequence[Shelf], uri: str) -> Found | None:
    """What `uri` stands for; None when it is nothing that is approved, or could be more than one thing."""
    listed = [one.resources[uri] for one in shelves if uri in one.resources]
    if listed:
        return (listed[0], {}) if len(listed) == 1 and _is_approved(listed[0]) else None
    if any(one.knows(uri) for one in shelves):
        return None
    candidates = sorted((found for one in shelves for found in one.fitting(uri)), key=lambda found: order(*found))
    for template, tool in candidates:
        try:
            values = match(template, uri)
        except ValueError:
            return None
        if values is not None:
            hidden = any("?" in str(values[name]) for name in template.reserved if name in values)
            # What a server takes for a query may be nothing to it but the end of a name that is listed.
            unclear = hidden and any(one.knows(uri.partition("?")[0]) for one in shelves)
            return (tool, values) if _is_approved(tool) and not unclear else None
    return None


def _is_approved(tool: Tool) -> bool:
    return tool.state is ReviewState.APPROVED


def _parsed(tool: Tool) -> Template | None:
    try:
        return parse(tool.name)
    except ValueError:
        return None


def _spelling(uri: str) -> str:
    """Alike for what careless servers take for one: case, encoding, empty segments, a last slash."""
    plain = unquote(uri).casefold().replace("\\", "/")
    scheme, colon, rest = plain.partition(":")
    return scheme + colon + "/".join(segment for segment in rest.split("/") if segment)
