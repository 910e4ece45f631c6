"""One governed call on its way: what was asked, the proof it was admitted, and what came back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Protocol, TypeAlias

from mcp_gateway.model.decision import Decision
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import Tool
from mcp_gateway.model.trace import Trace


class Era(StrEnum):
    MODERN = "modern"
    """2026-07-28: stateless requests."""
    LEGACY = "legacy"
    """2024-11-05 to 2025-11-25: initialize and sessions."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the transport knows of one client request."""

    id: str
    """Ours, unguessable, in every error, log line and audit record."""
    era: Era
    protocol_version: str
    endpoint: str | None
    """Upstream name for `/mcp/<server>`, None for `/mcp`."""
    progress_token: str | int | None
    meta: Mapping[str, Any]
    """The client's `params._meta`, for the keys that travel on (log level)."""
    client_session: str | None
    """Digest of the legacy session id; None in the modern era."""
    param_headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """`Mcp-Param-*` headers by lower-case name; a guard compares them with the arguments."""
    address: str | None = None
    """The client's IP address; None when the connection does not tell one."""
    capabilities: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """What the client says it can be asked: `elicitation`, `sampling`, `roots`, `extensions`."""
    trace: Trace | None = None
    """What an upstream is told to be part of; its `id` is for the audit. None: no client or operator wants one."""


@dataclass(frozen=True, slots=True)
class Permit:
    """Proof that a call was decided and admitted. Made only by `gateway.admit`."""

    request: Request
    principal: Principal
    tool: Tool
    arguments: Mapping[str, Any]
    decision: Decision
    method: str = "tools/call"
    params: Mapping[str, Any] | None = None
    """What the upstream is sent, in its own names and without `_meta`; None = the tool's name and the arguments."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The upstream's answer: exactly one of `result` and `error` is set."""

    result: Mapping[str, Any] | None
    error: Mapping[str, Any] | None
    """A JSON-RPC error object of the upstream, passed on as it stands."""
    era: Era
    """Era the upstream spoke, so the transport knows what to add or drop."""
    item: Tool | None = None
    """What asks something back instead of answering; None for every other answer."""


class Caller(Protocol):
    """The client that waits for an answer, as far as an upstream may reach it meanwhile."""

    @property
    def asked(self) -> Sequence[str]:
        """What it was asked so far and what came of it, by method and outcome only: for the audit."""
        ...

    async def notify(self, message: Mapping[str, Any], /) -> None:
        """Send one JSON-RPC notification (`{"method": …, "params": …}`) of this call."""
        ...

    async def ask(self, method: str, params: Mapping[str, Any], /) -> Mapping[str, Any]:
        """Put the upstream's question (`elicitation/create`, `sampling/createMessage`, `roots/list`); its result.

        Raises Declined when the client cannot be asked, answers with an error, or not in time.
        """
        ...


Forward: TypeAlias = Callable[[Permit, Caller], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Again:
    """A request that its client makes once more, because it was asked something: decided and recorded like any."""

    params: Mapping[str, Any]
    """What the upstream gets besides: `inputResponses`, `requestState`."""
    item: str | None = None
    """Id of what asked; nothing else may get the answers."""
    began: str | None = None
    """Id of the first request, for the audit."""
    forward: Forward | None = None
    """Goes on with a call that waits, instead of making it again."""
