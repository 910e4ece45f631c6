"""Event streams without a server: what is sent on one is kept, and who may see what is said by the test."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from mcp_gateway.errors import GatewayError
from mcp_gateway.gateway import Gateway
from mcp_gateway.model.call import Era, Request
from mcp_gateway.model.ids import agent_id, user_id
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import Kind
from mcp_gateway.transport.inflight import Flight
from mcp_gateway.transport.reply import Reply
from mcp_gateway.transport.stream import Stream
from mcp_gateway.watch import Seen, Watch

NEVER = 4_000_000_000


@dataclass(frozen=True, slots=True)
class Said(Watch):
    """Answers by what the test put down."""

    gateway: Gateway = field(default_factory=lambda: cast("Gateway", None))
    marks: dict[str, int] = field(default_factory=dict[str, int])
    """By user: what it sees now."""
    failing: list[GatewayError] = field(default_factory=list[GatewayError])
    """Raised instead, once each."""
    over: dict[str, GatewayError] = field(default_factory=dict[str, GatewayError])
    """By user: why its streams end."""
    sights: set[str] = field(default_factory=set[str])
    """`user server`: of which servers who sees anything."""
    unreadable: set[str] = field(default_factory=set[str])

    @property
    def generation(self) -> int:
        return 1

    async def follow(self) -> None:
        pass

    async def ended(self, request: Request, principal: Principal) -> GatewayError | None:
        return self.over.get(principal.user)

    async def may_read(self, request: Request, principal: Principal, uri: str) -> bool:
        return uri not in self.unreadable

    async def sees(self, request: Request, principal: Principal, kinds: Sequence[Kind], server: str) -> bool:
        return f"{principal.user} {server}" in self.sights

    async def seen(self, request: Request, principal: Principal, kinds: Sequence[Kind]) -> Seen:
        if self.failing:
            raise self.failing.pop()
        return Seen(self.marks.get(principal.user, 0), None)


class Line:
    """A client's end; `full` means that it does not read."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.broken = False

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if self.broken:
            raise OSError("the connection is gone")
        if message["type"] == "http.response.body":
            self.sent.append(message["body"])

    @property
    def text(self) -> str:
        return b"".join(self.sent).decode()


def principal(user: str = "mira", *, expires_at: int = NEVER) -> Principal:
    return Principal(
        user=user_id("local", user),
        agent=agent_id("local", "docs"),
        scopes=frozenset(),
        audience="http://127.0.0.1:8000/mcp",
        token_id="t-1",
        expires_at=expires_at,
    )


def request(session: str | None = None) -> Request:
    return Request(
        id="r-1",
        era=Era.MODERN,
        protocol_version="2026-07-28",
        endpoint=None,
        progress_token=None,
        meta={},
        client_session=session,
    )


def stream(line: Line, who: Principal | None = None, *, session: str | None = None) -> Stream:
    """Opened in the task that calls this."""
    reply = Reply(line.send, "r-1")
    reply.streaming = True
    made = Stream(request(session), who or principal(), reply, Flight())
    if session is None:
        reply.message_id = 7
        made.tag(7)
    return made
