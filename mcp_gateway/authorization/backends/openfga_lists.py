"""What an OpenFGA server lists for people: its own searches, which may end early without saying so.

Nothing is enforced by these. The server cuts its lists silently at a number or a time of its own, so
every list from here says that it may be cut.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Literal, cast

from mcp_gateway.authorization.engine import requests
from mcp_gateway.authorization.engine.model import Model
from mcp_gateway.authorization.tree import Combined, Expansion, Node, Same, Subjects, Through
from mcp_gateway.errors import AuthorizationUnavailable

MAY_BE_CUT = "the server ends long lists by itself, without saying so"
_MAX_DEPTH = 25


class Searches:
    """`search` asks one store of a server, by its model, and answers the body."""

    def __init__(self, model: Model, search: Callable[[str, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]) -> None:
        self._model = model
        self._search = search

    async def objects(self, subject: str, relation: str, object_type: str, *, about: Mapping[str, Any]) -> list[str]:
        requests.require_listing(self._model, subject, relation, object_type)
        asked = {"user": subject, "relation": relation, "type": object_type, **about}
        return objects_of(await self._search("list-objects", asked))

    async def users(self, object_: str, relation: str, kind: str, *, about: Mapping[str, Any]) -> list[str]:
        requests.require_users(self._model, object_, relation, kind)
        object_type, _, identifier = object_.partition(":")
        subject_type, hash_, subject_relation = kind.partition("#")
        asked = {
            "object": {"type": object_type, "id": identifier},
            "relation": relation,
            "user_filters": [{"type": subject_type, **({"relation": subject_relation} if hash_ else {})}],
            "context": about["context"],
            "contextual_tuples": about["contextual_tuples"]["tuple_keys"],
        }
        return users_of(await self._search("list-users", asked))

    async def expansion(self, object_: str, relation: str, *, about: Mapping[str, Any]) -> Expansion:
        requests.require_expansion(self._model, object_, relation)
        asked = {
            "tuple_key": {"relation": relation, "object": object_},
            "contextual_tuples": about["contextual_tuples"],
        }
        return expansion_of(f"{object_}#{relation}", await self._search("expand", asked))


def objects_of(body: Mapping[str, Any]) -> list[str]:
    """The objects of a ListObjects answer."""
    return sorted(_texts(body.get("objects")))


def users_of(body: Mapping[str, Any]) -> list[str]:
    """The subjects of a ListUsers answer, as `user:mira`, `user:*` or `group:eng#member`."""
    users: object = body.get("users")
    if not isinstance(users, list):
        raise _unreadable()
    return sorted(_user(_mapping(one)) for one in cast(list[object], users))


def expansion_of(name: str, body: Mapping[str, Any]) -> Expansion:
    """The tree of an Expand answer."""
    return Expansion(name, _node(_mapping(_mapping(body.get("tree")).get("root")), _MAX_DEPTH))


def _node(node: Mapping[str, Any], depth: int) -> Node:
    if depth == 0:
        raise _unreadable()
    for word in ("union", "intersection"):
        if node.get(word) is not None:
            operator: Literal["union", "intersection"] = "union" if word == "union" else "intersection"
            parts = _mapping(node[word]).get("nodes")
            if not isinstance(parts, list):
                raise _unreadable()
            return Combined(operator, tuple(_node(_mapping(one), depth - 1) for one in cast(list[object], parts)))
    if node.get("difference") is not None:
        sides = _mapping(node["difference"])
        return Combined(
            "difference", tuple(_node(_mapping(sides.get(name)), depth - 1) for name in ("base", "subtract"))
        )
    return _leaf(_mapping(node.get("leaf")))


def _leaf(leaf: Mapping[str, Any]) -> Node:
    if leaf.get("computed") is not None:
        return Same(_text(_mapping(leaf["computed"]).get("userset")))
    if leaf.get("tupleToUserset") is not None:
        through = _mapping(leaf["tupleToUserset"])
        computed: object = through.get("computed") or []
        if not isinstance(computed, list):
            raise _unreadable()
        usersets = tuple(_text(_mapping(one).get("userset")) for one in cast(list[object], computed))
        return Through(_text(through.get("tupleset")), usersets)
    return Subjects(tuple(sorted(_texts(_mapping(leaf.get("users")).get("users")))))


def _user(one: Mapping[str, Any]) -> str:
    if one.get("object") is not None:
        found = _mapping(one["object"])
        return f"{_text(found.get('type'))}:{_text(found.get('id'))}"
    if one.get("userset") is not None:
        found = _mapping(one["userset"])
        return f"{_text(found.get('type'))}:{_text(found.get('id'))}#{_text(found.get('relation'))}"
    return f"{_text(_mapping(one.get('wildcard')).get('type'))}:*"


def _texts(value: object) -> Iterator[str]:
    if value is None:
        return iter(())
    if not isinstance(value, list):
        raise _unreadable()
    return map(_text, cast(list[object], value))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _unreadable()
    return value


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _unreadable()
    return cast(dict[str, Any], value)


def _unreadable() -> AuthorizationUnavailable:
    return AuthorizationUnavailable("the relationship server's list cannot be read")
