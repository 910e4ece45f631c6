"""POST to an address the operator named, again and again: the connection is kept, the host is looked up anew at times.

Every address must be one the operator allowed, and in the clear only one within a range he named; no
redirect, no proxy, a bounded answer.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from urllib.parse import urlsplit

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import PyreqwestError
from pyreqwest.response import ResponseBodyReader

from mcp_gateway.errors import UpstreamFailure, UpstreamUnavailable
from mcp_gateway.upstream.addresses import Network, networks, resolve, vet_all

_LOOK_SECONDS = 60.0
_MOST_ANSWER = 16_384


class Poster:
    """One address; one request at a time."""

    def __init__(self, url: str, *, network: Sequence[str] = (), seconds: float = 10.0) -> None:
        parts = urlsplit(url)
        self._url = url
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._in_the_clear = parts.scheme == "http"
        self._allowed = networks(network)
        self._seconds = seconds
        self._client: Client | None = None
        self._address = ""
        self._looked_at = float("-inf")

    async def post(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers by lower-case name and the beginning of the body; raises UpstreamUnavailable."""
        client = await self._connected()
        request = client.post(self._url).headers(dict(headers)).body_bytes(body)
        try:
            async with request.build_streamed() as response:
                found = {name.lower(): value for name, value in response.headers.items()}
                return response.status, found, await _beginning(response.body_reader)
        except PyreqwestError as exc:
            # Its host may have moved.
            self._looked_at = float("-inf")
            raise UpstreamUnavailable(f"{self._host} cannot be reached or does not answer") from exc

    async def aclose(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _connected(self) -> Client:
        if self._client is not None and time.monotonic() - self._looked_at < _LOOK_SECONDS:
            return self._client
        address = await self._resolved()
        self._looked_at = time.monotonic()
        if self._client is None or address != self._address:
            await self.aclose()
            self._client, self._address = self._built(address), address
        return self._client

    async def _resolved(self) -> str:
        try:
            found = vet_all(await resolve(self._host, self._port), self._allowed)
        except OSError as exc:
            raise UpstreamUnavailable(f"the host {self._host} cannot be resolved") from exc
        except UpstreamFailure as exc:
            raise UpstreamUnavailable(f"{self._host} is not public; `network` names the ranges it may be in") from exc
        if self._in_the_clear and not all(_within(one, self._allowed) for one in found):
            raise UpstreamUnavailable(f"{self._host} needs https, or a `network` range")
        return found[0]

    def _built(self, address: str) -> Client:
        builder = ClientBuilder().follow_redirects(False).no_proxy().referer(False).user_agent("mcp-gateway")
        builder = builder.timeout(timedelta(seconds=self._seconds)).max_connections(1)
        return builder.resolve(self._host, address, self._port).build()


async def _beginning(reader: ResponseBodyReader) -> bytes:
    content = bytearray()
    while len(content) < _MOST_ANSWER and (chunk := await reader.read_chunk()) is not None:
        content += bytes(chunk)
    return bytes(content[:_MOST_ANSWER])


def _within(address: str, ranges: Sequence[Network]) -> bool:
    found = ipaddress.ip_address(address)
    return any(found.version == network.version and found in network for network in ranges)
