"""What an API answered, as the result of a tool.

A refusal the caller can act on (a wrong id, a conflict) is a tool error with its status and the
beginning of its text. One that says the API is not there for us is raised, as for every upstream.
"""

from __future__ import annotations

import base64
import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast
from urllib.parse import quote

import orjson

from mcp_gateway.errors import UpstreamFailure, UpstreamProtocolError
from mcp_gateway.model.tool import Risk
from mcp_gateway.upstream.body import JSON, Body, media_type
from mcp_gateway.upstream.http import failure_of
from mcp_gateway.upstream.response import Response

log = logging.getLogger(__name__)

_RAISED = (401, 403, 429, 502, 503, 504)
"""No argument is at fault; 502 and 504 come from something in front of the API, which may have acted."""
_MAX_ERROR_BYTES = 16 * 1024
_MAX_ERROR_TEXT = 4_000
_MAX_RETRY_AFTER = 40
_HIDDEN = b"[credential]"
_TEXTS = frozenset({"application/javascript", "application/x-ndjson", "application/xml", "application/yaml"})
_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,64}/[a-z0-9!#$&^_.+-]{1,64}")
_LATIN = frozenset({"iso-8859-1", "latin1", "us-ascii", "windows-1252"})


class Reading:
    """Of one call; `secrets` are taken out of whatever comes back, `uri` names a result that is no text."""

    def __init__(self, server: str, uri: str, *, risk: Risk, secrets: Sequence[str], limit: int) -> None:
        self._server = server
        self._uri = uri
        self._risk = risk
        self._secrets = secrets
        self._limit = limit

    async def result(self, response: Response) -> Mapping[str, Any]:
        """Raises UpstreamFailure."""
        status = response.status
        if status in _RAISED:
            raise self._failure(response)
        if 300 <= status < 400:
            raise UpstreamProtocolError(f"the API answered HTTP {status}: redirects are never followed")
        if status >= 400:
            return _refused(response, self._without_secrets(await _beginning(response)))
        return self._success(response, self._without_secrets(bytes(await Body(response, self._limit).whole())))

    def _failure(self, response: Response) -> UpstreamFailure:
        after = response.get_header("retry-after")
        if after is not None:
            shown = "".join(c for c in after[:_MAX_RETRY_AFTER] if c.isprintable())
            log.warning(
                "%s answered HTTP %d and wants to be left alone: Retry-After %s", self._server, response.status, shown
            )
        return failure_of(response.status, self._risk)

    def _success(self, response: Response, data: bytes) -> Mapping[str, Any]:
        kind = media_type(response)
        if not data:
            return _of({"type": "text", "text": f"HTTP {response.status}"})
        if _is_json(kind):
            return _json(data)
        if _is_text(kind):
            return _of({"type": "text", "text": _decoded(data, response)})
        encoded = base64.b64encode(data).decode()
        family = kind.partition("/")[0]
        known = _MEDIA_TYPE.fullmatch(kind) is not None
        if known and family in ("image", "audio"):
            return _of({"type": family, "data": encoded, "mimeType": kind})
        blob = {"uri": self._uri, "blob": encoded, "mimeType": kind if known else "application/octet-stream"}
        return _of({"type": "resource", "resource": blob})

    def _without_secrets(self, data: bytes) -> bytes:
        """Some APIs answer with the headers they were sent."""
        for secret in self._secrets:
            for spelling in _spellings(secret):
                data = data.replace(spelling, _HIDDEN)
        return data


def _json(data: bytes) -> Mapping[str, Any]:
    try:
        value: object = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise UpstreamProtocolError("the API's answer is not the JSON it claims to be") from None
    content = {"type": "text", "text": data.decode("utf-8")}
    if isinstance(value, dict):
        return _of(content) | {"structuredContent": cast("dict[str, Any]", value)}
    return _of(content)


def _of(content: Mapping[str, Any]) -> dict[str, Any]:
    return {"content": [content], "resultType": "complete"}


def _refused(response: Response, data: bytes) -> Mapping[str, Any]:
    kind = media_type(response)
    said = _decoded(data, response)[:_MAX_ERROR_TEXT] if _is_json(kind) or _is_text(kind) else ""
    text = f"HTTP {response.status}" + (f"\n{said}" if said.strip() else "")
    return _of({"type": "text", "text": text}) | {"isError": True}


async def _beginning(response: Response) -> bytes:
    data = b""
    while len(data) < _MAX_ERROR_BYTES and (chunk := await response.read_chunk()) is not None:
        data += chunk
    return data[:_MAX_ERROR_BYTES]


def _is_json(kind: str) -> bool:
    return kind == JSON or (kind.startswith("application/") and kind.endswith("+json"))


def _is_text(kind: str) -> bool:
    return kind.startswith("text/") or kind in _TEXTS or kind.endswith("+xml") or not kind


def _decoded(data: bytes, response: Response) -> str:
    declared = (
        (response.get_header("content-type") or "").lower().partition("charset=")[2].strip(' "').partition(";")[0]
    )
    return data.decode("cp1252" if declared in _LATIN else "utf-8", "replace")


def _spellings(secret: str) -> Iterator[bytes]:
    """As it is, as JSON writes it, and as a URL does; longest first, or its rest would stay."""
    written = {secret, json.dumps(secret)[1:-1], quote(secret, safe="")}
    yield from (one.encode() for one in sorted(written, key=len, reverse=True))
