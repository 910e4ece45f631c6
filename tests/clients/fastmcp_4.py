"""`python fastmcp_4.py URL BEARER MODE`: FastMCP's client lists, calls, reads, prompts and is asked.

Its modules are not in our environment, so nothing of it is imported by name.
"""

from __future__ import annotations

import asyncio
import json
import sys
from importlib import import_module
from typing import Any

fastmcp: Any = import_module("fastmcp")


async def answer(_message: str, _response_type: Any, _params: Any, _context: Any) -> Any:
    return {"username": "mira", "email": "mira@example.com"}


async def main(url: str, bearer: str, mode: str) -> None:
    async with fastmcp.Client(url, auth=bearer, mode=mode, elicitation_handler=answer) as client:
        seen = {
            "protocol": client.protocol_version,
            "tools": len(await client.list_tools()),
            "called": (await client.call_tool("test_simple_text")).content[0].text,
            "read": (await client.read_resource("test://static-text"))[0].text,
            "prompted": (await client.get_prompt("test_simple_prompt")).messages[0].content.text,
            "elicited": (await client.call_tool("test_elicitation", {"message": "Who are you?"})).content[0].text,
        }
    print(json.dumps(seen))


asyncio.run(main(*sys.argv[1:4]))
