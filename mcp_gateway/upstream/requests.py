"""The bytes of an HTTP/1.1 request to one upstream. Pure.

The line, the host and what every request carries are written once; a name or value that could end
its line is refused, whoever it comes from.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote, urlsplit

Headers = Sequence[tuple[str, str]]

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
_OURS = frozenset({"content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "te", "trailer"})
"""What says how a message is framed is never somebody else's to say."""
_ALWAYS = (("user-agent", "mcp-gateway"), ("accept-encoding", "gzip"))
_MAX_NAMES = 4_096

_good: set[str] = set()


class Requests:
    """Of one origin; `fixed` are the headers of every request that does not say otherwise. Raises ValueError."""

    def __init__(self, url: str, fixed: Headers) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        host = f"[{parts.hostname}]" if ":" in parts.hostname else _ascii(parts.hostname)
        port = f":{parts.port}" if parts.port not in (None, 443 if parts.scheme == "https" else 80) else ""
        self.target = _quoted(parts.path or "/") + (f"?{_quoted(parts.query)}" if parts.query else "")
        self._fixed = {name.lower(): value for name, value in (("host", host + port), *_ALWAYS, *fixed)}
        self._fixed_lines = _lines(tuple(self._fixed.items()))
        self._post = f"POST {self.target} HTTP/1.1\r\n{self._fixed_lines}"

    def post(self, headers: Headers, body: bytes) -> bytes:
        """To the endpoint itself."""
        if not self._overlap(headers):
            return f"{self._post}{_lines(headers)}content-length: {len(body)}\r\n\r\n".encode("latin-1") + body
        return self.other("POST", self.target, headers, body)

    def other(self, method: str, target: str, headers: Headers, body: bytes | None) -> bytes:
        """Any method, to any path and query of the origin."""
        if not _NAME.fullmatch(method):
            raise ValueError("not a method")
        overlap = self._overlap(headers)
        fixed = self._fixed_lines
        if overlap:
            fixed = _lines(tuple((name, value) for name, value in self._fixed.items() if name not in overlap))
        length = f"content-length: {len(body)}\r\n" if body is not None else ""
        head = f"{method} {_quoted(target)} HTTP/1.1\r\n{fixed}{_lines(headers)}{length}\r\n"
        return head.encode("latin-1") + (body or b"")

    def _overlap(self, headers: Headers) -> set[str]:
        return {name.lower() for name, _ in headers if name.lower() in self._fixed}


def _lines(headers: Headers) -> str:
    for name, _ in headers:
        if name not in _good:
            _check(name)
    text = "".join([f"{name}: {value}\r\n" for name, value in headers])
    if text.count("\n") != len(headers) or text.count("\r") != len(headers) or "\0" in text:
        raise ValueError("a header would end its line")
    return text


def _check(name: str) -> None:
    if not _NAME.fullmatch(name) or name.lower() in _OURS:
        raise ValueError("not the name of a header that may be set")
    if len(_good) < _MAX_NAMES:
        _good.add(name)


def _quoted(target: str) -> str:
    """Nothing that would end the line; what is percent-encoded already stays so."""
    return quote(target, safe="/:?#[]@!$&'()*+,;=%-._~")


def _ascii(host: str) -> str:
    return host if host.isascii() else host.encode("idna").decode("ascii")
