"""Does a model keep the gateway's own rule? `tool#can_call` needs the user's side, the agent's side and availability.

So do `prompt#can_get` and `resource#can_read`. A model may do without these two types, or have types of its own that are
called so: then no prompt, or no resource, is ever allowed, and that is said as advice.
"""

from __future__ import annotations

from collections.abc import Iterator

from mcp_gateway.authorization.kinds import AVAILABLE, PROMPT, RESOURCE, TOOL, Governed
from mcp_gateway.authorization.language.analysis import IN_CONTEXT, Relations, bound, relations_of, touching
from mcp_gateway.authorization.language.problems import UNGOVERNED, Problem, file_of
from mcp_gateway.authorization.language.syntax import Computed, Document, Intersection, Rewrite, TypeDefinition
from mcp_gateway.authorization.relationships import Legs


def breaches_of(document: Document, *, where: str) -> Iterator[Problem]:
    """What is missing from the rule; the gateway does not start with such a model, unless it is only advice."""
    relations = relations_of(document)
    if "can_call" not in relations.get("tool", {}):
        yield Problem("rule", "`tool#can_call` is missing", where, document.schema_place)
    else:
        yield from _problems(TOOL, document, relations, where)
        if "acting_for" not in relations.get("agent", {}):
            yield _at(TOOL, document, "`agent#acting_for` is missing", where)
    for rule in (PROMPT, RESOURCE):
        if {rule.user, rule.agent}.isdisjoint(relations.get(rule.type, ())):
            sentence = f"the model does not govern {rule.type}s, so each is denied; policies/gateway.fga shows `{rule}`"
            yield Problem(UNGOVERNED, sentence, where, document.schema_place)
        else:
            yield from _problems(rule, document, relations, where)


def _problems(rule: Governed, document: Document, relations: Relations, where: str) -> Iterator[Problem]:
    sides = sides_of(relations).get(str(rule), Legs((), ()))
    definition = relations[rule.type].get(rule.whole)
    parts = _computed_parts(definition.rewrite) if definition else ()
    missing = [name for name in rule.sides if name not in parts]
    if missing:
        yield _at(rule, document, f"`{rule}` must be an intersection containing `{missing[0]}`", where)
    elif rule.agent not in sides.agent or rule.user not in sides.user:
        sentence = f"`{rule.agent}` must hold only through `{IN_CONTEXT}`, and `{rule.user}` must not look at it"
        yield _at(rule, document, sentence, where)
    elif rule is not TOOL and AVAILABLE not in sides.user:
        yield _at(rule, document, f"`{rule.type}#{AVAILABLE}` must not look at `{IN_CONTEXT}`", where)


def _at(rule: Governed, document: Document, sentence: str, where: str) -> Problem:
    """At the whole, or at its type where the whole is missing."""
    kind: TypeDefinition = next(one for one in document.types if one.name == rule.type)
    whole = next((one for one in kind.relations if one.name == rule.whole), None)
    if whole is None:
        return Problem("rule", sentence, file_of(kind.source, where), kind.place)
    return Problem("rule", sentence, file_of(whole.source or kind.source, where), whole.place)


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
