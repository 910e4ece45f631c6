"""A tool of the SDK server that asks its client something, and a client that answers."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp.shared.message import ServerMessageMetadata
from pydantic import BaseModel

Ask: TypeAlias = Callable[[str, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]

CAPABILITIES: dict[str, Any] = {"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}}
FORM = {"type": "object", "properties": {"colour": {"type": "string"}}}


class _Anything(BaseModel, extra="allow"):
    pass


def question(kind: str) -> Any:
    """One of each kind."""
    match kind:
        case "elicitation/create":
            params = types.ElicitRequestFormParams(message="Which colour?", requested_schema=FORM)
            return types.ElicitRequest(params=params)
        case "sampling/createMessage":
            said = types.SamplingMessage(role="user", content=types.TextContent(type="text", text="Say something."))
            return types.CreateMessageRequest(params=types.CreateMessageRequestParams(messages=[said], max_tokens=9))
        case _:
            return types.ListRootsRequest()


async def ask(ctx: ServerRequestContext[dict[str, Any]], arguments: dict[str, Any]) -> str:
    """What came back for each kind in `arguments["kinds"]`, one after the other; `unrelated` ones name no call."""
    found: list[Any] = []
    for kind in arguments["kinds"]:
        try:
            unrelated = arguments.get("unrelated")
            related = None if unrelated else ServerMessageMetadata(related_request_id=ctx.request_id)
            answer = (await ctx.session.send_request(question(kind), _Anything, metadata=related)).model_dump()
        except MCPError as exc:
            answer = {"refused": exc.error.code}
        found.append(answer)
        if arguments.get("progress"):
            await ctx.session.report_progress(len(found), len(arguments["kinds"]), "asked")
    return json.dumps(found)


class Answering:
    """A client that answers as `ask` says, and keeps what it was told and asked."""

    asked: Sequence[str] = ()

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self.messages: list[dict[str, Any]] = []
        self.questions: list[tuple[str, Mapping[str, Any]]] = []

    async def notify(self, message: Mapping[str, Any], /) -> None:
        self.messages.append(dict(message))

    async def ask(self, method: str, params: Mapping[str, Any], /) -> Mapping[str, Any]:
        self.questions.append((method, params))
        return await self._ask(method, params)


async def politely(method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
    """A fitting answer to any question."""
    match method:
        case "elicitation/create":
            return {"action": "accept", "content": {"colour": "blue"}}
        case "sampling/createMessage":
            return {"role": "assistant", "content": {"type": "text", "text": "Something."}, "model": "m"}
        case _:
            return {"roots": [{"uri": "file:///home/mira"}]}
