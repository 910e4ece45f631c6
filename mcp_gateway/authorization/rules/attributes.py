"""What a rule may read: a closed list of typed attributes, each with where it comes from. Pure.

An attribute that is not known is absent, never empty: a rule that needs it cannot be decided, and
denies. `user.groups`, `user.roles`, `user.tenants` and `tenant` are what the verified token says;
what only the store says is asked for as a relation (`relations` of the rule).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

from mcp_gateway.authorization.engine.parameters import address
from mcp_gateway.authorization.language.syntax import ParameterType
from mcp_gateway.authorization.resources import Identified, Unidentified
from mcp_gateway.model.call import Request
from mcp_gateway.model.decision import Check
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import Tool

Values: TypeAlias = Mapping[str, Any]
"""Attributes by name; one that is not known is missing."""

Relation: TypeAlias = tuple[str, str]
"""(relation, object): does the user have it?"""


class Origin(Enum):
    MOMENT = "moment"
    REQUEST = "request"
    PRINCIPAL = "principal"
    TOOL = "tool"
    CALL = "call"
    """The arguments; a list does not have them."""
    RELATION = "relation"


class Facts(NamedTuple):
    """One decision's circumstances; `arguments` None = a list is made, and nobody calls."""

    principal: Principal
    tool: Tool
    classification: str | None
    request: Request | None
    now: float
    answers: Mapping[Check, bool]
    arguments: Mapping[str, Any] | None = None
    resources: Identified = ()


@dataclass(frozen=True, slots=True)
class Attribute:
    kind: ParameterType
    origin: Origin
    read: Callable[[Facts], Any]
    """The value, or None when it is not known."""


_MAX_VALUES = 500
"""Keys and values; a macro over a list of as many takes up to 5 ms."""
_MAX_TEXT = 65_536


def values_of(names: Iterable[str], facts: Facts, relations: Mapping[str, Relation]) -> dict[str, Any]:
    """What is known of `names`."""
    values: dict[str, Any] = {}
    for name in names:
        attribute = ATTRIBUTES.get(name)
        value = attribute.read(facts) if attribute else _answer(facts, relations[name])
        if value is not None:
            values[name] = value
    return values


def _answer(facts: Facts, relation: Relation) -> bool | None:
    return facts.answers.get(Check(facts.principal.user, *relation))


def _memberships(facts: Facts, kind: str) -> list[str] | None:
    """A token that names no group says nothing about groups."""
    return [object_ for _, object_ in facts.principal.memberships if object_.startswith(kind)] or None


def _tenant(facts: Facts) -> str | None:
    tenants = _memberships(facts, "tenant:")
    return tenants[0] if tenants and len(tenants) == 1 else None


def _arguments(facts: Facts) -> Mapping[str, Any] | None:
    """Arguments too large to be looked through within a call's time are not looked at."""
    arguments = facts.arguments
    return arguments if arguments is not None and _is_small(arguments) else None


def _is_small(arguments: Mapping[str, Any]) -> bool:
    values, text = 0, 0
    waiting: list[Any] = [arguments]
    while waiting:
        value = waiting.pop()
        values += 1
        if isinstance(value, str):
            text += len(value)
        elif isinstance(value, dict):
            waiting += value.keys()
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        if values + len(waiting) > _MAX_VALUES or text > _MAX_TEXT:
            return False
    return True


def _resources(facts: Facts) -> list[str] | None:
    if facts.arguments is None or isinstance(facts.resources, Unidentified):
        return None
    return [object_ for _, object_ in facts.resources]


@lru_cache(maxsize=1024)
def _canonical(text: str | None) -> str | None:
    """One spelling of an address; what is none, such as a socket's path, is not known."""
    try:
        return str(address(text or ""))
    except ValueError:
        return None


_REQUEST: Mapping[str, Callable[[Request], str | None]] = {
    "network.address": lambda request: _canonical(request.address),
    "session.id": lambda request: request.client_session,
    "session.era": lambda request: request.era.value,
    "session.protocol": lambda request: request.protocol_version,
}


def read_request(name: str, request: Request) -> str | None:
    return _REQUEST[name](request)


def _of_request(name: str) -> Callable[[Facts], str | None]:
    return lambda facts: None if facts.request is None else read_request(name, facts.request)


_TEXT = ParameterType("string")
_TEXTS = ParameterType("list", "string")

ATTRIBUTES: Mapping[str, Attribute] = {
    "time": Attribute(ParameterType("timestamp"), Origin.MOMENT, lambda f: datetime.fromtimestamp(f.now, UTC)),
    **{name: Attribute(_TEXT, Origin.REQUEST, _of_request(name)) for name in _REQUEST},
    "tenant": Attribute(_TEXT, Origin.PRINCIPAL, _tenant),
    "user.id": Attribute(_TEXT, Origin.PRINCIPAL, lambda f: f.principal.user),
    "user.groups": Attribute(_TEXTS, Origin.PRINCIPAL, lambda f: _memberships(f, "group:")),
    "user.roles": Attribute(_TEXTS, Origin.PRINCIPAL, lambda f: _memberships(f, "role:")),
    "user.tenants": Attribute(_TEXTS, Origin.PRINCIPAL, lambda f: _memberships(f, "tenant:")),
    "agent.id": Attribute(_TEXT, Origin.PRINCIPAL, lambda f: f.principal.agent),
    "tool.id": Attribute(_TEXT, Origin.TOOL, lambda f: f.tool.id),
    "tool.server": Attribute(_TEXT, Origin.TOOL, lambda f: f.tool.server),
    "tool.name": Attribute(_TEXT, Origin.TOOL, lambda f: f.tool.name),
    "tool.kind": Attribute(_TEXT, Origin.TOOL, lambda f: f.tool.kind.value),
    "tool.risk": Attribute(_TEXT, Origin.TOOL, lambda f: f.tool.risk.value),
    "tool.classification": Attribute(_TEXT, Origin.TOOL, lambda f: f.classification),
    "arguments": Attribute(ParameterType("map", "any"), Origin.CALL, _arguments),
    "resources": Attribute(_TEXTS, Origin.CALL, _resources),
}

NEVER_AUDITED = frozenset({"arguments"})
"""An argument's value is never in a record."""


def origin_of(name: str) -> Origin:
    attribute = ATTRIBUTES.get(name)
    return attribute.origin if attribute else Origin.RELATION
