"""A relationship model as a SpiceDB schema, or a refusal that names what has no translation. Pure.

What OpenFGA keeps in one relation, `[user] or writer`, is two things there: a relation that tuples are
written to and a permission that is asked for. SpiceDB has no contextual tuples. Where a token says who
a request speaks for, a relation to everybody stands under a caveat: `in_context` holds for the one agent
a request names, and `member` also for the groups its token claims, and for no others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from mcp_gateway.authorization.engine.conditions import CompiledCondition
from mcp_gateway.authorization.engine.model import Model
from mcp_gateway.authorization.language.syntax import (
    Computed,
    Direct,
    Exclusion,
    From,
    Intersection,
    ParameterType,
    RelationDefinition,
    Restriction,
    Rewrite,
    parts_of,
)
from mcp_gateway.errors import OperatorError

BINDING = "in_context"
THIS_AGENT, STORED_AGENT, REQUEST_AGENT = "this_agent", "agent", "request_agent"
"""A caveat and its parameters: one is stored with every agent, the other comes with a request."""
CLAIMED, STORED_NAME, REQUEST_CLAIMS = "claimed", "name", "claims"
"""The same for memberships."""

_CAVEATS = f"""\
caveat {THIS_AGENT}({STORED_AGENT} string, {REQUEST_AGENT} string) {{
  {STORED_AGENT} == {REQUEST_AGENT}
}}

caveat {CLAIMED}({STORED_NAME} string, {REQUEST_CLAIMS} list<string>) {{
  {STORED_NAME} in {REQUEST_CLAIMS}
}}"""
_WRITTEN, _CLAIMED = "_written", "_claimed"
_NAME = re.compile(r"[a-z][a-z0-9_]{1,62}[a-z0-9]")
_KEYWORDS = frozenset(
    {"all", "any", "caveat", "definition", "from", "import", "nil", "partial", "permission", "relation", "use", "with"}
)
_PLAIN = Restriction("user")


@dataclass(frozen=True, slots=True)
class ZedSchema:
    text: str
    written: Mapping[str, str]
    """`type#relation` -> the relation its tuples are written to."""
    claimed: Mapping[str, str]
    """`type#relation` a token may claim -> the relation that says so."""


def translate(model: Model) -> ZedSchema:
    """Raises OperatorError where SpiceDB cannot say what the model says."""
    for name in (THIS_AGENT, CLAIMED):
        if name in model.conditions:
            raise _untranslatable(f"condition {name}", "the name is taken by what binds requests")
    written: dict[str, str] = {}
    claimed: dict[str, str] = {}
    blocks = [*(_caveat(name, condition) for name, condition in sorted(model.conditions.items())), _CAVEATS]
    named = {f"{one.type}#{one.relation}" for one in _restrictions(model) if one.relation}
    for type_name, relations in model.relations.items():
        _require_name(type_name, f"type {type_name}")
        lines = [line for one in relations.values() for line in _lines(type_name, one, named, written, claimed)]
        _require_untaken(type_name, relations, (*written.values(), *claimed.values()))
        blocks.append(f"definition {type_name} {{\n{''.join(lines)}}}" if lines else f"definition {type_name} {{}}")
    return ZedSchema("\n\n".join(blocks) + "\n", written, claimed)


def _lines(
    type_name: str, one: RelationDefinition, named: set[str], written: dict[str, str], claimed: dict[str, str]
) -> Iterator[str]:
    place = f"{type_name}#{one.name}"
    _require_name(one.name, place)
    if one.name == BINDING:
        if not isinstance(one.rewrite, Direct) or one.restrictions != (_PLAIN,):
            raise _untranslatable(place, "it must read `[user]`")
        yield f"  relation {one.name}: user:* with {THIS_AGENT}\n"
        return
    subjects = " | ".join(str(restriction) for restriction in one.restrictions)
    if isinstance(one.rewrite, Direct) and place not in named:
        written[place] = one.name
        yield f"  relation {one.name}: {subjects}\n"
        return
    direct = one.name + _WRITTEN
    if one.restrictions:
        written[place] = direct
        yield f"  relation {direct}: {subjects}\n"
    if place in named and _PLAIN in one.restrictions:
        claimed[place] = one.name + _CLAIMED
        yield f"  relation {one.name}{_CLAIMED}: user:* with {CLAIMED}\n"
        direct = f"({direct} + {one.name}{_CLAIMED})"
    yield f"  permission {one.name} = {_expression(one.rewrite, direct)}\n"


def _expression(rewrite: Rewrite, direct: str) -> str:
    if isinstance(rewrite, Direct):
        return direct
    if isinstance(rewrite, Computed):
        return rewrite.relation
    if isinstance(rewrite, From):
        return f"{rewrite.tupleset}->{rewrite.relation}"
    operator = " - " if isinstance(rewrite, Exclusion) else " & " if isinstance(rewrite, Intersection) else " + "
    operands = (_expression(part, direct) for part in parts_of(rewrite))
    return operator.join(one if " " not in one or one == direct else f"({one})" for one in operands)


def _caveat(name: str, condition: CompiledCondition) -> str:
    _require_name(name, f"condition {name}")
    parameters = ", ".join(f"{parameter} {_kind(kind)}" for parameter, kind in condition.parameters.items())
    return f"caveat {name}({parameters}) {{\n  {condition.expression.strip()}\n}}"


def _kind(kind: ParameterType) -> str:
    return f"{kind.name}<{kind.element}>" if kind.element else kind.name


def _restrictions(model: Model) -> Iterator[Restriction]:
    for relations in model.relations.values():
        for one in relations.values():
            yield from one.restrictions


def _require_name(name: str, where: str) -> None:
    if not _NAME.fullmatch(name) or name in _KEYWORDS:
        raise _untranslatable(where, "SpiceDB's names are 3 to 64 small letters, digits and `_`, and no keywords")


def _require_untaken(type_name: str, relations: Iterable[str], added: Iterable[str]) -> None:
    for name in set(relations).intersection(added):
        if name.endswith((_WRITTEN, _CLAIMED)):
            raise _untranslatable(f"{type_name}#{name}", "the name is taken by the translation of another relation")


def _untranslatable(where: str, why: str) -> OperatorError:
    remedy = "Rename it, or use the embedded or the openfga backend"
    return OperatorError(f"has no translation to SpiceDB: {why}", where=where, remedy=remedy)
