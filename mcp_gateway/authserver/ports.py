"""What the authorization server needs from its neighbours; `compose` hands them in.

It asks what a user may hand on and says what was approved. It never decides access itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from mcp_gateway.model.ids import AgentId, UserId
from mcp_gateway.model.tool import Risk


@dataclass(frozen=True, slots=True)
class OfferedLevel:
    """What of one risk level of one server the user may use; a tick covers all of it."""

    risk: Risk
    tools: tuple[str, ...]
    """The upstream's own names, for people to read."""
    tickable: bool
    """False: shown, but only an administrator can grant it."""
    prompts: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    """URIs, and the text of templates."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One server on the consent page; `levels` in the order read, write, destructive."""

    server: str
    description: str
    levels: tuple[OfferedLevel, ...]


class ConsentOffers(Protocol):
    async def offers(self, user: UserId) -> Sequence[Offer]:
        """What `user` may use, and how much of it the user may let an agent use."""
        ...


class ConsentLedger(Protocol):
    async def approve(
        self, user: UserId, agent: AgentId, client: str, ticks: Mapping[str, Risk], expires: float
    ) -> None:
        """Write that `user` lets `agent` act, and what was ticked: server → highest level, until `expires` (epoch).

        `client` is the name that was shown. Bounds the ticks itself; the page is not trusted.
        """
        ...


class Journal(Protocol):
    async def event(self, kind: str, actor: str, **named: Any) -> object:
        """Durable when it returns; raises AuditUnavailable when it cannot be."""
        ...


class Seals(Protocol):
    """Tamper-proof values that go through the browser, bound to a purpose and to whom they were given."""

    def seal(self, purpose: str, binding: str, content: Mapping[str, Any], *, seconds: float) -> str: ...

    def open(self, purpose: str, binding: str, sealed: str) -> Mapping[str, Any] | None: ...


Fetch: TypeAlias = Callable[[str], Awaitable[bytes]]
"""GET a URL: public addresses only, no redirects, 200 only, bounded in time and size; else GatewayError."""
