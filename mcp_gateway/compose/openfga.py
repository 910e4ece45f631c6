"""An OpenFGA server as the relationship backend, by itself or behind a replica."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from mcp_gateway.authorization import Relationships
from mcp_gateway.authorization.backends.openfga import OpenFgaRelationships
from mcp_gateway.authorization.backends.openfga_admin import OpenFgaAdmin
from mcp_gateway.authorization.backends.openfga_client import Credential, OpenFgaClient, Resolve
from mcp_gateway.authorization.backends.openfga_credentials import (
    ClientCredentials,
    NoCredential,
    TokenFile,
    form_poster,
)
from mcp_gateway.authorization.backends.openfga_pin import Mispinned
from mcp_gateway.authorization.backends.relay import LOCK_FILE, Relay
from mcp_gateway.authorization.engine.model import Model
from mcp_gateway.compose.replica import Replicated
from mcp_gateway.errors import AuthorizationUnavailable, OperatorError, UpstreamFailure
from mcp_gateway.model.reasons import REASONS
from mcp_gateway.settings import OpenFgaSettings
from mcp_gateway.storage import Database
from mcp_gateway.storage.data_dir import DataDir
from mcp_gateway.upstream.addresses import is_literal, networks, resolve, vet_all

_log = logging.getLogger(__name__)


class Remote:
    """An OpenFGA server, with what administration needs to write to it."""

    def __init__(
        self,
        settings: OpenFgaSettings,
        client: OpenFgaClient,
        admin: OpenFgaAdmin,
        relay: Relay,
        *,
        admin_of: Callable[[str | None], OpenFgaAdmin],
    ) -> None:
        """`admin_of` makes an admin for another store of the server, or for none; who calls it closes it."""
        self.settings = settings
        self.client = client
        self.admin = admin
        self.relay = relay
        self.admin_of = admin_of
        self._current: OpenFgaRelationships | None = None

    def of(self, model: Model) -> Relationships:
        return self.server_of(model)

    def server_of(self, model: Model) -> OpenFgaRelationships:
        made = OpenFgaRelationships(
            model,
            self.client,
            store=self.settings.store_id or "",
            server_model=self.settings.model_id,
            relay=self.relay,
            always_fresh=self.settings.consistency == "higher",
        )
        self._current = self._current or made
        return made

    async def require(self, relationships: Relationships | None = None) -> None:
        wanted = relationships if isinstance(relationships, OpenFgaRelationships) else self._current
        if wanted is None:
            return
        try:
            await wanted.verify()
        except Mispinned as exc:
            raise OperatorError(str(exc), where="relationships", remedy=REASONS[exc.reason].remedy) from exc
        except AuthorizationUnavailable as exc:
            _log.error("everything is denied until the relationship server can be asked: %s", exc)
        self._current = wanted

    async def verify(self) -> None:
        """Raises AuthorizationUnavailable when the relationships in force cannot be decided by now."""
        if self._current is not None:
            await self._current.verify()

    async def pinned(self) -> str:
        """The server's id of the model our changes are written for."""
        if self._current is None:
            raise AuthorizationUnavailable("no model is in force yet")
        return await self._current.pinned()

    async def run(self, changed: Callable[[], None]) -> None:
        while True:  # nothing is kept of what the server answers, so there is nothing to tell
            if (current := self._current) is None:
                return
            await current.look()


@asynccontextmanager
async def openfga(
    chosen: OpenFgaSettings, data_dir: DataDir, database: Database
) -> AsyncGenerator[Remote | Replicated]:
    """The server of the settings; every change of tuples in `database` is relayed to it as long as this is open."""
    credential, reach = _credential(chosen), reaching(chosen.url, chosen.network)

    def admin_of(store: str | None) -> OpenFgaAdmin:
        return OpenFgaAdmin(
            chosen.url,
            store=store,
            credential=credential,
            resolve=reach,
            timeout_seconds=max(chosen.timeout, 10.0),
            pinned=remote_pinned if store == chosen.store_id else None,
        )

    async def remote_pinned() -> str:
        return await remote.pinned()

    async with AsyncExitStack() as stack:
        client = OpenFgaClient(chosen.url, credential=credential, resolve=reach, timeout_seconds=chosen.timeout)
        stack.push_async_callback(client.aclose)
        admin = admin_of(chosen.store_id)
        stack.push_async_callback(admin.aclose)
        target = f"openfga:{chosen.store_id}"
        relay = Relay(database, admin, target=target, lock=data_dir.root / LOCK_FILE)
        remote = Remote(chosen, client, admin, relay, admin_of=admin_of)
        database.settle = relay.after_write
        yield remote if chosen.backend == "openfga" else Replicated(remote)


def _credential(chosen: OpenFgaSettings) -> Credential:
    if chosen.token_file is not None:
        return TokenFile(chosen.token_file)
    oauth = chosen.client_credentials
    if oauth is None:
        return NoCredential()
    return ClientCredentials(
        oauth.token_url,
        oauth.client_id,
        secret_file=oauth.secret_file,
        audience=oauth.audience,
        scope=oauth.scope,
        post=form_poster(reaching(oauth.token_url, chosen.network), timeout_seconds=chosen.timeout),
    )


def reaching(url: str, network: Sequence[str]) -> Resolve:
    """Finds addresses the settings allow; in the clear only those of a range they name."""
    allowed = networks(network)
    in_the_clear = url.startswith("http:")

    async def reach(host: str, port: int) -> Sequence[str]:
        found = [host] if is_literal(host) else await resolve(host, port)
        try:
            addresses = vet_all(found, allowed)
        except UpstreamFailure as exc:
            raise AuthorizationUnavailable(
                "the relationship server's address may not be used; relationships.network names the ranges that may"
            ) from exc
        if in_the_clear and not all(any(_within(one, range_) for range_ in network) for one in addresses):
            raise AuthorizationUnavailable("the relationship server's address needs https")
        return addresses

    return reach


def _within(address: str, range_: str) -> bool:
    network = ipaddress.ip_network(range_)
    return ipaddress.ip_address(address) in network
