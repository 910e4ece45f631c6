"""Looks for a stored `user:U in_context agent:A` on a server, where other systems may write one.

The server has no question for "any tuple of this relation", so its changelog of agents is read: whole
at first, later from where the last look ended, with an overlap because entries can appear late.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, TypeAlias, cast
from urllib.parse import urlencode

from mcp_gateway.authorization.backends.openfga_client import OpenFgaClient
from mcp_gateway.errors import AuthorizationUnavailable

Pair: TypeAlias = tuple[str, str]
"""User and agent."""

_RELATION = "in_context"
_OVERLAP = timedelta(seconds=60)
_PAGE = 100


class InContextWatch:
    def __init__(self, client: OpenFgaClient, store: str) -> None:
        self._client = client
        self._path = f"/stores/{store}"
        self._suspects: set[Pair] = set()
        self._newest: str | None = None

    async def look(self) -> frozenset[Pair]:
        """The pairs that stand stored now; raises AuthorizationUnavailable when the server cannot be asked."""
        await self._read_changes()
        standing = {pair for pair in self._suspects if await self._stands(pair)}
        # What stood and is gone may be written again; the changelog will say so.
        self._suspects = standing
        return frozenset(standing)

    async def _read_changes(self) -> None:
        asked = {"type": "agent", "page_size": str(_PAGE)}
        if self._newest is not None:
            asked["start_time"] = _earlier(self._newest)
        token = ""
        while True:
            answer = await self._client.get(f"{self._path}/changes?{urlencode(asked)}")
            changes, following = answer.body.get("changes"), answer.body.get("continuation_token")
            if not isinstance(changes, list):
                raise AuthorizationUnavailable("the relationship server's changelog cannot be read")
            for change in cast(list[object], changes):
                self._note(change)
            if not changes or not isinstance(following, str) or not following or following == token:
                return
            token = asked["continuation_token"] = following

    def _note(self, change: object) -> None:
        one = cast(dict[str, Any], change) if isinstance(change, dict) else {}
        key: object = one.get("tuple_key")
        names = cast(dict[str, Any], key) if isinstance(key, dict) else {}
        user, relation, agent = names.get("user"), names.get("relation"), names.get("object")
        if not (isinstance(user, str) and isinstance(agent, str) and isinstance(relation, str)):
            raise AuthorizationUnavailable("the relationship server's changelog cannot be read")
        if relation == _RELATION:
            self._suspects.add((user, agent))
        at: object = one.get("timestamp")
        if isinstance(at, str) and (self._newest is None or at > self._newest):
            self._newest = at

    async def _stands(self, pair: Pair) -> bool:
        key = {"user": pair[0], "relation": _RELATION, "object": pair[1]}
        answer = await self._client.post(f"{self._path}/read", {"tuple_key": key, "consistency": "HIGHER_CONSISTENCY"})
        return bool(answer.body.get("tuples"))


def _earlier(at: str) -> str:
    try:
        moment = datetime.fromisoformat(at)
    except ValueError as exc:
        raise AuthorizationUnavailable("the relationship server's changelog has a time that is none") from exc
    return (moment - _OVERLAP).isoformat()
