"""Does a model keep the gateway's own rule? `tool#can_call` needs the user's side, the agent's side and availability."""

from __future__ import annotations

from collections.abc import Iterator

from mcp_gateway.authorization.language.analysis import IN_CONTEXT, Relations, bound, relations_of, touching
from mcp_gateway.authorization.language.problems import Problem, file_of
from mcp_gateway.authorization.language.syntax import Computed, Document, Intersection, RelationDefinition, Rewrite
from mcp_gateway.authorization.relationships import Legs

_CAN_CALL_PARTS = ("user_can_call", "agent_can_call", "available")


def breaches_of(document: Document, *, where: str) -> Iterator[Problem]:
    """What is missing from the rule; the gateway does not start with such a model."""
    relations = relations_of(document)
    can_call = relations.get("tool", {}).get("can_call")
    if can_call is None:
        yield Problem("rule", "`tool#can_call` is missing", where, document.schema_place)
        return
    tool = next(one for one in document.types if one.name == "tool")
    file = file_of(can_call.source or tool.source, where)
    for sentence in _breaches(can_call, relations, sides_of(relations).get("tool#can_call", Legs((), ()))):
        yield Problem("rule", sentence, file, can_call.place)


def _breaches(can_call: RelationDefinition, relations: Relations, sides: Legs) -> Iterator[str]:
    operands = _computed_parts(can_call.rewrite)
    missing = [name for name in _CAN_CALL_PARTS if name not in operands]
    if missing:
        yield f"`tool#can_call` must be an intersection containing `{missing[0]}`"
    elif "agent_can_call" not in sides.agent or "user_can_call" not in sides.user:
        yield f"`agent_can_call` must hold only through `{IN_CONTEXT}`, and `user_can_call` must not look at it"
    if "acting_for" not in relations.get("agent", {}):
        yield "`agent#acting_for` is missing"


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
