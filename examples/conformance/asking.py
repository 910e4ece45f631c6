"""A round is played in the way of the caller's era: modern clients get the question as a result, legacy ones a request.

What is asked, and what becomes of the answers, is the same in both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import anyio
import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp.shared.message import ServerMessageMetadata
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

GivenT = TypeVar("GivenT", types.CallToolRequestParams, types.GetPromptRequestParams)
AnswerT = TypeVar("AnswerT", types.CallToolResult, types.GetPromptResult)

_ANSWER_SECONDS = 30.0
_MOST_ROUNDS = 5
_RESULTS: dict[str, type[Any]] = {
    "elicitation/create": types.ElicitResult,
    "sampling/createMessage": types.CreateMessageResult,
    "roots/list": types.ListRootsResult,
}


async def answered(
    ctx: ServerRequestContext, given: GivenT, play: Callable[[GivenT], AnswerT | types.InputRequiredResult]
) -> AnswerT | types.InputRequiredResult:
    """What `play` says to `given`; a legacy client is asked until it says something final."""
    if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
        return play(given)
    for _ in range(_MOST_ROUNDS):
        answer = play(given)
        if not isinstance(answer, types.InputRequiredResult):
            return answer
        responses = await _ask_all(ctx, answer.input_requests or {})
        given = given.model_copy(update={"input_responses": responses, "request_state": answer.request_state})
    raise MCPError(code=types.INTERNAL_ERROR, message="The client's answers are not what was asked for")


async def _ask_all(
    ctx: ServerRequestContext, wanted: Mapping[str, types.InputRequest]
) -> dict[str, types.InputResponse]:
    """At once: they belong together, and a client may show them together."""
    responses: dict[str, types.InputResponse] = {}

    async def ask(key: str, request: types.InputRequest) -> None:
        responses[key] = await _ask(ctx, request)

    try:
        async with anyio.create_task_group() as asking:
            for key, request in wanted.items():
                asking.start_soon(ask, key, request)
    except* MCPError as refused:
        raise refused.exceptions[0] from refused
    return responses


async def _ask(ctx: ServerRequestContext, wanted: types.InputRequest) -> types.InputResponse:
    belongs_to = ServerMessageMetadata(ctx.request_id)
    return await ctx.session.send_request(wanted, _RESULTS[wanted.method], _ANSWER_SECONDS, belongs_to)
