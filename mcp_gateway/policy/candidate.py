"""A policy that is, or could be, in force: the relationship model, the rules, and what the registry says of each thing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from mcp_gateway.authorization import Authorization, EmbeddedRelationships, Model
from mcp_gateway.authorization.rules import NO_RULES, RuleBook
from mcp_gateway.catalog.catalog import tool_of
from mcp_gateway.model.ids import encode, server_id
from mcp_gateway.model.tool import Kind, ReviewState, Risk, Tool, Upstream
from mcp_gateway.storage.catalog import ToolRow
from mcp_gateway.storage.relationships import RelationshipTuple

EVERYONE = "user:*"
_OFFERED = frozenset({"tool", "prompt", "resource"})
RISK_FACTS = {Risk.READ: "read_only", Risk.WRITE: "writable"}


@dataclass(frozen=True, slots=True)
class Candidate:
    model: Model
    upstreams: Mapping[str, Upstream]
    """By name."""
    book: RuleBook = NO_RULES

    def authorization(self, rows: Iterable[RelationshipTuple], *, revision: int = 1) -> Authorization:
        """Decides as a gateway with this policy and these relationships would."""
        relationships = EmbeddedRelationships(self.model)
        relationships.replace(rows, revision=revision)
        return Authorization(relationships, book=self.book)

    def risk(self, server: str, name: str, kind: Kind = Kind.TOOL) -> Risk | None:
        """What the registry says a thing is; None when no entry declares its server."""
        upstream = self.upstreams.get(server)
        return None if upstream is None else upstream.policy(kind, name).risk

    def meant(self, identifier: str) -> tuple[str, str, Kind] | None:
        """(server, name as server and registry spell it, kind) of what a server offers, from its id; else None."""
        object_type, _, rest = identifier.partition(":")
        server, slash, encoded = rest.partition("/")
        if object_type not in _OFFERED or not slash:
            return None
        upstream = self.upstreams.get(server)
        known = named_by(upstream, Kind(object_type)) if upstream else ()
        name = next((name for name in known if name == encoded or encode(name) == encoded), unquote(encoded))
        return server, name, kind_of(object_type, name)

    def approved(self, server: str, name: str, kind: Kind = Kind.TOOL, *, digest: str = "") -> Tool | None:
        """A thing as it would be once discovered and approved; None when no entry declares its server."""
        risk = self.risk(server, name, kind)
        if risk is None:
            return None
        row = ToolRow(server, name, ReviewState.APPROVED, risk, digest, {}, None, None, None, None, 0.0, kind)
        return tool_of(row, self.upstreams[server])


def named_by(upstream: Upstream, kind: Kind) -> Collection[str]:
    """What a registry entry names of a kind."""
    return {Kind.TOOL: upstream.tools, Kind.PROMPT: upstream.prompts}.get(kind, upstream.resources)


def kind_of(object_type: str, name: str) -> Kind:
    """Resources and templates have one type of id; no URI has a brace, and every template has."""
    kind = Kind(object_type)
    return Kind.TEMPLATE if kind is Kind.RESOURCE and "{" in name else kind


def facts(tool: Tool) -> Iterator[RelationshipTuple]:
    """What the review writes for a tool, prompt or resource of an enabled server."""
    server = server_id(tool.server)
    yield RelationshipTuple(server, "enabled", EVERYONE)
    yield RelationshipTuple(tool.id, "server", server)
    if tool.state is ReviewState.APPROVED:
        yield RelationshipTuple(tool.id, "enabled", EVERYONE)
    if tool.risk in RISK_FACTS:
        yield RelationshipTuple(tool.id, RISK_FACTS[tool.risk], EVERYONE)
