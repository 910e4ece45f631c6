"""A gateway before two fixture servers, one of each era, and clients that can be asked."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import httpx2
import mcp_types as types
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.support.gateway import Installation, http_entry, install
from tests.support.processes import free_port, listening, running

Era: TypeAlias = Literal["modern", "legacy"]
ERAS: tuple[Era, ...] = ("modern", "legacy")
AGENT = "docs-assistant"
OTHER_AGENT = "another-assistant"
MODERN = "2026-07-28"


@contextmanager
def fixture_server(era: Era) -> Generator[str]:
    """The conformance fixtures, kept to one era; yields the endpoint."""
    port = free_port()
    command = [sys.executable, "-m", "examples.conformance", "--port", str(port), "--era", era]
    with running(command, ready=listening(port)):
        yield f"http://127.0.0.1:{port}/mcp"


@dataclass(slots=True)
class Stage:
    gateway: Installation
    tokens: dict[tuple[str, str | None], str] = field(default_factory=dict[tuple[str, str | None], str])

    def token(self, agent: str = AGENT, server: str | None = None) -> str:
        key = (agent, server)
        if key not in self.tokens:
            self.tokens[key] = self.gateway.token(user="mira", agent=agent, server=server)
        return self.tokens[key]

    def records(self, tool: str, *, last: int = 30) -> list[dict[str, Any]]:
        """What the audit holds of one tool, oldest first."""
        tail: list[dict[str, Any]] = self.gateway.json("audit", "tail", "-n", str(last))
        return [record for record in tail if record.get("tool") == f"tool:{tool}"]


@contextmanager
def stage(folder: Path, **settings: Any) -> Generator[Stage]:
    """`modern` and `legacy` are the servers' names; Mira and two agents of hers may call everything."""
    with fixture_server("modern") as modern, fixture_server("legacy") as legacy:
        urls: dict[Era, str] = {"modern": modern, "legacy": legacy}
        registry = {
            era: http_entry(era, url, sessions="per_principal", default_risk="read") for era, url in urls.items()
        }
        gateway = install(folder, registry=registry, **settings)
        gateway.add_user("mira", calls="modern")
        gateway.cli("access", "add", "user:mira", "caller", "server:legacy")
        for agent in (AGENT, OTHER_AGENT):
            gateway.cli("delegation", "add", "--user", "mira", "--agent", agent)
            for era in ERAS:
                reach = ("--on", f"server:{era}", "--access", "all")
                gateway.cli("grant", "add", "--agent", agent, *reach, "--for", "user:mira", "--reason", "test")
        made = Stage(gateway)
        with gateway.serving():
            for era in ERAS:
                gateway.wait_for_tools(era, count=20)
            yield made


class Person:
    """Whoever sits at a client: answers what is asked, and remembers it."""

    def __init__(self, action: Literal["accept", "decline", "cancel"] = "accept", **answers: Any) -> None:
        self.action: Literal["accept", "decline", "cancel"] = action
        self.answers: dict[str, Any] = {"name": "Mira", "ok": True, "color": "blue", "context": "tests", **answers}
        self.asked: list[str] = []

    async def elicit(self, _context: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
        self.asked.append(params.message)
        if self.action != "accept" or not isinstance(params, types.ElicitRequestFormParams):
            return types.ElicitResult(action=self.action)
        wanted: dict[str, Any] = params.requested_schema.get("properties", {})
        return types.ElicitResult(action="accept", content={name: self.answers.get(name, "x") for name in wanted})

    async def sample(self, _context: Any, params: types.CreateMessageRequestParams) -> types.CreateMessageResult:
        self.asked.append("sampling")
        return types.CreateMessageResult(
            role="assistant", content=types.TextContent(type="text", text="Paris"), model="a model"
        )

    async def roots(self, _context: Any) -> types.ListRootsResult:
        self.asked.append("roots")
        return types.ListRootsResult.model_validate({"roots": [{"uri": "file:///home/mira"}]})


@asynccontextmanager
async def sdk_client(url: str, token: str, era: Era, person: Person | None) -> AsyncGenerator[Client]:
    """The official client; without a person it declares nothing."""
    able: dict[str, Any] = {}
    if person is not None:
        able = {
            "elicitation_callback": person.elicit,
            "sampling_callback": person.sample,
            "list_roots_callback": person.roots,
        }
    async with httpx2.AsyncClient(headers={"authorization": f"Bearer {token}"}, timeout=60) as http:
        client = Client(
            streamable_http_client(url, http_client=http), mode=MODERN if era == "modern" else "legacy", **able
        )
        async with client:
            yield client


def text_of(result: Any) -> str:
    return "".join(block.text for block in result.content if isinstance(block, types.TextContent))


async def exposed(client: Client, server: str, tool: str) -> str:
    """The name of a fixture at the endpoint of all servers; long ones are shortened."""
    listed = await client.list_tools()
    wanted = f"Conformance fixture {tool}"
    return next(found.name for found in listed.tools if found.name.startswith(server) and found.description == wanted)
