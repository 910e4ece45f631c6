"""An HTTP API as an upstream: its document makes the tools, the reviewed definition makes each call.

The document is read again whenever the tools are listed, never for a call. What it says of servers
does not count: every request goes to the registry entry's origin, at addresses that were vetted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import anyio.to_thread

from mcp_gateway.errors import OperatorError, UpstreamFailure, UpstreamProtocolError
from mcp_gateway.model.call import Answer, Caller, Era, Permit
from mcp_gateway.model.tool import JsonObject, Kind, OpenApiTransport, Tool, Upstream
from mcp_gateway.model.trace import Trace
from mcp_gateway.protocol import MODERN_VERSION
from mcp_gateway.upstream.addresses import Resolve
from mcp_gateway.upstream.credentials import Credential, Credentials
from mcp_gateway.upstream.envelope import METHOD_NOT_FOUND
from mcp_gateway.upstream.http import HttpClient
from mcp_gateway.upstream.limits import Limits
from mcp_gateway.upstream.link import Hello
from mcp_gateway.upstream.openapi import operations
from mcp_gateway.upstream.openapi.answers import Reading
from mcp_gateway.upstream.openapi.binding import Binding, bound
from mcp_gateway.upstream.openapi.document import Flaw, read
from mcp_gateway.upstream.openapi.encode import outgoing
from mcp_gateway.upstream.openapi.parameters import Taken
from mcp_gateway.upstream.openapi.source import Source

_FIXED = (("accept", "application/json, text/*;q=0.8, */*;q=0.5"),)
_MAX_KEPT = 20_000
_SHORTEST = 4
"""Of a secret that can be told from other text."""


class OpenApiLink:
    def __init__(
        self, upstream: Upstream, transport: OpenApiTransport, *, secrets: Path, resolve: Resolve, limits: Limits
    ) -> None:
        base = urlsplit(transport.url)
        if base.query:
            raise OperatorError("the URL of an API takes no query", where="transport.url")
        self._name = upstream.name
        self._base = base.path.rstrip("/")
        self._limits = limits
        self._credentials = Credentials(secrets, transport)
        self._query = transport.credential_query
        self._taken = _taken(transport)
        self._http = HttpClient(
            transport, timeout_seconds=upstream.timeout_seconds, resolve=resolve, limits=limits, fixed=_FIXED
        )
        self._source = Source(transport, resolve=resolve, limits=limits)
        self._bindings: dict[tuple[str, str], Binding] = {}
        self._read: tuple[bytes, Hello, tuple[JsonObject, ...]] | None = None
        """Digest of the document, and what it says."""

    @property
    def bounded(self) -> bool:
        """One stateless request; the HTTP client's own deadline ends it."""
        return self._http.is_open

    @property
    def asks(self) -> bool:
        return False

    async def call(self, permit: Permit, _caller: Caller) -> Answer:
        if permit.tool.kind is not Kind.TOOL or permit.method != "tools/call":
            error = {"code": METHOD_NOT_FOUND, "message": "an API has tools and nothing else"}
            return Answer(result=None, error=error, era=Era.MODERN)
        credential = self._credentials.current()
        headers, queries = self._shown(credential)
        request = outgoing(
            self._binding(permit.tool), permit.arguments, base=self._base, headers=headers, queries=queries
        )
        if permit.request.trace is not None:
            request = replace(request, headers=_with_trace(request.headers, permit.request.trace))
        reading = Reading(
            self._name,
            f"urn:mcp-gateway:{quote(self._name)}:{quote(permit.tool.name)}",
            risk=permit.tool.risk,
            secrets=_secrets(credential),
            limit=self._limits.response_bytes,
        )
        try:
            result = await self._http.send(request, reading.result)
        except UpstreamFailure as exc:
            if queries:
                exc.__cause__ = None  # it names the URL, and so the secret
                exc.__context__ = None
            raise
        return Answer(result=result, error=None, era=Era.MODERN)

    async def ask(self, method: str, _params: Mapping[str, Any]) -> Mapping[str, Any]:
        if method == "tools/list":
            return {"tools": list((await self._described())[1])}
        if method == "ping":
            return {}
        raise UpstreamProtocolError("an API has tools and nothing else")

    async def hello(self) -> Hello:
        return self._read[1] if self._read is not None else (await self._described())[0]

    async def sweep(self) -> None:
        await self._http.refresh()

    async def aclose(self) -> None:
        await self._http.aclose()

    async def _described(self) -> tuple[Hello, tuple[JsonObject, ...]]:
        """The document as it is now."""
        data = await self._source.fetched(self._credentials.current())
        seen = hashlib.sha256(data).digest()
        if self._read is None or self._read[0] != seen:
            # Who waits no longer than the deadline leaves the thread to come to its bounded end alone.
            self._read = (seen, *await anyio.to_thread.run_sync(self._understood, data, abandon_on_cancel=True))
        return self._read[1:]

    def _understood(self, data: bytes) -> tuple[Hello, tuple[JsonObject, ...]]:
        """On a thread: a large document takes seconds."""
        try:
            document = read(data)
            tools = operations.tools(document, taken=self._taken, limit=self._limits.tools)
            return Hello(Era.MODERN, MODERN_VERSION, operations.server_info(document), {"tools": {}}), tools
        except Flaw as flaw:
            raise UpstreamProtocolError(f"{self._source.name}: {flaw}") from flaw

    def _shown(self, credential: Credential) -> tuple[Sequence[tuple[str, str]], Sequence[tuple[str, str]]]:
        """The credential as headers and as query parameters; one of them is empty."""
        if self._query is None:
            return credential.headers, ()
        return (), [(self._query, value) for _, value in credential.headers]

    def _binding(self, tool: Tool) -> Binding:
        key = (tool.name, tool.digest)
        kept = self._bindings.get(key)
        if kept is None:
            if len(self._bindings) >= _MAX_KEPT:
                self._bindings.clear()
            kept = self._bindings[key] = bound(tool.definition)
        return kept


def _with_trace(headers: Sequence[tuple[str, str]], trace: Trace) -> Sequence[tuple[str, str]]:
    """What an argument of the API's own says of a trace stays as it is."""
    named = {name.lower() for name, _ in headers}
    return [*headers, *(pair for pair in trace.pairs() if pair[0] not in named)]


def _taken(transport: OpenApiTransport) -> Taken:
    headers = {name.lower() for name, _ in transport.headers}
    if transport.credential_header is not None:
        headers.add(transport.credential_header.lower())
    queries = {transport.credential_query.lower()} if transport.credential_query else set[str]()
    return Taken(headers=headers, queries=queries)


def _secrets(credential: Credential) -> list[str]:
    """Every value, and what stands after its scheme: `Bearer abcd` also as `abcd`."""
    values = [value for _, value in credential.headers]
    return [text for text in (*values, *(value.partition(" ")[2] for value in values)) if len(text) >= _SHORTEST]
