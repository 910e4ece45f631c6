"""`python -m tests.conformance.client_command URL`: what the suite takes for an MCP client.

It starts a gateway with URL as its only upstream, signs in, does through it with the SDK's client what
scenarios want done (list everything, call every tool, read, prompt, answer questions), and stops the gateway.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import httpx2
import mcp_types as types
from mcp import Client, MCPError
from mcp.client.context import ClientRequestContext
from mcp.client.streamable_http import streamable_http_client

from tests.support.gateway import Installation, http_entry, install
from tests.support.processes import wait_until

_USER, _AGENT = "judge", "conformance"
_ALL_SECONDS = 40
_SAMPLES: Mapping[str, Any] = {
    "integer": 5,
    "number": 5,
    "boolean": True,
    "string": "sample",
    "array": [],
    "null": None,
}


class _Listed(types.Result):
    tools: list[dict[str, Any]]


def main() -> None:
    (url,) = sys.argv[1:]
    modern = os.environ.get("MCP_CONFORMANCE_PROTOCOL_VERSION") == "2026-07-28"
    wanted: dict[str, Any] = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")
    with tempfile.TemporaryDirectory(prefix="mcp-gateway-client-") as folder:
        # Servers of the suite listen on 127.0.0.1 only; the name may lead to ::1 first.
        entry = http_entry("upstream", url.replace("//localhost:", "//127.0.0.1:"), sessions="per_principal")
        gateway = install(Path(folder, "gateway"), registry={"upstream": entry})
        gateway.add_user(_USER, calls="upstream")
        gateway.let_agent_act(_AGENT, _USER, server="upstream")
        with gateway.serving():
            wait_until(lambda: _seen(gateway), what="the first look at the upstream")
            token = gateway.token(user=_USER, agent=_AGENT, server="upstream")
            anyio.run(use, gateway.endpoint("upstream"), token, modern, wanted.get("toolCalls"))


def _seen(gateway: Installation) -> bool:
    return gateway.json("server", "show", "upstream")["last_seen_at"] is not None


async def use(url: str, token: str, modern: bool, calls: list[dict[str, Any]] | None) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    with anyio.fail_after(_ALL_SECONDS):
        async with (
            httpx2.AsyncClient(headers=headers, timeout=_ALL_SECONDS) as http,
            Client(
                streamable_http_client(url, http_client=http),
                mode="2026-07-28" if modern else "legacy",
                elicitation_callback=accept_defaults,
            ) as client,
        ):
            await _call_everything(client, calls)
            await _read_everything(client)


async def _call_everything(client: Client, calls: list[dict[str, Any]] | None) -> None:
    await client.list_tools()
    # Once more as it came: the SDK drops tools it thinks invalid, and what the gateway lists is to be judged.
    listed = await client.session.send_request(types.ListToolsRequest(), _Listed)
    tools = listed.tools
    for call in calls if calls is not None else [_sample_call(tool, tools) for tool in tools]:
        # Some scenarios send null for what may be left out; the schema of the tool allows no null.
        arguments = {name: value for name, value in call["arguments"].items() if value is not None}
        try:
            await client.call_tool(call["name"], arguments)
        except (MCPError, RuntimeError) as exc:
            print(f"{call['name']}: {exc}", file=sys.stderr)


def _sample_call(tool: Mapping[str, Any], tools: list[dict[str, Any]]) -> dict[str, Any]:
    """Arguments that fit the schema; what wants a schema gets the first tool's, as it was listed."""
    properties: dict[str, dict[str, Any]] = tool["inputSchema"].get("properties", {})
    arguments: dict[str, Any] = {
        name: _SAMPLES[form["type"]] for name, form in properties.items() if form.get("type") in _SAMPLES
    }
    if properties.get("schema", {}).get("type") == "object":
        arguments["schema"] = next(other["inputSchema"] for other in tools if other is not tool)
    return {"name": tool["name"], "arguments": arguments}


async def _read_everything(client: Client) -> None:
    able = client.server_capabilities
    if able.resources is not None:
        for resource in (await client.list_resources()).resources:
            await client.read_resource(resource.uri)
    if able.prompts is not None:
        for prompt in (await client.list_prompts()).prompts:
            await client.get_prompt(prompt.name, {argument.name: "sample" for argument in prompt.arguments or []})


async def accept_defaults(context: ClientRequestContext, params: types.ElicitRequestParams) -> types.ElicitResult:
    """A user who changes nothing and presses OK; where there is no default, the first thing that fits."""
    del context
    schema: dict[str, Any] = getattr(params, "requested_schema", {})
    fields: dict[str, dict[str, Any]] = schema.get("properties", {})
    content = {name: form.get("default", _SAMPLES.get(form.get("type", ""))) for name, form in fields.items()}
    return types.ElicitResult(action="accept", content=content)


if __name__ == "__main__":
    main()
