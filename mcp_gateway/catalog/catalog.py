"""The façade: what may be listed and called at all, kept in step with the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mcp_gateway.catalog import readable
from mcp_gateway.catalog.index import Listing, exposed, listing, mapping_digest
from mcp_gateway.catalog.matching import Values
from mcp_gateway.catalog.readable import Shelf, shelf
from mcp_gateway.catalog.uris import is_web, own_uri
from mcp_gateway.errors import AccessDenied
from mcp_gateway.model.decision import Reason, deny
from mcp_gateway.model.ids import ToolId
from mcp_gateway.model.tool import Kind, ReviewState, Tool, Upstream
from mcp_gateway.storage import Change, Database
from mcp_gateway.storage.catalog import ServerRow, ToolRow, server_rows, tool_rows
from mcp_gateway.storage.switches import switched_off

_LONGEST_NAME = 128
_RESOURCE = "resource:"
_TOOL = Kind.TOOL
"""Every call resolves one: a member that is looked up, and its hash, would cost more than the rest."""
_OTHERS = (Kind.PROMPT, Kind.RESOURCE, Kind.TEMPLATE)


class Catalog:
    """Declared upstreams joined with what was reviewed of them; rebuilt whole, swapped at once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._upstreams: Mapping[str, Upstream] = {}
        self._servers: Mapping[str, ServerRow] = {}
        self._rows: Mapping[ToolId, ToolRow] = {}
        self._tools: Mapping[ToolId, Tool] = {}
        self._tool_listings: Mapping[str | None, Listing] = {}
        self._other_listings: Mapping[Kind, Mapping[str | None, Listing]] = {kind: {} for kind in _OTHERS}
        self._shelves: Mapping[str, Shelf] = {}
        self._generation = 0

    async def declare(self, upstreams: Sequence[Upstream]) -> None:
        """Take a registry that was read whole."""
        self._upstreams = {upstream.name: upstream for upstream in upstreams}
        await self.load()

    async def load(self) -> None:
        """Read servers and what they offer from the store and rebuild."""
        off = _by_server(row.object for row in await switched_off(self._database))
        self._servers = {row.name: row for row in await server_rows(self._database)}
        self._rows = _by_id(await tool_rows(self._database))
        tools = (
            tool_of(row, self._upstreams[row.server]) for row in self._rows.values() if row.server in self._upstreams
        )
        self._tools = {tool.id: tool for tool in tools}
        self._generation += 1
        by_server: dict[str, list[Tool]] = {name: [] for name in self._upstreams}
        for tool in self._tools.values():
            by_server[tool.server].append(tool)
        self._shelves = {name: shelf(tools, off.get(name, ())) for name, tools in by_server.items()}
        self._tool_listings = self._listed(Kind.TOOL, by_server)
        self._other_listings = {kind: self._listed(kind, by_server) for kind in _OTHERS}

    async def follow(self, changes: Sequence[Change]) -> None:
        if any(_concerns_us(change) for change in changes):
            await self.load()

    @property
    def upstreams(self) -> Mapping[str, Upstream]:
        """Declared upstreams by name."""
        return self._upstreams

    def has_endpoint(self, endpoint: str | None) -> bool:
        return endpoint in self._tool_listings

    def listing(self, endpoint: str | None, kind: Kind = Kind.TOOL) -> Listing:
        return (self._tool_listings if kind is _TOOL else self._other_listings[kind])[endpoint]

    def resolve(self, endpoint: str | None, name: str, kind: Kind = Kind.TOOL) -> Tool:
        """What an endpoint calls `name`, if it is approved; a refusal says no more than that it is not available."""
        found = (self._tool_listings if kind is _TOOL else self._other_listings[kind]).get(endpoint)
        tool = found.by_name.get(name) if found else None
        if tool is None:
            raise _unavailable(kind, name)
        return tool

    def readable(self, endpoint: str | None, uri: str) -> tuple[Tool, str, Values]:
        """(resource or template, the upstream's own URI, the template's variables); refuses as `resolve` does.

        A listed resource, else the most literal template that fits; nothing that could be read in two ways.
        """
        servers, own = self._asked(endpoint, uri)
        found = readable.find([self._shelves[server] for server in servers], own)
        if found is None:
            raise _unavailable(Kind.RESOURCE, uri)
        tool, values = found
        return tool, own, values

    def unlisted(self, endpoint: str | None, uri: str) -> tuple[str | None, str] | None:
        """(server, its own URI) of a URI that is in no list, without a server when it can be any's.

        None when no server could have it, or one lists it or another spelling of it, or it is switched off.
        """
        servers, own = self._asked(endpoint, uri)
        if not servers or any(self._shelves[server].knows(own) for server in servers):
            return None
        return (servers[0] if len(servers) == 1 else None), own

    def find(self, identifier: ToolId) -> Tool | None:
        """Anything known, whatever its state."""
        return self._tools.get(identifier)

    def every(self, *kinds: Kind) -> Sequence[Tool]:
        """All that is known of declared upstreams in any state, ordered by server, kind and name; tools without `kinds`."""
        wanted = kinds or (Kind.TOOL,)
        return sorted((tool for tool in self._tools.values() if tool.kind in wanted), key=_place)

    def row(self, identifier: ToolId) -> ToolRow | None:
        """Review facts of anything known: who approved it and when, the finding."""
        return self._rows.get(identifier)

    def server(self, name: str) -> ServerRow | None:
        """Status of a server, None when it was never discovered."""
        return self._servers.get(name)

    def _listed(self, kind: Kind, by_server: Mapping[str, Sequence[Tool]]) -> Mapping[str | None, Listing]:
        chosen = {name: [tool for tool in tools if tool.kind is kind] for name, tools in by_server.items()}
        whole = [tool for tools in chosen.values() for tool in tools]
        made: dict[str | None, Listing] = {None: listing(whole, endpoint=None, generation=self._generation)}
        for name, tools in chosen.items():
            made[name] = listing(tools, endpoint=name, generation=self._generation)
        return made

    def _asked(self, endpoint: str | None, uri: str) -> tuple[Sequence[str], str]:
        """Of which servers a URI can be, and what it is to them; a web address can be of any."""
        if endpoint is not None:
            return ([endpoint] if endpoint in self._shelves else []), uri
        own = own_uri(self._shelves, uri)
        if own is not None:
            return [own[0]], own[1]
        return (list(self._shelves) if is_web(uri) else []), uri


def _concerns_us(change: Change) -> bool:
    """Also switches of resources: what is switched off by name need not be in any list."""
    switched = change.kind.startswith("switch.") and str(change.payload.get("object")).startswith(_RESOURCE)
    return switched or change.kind.startswith("catalog.")


def _by_server(identifiers: Iterable[str]) -> Mapping[str, Sequence[str]]:
    """The names, as ids spell them, of the resources among `identifiers`."""
    found: dict[str, list[str]] = {}
    for identifier in identifiers:
        if identifier.startswith(_RESOURCE):
            server, _, name = identifier.removeprefix(_RESOURCE).partition("/")
            found.setdefault(server, []).append(name)
    return found


def _by_id(rows: Sequence[ToolRow]) -> Mapping[ToolId, ToolRow]:
    """Of a resource and a template of one text, which cannot both be fit to be listed, the approved one."""
    found: dict[ToolId, ToolRow] = {}
    for row in rows:
        identifier = row.id
        before = found.get(identifier)
        if before is None or before.state is not ReviewState.APPROVED:
            found[identifier] = row
    return found


def _place(tool: Tool) -> tuple[str, bool, str, str]:
    return tool.server, tool.kind is not Kind.TOOL, tool.kind.value, tool.name


def _unavailable(kind: Kind, name: str) -> AccessDenied:
    return AccessDenied(deny(Reason("tool.unknown", name[:_LONGEST_NAME])), code=kind.unavailable)


def tool_of(row: ToolRow, upstream: Upstream) -> Tool:
    """A stored tool, prompt, resource or template under what the registry says of it."""
    policy = upstream.policy(row.kind, row.name)
    # The tuples follow the stored risk; until a refresh has written the declared one, nobody calls.
    state = row.state if policy.risk is row.risk or row.state is not ReviewState.APPROVED else ReviewState.CHANGED
    return Tool(
        id=row.id,
        server=row.server,
        name=row.name,
        exposed=exposed(row.kind, row.server, row.name),
        risk=policy.risk,
        state=state,
        digest=row.digest,
        definition=row.definition,
        resources=policy.resources,
        requestable=policy.requestable,
        mode=policy.mode,
        mapping=mapping_digest(policy.resources),
        kind=row.kind,
        record=policy.record,
    )
