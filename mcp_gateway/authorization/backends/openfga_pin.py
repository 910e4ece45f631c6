"""Which store and which model of a server we decide by: found once, and looked at again after every reconnect.

A store is named by the operator. A model is pinned by its content: the server's model must have the
canonical form of the policies, whatever its id; an id the operator names must have it too.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, cast
from urllib.parse import quote

from mcp_gateway.authorization.backends.openfga_client import Answer, OpenFgaClient, ServerRefused
from mcp_gateway.authorization.engine.model import Model
from mcp_gateway.authorization.language.canonical import model_id
from mcp_gateway.authorization.language.json_model import from_json
from mcp_gateway.errors import AuthorizationUnavailable, OperatorError

WRONG_STORE = "relationship.wrong_store"
WRONG_MODEL = "relationship.wrong_model"
_MODELS_PER_PAGE = 20
_MAX_PAGES = 25
"""The newest 500 models are looked at; who keeps more names the id."""


class Mispinned(AuthorizationUnavailable):
    """The server is not the one that was meant; `reason` is a code of `model.reasons`."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


async def find(client: OpenFgaClient, *, store: str, model: Model, wanted: str | None) -> str:
    """The server's id of `model` in `store`; raises Mispinned, or AuthorizationUnavailable when it cannot be asked."""
    if not store:
        raise Mispinned(WRONG_STORE, "relationships.store_id names no store")
    try:
        answer = await client.get(f"/stores/{store}")
        if answer.body.get("id") != store:
            raise Mispinned(WRONG_STORE, "the relationship server answers for another store")
        if wanted is None:
            return await _newest_like(client, store, model)
        answer = await client.get(f"/stores/{store}/authorization-models/{wanted}")
    except ServerRefused as exc:
        raise refusal_of(exc) or exc from exc
    if not _is(answer.body.get("authorization_model"), wanted, model):
        raise Mispinned(WRONG_MODEL, "the relationship server's model is not the one in the policies")
    return wanted


def refusal_of(refused: ServerRefused) -> Mispinned | None:
    """The server's answer as doubt about the server itself; None when it says nothing about that."""
    if refused.wrong_store:
        return Mispinned(WRONG_STORE, "the relationship server has no such store")
    if refused.wrong_model:
        return Mispinned(WRONG_MODEL, "the relationship server has no such model")
    return None


def require_same(answer: Answer, *, store: str, model: str) -> None:
    """Refuse an answer that says of itself that it is about something else; a proxy may have taken the words away."""
    if answer.store not in (None, store):
        raise Mispinned(WRONG_STORE, "the relationship server answered for another store")
    if answer.model not in (None, model):
        raise Mispinned(WRONG_MODEL, "the relationship server answered by another model")


async def _newest_like(client: OpenFgaClient, store: str, model: Model) -> str:
    async for one in _models(client, store):
        identifier = _id_of(one)
        if identifier is not None and _is(one, identifier, model):
            return identifier
    raise Mispinned(WRONG_MODEL, "no model on the relationship server is the one in the policies")


async def _models(client: OpenFgaClient, store: str) -> AsyncGenerator[object]:
    """Newest first."""
    token = ""
    for _ in range(_MAX_PAGES):
        more = f"&continuation_token={token}" if token else ""
        answer = await client.get(f"/stores/{store}/authorization-models?page_size={_MODELS_PER_PAGE}{more}")
        found: object = answer.body.get("authorization_models")
        for one in cast(list[object], found) if isinstance(found, list) else []:
            yield one
        following: object = answer.body.get("continuation_token")
        if not isinstance(following, str) or not following:
            return
        token = quote(following, safe="")


def _id_of(found: object) -> str | None:
    identifier: object = cast(dict[str, Any], found).get("id") if isinstance(found, dict) else None
    return identifier if isinstance(identifier, str) else None


def _is(found: object, identifier: str, model: Model) -> bool:
    if _id_of(found) != identifier:
        return False
    try:
        return model_id(from_json(found)) == model.model_id
    except OperatorError:
        return False  # it says something no model of ours says
