"""Which redirect URIs a client may have, and which one a request may use. Pure.

RFC 9700 §4.1.3: exact comparison. RFC 8252 §7.3: a loopback address may come with any port.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import SplitResult, urlsplit

from mcp_gateway.errors import BadRequest

MAX_URI_LENGTH = 1024
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})
_APPLICATIONS = frozenset({"cursor://anysphere.cursor-mcp/oauth/callback"})
"""Addresses with a scheme of their own, by exact match: any program may claim a scheme."""
_PRINTABLE = re.compile(r"[\x21-\x7e]+\Z")


def check(uri: str) -> None:
    """Raises BadRequest saying why `uri` may not be registered; never repeats it."""
    if not uri or len(uri) > MAX_URI_LENGTH or not _PRINTABLE.match(uri) or "\\" in uri:
        raise BadRequest("a redirect URI is 1 to 1024 printable ASCII characters")
    if uri in _APPLICATIONS:
        return
    parts = _split(uri)
    if parts is None or not parts.hostname or "#" in uri or "@" in parts.netloc:
        raise BadRequest("a redirect URI is an absolute URL without fragment and user")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
        raise BadRequest("an http redirect URI is on 127.0.0.1, [::1] or localhost; use https elsewhere")
    if parts.scheme not in {"https", "http"}:
        raise BadRequest("a redirect URI is https, or http on the loopback address")


def allowed(asked: str, registered: Sequence[str]) -> bool:
    """Is `asked` one of `registered`, but for the port of a loopback address?"""
    if asked in registered:
        return True
    portless = _loopback_without_port(asked)
    return portless is not None and any(portless == _loopback_without_port(uri) for uri in registered)


def is_loopback(uri: str) -> bool:
    return _loopback_without_port(uri) is not None


def origin(uri: str) -> str:
    """Where the browser goes, as a CSP source: an origin, or the scheme of an application."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in {"http", "https"} else f"{parts.scheme}:"


def place(uri: str) -> str:
    """Where the browser goes, for people."""
    parts = urlsplit(uri)
    return parts.netloc if parts.scheme in {"http", "https"} else f"the application {parts.scheme}:"


def _loopback_without_port(uri: str) -> tuple[str, str, str] | None:
    parts = _split(uri)
    if parts is None or parts.scheme != "http" or parts.hostname not in LOOPBACK_HOSTS:
        return None
    if "@" in parts.netloc or "#" in uri or "\\" in uri or not _PRINTABLE.match(uri):
        return None
    return parts.hostname, parts.path, parts.query


def _split(uri: str) -> SplitResult | None:
    try:
        parts = urlsplit(uri)
        _ = parts.port  # raises when it is not a port
    except ValueError:
        return None
    return parts
