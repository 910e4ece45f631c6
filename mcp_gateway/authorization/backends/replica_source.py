"""What the replica reads of an OpenFGA server, over the thin client: Read and ReadChanges.

Anything but what was expected is an AuthorizationUnavailable: a copy is never fed with a guess.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar, cast
from urllib.parse import urlencode

from mcp_gateway.authorization.backends.openfga_client import Answer, OpenFgaClient, ServerRefused
from mcp_gateway.authorization.backends.replica_feed import Lines, Tuples
from mcp_gateway.authorization.backends.replica_log import Logged, Place, State, place_of
from mcp_gateway.errors import AuthorizationUnavailable
from mcp_gateway.storage.relationships import Condition, RelationshipTuple

_PAGE = 100
"""The server's own maximum."""
_WRITTEN = {"TUPLE_OPERATION_WRITE": True, "TUPLE_OPERATION_DELETE": False}
_PRIMARY = {"consistency": "HIGHER_CONSISTENCY"}

_IN_ITS_FUTURE = "validation_error"
"""What the server calls a start time it has not reached yet."""

T = TypeVar("T")


class OpenFgaSource:
    """A `replica_feed.Source`."""

    def __init__(self, client: OpenFgaClient, *, store_id: str, ready: Callable[[], Awaitable[None]]) -> None:
        self._client = client
        self._store_id = store_id
        self._ready = ready

    async def tuples(self, token: str) -> Tuples:
        body = {"page_size": _PAGE, "continuation_token": token, **_PRIMARY}
        answer = self._ours(await self._client.post(f"/stores/{self._store_id}/read", body))
        return _understood(lambda: _page(answer))

    async def stored(self, place: Place) -> State:
        object_, relation, subject = place
        body = {"tuple_key": {"object": object_, "relation": relation, "user": subject}, **_PRIMARY}
        answer = self._ours(await self._client.post(f"/stores/{self._store_id}/read", body))
        found = _understood(lambda: [_tuple(one["key"]) for one in answer["tuples"]])
        if any(place_of(one) != place for one in found):
            raise AuthorizationUnavailable("the relationship server answered with a tuple nobody asked for")
        return found[0] if found else None

    async def changes(self, token: str, *, since: float | None = None) -> Lines:
        query = {"page_size": str(_PAGE)}
        if token:
            query["continuation_token"] = token
        elif since is not None:
            query["start_time"] = _written_out(since)
        answer = self._ours(await self._client.get(f"/stores/{self._store_id}/changes?{urlencode(query)}"))
        page = _understood(lambda: [_line(one) for one in answer["changes"]])
        return Lines(page, _understood(lambda: _token(answer)) or token, more=len(page) >= _PAGE)

    async def changed_since(self, moment: float) -> bool:
        query = urlencode({"page_size": "1", "start_time": _written_out(moment)})
        try:
            answer = await self._client.get(f"/stores/{self._store_id}/changes?{query}")
        except ServerRefused as exc:
            if exc.error == _IN_ITS_FUTURE:
                return False
            raise
        return _understood(lambda: len(self._ours(answer)["changes"]) > 0)

    async def ready(self) -> None:
        await self._ready()

    def _ours(self, answer: Answer) -> Mapping[str, Any]:
        if answer.store is not None and answer.store != self._store_id:
            raise AuthorizationUnavailable("the relationship server answered for another store")
        return answer.body


def _page(answer: Mapping[str, Any]) -> Tuples:
    found = [_tuple(one["key"]) for one in answer["tuples"]]
    newest = max((datetime.fromisoformat(one["timestamp"]).timestamp() for one in answer["tuples"]), default=None)
    return Tuples(found, _token(answer), newest)


def _written_out(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()


def _line(one: Mapping[str, Any]) -> Logged:
    at = datetime.fromisoformat(one["timestamp"]).timestamp()
    return Logged(at, _WRITTEN[one["operation"]], _tuple(one["tuple_key"]))


def _tuple(key: Mapping[str, Any]) -> RelationshipTuple:
    object_, relation, subject, condition = key["object"], key["relation"], key["user"], key.get("condition")
    if not (isinstance(object_, str) and isinstance(relation, str) and isinstance(subject, str)):
        raise TypeError
    return RelationshipTuple(object_, relation, subject, None if condition is None else _condition(condition))


def _condition(condition: Mapping[str, Any]) -> Condition | None:
    name, context = condition["name"], condition.get("context")
    if not isinstance(name, str) or not isinstance(context, dict | None):
        raise TypeError
    return Condition(name, cast(dict[str, Any], context or {})) if name else None


def _token(answer: Mapping[str, Any]) -> str:
    token = answer.get("continuation_token", "")
    if not isinstance(token, str):
        raise TypeError
    return token


def _understood(read: Callable[[], T]) -> T:
    try:
        return read()
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise AuthorizationUnavailable("the relationship server's tuples or changes cannot be read") from exc
