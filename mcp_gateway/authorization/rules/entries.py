"""The shapes of `policies/tools.yaml` and of the files of rules. Checked against each other in `files`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, RootModel, field_validator

from mcp_gateway.authorization.rules.attributes import Relation
from mcp_gateway.model.tool import Kind, Mode, Risk

_DEFAULT_RELATIONS = {"role": "assignee", "group": "member", "tenant": "member"}

Glob: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.\-*?]{1,128}$")]
UriGlob: TypeAlias = Annotated[str, Field(pattern=r"^[!-~]{1,500}$")]
Known: TypeAlias = Annotated[str, Field(min_length=1, max_length=2048)]
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
    """To what a rule applies: to whatever fits every member that is given.

    Of `tools`, `prompts` and `resources`, those that are given name what is meant of each kind; the others are not.
    """

    servers: list[Glob] = Field(default=[], max_length=100)
    tools: list[Glob] = Field(default=[], max_length=100, description="the upstream's own names")
    prompts: list[Glob] = Field(default=[], max_length=100, description="the upstream's own names")
    resources: list[UriGlob] = Field(default=[], max_length=100, description="URIs, or the text of templates")
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
    """What one tool, prompt or resource needs beyond the relationships."""

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
    """The same for everything of a server; a thing's own entry adds to it, and its classification wins."""

    tools: dict[Known, ToolPolicyEntry] = {}
    prompts: dict[Known, ToolPolicyEntry] = {}
    resources: dict[Known, ToolPolicyEntry] = Field(default={}, description="by URI, or by the text of a template")

    def items(self) -> Iterator[tuple[str, Kind, str, ToolPolicyEntry]]:
        """(member, kind, name, entry) of each."""
        for member, kind, entries in (
            ("tools", Kind.TOOL, self.tools),
            ("prompts", Kind.PROMPT, self.prompts),
            ("resources", Kind.RESOURCE, self.resources),
        ):
            yield from ((member, kind, name, entry) for name, entry in entries.items())


class ToolPoliciesFile(RootModel[dict[Known, ServerPolicyEntry]]):
    """By server name."""


def related(text: str) -> Relation:
    """(relation, object) of what `Related` accepted."""
    relation, space, object_ = text.rpartition(" ")
    return (relation, object_) if space else (_DEFAULT_RELATIONS[object_.partition(":")[0]], object_)


def _check_related(texts: Iterable[str]) -> None:
    for text in texts:
        if " " not in text and text.partition(":")[0] not in _DEFAULT_RELATIONS:
            raise ValueError(f"write RELATION {text}; only {', '.join(_DEFAULT_RELATIONS)} have one by default")
