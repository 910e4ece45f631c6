"""URIs of resources on `/mcp`, where many servers share one endpoint: whose a URI is must be readable from it. Pure.

    http(s) URIs   as they are: clients open them themselves
    ui://rest      ui://<server>+rest          hosts know these by the scheme
    scheme:rest    <server>+scheme:rest        still a scheme (RFC 3986 §3.1); RFC 6570 expressions stay whole

On `/mcp/<server>` every URI is the server's own.
"""

from __future__ import annotations

import re
from collections.abc import Container

MAX_URI = 2_048

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_CHARACTERS = re.compile(r"(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+")
"""RFC 3986 §2; no spaces, no controls, nothing outside ASCII."""
_WEB = ("http:", "https:")
_UI = "ui://"
_MARK = "+"


def exposed_uri(server: str, uri: str) -> str:
    """What a URI or URI template of `server` is called on `/mcp`."""
    if is_web(uri):
        return uri
    if uri.startswith(_UI):
        return f"{_UI}{server}{_MARK}{uri.removeprefix(_UI)}"
    return marked_uri(server, uri)


def marked_uri(server: str, uri: str) -> str:
    """The form that names the server whatever the scheme; for a web address that two servers claim."""
    return f"{server}{_MARK}{uri}"


def own_uri(servers: Container[str], exposed: str) -> tuple[str, str] | None:
    """(server, its own URI), or None for what carries no declared server's name."""
    if exposed.startswith(_UI):
        server, mark, rest = exposed.removeprefix(_UI).partition(_MARK)
        own = _UI + rest
    else:
        server, mark, own = exposed.partition(_MARK)
    return (server, own) if mark and own and server in servers else None


def is_web(uri: str) -> bool:
    return uri[:6].lower().startswith(_WEB)


def uri_finding(uri: str) -> str | None:
    """Why `uri` cannot be a resource's: absolute (RFC 3986 §4.3, a fragment may follow), and nobody logs in by it."""
    if len(uri) > MAX_URI:
        return f"the URI is longer than {MAX_URI} characters"
    if not uri.isprintable() or not uri.isascii():
        return "the URI has characters that are not printable ASCII"
    scheme = _SCHEME.match(uri)
    if scheme is None or scheme.end() == len(uri):
        return "the URI is not absolute"
    if not _CHARACTERS.fullmatch(uri):
        return "the URI has characters that RFC 3986 does not allow"
    return "the URI has user information in it" if has_user(uri) else None


def has_user(uri: str) -> bool:
    """Whether the authority of `uri`, or of a template, has a user before the host."""
    _, slashes, rest = uri.partition("://")
    return bool(slashes) and "@" in re.split(r"[/?#]", rest, maxsplit=1)[0]


def is_uri(text: str) -> bool:
    """Made of nothing but what a URI is made of, not too long."""
    return len(text) <= MAX_URI and _CHARACTERS.fullmatch(text) is not None
