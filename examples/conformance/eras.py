"""Keep a server that speaks both eras to one of them; what it refuses, it refuses as such a server would.

Only the version header decides; messages pass unread but for the id of a refused one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, cast

import mcp_types as types
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

Era: TypeAlias = Literal["both", "modern", "legacy"]


def pinned(app: ASGIApp, era: Era) -> ASGIApp:
    """`app`, deaf to the other era."""
    if era == "both":
        return app
    refuse = _no_legacy if era == "modern" else _no_modern

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _is_modern(scope) is not (era == "modern"):
            response = await refuse(Request(scope, receive))
            await response(scope, receive, send)
        else:
            await app(scope, receive, send)

    return serve


def _is_modern(scope: Scope) -> bool:
    """As the SDK tells them apart: whatever is no version of the handshake is judged by the modern rules."""
    version = _version(dict(scope["headers"]))
    return version is not None and version not in HANDSHAKE_PROTOCOL_VERSIONS


def _version(headers: Mapping[bytes, bytes]) -> str | None:
    sent = headers.get(b"mcp-protocol-version")
    return None if sent is None else sent.decode("latin-1")


async def _no_legacy(request: Request) -> Response:
    if request.method != "POST":
        return Response(status_code=405)
    message = await _message(request)
    params: dict[str, Any] = message.get("params") or {}
    asked = params.get("protocolVersion", _version(dict(request.scope["headers"])))
    data = {"supported": list(MODERN_PROTOCOL_VERSIONS), "requested": asked or "none"}
    return _error(types.UNSUPPORTED_PROTOCOL_VERSION, "Unsupported protocol version", message.get("id"), data=data)


async def _no_modern(request: Request) -> Response:
    del request
    versions = ", ".join(HANDSHAKE_PROTOCOL_VERSIONS)
    return _error(types.INVALID_REQUEST, f"Bad Request: Unsupported protocol version (supported versions: {versions})")


async def _message(request: Request) -> dict[str, Any]:
    try:
        message: Any = json.loads(await request.body())
    except ValueError:
        return {}
    return cast(dict[str, Any], message) if isinstance(message, dict) else {}


def _error(code: int, message: str, request_id: Any = None, *, data: Any = None) -> Response:
    error = {"code": code, "message": message, **({} if data is None else {"data": data})}
    return JSONResponse({"jsonrpc": "2.0", "id": request_id, "error": error}, status_code=400)
