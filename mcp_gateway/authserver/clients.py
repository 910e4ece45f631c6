"""Who may ask for a sign-in: clients of the settings, clients known by their metadata document, self-registered ones.

A client is looked up in that order. Its name is what it says of itself; only the host of a metadata
document is proven.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from mcp_gateway.authserver import redirects
from mcp_gateway.authserver.documents import Documents, is_document_url
from mcp_gateway.authserver.ports import Journal
from mcp_gateway.authserver.problems import OAuthProblem
from mcp_gateway.errors import BadRequest, OperatorError
from mcp_gateway.model.ids import LOCAL_ISSUER, AgentId, agent_id
from mcp_gateway.storage import Database
from mcp_gateway.storage.oauth import AgentKind, AgentRow, AgentState, agent_of, write_agent

_MAX_NAME = 64
_ACTOR = "gateway"


@dataclass(frozen=True, slots=True)
class RegisteredClient:
    """One entry of `agents.registered` in the settings."""

    client_id: str
    redirect_uris: tuple[str, ...]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Client:
    client_id: str
    agent: AgentId
    kind: AgentKind
    name: str
    redirect_uris: tuple[str, ...]

    @property
    def host(self) -> str | None:
        """The host that vouches for the client, None when nothing does."""
        return urlsplit(self.client_id).hostname if self.kind == "cimd" else None


@dataclass(slots=True)
class Clients:
    database: Database
    documents: Documents
    journal: Journal
    registered: Sequence[RegisteredClient] = ()
    _by_id: Mapping[str, Client] = field(init=False)

    def __post_init__(self) -> None:
        self._by_id = {entry.client_id: _of_settings(entry) for entry in self.registered}

    async def load(self) -> None:
        """Make the agents of the settings known to the store."""
        for client in self._by_id.values():
            await self._store(client, await agent_of(self.database, client.client_id))

    async def find(self, client_id: str) -> Client:
        """The client, or OAuthProblem `invalid_client` when it is unknown or disabled."""
        row = await agent_of(self.database, client_id)
        if row is not None and row.state == "disabled":
            raise OAuthProblem("invalid_client", "An administrator has disabled this client.", status=401)
        if client_id in self._by_id:
            return self._by_id[client_id]
        if is_document_url(client_id):
            return await self._by_document(client_id, row)
        if row is None or row.kind not in {"self", "added"}:
            raise OAuthProblem("invalid_client", "This client is not registered; register it again.", status=401)
        return _of_row(row)

    async def known(self, client_id: str) -> Client:
        """Like `find`, but only from what is stored: the token endpoint fetches nothing."""
        row = await agent_of(self.database, client_id)
        if row is not None and row.kind == "cimd" and row.state != "disabled":
            return _of_row(row)
        return await self.find(client_id)

    async def _by_document(self, client_id: str, row: AgentRow | None) -> Client:
        document = await self.documents.read(client_id)
        client = Client(
            client_id,
            agent_id(LOCAL_ISSUER, client_id),
            "cimd",
            clean_name(document.client_name),
            tuple(document.redirect_uris),
        )
        await self._store(client, row)
        return client

    async def _store(self, client: Client, row: AgentRow | None) -> None:
        if row is not None and _of_row(row) == client:
            return
        async with self.database.write(_ACTOR) as transaction:
            await write_agent(transaction, row_of(client, state="active", now=transaction.now))
            await self.journal.event("agent.registered", client.agent, name=client.name, client_kind=client.kind)


def row_of(client: Client, *, state: AgentState, now: float) -> AgentRow:
    described = {"redirect_uris": list(client.redirect_uris)}
    return AgentRow(client.agent, client.client_id, client.kind, state, client.name, described, now, None)


def clean_name(name: str) -> str:
    """A name people can trust to show only what it is: visible characters, one line, at most 64."""
    visible = "".join(character for character in name if character.isprintable() and not _is_format(character))
    return " ".join(visible.split())[:_MAX_NAME] or "unnamed client"


def _is_format(character: str) -> bool:
    """Marks that reorder or hide text though Python calls them printable."""
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0000" <= character <= "\U000e0fff" or character == "\u115f"


def _of_settings(entry: RegisteredClient) -> Client:
    for uri in entry.redirect_uris:
        try:
            redirects.check(uri)
        except BadRequest as exc:
            raise OperatorError(exc.detail, where=f"agents.registered {entry.client_id}") from exc
    return Client(
        entry.client_id,
        agent_id(LOCAL_ISSUER, entry.client_id),
        "registered",
        clean_name(entry.name or entry.client_id),
        entry.redirect_uris,
    )


def _of_row(row: AgentRow) -> Client:
    return Client(row.client_id, row.id, row.kind, row.name, tuple(row.metadata.get("redirect_uris", ())))
