"""A policy that is, or could be, in force: the relationship model, the rules, and what the registry says of each tool."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from mcp_gateway.authorization import Authorization, EmbeddedRelationships, Model
from mcp_gateway.authorization.rules import NO_RULES, RuleBook
from mcp_gateway.catalog.catalog import tool_of
from mcp_gateway.model.ids import encode, server_id
from mcp_gateway.model.tool import ReviewState, Risk, Tool, Upstream
from mcp_gateway.storage.catalog import ToolRow
from mcp_gateway.storage.relationships import RelationshipTuple

EVERYONE = "user:*"
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

    def risk(self, server: str, name: str) -> Risk | None:
        """What the registry says a tool is; None when no entry declares its server."""
        upstream = self.upstreams.get(server)
        if upstream is None:
            return None
        policy = upstream.tools.get(name)
        return policy.risk if policy else upstream.default_risk

    def plain_name(self, server: str, encoded: str) -> str:
        """A tool's name as its server and the registry spell it, from the part of its id."""
        upstream = self.upstreams.get(server)
        for name in upstream.tools if upstream else ():
            if name == encoded or encode(name) == encoded:
                return name
        return unquote(encoded)

    def approved(self, server: str, name: str, *, digest: str = "") -> Tool | None:
        """A tool as it would be once discovered and approved; None when no entry declares its server."""
        risk = self.risk(server, name)
        if risk is None:
            return None
        row = ToolRow(server, name, ReviewState.APPROVED, risk, digest, {}, None, None, None, None, 0.0)
        return tool_of(row, self.upstreams[server])


def facts(tool: Tool) -> Iterator[RelationshipTuple]:
    """What the review writes for a tool of an enabled server."""
    server = server_id(tool.server)
    yield RelationshipTuple(server, "enabled", EVERYONE)
    yield RelationshipTuple(tool.id, "server", server)
    if tool.state is ReviewState.APPROVED:
        yield RelationshipTuple(tool.id, "enabled", EVERYONE)
    if tool.risk in RISK_FACTS:
        yield RelationshipTuple(tool.id, RISK_FACTS[tool.risk], EVERYONE)
