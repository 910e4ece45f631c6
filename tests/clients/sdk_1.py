"""`python sdk_1.py URL BEARER`: the Python SDK's first line lists, calls, reads, prompts and is asked.

Its modules have other types than ours, so nothing of it is imported by name.
"""

from __future__ import annotations

import asyncio
import json
import sys
from importlib import import_module
from typing import Any

mcp: Any = import_module("mcp")
types: Any = import_module("mcp.types")
streamable: Any = import_module("mcp.client.streamable_http")


async def answer(_context: Any, _params: Any) -> Any:
    return types.ElicitResult(action="accept", content={"username": "mira", "email": "mira@example.com"})


async def main(url: str, bearer: str) -> None:
    headers = {"Authorization": f"Bearer {bearer}"}
    async with (
        streamable.streamablehttp_client(url, headers=headers) as (receive, send, _),
        mcp.ClientSession(receive, send, elicitation_callback=answer) as session,
    ):
        hello = await session.initialize()
        seen = {
            "protocol": hello.protocolVersion,
            "tools": len((await session.list_tools()).tools),
            "called": (await session.call_tool("test_simple_text")).content[0].text,
            "read": (await session.read_resource("test://static-text")).contents[0].text,
            "prompted": (await session.get_prompt("test_simple_prompt")).messages[0].content.text,
            "elicited": (await session.call_tool("test_elicitation", {"message": "Who are you?"})).content[0].text,
        }
    print(json.dumps(seen))


asyncio.run(main(*sys.argv[1:3]))
