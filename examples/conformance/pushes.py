"""What a tool sends while it works: progress, log messages, and in the legacy era its own requests to the client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anyio
import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.subscriptions import InMemorySubscriptionBus, PromptsListChanged, ToolsListChanged
from mcp.shared.exceptions import MCPError
from mcp.shared.message import ServerMessageMetadata
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from examples.conformance.contents import text
from examples.conformance.rounds import by_elicitation, done, sample

_STEP_SECONDS = 0.05
_ANSWER_SECONDS = 30.0
_LOG_LEVEL = "io.modelcontextprotocol/logLevel"

DEFAULTS_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    },
}
_TITLED = [{"const": f"value{number}", "title": f"Choice {number}"} for number in (1, 2, 3)]
_OPTIONS = ["option1", "option2", "option3"]
ENUMS_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "untitledSingle": {"type": "string", "enum": _OPTIONS},
        "titledSingle": {"type": "string", "oneOf": _TITLED},
        "legacyEnum": {"type": "string", "enum": ["opt1", "opt2", "opt3"], "enumNames": ["One", "Two", "Three"]},
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": _OPTIONS}},
        "titledMulti": {"type": "array", "items": {"anyOf": _TITLED}},
    },
}
USER_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"username": {"type": "string"}, "email": {"type": "string"}},
    "required": ["username", "email"],
}


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
        await ctx.close_sse_stream()
    await anyio.sleep(2 * _STEP_SECONDS)
    return done("Reconnection test completed")


async def sampling(ctx: ServerRequestContext, prompt: str) -> types.CallToolResult:
    answer = await ctx.session.send_request(
        sample(prompt), types.CreateMessageResult, _ANSWER_SECONDS, ServerMessageMetadata(ctx.request_id)
    )
    said = answer.content.text if isinstance(answer.content, types.TextContent) else "(no text)"
    return done(f"LLM response: {said}")


async def elicitation(ctx: ServerRequestContext, message: str, schema: dict[str, Any]) -> types.CallToolResult:
    answer = await ctx.session.elicit_form(message, schema, ctx.request_id)
    return done(f"Elicitation completed: action={answer.action}, content={answer.content}")


def missing_capability(ctx: ServerRequestContext) -> types.CallToolResult:
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
    return by_elicitation(given)


async def announce(bus: InMemorySubscriptionBus, what: str) -> types.CallToolResult:
    await bus.publish(ToolsListChanged() if what == "tools" else PromptsListChanged())
    return types.CallToolResult(content=[text(f"Announced that the {what} changed.")])
