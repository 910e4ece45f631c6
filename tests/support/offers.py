"""What the SDK server of `tests.support.upstreams` offers besides tools: resources, prompts, completions, subscriptions."""

from __future__ import annotations

import json
from typing import Any, Protocol, TypeAlias, TypedDict

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError

NOTES = "notes://today"
NOWHERE = "notes://nowhere"
_Context: TypeAlias = ServerRequestContext[dict[str, Any]]


class Diary(Protocol):
    def note(self, event: str) -> None: ...


class Offers(TypedDict):
    on_list_resources: Any
    on_read_resource: Any
    on_list_prompts: Any
    on_get_prompt: Any
    on_completion: Any
    on_subscribe_resource: Any
    on_unsubscribe_resource: Any


def offers(diary: Diary) -> Offers:
    """Keyword arguments of the SDK's server."""

    async def list_resources(_ctx: _Context, _params: object) -> types.ListResourcesResult:
        resource = types.Resource(uri=NOTES, name="notes")
        return types.ListResourcesResult(resources=[resource], ttl_ms=0, cache_scope="private")

    async def read_resource(_ctx: _Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        diary.note(f"read {params.uri}")
        if params.uri == NOWHERE:
            raise MCPError(code=-32002, message="no such resource", data={"uri": params.uri})
        content = types.TextResourceContents(uri=params.uri, text=f"what {params.uri} says")
        return types.ReadResourceResult(contents=[content], ttl_ms=0, cache_scope="private")

    async def list_prompts(_ctx: _Context, _params: object) -> types.ListPromptsResult:
        prompt = types.Prompt(name="greet", arguments=[types.PromptArgument(name="name")])
        return types.ListPromptsResult(prompts=[prompt], ttl_ms=0, cache_scope="private")

    async def get_prompt(_ctx: _Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        text = types.TextContent(type="text", text=f"{params.name} {json.dumps(params.arguments)}")
        return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=text)])

    async def complete(_ctx: _Context, params: types.CompleteRequestParams) -> types.CompleteResult:
        return types.CompleteResult(completion=types.Completion(values=[params.argument.value + "ra"]))

    async def subscribe(_ctx: _Context, params: types.SubscribeRequestParams) -> types.EmptyResult:
        diary.note(f"subscribe {params.uri}")
        return types.EmptyResult()

    async def unsubscribe(_ctx: _Context, params: types.UnsubscribeRequestParams) -> types.EmptyResult:
        diary.note(f"unsubscribe {params.uri}")
        return types.EmptyResult()

    return {
        "on_list_resources": list_resources,
        "on_read_resource": read_resource,
        "on_list_prompts": list_prompts,
        "on_get_prompt": get_prompt,
        "on_completion": complete,
        "on_subscribe_resource": subscribe,
        "on_unsubscribe_resource": unsubscribe,
    }
