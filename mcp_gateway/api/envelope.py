"""Around every first-party answer: request id, security headers, and the one place where errors end."""

from __future__ import annotations

import logging
import secrets
from typing import cast

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcp_gateway.errors import PUBLIC, BadRequest, GatewayError
from mcp_gateway.model.reasons import sentence

_log = logging.getLogger(__name__)

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

_FIRST_PARTY_STATUS = {"tool.unavailable": 404, "cursor.invalid": 400}
"""Where a JSON-RPC answer has status 200 and plain HTTP does not."""


class Envelope:
    """ASGI middleware; an exception that nobody translated is logged once and answered with the request id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = secrets.token_hex(12)
        scope.setdefault("state", {})["request_id"] = request_id
        started = False

        async def send_dressed(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                _dress(MutableHeaders(scope=message), request_id)
            await send(message)

        try:
            await self._app(scope, receive, send_dressed)
        except Exception:
            _log.exception("request %s failed", request_id)
            if started:
                raise
            await problem("internal.error", request_id)(scope, receive, send_dressed)


def _dress(headers: MutableHeaders, request_id: str) -> None:
    for name, value in _HEADERS.items():
        headers[name] = value
    headers["X-Request-Id"] = request_id
    headers.setdefault("Cache-Control", "no-store")


def request_id_of(request: Request) -> str:
    return cast("str", request.scope["state"]["request_id"])


def problem(code: str, request_id: str, *, message: str | None = None) -> JSONResponse:
    """The one error shape of the API: `{reason, message, request_id}`."""
    public = PUBLIC[code]
    headers: dict[str, str] = {}
    if public.retry_after_seconds is not None:
        headers["Retry-After"] = str(public.retry_after_seconds)
    if public.http == 401:
        headers["WWW-Authenticate"] = "Bearer"
    body = {"reason": code, "message": message or sentence(code), "request_id": request_id}
    return JSONResponse(body, status_of(code), headers)


def status_of(code: str) -> int:
    return _FIRST_PARTY_STATUS.get(code) or PUBLIC[code].http


def told(error: GatewayError) -> str:
    """What a person may read of `error`: a bad request names its field, anything else its public sentence."""
    return error.detail if isinstance(error, BadRequest) else sentence(error.code)


def known_code(error: GatewayError) -> str:
    return error.code if error.code in PUBLIC else "internal.error"
