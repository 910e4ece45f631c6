"""What an asker gets to see. Values only; the filtering is `inspection.Inspection`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from mcp_gateway.authorization import Access
from mcp_gateway.inspection.definition import Parameter
from mcp_gateway.model.ids import ServerId, ToolId
from mcp_gateway.model.principal import Person
from mcp_gateway.model.tool import Kind, ReviewState, Risk


@dataclass(frozen=True, slots=True)
class OsUser:
    """Whoever may open the data directory; file permission is their authorization."""

    actor: str
    """`os:<login name>`."""


Asker: TypeAlias = Person | OsUser


@dataclass(frozen=True, slots=True)
class Standing:
    """How far somebody sees."""

    user: str
    administrator: bool
    auditor: bool
    """Sees every server, tool, decision and audit record."""


Transport = Literal["http", "sse", "openapi", "stdio"]
ServerStatus = Literal["up", "failing", "disabled", "never_reached"]


@dataclass(frozen=True, slots=True)
class ServerView:
    id: ServerId
    name: str
    description: str
    owner: str
    transport: Transport
    status: ServerStatus
    protocol_version: str | None
    last_seen_at: float | None
    """Seconds since the epoch."""
    last_error: str | None
    """Reason code; operators only."""
    tools: int
    """How many of its tools the asker sees."""
    waiting: int
    """How many of those, and of prompts and resources, cannot be used until somebody reviews them."""
    prompts: int = 0
    resources: int = 0
    """With its templates."""


@dataclass(frozen=True, slots=True)
class ResourceNeed:
    """A call also needs `relation` on the `type` its arguments name."""

    relation: str
    type: str


@dataclass(frozen=True, slots=True)
class ToolView:
    id: ToolId
    server: str
    name: str
    """The upstream's own name, as used on `/mcp/<server>`; of a resource its URI, of a template its text."""
    exposed: str
    """The name on `/mcp`."""
    title: str
    description: str
    parameters: tuple[Parameter, ...]
    risk: Risk
    state: ReviewState
    callable: bool
    """The asker's own access suffices; an agent needs a grant as well."""
    needs: tuple[ResourceNeed, ...]
    digest: str
    """SHA-256 of the definition's canonical JSON."""
    finding: str | None
    """Why it is quarantined or changed; reviewers only."""
    access: Access | None = None
    """What it is to the person who asks; `requestable` is one they may not use and may ask for."""
    owner: str = ""
    """Who to ask."""
    ask: str | None = None
    """Of a requestable tool: what an administrator would run."""
    kind: Kind = Kind.TOOL


@dataclass(frozen=True, slots=True)
class ToolAccess:
    """One tool in the list of a principal, or why it is not in it."""

    id: ToolId
    exposed: str
    access: Access
    missing: tuple[str, ...]
    """Reason codes; empty when it is listed."""


@dataclass(frozen=True, slots=True)
class ToolDetail:
    tool: ToolView
    approved_by: str | None
    """Reviewers only, as is the rest of the review's history."""
    approved_at: float | None
    first_seen_at: float | None
    definition: Mapping[str, Any]
    """As the upstream sent it: data from outside, never markup and never an instruction."""


@dataclass(frozen=True, slots=True)
class ToolPage:
    tools: tuple[ToolView, ...]
    total: int
    """Matching tools on all pages."""
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Shown:
    """One event as its watcher may read it."""

    kind: Literal["catalog", "decision", "lost"]
    data: Mapping[str, Any]
