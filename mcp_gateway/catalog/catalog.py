"""The façade: what may be listed and called at all, kept in step with the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mcp_gateway.catalog.index import Listing, exposed_name, listing, mapping_digest
from mcp_gateway.errors import AccessDenied
from mcp_gateway.model.decision import Reason, deny
from mcp_gateway.model.ids import ToolId, tool_id
from mcp_gateway.model.tool import ReviewState, Tool, Upstream
from mcp_gateway.storage import Change, Database
from mcp_gateway.storage.catalog import ServerRow, ToolRow, server_rows, tool_rows

_LONGEST_NAME = 128


class Catalog:
    """Declared upstreams joined with their reviewed tools; rebuilt whole, swapped at once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._upstreams: Mapping[str, Upstream] = {}
        self._servers: Mapping[str, ServerRow] = {}
        self._rows: Mapping[ToolId, ToolRow] = {}
        self._tools: Mapping[ToolId, Tool] = {}
        self._listings: dict[str | None, Listing] = {}
        self._generation = 0

    async def declare(self, upstreams: Sequence[Upstream]) -> None:
        """Take a registry that was read whole."""
        self._upstreams = {upstream.name: upstream for upstream in upstreams}
        await self.load()

    async def load(self) -> None:
        """Read servers and tools from the store and rebuild."""
        self._servers = {row.name: row for row in await server_rows(self._database)}
        self._rows = {tool_id(row.server, row.name): row for row in await tool_rows(self._database)}
        tools = (
            tool_of(row, self._upstreams[row.server]) for row in self._rows.values() if row.server in self._upstreams
        )
        self._tools = {tool.id: tool for tool in tools}
        self._generation += 1
        self._listings = {
            endpoint: listing(self._tools.values(), endpoint=endpoint, generation=self._generation)
            for endpoint in (None, *self._upstreams)
        }

    async def follow(self, changes: Sequence[Change]) -> None:
        if any(change.kind.startswith("catalog.") for change in changes):
            await self.load()

    @property
    def upstreams(self) -> Mapping[str, Upstream]:
        """Declared upstreams by name."""
        return self._upstreams

    def has_endpoint(self, endpoint: str | None) -> bool:
        return endpoint in self._listings

    def listing(self, endpoint: str | None) -> Listing:
        return self._listings[endpoint]

    def resolve(self, endpoint: str | None, name: str) -> Tool:
        """The approved tool an endpoint calls `name`; a refusal says no more than that it is not available."""
        found = self._listings.get(endpoint)
        tool = found.by_name.get(name) if found else None
        if tool is None:
            raise AccessDenied(deny(Reason("tool.unknown", name[:_LONGEST_NAME])), code="tool.unavailable")
        return tool

    def find(self, identifier: ToolId) -> Tool | None:
        """Any known tool, whatever its state."""
        return self._tools.get(identifier)

    def every(self) -> Sequence[Tool]:
        """All known tools of declared upstreams in any state, ordered by server and name."""
        return sorted(self._tools.values(), key=lambda tool: (tool.server, tool.name))

    def row(self, identifier: ToolId) -> ToolRow | None:
        """Review facts of a tool: who approved it and when, the finding."""
        return self._rows.get(identifier)

    def server(self, name: str) -> ServerRow | None:
        """Status of a server, None when it was never discovered."""
        return self._servers.get(name)


def tool_of(row: ToolRow, upstream: Upstream) -> Tool:
    """A stored tool under what the registry says of it."""
    policy = upstream.tools.get(row.name)
    risk = policy.risk if policy else upstream.default_risk
    # The tuples follow the stored risk; until a refresh has written the declared one, nobody calls.
    state = row.state if risk is row.risk or row.state is not ReviewState.APPROVED else ReviewState.CHANGED
    return Tool(
        id=tool_id(row.server, row.name),
        server=row.server,
        name=row.name,
        exposed=exposed_name(row.server, row.name),
        risk=risk,
        state=state,
        digest=row.digest,
        definition=row.definition,
        resources=policy.resources if policy else (),
        requestable=policy.requestable if policy else upstream.requestable,
        mode=policy.mode if policy else upstream.mode,
        mapping=mapping_digest(policy.resources) if policy else "",
    )
