"""The shapes of `policies/tools.yaml` and of the files of rules. Checked against each other in `files`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, RootModel, field_validator

from mcp_gateway.authorization.rules.attributes import Relation
from mcp_gateway.model.tool import Mode, Risk

_DEFAULT_RELATIONS = {"role": "assignee", "group": "member", "tenant": "member"}

Glob: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.\-*?]{1,128}$")]
Scope: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9:._/-]{1,128}$")]
Label: TypeAlias = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,49}$")]
Name: TypeAlias = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,49}$")]
Related: TypeAlias = Annotated[
    str,
    Field(
        pattern=r"^([a-z][a-z0-9_]{0,49} )?[a-z][a-z0-9_-]{0,49}:[!-~]{1,200}$",
        description="`TYPE:ID` or `RELATION TYPE:ID`; the relation of a role is assignee, of a group or tenant member",
    ),
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WhenEntry(_Strict):
    """To which tools a rule applies: to those that fit every member that is given."""

    servers: list[Glob] = Field(default=[], max_length=100)
    tools: list[Glob] = Field(default=[], max_length=100, description="the upstream's own names")
    risks: list[Risk] = []
    classifications: list[Label] = []


class RuleEntry(_Strict):
    id: str = Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")
    description: str = Field(min_length=1, max_length=500)
    when: WhenEntry = WhenEntry()
    require: str = Field(min_length=1, description="CEL; what must be true")
    relations: dict[Name, Related] = Field(default={}, max_length=10, description="read as relations.NAME")
    mode: Mode = Mode.ENFORCE
    audit: list[str] = Field(default=[], max_length=20, description="attributes whose values go on record")

    @field_validator("relations")
    @classmethod
    def _each_has_a_relation(cls, given: dict[str, str]) -> dict[str, str]:
        _check_related(given.values())
        return given


class RulesFile(_Strict):
    rules: list[RuleEntry] = Field(max_length=500)


class ToolPolicyEntry(_Strict):
    """What one tool needs beyond the relationships."""

    classification: Label | None = None
    scopes: list[Scope] = Field(
        default=[], max_length=10, description="OAuth scopes the token must have, all of them; a foreign issuer's"
    )
    roles: list[Related] = Field(default=[], max_length=10, description="what the user must have, all of it")

    @field_validator("roles")
    @classmethod
    def _each_has_a_relation(cls, given: list[str]) -> list[str]:
        _check_related(given)
        return given


class ServerPolicyEntry(ToolPolicyEntry):
    """The same for every tool of a server; a tool's own entry adds to it, and its classification wins."""

    tools: dict[str, ToolPolicyEntry] = {}


class ToolPoliciesFile(RootModel[dict[str, ServerPolicyEntry]]):
    """By server name."""


def related(text: str) -> Relation:
    """(relation, object) of what `Related` accepted."""
    relation, space, object_ = text.rpartition(" ")
    return (relation, object_) if space else (_DEFAULT_RELATIONS[object_.partition(":")[0]], object_)


def _check_related(texts: Iterable[str]) -> None:
    for text in texts:
        if " " not in text and text.partition(":")[0] not in _DEFAULT_RELATIONS:
            raise ValueError(f"write RELATION {text}; only {', '.join(_DEFAULT_RELATIONS)} have one by default")
