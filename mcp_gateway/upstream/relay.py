"""Passes an upstream's notifications of one call on to the client: progress, log messages, elicitations that are over.

Nothing else: a notification that names no call is not for this one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from mcp_gateway.model.call import Caller, Era, Permit
from mcp_gateway.upstream.envelope import META_LOG_LEVEL, Message


class Relay:
    """`token` is the progress token we gave the upstream; the client gets its own back."""

    __slots__ = ("_notify", "_request", "_token")

    def __init__(self, permit: Permit, caller: Caller, token: str) -> None:
        self._notify = caller.notify
        self._token = token
        self._request = permit.request

    async def __call__(self, message: Message) -> None:
        params: object = message.get("params")
        if not isinstance(params, dict):
            return
        fields = cast("Mapping[str, Any]", params)
        theirs = self._request.progress_token
        match message.get("method"):
            case "notifications/progress" if theirs is not None and fields.get("progressToken") == self._token:
                await self._send("notifications/progress", {**fields, "progressToken": theirs})
            case "notifications/message" if self._wants_logs():
                await self._send("notifications/message", fields)
            case "notifications/elicitation/complete" if self._may_visit():
                await self._send("notifications/elicitation/complete", {"elicitationId": fields.get("elicitationId")})
            case _:
                pass

    def _wants_logs(self) -> bool:
        """A modern client asks for log messages per request; unasked ones are not for it."""
        return self._request.era is Era.LEGACY or META_LOG_LEVEL in self._request.meta

    def _may_visit(self) -> bool:
        """Only legacy clients hear that a page they were sent to is done with; modern ones come back by themselves."""
        match self._request.capabilities:
            case {"elicitation": {"url": _}}:
                return self._request.era is Era.LEGACY
            case _:
                return False

    async def _send(self, method: str, params: Mapping[str, Any]) -> None:
        await self._notify({"jsonrpc": "2.0", "method": method, "params": params})
