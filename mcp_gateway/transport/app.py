"""The ASGI application: MCP endpoints by the shortest way, everything else through Starlette."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from mcp_gateway.errors import PUBLIC, BadRequest
from mcp_gateway.transport import door
from mcp_gateway.transport.challenge import WELL_KNOWN, resource_metadata
from mcp_gateway.transport.edge import check_path, read_headers
from mcp_gateway.transport.exchange import Parts
from mcp_gateway.transport.inflight import Receive
from mcp_gateway.transport.probes import PATHS, Probes
from mcp_gateway.transport.reply import Send
from mcp_gateway.transport.sessions import Sessions
from mcp_gateway.transport.traced import Answerer

_ENDPOINT = re.compile(r"/mcp(?:/([a-z][a-z0-9-]{0,23}))?\Z")
_PUBLIC_SECONDS = 300


class Application:
    """`routes` are the other doors'; nothing here starts or owns a task."""

    def __init__(
        self,
        parts: Parts,
        routes: Sequence[BaseRoute],
        *,
        authorization_servers: Sequence[str],
        auth_md: str,
        probes: Probes,
        answer: Answerer = door.answer,
    ) -> None:
        self._parts = parts
        self._answer = answer
        self._probes = probes

        metadata = _Metadata(parts, authorization_servers)
        self._web = Starlette(
            routes=[
                Route(WELL_KNOWN, metadata.answer),
                Route(WELL_KNOWN + "/{path:path}", metadata.answer),
                Route("/mcp" + WELL_KNOWN, metadata.answer),
                Route("/auth.md", _constant(PlainTextResponse(auth_md, media_type="text/markdown"))),
                *routes,
            ],
        )

    @property
    def sessions(self) -> Sessions:
        return self._parts.sessions

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._web(scope, receive, send)
            return
        endpoint = _ENDPOINT.match(scope["path"])
        if endpoint is not None:
            await self._answer(self._parts, scope, receive, send, endpoint=endpoint.group(1))
            return
        if scope["path"] in PATHS:
            await self._probes.answer(scope, send)
            return
        try:
            check_path(scope.get("raw_path") or scope["path"].encode())
            self._parts.origins.of_request(read_headers(scope["headers"]))
        except BadRequest as exc:
            response = JSONResponse({"reason": exc.code, "message": exc.detail}, status_code=PUBLIC[exc.code].http)
            await response(scope, receive, send)
            return
        await self._web(scope, receive, send)


class _Metadata:
    """RFC 9728 documents for `/mcp` and `/mcp/<server>`; public, and the same whoever asks."""

    def __init__(self, parts: Parts, authorization_servers: Sequence[str]) -> None:
        self._parts = parts
        self._foreign = list(authorization_servers)

    async def answer(self, request: Request) -> Response:
        endpoint = _ENDPOINT.match("/" + request.path_params.get("path", "mcp"))
        if endpoint is None or not self._parts.gateway.has_endpoint(endpoint.group(1)):
            return JSONResponse({"reason": "request.unknown_path"}, status_code=404)
        origin = self._parts.origins.by_host[request.headers["host"].lower()]
        document = resource_metadata(origin, endpoint.group(1), [origin, *self._foreign])
        return JSONResponse(document, headers={"cache-control": f"public, max-age={_PUBLIC_SECONDS}"})


def _constant(response: Response) -> Callable[[Request], Awaitable[Response]]:
    async def answer(_request: Request) -> Response:
        return response

    return answer
