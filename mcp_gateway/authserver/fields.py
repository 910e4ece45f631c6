"""What a request brought: each field once, bounded, and from an address that is ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl, urlsplit

import anyio
from starlette.requests import Request

from mcp_gateway.authserver.problems import OAuthProblem

MAX_BODY_BYTES = 32_768
_MAX_FIELDS = 500
_BODY_SECONDS = 20.0
_FORM = "application/x-www-form-urlencoded"


class Addresses:
    """The issuer of a request: the public URL whose host it was sent to. Never made from a header (RFC 9728 §3.3)."""

    def __init__(self, public_urls: Sequence[str]) -> None:
        self._by_host = {urlsplit(url).netloc.lower(): url.rstrip("/") for url in public_urls}

    def issuer(self, request: Request) -> str:
        """Raises OAuthProblem for a host that is not ours, as DNS rebinding would send."""
        issuer = self._by_host.get(request.headers.get("host", "").lower())
        if issuer is None:
            raise OAuthProblem("invalid_request", "This host name is not one of the gateway's public URLs.")
        return issuer

    def refuse_foreign_origin(self, request: Request) -> None:
        """For forms that change something: a browser says where the form stood."""
        origin = request.headers.get("origin")
        if origin is not None and origin != self.issuer(request):
            raise OAuthProblem("invalid_request", "The form was sent from another site.", status=403)


async def body(request: Request, *, content_type: str) -> bytes:
    """The body, if it is of this type and at most 32 kB."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != content_type:
        raise OAuthProblem("invalid_request", f"The content type must be {content_type}.", status=415)
    received = bytearray()
    with anyio.move_on_after(_BODY_SECONDS):
        async for chunk in request.stream():
            received += chunk
            if len(received) > MAX_BODY_BYTES:
                raise OAuthProblem("invalid_request", "The body is too large.", status=413)
        return bytes(received)
    raise OAuthProblem("invalid_request", "The body did not arrive in time.", status=408)


async def form(request: Request) -> Mapping[str, list[str]]:
    """A form's fields, each with every value it had."""
    raw = await body(request, content_type=_FORM)
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError as exc:
        raise OAuthProblem("invalid_request", "The form cannot be read.") from exc
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return fields


def query(request: Request) -> Mapping[str, list[str]]:
    return {name: request.query_params.getlist(name) for name in request.query_params}


def one(fields: Mapping[str, list[str]], name: str, *, limit: int = 1024) -> str | None:
    """The value of a field that may stand once (RFC 6749 §3.1: no parameter twice; empty is absent)."""
    values = fields.get(name, [])
    if len(values) > 1:
        raise OAuthProblem("invalid_request", f"The parameter {name} stands more than once.")
    if not values or not values[0]:
        return None
    if len(values[0]) > limit:
        raise OAuthProblem("invalid_request", f"The parameter {name} is too long.")
    return values[0]


def required(fields: Mapping[str, list[str]], name: str, *, limit: int = 1024) -> str:
    value = one(fields, name, limit=limit)
    if value is None:
        raise OAuthProblem("invalid_request", f"The parameter {name} is missing.")
    return value
