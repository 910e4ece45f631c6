"""One rule for tools, prompts and resources: by kind, the type of the relationship object and the names of its sides. Pure.

    whole = user and agent and available        the same with an agent
    directly = user and available               the first-party pages, without one

A model must have tools. One without prompts or resources, or that does not ask for every side of them, denies
every one of that kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from mcp_gateway.authorization.relationships import Legs
from mcp_gateway.model.tool import Kind, Tool

LegsOf: TypeAlias = Callable[[str, str], Legs | None]
"""(object type, relation) -> its sides."""

AVAILABLE = "available"


class Governed(NamedTuple):
    type: str
    """Of the relationship object; what its id begins with."""
    whole: str
    user: str
    agent: str
    directly: str
    direct_user: str
    """Written for a user or group that may use this one thing, whatever it may do with the server."""

    def __str__(self) -> str:
        return f"{self.type}#{self.whole}"

    @property
    def sides(self) -> tuple[str, str, str]:
        return self.user, self.agent, AVAILABLE


TOOL = Governed("tool", "can_call", "user_can_call", "agent_can_call", "can_call_directly", "direct_caller")
PROMPT = Governed("prompt", "can_get", "user_can_get", "agent_can_get", "can_get_directly", "direct_getter")
RESOURCE = Governed("resource", "can_read", "user_can_read", "agent_can_read", "can_read_directly", "direct_reader")

GOVERNED: Mapping[Kind, Governed] = {
    Kind.TOOL: TOOL,
    Kind.PROMPT: PROMPT,
    Kind.RESOURCE: RESOURCE,
    Kind.TEMPLATE: RESOURCE,
}


def is_kept_by(legs: LegsOf, rule: Governed) -> bool:
    """Whether the model asks for every side of `rule`; no model that does not is ever asked about it."""
    found = legs(rule.type, rule.whole)
    return found is not None and rule.agent in found.agent and {rule.user, AVAILABLE}.issubset(found.user)


def is_modelled(legs: LegsOf, kind: Kind) -> bool:
    """The rule about tools was looked at when the model was loaded."""
    return kind is Kind.TOOL or is_kept_by(legs, GOVERNED[kind])


def ungoverned(legs: LegsOf) -> tuple[str, ...]:
    """The types of which the model lets nothing through."""
    return tuple(rule.type for rule in (PROMPT, RESOURCE) if not is_kept_by(legs, rule))


def by_rule(tools: Sequence[Tool]) -> Iterator[tuple[Governed, Sequence[Tool]]]:
    """`tools` by the rule that governs them; mostly all by one."""
    if not tools:
        return
    first = tools[0].kind
    if all(tool.kind is first for tool in tools):
        yield GOVERNED[first], tools
        return
    found: dict[Governed, list[Tool]] = {}
    for tool in tools:
        found.setdefault(GOVERNED[tool.kind], []).append(tool)
    yield from found.items()
