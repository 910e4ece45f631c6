"""GET a small public document (a client's metadata, an issuer's keys) without being lured elsewhere.

The host is resolved once, every address must be allowed, and the connection goes to the vetted one;
no redirect, no proxy, HTTP 200 only, a bounded size.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import urlsplit

from pyreqwest.client import ClientBuilder
from pyreqwest.exceptions import PyreqwestError
from pyreqwest.response import ResponseBodyReader

from mcp_gateway.errors import UpstreamProtocolError, UpstreamUnavailable
from mcp_gateway.upstream.addresses import networks, resolve, vet_all

MAX_DOCUMENT_BYTES = 262_144
_TOTAL_SECONDS = 5.0


async def fetch(url: str, *, network: Sequence[str] = ()) -> bytes:
    """The document's bytes; raises UpstreamUnavailable or UpstreamProtocolError. `network` allows ranges beyond public ones."""
    return (await fetch_dated(url, network=network))[0]


async def fetch_dated(url: str, *, network: Sequence[str] = ()) -> tuple[bytes, str | None]:
    """The same, and what its server takes for the time."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise UpstreamUnavailable("only http(s) documents can be fetched")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        address = vet_all(await resolve(parts.hostname, port), networks(network))[0]
    except OSError as exc:
        raise UpstreamUnavailable("the document's host cannot be resolved") from exc
    builder = ClientBuilder().follow_redirects(False).no_proxy().referer(False).user_agent("mcp-gateway")
    builder = builder.timeout(timedelta(seconds=_TOTAL_SECONDS)).resolve(parts.hostname, address, port)
    async with builder.build() as client:
        try:
            async with client.get(url).header("accept", "application/json").build_streamed() as response:
                if response.status != 200:
                    raise UpstreamProtocolError("the document's server did not answer 200")
                return await _bounded(response.body_reader), response.headers.get("date")
        except PyreqwestError as exc:
            raise UpstreamUnavailable("the document cannot be fetched") from exc


async def _bounded(reader: ResponseBodyReader) -> bytes:
    content = bytearray()
    while (chunk := await reader.read_chunk()) is not None:
        content += bytes(chunk)
        if len(content) > MAX_DOCUMENT_BYTES:
            raise UpstreamProtocolError("the document is too large")
    return bytes(content)
