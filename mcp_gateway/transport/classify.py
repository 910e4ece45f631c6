"""Which era a POST belongs to, decided on header and body together. Pure.

A contradiction is refused: whoever trusts the header and whoever trusts the body would disagree.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from mcp_gateway.errors import BadRequest
from mcp_gateway.model.call import Era
from mcp_gateway.protocol import (
    LEGACY_VERSIONS,
    META_CAPABILITIES,
    META_VERSION,
    MODERN_VERSIONS,
    check_modern,
    unsupported_version,
)

VERSION_HEADER = "mcp-protocol-version"


def era_of(message: Mapping[str, Any], headers: Mapping[str, str]) -> Era:
    """The era `message` is in; for a modern request every header has been compared with the body.

    Raises BadRequest with `request.header_mismatch`, `request.unsupported_version` or `request.malformed`.
    """
    version = headers.get(VERSION_HEADER)
    if "id" not in message:
        return _era_of_notification(version)
    if version in MODERN_VERSIONS or _says_modern(message):
        check_modern(message, headers)
        return Era.MODERN
    if message["method"] == "initialize" or version is None or version in LEGACY_VERSIONS:
        return Era.LEGACY
    raise unsupported_version(version)


def _era_of_notification(version: str | None) -> Era:
    if version in MODERN_VERSIONS:
        return Era.MODERN
    if version is None or version in LEGACY_VERSIONS:
        return Era.LEGACY
    raise unsupported_version(version)


def _says_modern(message: Mapping[str, Any]) -> bool:
    meta: Any = message.get("params", {}).get("_meta")
    return isinstance(meta, dict) and META_VERSION in meta


def progress_token(params: Mapping[str, Any]) -> str | int | None:
    """The client's progress token, if it asked for progress."""
    token: Any = meta_of(params).get("progressToken")
    if token is None or (isinstance(token, (str, int)) and not isinstance(token, bool)):
        return token
    raise BadRequest("params._meta.progressToken must be text or an integer")


def meta_of(params: Mapping[str, Any]) -> Mapping[str, Any]:
    meta: Any = params.get("_meta", {})
    if not isinstance(meta, dict):
        raise BadRequest("params._meta must be an object")
    return cast("Mapping[str, Any]", meta)


def capabilities_of(params: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a modern client says, with this request, that it can be asked."""
    said: Any = meta_of(params).get(META_CAPABILITIES, {})
    if not isinstance(said, dict):
        raise BadRequest(f"params._meta[{META_CAPABILITIES!r}] must be an object")
    return cast("Mapping[str, Any]", said)
