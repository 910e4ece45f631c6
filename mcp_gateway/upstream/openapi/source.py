"""Where an OpenAPI document stands: a file of the operator's, or a URL, fetched from vetted addresses only."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import anyio.to_thread

from mcp_gateway.errors import UpstreamProtocolError, UpstreamUnavailable
from mcp_gateway.model.tool import HttpTransport, OpenApiTransport
from mcp_gateway.upstream.addresses import Resolve
from mcp_gateway.upstream.body import Body
from mcp_gateway.upstream.credentials import Credential
from mcp_gateway.upstream.http import HttpClient, Outgoing, failure_of
from mcp_gateway.upstream.limits import Limits
from mcp_gateway.upstream.response import Response

_ACCEPT = (("accept", "application/json, application/yaml, text/yaml;q=0.9, */*;q=0.5"),)


class Source:
    """Read anew each time; nothing is kept open between."""

    def __init__(self, transport: OpenApiTransport, *, resolve: Resolve, limits: Limits) -> None:
        self._transport = transport
        self._resolve = resolve
        self._limits = limits
        self._url = urlsplit(transport.document) if transport.document.startswith(("http://", "https://")) else None
        self.name = Path(transport.document if self._url is None else self._url.path).name or "document"
        """For people; without the folders it stands in."""

    async def fetched(self, credential: Credential) -> bytes:
        """Raises UpstreamFailure."""
        if self._url is None:
            return await anyio.to_thread.run_sync(self._from_file)
        transport = HttpTransport(self._transport.document, (), None, None, self._transport.network)
        client = HttpClient(
            transport,
            timeout_seconds=self._limits.list_seconds,
            resolve=self._resolve,
            limits=self._limits,
            fixed=_ACCEPT,
        )
        target = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")
        try:
            return await client.send(Outgoing("GET", target, self._shown(credential)), self._body)
        finally:
            with anyio.CancelScope(shield=True):
                await client.aclose()

    def _shown(self, credential: Credential) -> list[tuple[str, str]]:
        """The credential is for the API alone."""
        api = urlsplit(self._transport.url)
        same = self._url is not None and (self._url.scheme, self._url.netloc) == (api.scheme, api.netloc)
        return list(credential.headers) if same and self._transport.credential_query is None else []

    async def _body(self, response: Response) -> bytes:
        if 300 <= response.status < 400:
            raise UpstreamProtocolError(f"{self.name} is elsewhere: redirects are never followed")
        if response.status != 200:
            raise failure_of(response.status, None)
        return bytes(await Body(response, self._limits.response_bytes).whole())

    def _from_file(self) -> bytes:
        path = Path(self._transport.document)
        try:
            if not path.is_file():  # a pipe would never end
                raise UpstreamUnavailable(f"{self.name} is no file that can be read")
            with path.open("rb") as file:
                data = file.read(self._limits.response_bytes + 1)
        except OSError as exc:
            raise UpstreamUnavailable(f"{self.name} cannot be read") from exc
        if len(data) > self._limits.response_bytes:
            raise UpstreamProtocolError(f"{self.name} is too large")
        return data
