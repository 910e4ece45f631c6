"""Passes an upstream's notifications of one call on to the client: progress and log messages, nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from mcp_gateway.model.call import Caller, Era, Permit
from mcp_gateway.upstream.envelope import META_LOG_LEVEL, Message


class Relay:
    """`token` is the progress token we gave the upstream; the client gets its own back."""

    __slots__ = ("_logs", "_notify", "_theirs", "_token")

    def __init__(self, permit: Permit, caller: Caller, token: str) -> None:
        self._notify = caller.notify
        self._token = token
        self._theirs = permit.request.progress_token
        # A modern client asks for log messages per request; unasked ones are not for it.
        self._logs = permit.request.era is Era.LEGACY or META_LOG_LEVEL in permit.request.meta

    async def __call__(self, message: Message) -> None:
        params: object = message.get("params")
        if not isinstance(params, dict):
            return
        fields = cast("Mapping[str, Any]", params)
        match message.get("method"):
            case "notifications/progress" if self._theirs is not None and fields.get("progressToken") == self._token:
                await self._send("notifications/progress", {**fields, "progressToken": self._theirs})
            case "notifications/message" if self._logs:
                await self._send("notifications/message", fields)
            case _:
                pass

    async def _send(self, method: str, params: Mapping[str, Any]) -> None:
        await self._notify({"jsonrpc": "2.0", "method": method, "params": params})
