"""What the ways to an upstream have in common, whatever transport and era."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

from mcp_gateway.model.call import Answer, Caller, Era, Permit
from mcp_gateway.model.tool import JsonObject


@dataclass(frozen=True, slots=True)
class Hello:
    """What an upstream says of itself; nothing in it is verified."""

    era: Era
    protocol_version: str
    server_info: JsonObject
    capabilities: JsonObject

    @classmethod
    def of(cls, answer: Mapping[str, Any], era: Era, version: str, server_info: JsonObject) -> Hello:
        return cls(era, version, server_info, an_object(answer.get("capabilities")))


class Link(Protocol):
    """One upstream, reachable. Every method runs under its caller's deadline, but for a `call` that is `bounded`."""

    @property
    def bounded(self) -> bool:
        """Whether a call ends by itself at the upstream's deadline, so that nobody need watch it."""
        ...

    @property
    def asks(self) -> bool:
        """Whether the client may be asked something while a call runs; True as long as that is not known."""
        ...

    async def call(self, permit: Permit, caller: Caller, /) -> Answer: ...

    async def ask(self, method: str, params: Mapping[str, Any], /) -> Mapping[str, Any]:
        """A question of the gateway's own; raises UpstreamFailure for an error."""
        ...

    async def hello(self) -> Hello: ...

    async def sweep(self) -> None:
        """Housekeeping, now and then: resolve addresses again, end what is idle."""
        ...

    async def aclose(self) -> None: ...


def an_object(value: object) -> JsonObject:
    """`value` if it is a JSON object, else an empty one."""
    return cast("JsonObject", value) if isinstance(value, dict) else {}
