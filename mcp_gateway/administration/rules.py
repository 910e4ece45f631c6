"""Which relationships people may write by hand, and which relation a grant's level means. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal, Protocol, TypeAlias

from mcp_gateway.errors import OperatorError
from mcp_gateway.model.tool import Risk
from mcp_gateway.storage.relationships import RelationshipTuple, refuse_contextual


class Level(StrEnum):
    """How far a grant reaches on a server, or on what its calls name."""

    READ = "read"
    WRITE = "write"
    """Read and write, never destructive tools."""
    ALL = "all"


SelfGrant: TypeAlias = Literal["none", "read", "write"]
"""The most a user may grant an agent without an administrator."""


class Vocabulary(Protocol):
    """What the relationship model can express."""

    def validate_tuple(
        self,
        object_: str,
        relation: str,
        subject: str,
        condition: str | None = None,
        *,
        context: Mapping[str, Any] | None = None,
    ) -> None:
        """Raises OperatorError when the model has no place for such a tuple."""
        ...


def validate(vocabulary: Vocabulary, row: RelationshipTuple) -> None:
    """Raises OperatorError when the model has no place for `row`."""
    condition = row.condition
    vocabulary.validate_tuple(
        row.object,
        row.relation,
        row.subject,
        condition.name if condition else None,
        context=condition.context if condition else None,
    )


_ON_SERVER = {Level.READ: "agent_reader", Level.WRITE: "agent_writer", Level.ALL: "agent_caller"}
_ON_RESOURCE = {Level.READ: "agent_reader", Level.WRITE: "agent_writer", Level.ALL: "agent_writer"}
_ON_ITEM = "direct_agent"
_ITEMS = ("tool", "prompt", "resource")
"""What a server offers; each is granted by itself, and its facts follow from the review."""
_TICKABLE: Mapping[SelfGrant, frozenset[Risk]] = {
    "none": frozenset(),
    "read": frozenset({Risk.READ}),
    "write": frozenset({Risk.READ, Risk.WRITE}),
}

_GRANT_RELATIONS = frozenset({*_ON_SERVER.values(), *_ON_RESOURCE.values(), _ON_ITEM})
_REVIEW_FACTS = frozenset(
    {
        ("server", "enabled"),
        *((kind, fact) for kind in _ITEMS for fact in ("server", "enabled", "read_only", "writable")),
    }
)
"""Follow from the catalog's review state; written by hand they would contradict it."""

_BELONGING = frozenset({("group", "member"), ("role", "assignee"), ("tenant", "member")})
"""`group:<issuer alias>/<name>` comes from token claims; stored as well, an issuer could claim what was meant otherwise."""


def granted_relation(on: str, level: Level | None) -> str:
    """The relation a grant writes on `on`; without a level a server, or what its calls name, is granted for reading."""
    kind = on.partition(":")[0]
    if kind in _ITEMS:
        if level is not None:
            raise OperatorError(f"a {kind} is granted whole; --access is for servers and what they hold", where=on)
        return _ON_ITEM
    return (_ON_SERVER if kind == "server" else _ON_RESOURCE)[level or Level.READ]


def refuse_owned(row: RelationshipTuple) -> None:
    """Refuse by hand what another command writes together with its record."""
    refuse_contextual(row)
    kind = row.object.partition(":")[0]
    where = f"{row.subject} {row.relation} {row.object}"
    if kind == "grant" or row.relation in _GRANT_RELATIONS:
        raise OperatorError("what an agent may use is a grant", where=where, remedy="mcp-gateway grant add")
    if (kind, row.relation) == ("agent", "delegator"):
        raise OperatorError(
            "who lets an agent act is a delegation",
            where=where,
            remedy="the user signs in through the agent and consents",
        )
    if (kind, row.relation) in _BELONGING and "/" in row.object:
        raise OperatorError(
            "who belongs to it is what an issuer's tokens say; a stored one has no `/` in its name", where=where
        )
    if (kind, row.relation) in _REVIEW_FACTS:
        raise OperatorError(
            "this fact follows from the review state", where=where, remedy="mcp-gateway server approve NAME"
        )


def is_tickable(risk: Risk, ceiling: SelfGrant) -> bool:
    """Whether a user may hand tools of this risk to an agent without an administrator."""
    return risk in _TICKABLE[ceiling]


def ticked_relation(risk: Risk, ceiling: SelfGrant) -> str:
    """What a tick on the consent page writes on a server; never destructive, never above the ceiling."""
    if not is_tickable(risk, ceiling):
        raise OperatorError(
            f"users may not grant {risk.value} tools to agents themselves here", remedy="see agents.self_grant"
        )
    return _ON_SERVER[Level(risk.value)]
