"""Client ID metadata documents: the client id is an https URL and the document there describes the client.

The host must be on the list before anything is fetched. What was read is remembered for an hour,
a failure for a minute, so that a stranger cannot make us fetch at will.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Literal
from urllib.parse import urlsplit

import anyio
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mcp_gateway.authserver import redirects
from mcp_gateway.authserver.ports import Fetch
from mcp_gateway.authserver.problems import OAuthProblem
from mcp_gateway.errors import BadRequest, GatewayError

TRUSTED_HOSTS = ("claude.ai", "vscode.dev", "chatgpt.com", "zed.dev")
"""Whose documents are believed unless the settings say otherwise; `*` means any public host."""

_MAX_DOCUMENT_BYTES = 5_120
_MAX_URL_LENGTH = 512
_FETCH_SECONDS = 5.0
_FRESH_SECONDS = 3_600.0
_FAILED_SECONDS = 60.0
_REMEMBERED = 1_000


class Document(BaseModel):
    """The members we use. Others are allowed, a shared secret is not."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    client_id: str
    client_name: str = Field(min_length=1, max_length=512)
    redirect_uris: list[str] = Field(min_length=1, max_length=10)
    token_endpoint_auth_method: Literal["none", "private_key_jwt"] = "none"
    client_secret: None = None
    client_secret_expires_at: None = None


class Documents:
    def __init__(
        self, fetch: Fetch, *, hosts: Sequence[str] = TRUSTED_HOSTS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._fetch = fetch
        self._hosts = frozenset(hosts)
        self._clock = clock
        self._remembered: OrderedDict[str, tuple[Document | None, float]] = OrderedDict()

    async def read(self, url: str) -> Document:
        """The document at `url`; raises OAuthProblem `invalid_client` when it may not be used."""
        if not self._trusted(url):
            raise OAuthProblem("invalid_client", "Clients of this host are not accepted here.", status=401)
        document, until = self._remembered.get(url, (None, float("-inf")))
        if self._clock() >= until:
            document = await self._load(url)
            self._remember(url, document)
        if document is None:
            raise OAuthProblem("invalid_client", "The client's metadata document cannot be used.", status=401)
        return document

    def _trusted(self, url: str) -> bool:
        return "*" in self._hosts or urlsplit(url).hostname in self._hosts

    async def _load(self, url: str) -> Document | None:
        try:
            with anyio.fail_after(_FETCH_SECONDS):
                content = await self._fetch(url)
            return _parse(url, content)
        except (GatewayError, OSError, TimeoutError, ValidationError):
            return None

    def _remember(self, url: str, document: Document | None) -> None:
        seconds = _FRESH_SECONDS if document else _FAILED_SECONDS
        self._remembered[url] = (document, self._clock() + seconds)
        self._remembered.move_to_end(url)
        if len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)


def is_document_url(client_id: str) -> bool:
    """https, a host, a path without dot segments, nothing else."""
    if len(client_id) > _MAX_URL_LENGTH or not client_id.isascii() or any(c.isspace() for c in client_id):
        return False
    try:
        parts = urlsplit(client_id)
        plain = parts.scheme == "https" and parts.hostname is not None and parts.port in {None, 443}
    except ValueError:
        return False
    if not plain or "@" in parts.netloc or "#" in client_id or "\\" in client_id:
        return False
    segments = parts.path.lower().replace("%2e", ".").split("/")
    return parts.path not in {"", "/"} and not {".", ".."} & set(segments)


def _parse(url: str, content: bytes) -> Document:
    if len(content) > _MAX_DOCUMENT_BYTES:
        raise BadRequest("the document is too large")
    document = Document.model_validate_json(content)
    if document.client_id != url:
        raise BadRequest("the document describes another client")
    for uri in document.redirect_uris:
        redirects.check(uri)
    return document
