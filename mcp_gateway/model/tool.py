"""Upstreams and their tools, as declared, discovered and reviewed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, TypeAlias

from mcp_gateway.model.ids import ToolId

JsonObject: TypeAlias = Mapping[str, Any]
"""A JSON object at a border; the program never looks inside except through a parser."""


class Kind(StrEnum):
    """What an upstream offers (MCP server features); each has its own type of relationship object."""

    TOOL = "tool"
    PROMPT = "prompt"
    RESOURCE = "resource"
    """Its name is its URI."""
    TEMPLATE = "template"
    """Its name is its URI template (RFC 6570)."""

    @property
    def unavailable(self) -> str:
        """The one reason a caller hears, whether it is unknown, unapproved or not allowed."""
        return _UNAVAILABLE[self]


_UNAVAILABLE = {
    Kind.TOOL: "tool.unavailable",
    Kind.PROMPT: "prompt.unavailable",
    Kind.RESOURCE: "resource.unavailable",
    Kind.TEMPLATE: "resource.unavailable",
}


class Risk(StrEnum):
    READ = "read"
    WRITE = "write"
    DESTRUCTIVE = "destructive"


class Mode(StrEnum):
    """What becomes of a decision."""

    ENFORCE = "enforce"
    OBSERVE = "observe"
    """What only a missing right or a rule would deny is let through and recorded."""


class ReviewState(StrEnum):
    APPROVED = "approved"
    PENDING = "pending"
    """Discovered, waiting for a reviewer."""
    CHANGED = "changed"
    """Approved once; its definition differs now, so it is suspended."""
    QUARANTINED = "quarantined"
    """Its definition would break clients or cannot be checked; never listed."""
    MISSING = "missing"
    """The upstream no longer serves it."""


Normalisation: TypeAlias = tuple[str, str]
"""(step, detail): `trim`, `lower`, `nfc`, `strip_prefix` with the prefix, `url` with the URL around `{id}`."""


@dataclass(frozen=True, slots=True)
class ResourceRule:
    """Which resource a call touches: a relation to hold on `type:<server>/<id>`, the id taken from the arguments."""

    relation: str
    """The relation that must hold, e.g. `can_read`."""
    type: str
    pointer: str | None
    """JSON Pointer (RFC 6901) into the arguments; an array means every element, and so does `*` on the way."""
    template: str | None
    """Text with `{/pointer}` parts, when the id is composed."""
    normalise: tuple[Normalisation, ...] = ()
    """Steps that make one name of the spellings the upstream takes for one."""


@dataclass(frozen=True, slots=True)
class Tool:
    """One approved or reviewable thing that an upstream offers: a tool, or a prompt, resource or template."""

    id: ToolId
    server: str
    name: str
    """The upstream's own name; of a resource its URI, of a template its text."""
    exposed: str
    """The name on `/mcp`; `[A-Za-z0-9_-]`, at most 45 characters, but a URI or a template where it is one."""
    risk: Risk
    state: ReviewState
    digest: str
    """SHA-256 of the canonical JSON of the definition."""
    definition: JsonObject
    """As the upstream sent it, unknown fields included."""
    resources: tuple[ResourceRule, ...]
    requestable: bool = False
    """Whoever lacks only access or a grant may know of it and ask; it is never listed as callable for that."""
    mode: Mode | None = None
    """None = the gateway's."""
    mapping: str = ""
    """Digest of `resources`, for the audit; empty when there are none."""
    kind: Kind = Kind.TOOL
    record: tuple[str, ...] = ()
    """JSON Pointers to arguments whose values the audit keeps, sealed for the user."""


@dataclass(frozen=True, slots=True)
class HttpTransport:
    url: str
    """`http:` or `https:`; the MCP endpoint."""
    headers: tuple[tuple[str, str], ...]
    """Static, non-secret headers."""
    credential_header: str | None
    """Header that carries the secret, e.g. `Authorization`."""
    credential_file: str | None
    """File in the data directory's `secrets/` whose content is the header's value."""
    network: tuple[str, ...]
    """CIDR ranges that are not public and yet allowed, e.g. `127.0.0.0/8`."""


@dataclass(frozen=True, slots=True)
class SseTransport(HttpTransport):
    """A server of the oldest HTTP transport (MCP 2024-11-05): `url` is where it streams its events."""


@dataclass(frozen=True, slots=True)
class OpenApiTransport(HttpTransport):
    """An HTTP API that is no MCP server; `url` is what every path of its document is appended to."""

    document: str
    """Its OpenAPI document: an absolute path of a file, or an `http:` or `https:` URL."""
    credential_query: str | None
    """Query parameter that carries the secret, instead of a header."""


@dataclass(frozen=True, slots=True)
class StdioTransport:
    command: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    """Set for the child; nothing of the gateway's own environment is inherited but `PATH`, `HOME`, `LANG`, `TZ`."""
    cwd: str | None


@dataclass(frozen=True, slots=True)
class ToolPolicy:
    """What the registry entry says of one tool, prompt, resource or template."""

    risk: Risk
    resources: tuple[ResourceRule, ...]
    requestable: bool = False
    """People who lack only access or a grant may know of it and ask."""
    mode: Mode | None = None
    record: tuple[str, ...] = ()
    """JSON Pointers to arguments whose values the audit keeps."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """One registry entry."""

    name: str
    transport: HttpTransport | StdioTransport
    owner: str
    description: str
    trusted: bool
    """New and changed tools are approved without a reviewer."""
    sessions: Literal["per_principal", "shared"]
    protocol: Literal["auto", "modern", "legacy"]
    timeout_seconds: float
    """Deadline of one call, first byte to last."""
    default_risk: Risk
    """For tools the entry does not name; `destructive` unless the entry says otherwise."""
    tools: Mapping[str, ToolPolicy]
    requestable: bool = False
    """Of tools the entry does not name."""
    mode: Mode | None = None
    """Of tools that say nothing themselves; None = the gateway's."""
    prompts: Mapping[str, ToolPolicy] = field(default_factory=dict[str, ToolPolicy])
    resources: Mapping[str, ToolPolicy] = field(default_factory=dict[str, ToolPolicy])
    """By URI or by the text of a template."""

    def policy(self, kind: Kind, name: str) -> ToolPolicy:
        """What holds for one thing it offers; prompts and resources that the entry does not name are read."""
        if kind is Kind.TOOL:
            return self.tools.get(name) or ToolPolicy(self.default_risk, (), self.requestable, self.mode)
        named = self.prompts if kind is Kind.PROMPT else self.resources
        return named.get(name) or ToolPolicy(Risk.READ, (), self.requestable, self.mode)
