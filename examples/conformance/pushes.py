"""What a tool sends while it works: progress, log messages, the end of its own stream; and what it cannot do without."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anyio
import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from examples.conformance.asking import answered
from examples.conformance.rounds import by_elicitation, by_question, done

_STEP_SECONDS = 0.05
_LOG_LEVEL = "io.modelcontextprotocol/logLevel"


async def progress(ctx: ServerRequestContext) -> types.CallToolResult:
    for share in (0, 50, 100):
        await ctx.session.report_progress(share, 100, f"Completed step {share} of 100")
        await anyio.sleep(_STEP_SECONDS)
    return done("Tool with progress executed successfully")


async def logging(ctx: ServerRequestContext) -> types.CallToolResult:
    for words in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await _log(ctx, words)
        await anyio.sleep(_STEP_SECONDS)
    return done("Tool with logging executed successfully")


async def _log(ctx: ServerRequestContext, words: str) -> None:
    """A modern client gets log messages only for the requests that asked for them."""
    meta: Mapping[str, Any] = (ctx.params or {}).get("_meta") or {}
    if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS and _LOG_LEVEL not in meta:
        return
    params = types.LoggingMessageNotificationParams(level="info", data=words)
    await ctx.session.send_notification(types.LoggingMessageNotification(params=params), ctx.request_id)


async def reconnection(ctx: ServerRequestContext) -> types.CallToolResult:
    """Closes its own response stream; a client that comes back gets the rest."""
    if ctx.close_sse_stream is not None:
        # The client needs the first event's id to come back with.
        await anyio.sleep(_STEP_SECONDS)
        await ctx.close_sse_stream()
    await anyio.sleep(2 * _STEP_SECONDS)
    return done("Reconnection test completed")


async def missing_capability(
    ctx: ServerRequestContext, given: types.CallToolRequestParams
) -> types.CallToolResult | types.InputRequiredResult:
    """The modern era has an error for it; a legacy server asks, and is told that it cannot."""
    if ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        return await answered(ctx, given, by_question)
    able = ctx.session.client_capabilities or types.ClientCapabilities()
    if able.sampling is None:
        required = types.ClientCapabilities(sampling=types.SamplingCapability())
        data = types.MissingRequiredClientCapabilityErrorData(required_capabilities=required)
        raise MCPError(
            code=types.MISSING_REQUIRED_CLIENT_CAPABILITY,
            message="This tool needs sampling",
            data=data.model_dump(by_alias=True, exclude_none=True),
        )
    return done("The client declared sampling.")


async def streaming_elicitation(
    ctx: ServerRequestContext, given: types.CallToolRequestParams
) -> types.CallToolResult | types.InputRequiredResult:
    await ctx.session.report_progress(1, 2, "about to ask")
    return await answered(ctx, given, by_elicitation)
