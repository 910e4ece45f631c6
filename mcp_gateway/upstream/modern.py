"""The 2026-07-28 leg over HTTP: one stateless POST per request, answered by JSON or by an event stream.

Closing the request is its cancellation, whether its answer has begun or not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp_gateway.model.call import Answer, Caller, Era, Permit
from mcp_gateway.model.tool import Tool
from mcp_gateway.protocol import MODERN_VERSION
from mcp_gateway.upstream import envelope
from mcp_gateway.upstream.credentials import Credentials
from mcp_gateway.upstream.envelope import Message
from mcp_gateway.upstream.era import EraContradicted, era_of, error_code, refuses_modern
from mcp_gateway.upstream.http import HttpClient, failure_of
from mcp_gateway.upstream.limits import Limits
from mcp_gateway.upstream.link import Hello
from mcp_gateway.upstream.listening import LONGEST_SECONDS
from mcp_gateway.upstream.questions import Hear
from mcp_gateway.upstream.reading import Reading
from mcp_gateway.upstream.relay import Relay
from mcp_gateway.upstream.response import Response
from mcp_gateway.upstream.sdk import HeaderMap, encode_header_value, mirrored, mirrored_properties

_VERSION_HEADER = ("mcp-protocol-version", MODERN_VERSION)
_NAMES = ("taskId", "uri", "name")
"""What a request names, in this order: a client may add any other member to what it says of a task."""
_MAX_KEPT = 20_000


class ModernLeg:
    era = Era.MODERN

    def __init__(self, http: HttpClient, credentials: Credentials, limits: Limits) -> None:
        self._http = http
        self._credentials = credentials
        self._limits = limits
        self._call_headers: dict[tuple[str, str], tuple[list[tuple[str, str]], HeaderMap]] = {}

    async def call(self, permit: Permit, caller: Caller) -> Answer:
        request_id = envelope.new_id()
        body = envelope.request(request_id, permit.method, envelope.call_params(permit, request_id, Era.MODERN))
        if permit.method == "tools/call":
            fixed, properties = self._headers_of(permit.tool)
            headers = [*fixed, *self._credentials.current().headers]
            if properties:
                headers += mirrored(properties, permit.arguments)
        else:
            headers = [*_headers_for(permit), *self._credentials.current().headers]
        if permit.request.trace is not None:
            headers += permit.request.trace.pairs()
        reading = Reading(request_id, limit=self._limits.response_bytes, hear=Relay(permit, caller, request_id))

        async def consume(response: Response) -> Answer:
            return _judged(response.status, await reading.message(response), request_id, permit)

        return await self._http.post(headers, body, consume)

    async def ask(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """A question of our own; an error object is raised."""
        request_id, headers, body, reading = self._question(method, params)

        async def consume(response: Response) -> Answer:
            return _judged(response.status, await reading.message(response), request_id, None)

        return envelope.result(await self._http.post(headers, body, consume))

    async def hello(self) -> Hello:
        found = await self.ask("server/discover", {})
        return Hello.of(found, Era.MODERN, MODERN_VERSION, envelope.server_info(found))

    async def listen(self, notifications: Mapping[str, Any], hear: Hear) -> None:
        """Until the upstream ends the stream; raises UpstreamFailure."""
        request_id, headers, body, _ = self._question("subscriptions/listen", {"notifications": notifications})
        reading = Reading(request_id, limit=self._limits.response_bytes, hear=hear)

        async def consume(response: Response) -> Answer:
            return _judged(response.status, await reading.message(response), request_id, None)

        envelope.result(await self._http.post(headers, body, consume, patience=LONGEST_SECONDS))

    async def probe(self) -> Era:
        """Raises when the answer says nothing about the era."""
        _, headers, body, reading = self._question("server/discover", {})

        async def consume(response: Response) -> Era:
            found = era_of(response.status, await reading.message(response))
            if found is None:
                raise failure_of(response.status, None)
            return found

        return await self._http.post(headers, body, consume)

    def _question(self, method: str, params: Mapping[str, Any]) -> tuple[str, list[tuple[str, str]], bytes, Reading]:
        request_id = envelope.new_id()
        headers = [_VERSION_HEADER, ("mcp-method", method), *self._credentials.current().headers]
        body = envelope.request(request_id, method, {**params, "_meta": envelope.OWN_META})
        return request_id, headers, body, Reading(request_id, limit=self._limits.response_bytes)

    def _headers_of(self, tool: Tool) -> tuple[list[tuple[str, str]], HeaderMap]:
        """Built once per version of a tool."""
        key = (tool.name, tool.digest)
        kept = self._call_headers.get(key)
        if kept is None:
            if len(self._call_headers) >= _MAX_KEPT:
                self._call_headers.clear()
            name = ("mcp-name", encode_header_value(tool.name))
            kept = ([_VERSION_HEADER, ("mcp-method", "tools/call"), name], mirrored_properties(tool.definition))
            self._call_headers[key] = kept
        return kept


def _headers_for(permit: Permit) -> list[tuple[str, str]]:
    """Of everything that is no tool: `Mcp-Name` is the one thing the request names, if it names one."""
    headers = [_VERSION_HEADER, ("mcp-method", permit.method)]
    params = permit.params or {}
    name = next((params[key] for key in _NAMES if key in params), None)
    return [*headers, ("mcp-name", encode_header_value(name))] if isinstance(name, str) else headers


def _judged(status: int, message: Message | None, request_id: str, permit: Permit | None) -> Answer:
    code = error_code(message)
    if refuses_modern(status, code):
        raise EraContradicted(f"the upstream answered HTTP {status} to a modern request")
    if message is None:
        raise failure_of(status, permit.tool.risk if permit else None)
    return envelope.answer(message, request_id, Era.MODERN, permit)
