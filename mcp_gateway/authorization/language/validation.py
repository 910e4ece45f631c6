"""Does a parsed model make sense, and does it keep the gateway's rule? Each refusal names its line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NoReturn, Protocol, TypeVar

from mcp_gateway.authorization.language.analysis import IN_CONTEXT, Relations, bound, grounded, parents, touching
from mcp_gateway.authorization.language.syntax import (
    Computed,
    Document,
    From,
    Intersection,
    RelationDefinition,
    Restriction,
    Rewrite,
    TypeDefinition,
    parts_of,
)
from mcp_gateway.authorization.relationships import Legs
from mcp_gateway.errors import OperatorError

_RESERVED = frozenset({"self", "this"})
_MAX_TYPES = 100
_CAN_CALL_PARTS = ("user_can_call", "agent_can_call", "available")


class _Named(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def line(self) -> int: ...


N = TypeVar("N", bound=_Named)


def validate(document: Document, relations: Relations, where: str) -> None:
    """Refuse what refers to nothing, stands twice, or can never hold."""
    if not 0 < len(document.types) <= _MAX_TYPES:
        _refuse(where, 1, f"a model has 1 to {_MAX_TYPES} types")
    _unique(document.types, "type", where)
    _unique(document.conditions, "condition", where)
    conditions = {one.name for one in document.conditions}
    for one in document.types:
        _unique(one.relations, f"relation of `{one.name}`", where)
        for relation in one.relations:
            _check_relation(one, relation, relations, conditions, where)
    live = grounded(relations)
    for one in document.types:
        for relation in one.relations:
            if f"{one.name}#{relation.name}" not in live:
                _refuse(where, relation.line, f"`{one.name}#{relation.name}` can never hold: it has no entry point")


def require_rule(relations: Relations, legs: Mapping[str, Legs], where: str) -> None:
    """The gateway's own rule: `tool#can_call` needs the user's side, the agent's side and availability."""
    can_call = relations.get("tool", {}).get("can_call")
    if can_call is None:
        _refuse(where, 1, "`tool#can_call` is missing")
    operands = _computed_parts(can_call.rewrite)
    missing = [name for name in _CAN_CALL_PARTS if name not in operands]
    if missing:
        _refuse(where, can_call.line, f"`tool#can_call` must be an intersection containing `{missing[0]}`")
    sides = legs.get("tool#can_call", Legs((), ()))
    if "agent_can_call" not in sides.agent or "user_can_call" not in sides.user:
        _refuse(
            where,
            can_call.line,
            f"`agent_can_call` must hold only through `{IN_CONTEXT}`, and `user_can_call` must not look at it",
        )
    if "acting_for" not in relations.get("agent", {}):
        _refuse(where, can_call.line, "`agent#acting_for` is missing")


def sides_of(relations: Relations) -> dict[str, Legs]:
    """`type#relation` -> its legs, for every relation that intersects a user side with an agent side."""
    through_agent, looking_at_agent = bound(relations), touching(relations)
    found: dict[str, Legs] = {}
    for object_type, definitions in relations.items():
        for name, definition in definitions.items():
            parts = _computed_parts(definition.rewrite)
            agent = tuple(part for part in parts if f"{object_type}#{part}" in through_agent)
            user = tuple(part for part in parts if f"{object_type}#{part}" not in looking_at_agent)
            if user and agent:
                found[f"{object_type}#{name}"] = Legs(user, agent)
    return found


def _computed_parts(rewrite: Rewrite) -> tuple[str, ...]:
    parts = rewrite.parts if isinstance(rewrite, Intersection) else ()
    return tuple(part.relation for part in parts if isinstance(part, Computed))


def _check_relation(
    one: TypeDefinition, relation: RelationDefinition, relations: Relations, conditions: set[str], where: str
) -> None:
    if relation.name in _RESERVED or one.name in _RESERVED:
        _refuse(where, relation.line, "`self` and `this` are reserved")
    for restriction in relation.restrictions:
        _check_restriction(restriction, relations, conditions, where, relation.line)
    for leaf in _leaves(relation.rewrite):
        _check_leaf(one.name, relation, leaf, relations, where)


def _check_restriction(
    restriction: Restriction, relations: Relations, conditions: set[str], where: str, line: int
) -> None:
    if restriction.type not in relations:
        _refuse(where, line, f"`{restriction.type}` is not a type")
    if restriction.relation and restriction.relation not in relations[restriction.type]:
        _refuse(where, line, f"`{restriction.relation}` is not a relation of `{restriction.type}`")
    if restriction.condition and restriction.condition not in conditions:
        _refuse(where, line, f"`{restriction.condition}` is not a condition")


def _check_leaf(
    object_type: str, relation: RelationDefinition, leaf: Rewrite, relations: Relations, where: str
) -> None:
    siblings = relations[object_type]
    if isinstance(leaf, Computed) and leaf.relation not in siblings:
        _refuse(where, relation.line, f"`{leaf.relation}` is not a relation of `{object_type}`")
    if not isinstance(leaf, From):
        return
    if leaf.tupleset not in siblings:
        _refuse(where, relation.line, f"`{leaf.tupleset}` is not a relation of `{object_type}`")
    _check_tupleset(object_type, siblings[leaf.tupleset], where, relation.line)
    if not any(parents(relations, object_type, leaf)):
        _refuse(where, relation.line, f"nothing `{leaf.tupleset}` leads to has a relation `{leaf.relation}`")


def _check_tupleset(object_type: str, tupleset: RelationDefinition, where: str, line: int) -> None:
    name = f"{object_type}#{tupleset.name}"
    plain = all(not one.relation and not one.wildcard for one in tupleset.restrictions)
    if parts_of(tupleset.rewrite) or isinstance(tupleset.rewrite, Computed | From) or not plain:
        _refuse(where, line, f"`{name}` stands behind `from`, so it must be directly assigned to objects")


def _leaves(rewrite: Rewrite) -> Iterator[Rewrite]:
    parts = parts_of(rewrite)
    if not parts:
        yield rewrite
    for part in parts:
        yield from _leaves(part)


def _unique(items: Iterable[N], what: str, where: str) -> None:
    seen: set[str] = set()
    for item in items:
        if item.name in seen:
            _refuse(where, item.line, f"{what} `{item.name}` stands twice")
        seen.add(item.name)


def _refuse(where: str, line: int, problem: str) -> NoReturn:
    raise OperatorError(problem, where=f"{where}:{line}")
