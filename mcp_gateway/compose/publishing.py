"""Bring the policies' model to a relationship server: found by content, written where it is missing; audited."""

from __future__ import annotations

from dataclasses import dataclass

from mcp_gateway.authorization.backends.openfga_pin import Mispinned, find
from mcp_gateway.authorization.language.json_model import to_json
from mcp_gateway.compose.office import Office
from mcp_gateway.compose.openfga import Remote
from mcp_gateway.compose.relationships import Backend
from mcp_gateway.compose.replica import Replicated
from mcp_gateway.errors import OperatorError


@dataclass(frozen=True, slots=True)
class Published:
    store: str
    model: str
    written: bool
    """False when the server had it already."""


def remote_of(backend: Backend) -> Remote | None:
    """The server behind a backend, None when everything is in this process."""
    if isinstance(backend, Replicated):
        return backend.remote
    return backend if isinstance(backend, Remote) else None


async def publish(made: Office, remote: Remote, *, actor: str, new_store: str | None) -> Published:
    """The newest model of the store becomes the policies'; raises OperatorError when no store is named."""
    store = remote.settings.store_id
    if new_store is None and store is None:
        raise OperatorError(
            "the settings name no store", where="relationships.store_id", remedy="--new-store NAME makes one"
        )
    if new_store is not None:
        store = await _made_store(made, remote, actor=actor, name=new_store)
    assert store is not None
    try:
        known = await find(remote.client, store=store, model=made.vocabulary.model, wanted=None)
    except Mispinned as exc:
        if exc.reason != "relationship.wrong_model":
            raise OperatorError(str(exc), where="relationships") from exc
    else:
        return Published(store, known, written=False)
    return Published(store, await _written_model(made, remote, store, actor=actor), written=True)


async def _made_store(made: Office, remote: Remote, *, actor: str, name: str) -> str:
    admin = remote.admin_of(None)
    try:
        store = await admin.create_store(name)
    finally:
        await admin.aclose()
    await made.journal.event("relationships.store_made", actor, url=remote.settings.url, store=store, name=name)
    return store


async def _written_model(made: Office, remote: Remote, store: str, *, actor: str) -> str:
    model = made.vocabulary.model
    named = {"url": remote.settings.url, "store": store, "model": model.model_id}
    await made.journal.event("relationships.published", actor, **named)
    admin = remote.admin_of(store)
    try:
        return await admin.write_model(to_json(model.document))
    finally:
        await admin.aclose()
