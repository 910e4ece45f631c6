"""The pydantic shapes of a test file: OpenFGA's `.fga.yaml` store format, and `cases:`, which are ours.

A file with `cases` is not one that OpenFGA's own command line accepts, so what both should run
stands in a file without them.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from mcp_gateway.model.reasons import REASONS

State = Literal["callable", "depends", "requestable", "hidden"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ConditionEntry(_Strict):
    name: str
    context: dict[str, Any] = {}


class TupleEntry(_Strict):
    user: str
    relation: str
    object: str
    condition: ConditionEntry | None = None


class _Asked(_Strict):
    context: dict[str, Any] = {}


class CheckEntry(_Asked):
    user: str | None = None
    users: list[str] = []
    object: str | None = None
    objects: list[str] = []
    assertions: dict[str, bool] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_both(self) -> CheckEntry:
        if (self.user is None) == (not self.users) or (self.object is None) == (not self.objects):
            raise ValueError("needs user or users, and object or objects")
        return self

    @property
    def every_user(self) -> list[str]:
        return self.users if self.user is None else [self.user]

    @property
    def every_object(self) -> list[str]:
        return self.objects if self.object is None else [self.object]


class ListObjectsEntry(_Asked):
    user: str
    type: str
    assertions: dict[str, list[str]] = Field(min_length=1)


class UserFilterEntry(_Strict):
    type: str
    relation: str | None = None


class UsersEntry(_Strict):
    users: list[str] = []


class ListUsersEntry(_Asked):
    object: str
    user_filter: list[UserFilterEntry] = Field(min_length=1, max_length=1)
    assertions: dict[str, UsersEntry] = Field(min_length=1)


class _Tuples(_Strict):
    tuples: list[TupleEntry] = []
    tuple_file: str | None = None
    tuple_files: list[str] = []


class TestEntry(_Tuples):
    __test__ = False  # pytest collects what is called Test…

    name: str = ""
    description: str = ""
    check: list[CheckEntry] = []
    list_objects: list[ListObjectsEntry] = []
    list_users: list[ListUsersEntry] = []


class MembershipEntry(_Strict):
    """What a verified token would say the user belongs to."""

    relation: str
    object: str


class PrincipalEntry(_Strict):
    user: str
    agent: str
    scopes: list[str] = ["mcp:read", "mcp:write"]
    memberships: list[MembershipEntry] = []


class ExpectEntry(_Strict):
    """What must come out; at least one member."""

    list: State | None = None
    call: Literal["allow", "deny"] | None = None
    reasons: frozenset[str] | None = None
    """Exactly these codes, in any order."""

    @field_validator("reasons")
    @classmethod
    def _known(cls, codes: frozenset[str] | None) -> frozenset[str] | None:
        unknown = sorted((codes or frozenset()) - REASONS.keys())
        if unknown:
            raise ValueError(f"`{unknown[0]}` is no reason code")
        return codes

    @model_validator(mode="after")
    def _something(self) -> ExpectEntry:
        if self.list is None and self.call is None and self.reasons is None:
            raise ValueError("needs list, call or reasons")
        return self


class CaseEntry(_Tuples):
    """One call of a tool, get of a prompt or read of a resource, judged by the code that judges requests."""

    name: str
    description: str = ""
    principal: PrincipalEntry
    tool: str | None = Field(default=None, description="SERVER/NAME")
    prompt: str | None = Field(default=None, description="Instead: SERVER/NAME")
    resource: str | None = Field(default=None, description="Instead: SERVER/URI, or SERVER/TEMPLATE with its variables")
    arguments: dict[str, Any] = {}
    at: str | None = Field(default=None, description="ISO 8601; when the call is made. Default: now.")
    address: str | None = Field(default=None, description="The client's IP address, for rules that read it.")
    unavailable: bool = Field(default=False, description="It is not approved, or its server is disabled.")
    expect: ExpectEntry

    @model_validator(mode="after")
    def _about_one_thing(self) -> CaseEntry:
        if sum(one is not None for one in (self.tool, self.prompt, self.resource)) != 1:
            raise ValueError("needs one of tool, prompt and resource")
        return self


class SuiteEntry(_Tuples):
    """A whole file."""

    name: str = ""
    model: str | None = None
    model_file: str | None = None
    tests: list[TestEntry] = []
    cases: list[CaseEntry] = []

    @model_validator(mode="after")
    def _says_something(self) -> SuiteEntry:
        if not self.tests and not self.cases:
            raise ValueError("there are neither tests nor cases")
        if self.tests and self.model is None and self.model_file is None:
            raise ValueError("tests need model or model_file")
        return self
