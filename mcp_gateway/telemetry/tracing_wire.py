"""Walks as bytes of OTLP (opentelemetry/proto/collector/trace/v1). Pure.

Written by hand, because the few fields used here cost a tenth of what building protobuf's objects costs, and need no
package; the tests read everything with OpenTelemetry's own definitions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from struct import pack

from mcp_gateway.model.trace import Trace
from mcp_gateway.telemetry.tracing import Attributes, Span, Walk

_MAX_TEXT = 256
_ERROR = 2
_REMOTE_KNOWN, _REMOTE = 0x100, 0x200
"""Of a span's flags: whether it is known that its parent is another process's, and that it is."""
_SPAN = b"\x12"


def request(spans: Iterable[bytes], resource: Mapping[str, str], *, scope: str, version: str) -> bytes:
    """An ExportTraceServiceRequest of what `encoded` made."""
    about = _field(1, scope.encode()) + _field(2, version.encode())
    scoped = b"".join((_field(1, about), *spans))
    return _field(1, _field(1, _attributes(1, resource)) + _field(2, scoped))


def encoded(walk: Walk) -> bytes:
    """Every span of `walk`, as members of a ScopeSpans."""
    return b"".join([_framed(_span(walk, span)) for span in walk.spans])


def refused(body: bytes) -> int:
    """How many spans a collector says that it did not take (ExportTraceServiceResponse.partial_success)."""
    if body[:1] != b"\x0a":
        return 0
    _, start = _number(body, 1)
    return _number(body, start + 1)[0] if body[start : start + 1] == b"\x08" else 0


def _span(walk: Walk, span: Span) -> bytes:
    is_root = span.id == walk.root
    parent = b"\x22\x08" + span.parent.to_bytes(8, "big") if span.parent else b""
    flags = walk.flags | _REMOTE_KNOWN | (_REMOTE if is_root and span.parent else 0)
    return b"".join(
        (
            b"\x0a\x10",
            walk.id.to_bytes(16, "big"),
            b"\x12\x08",
            span.id.to_bytes(8, "big"),
            _field(3, walk.state.encode()) if walk.state else b"",
            parent,
            _text(5, span.name),
            b"\x30",
            _varint(span.kind),
            b"\x39",
            pack("<Q", span.began + walk.shift),
            b"\x41",
            pack("<Q", span.ended + walk.shift),
            _attributes(9, span.attributes),
            _link(walk.link) if is_root and walk.link is not None else b"",
            _failed(span.error) if span.error else b"",
            b"\x85\x01",
            pack("<I", flags),
        )
    )


@lru_cache(maxsize=512)
def _failed(error: str) -> bytes:
    return _attributes(9, {"error.type": error}) + _field(15, b"\x18" + _varint(_ERROR))


def _link(trace: Trace) -> bytes:
    ids = _field(1, bytes.fromhex(trace.id)) + _field(2, bytes.fromhex(trace.parent))
    state = _field(3, trace.state.encode()) if trace.state else b""
    return _field(13, ids + state + b"\x35" + pack("<I", trace.flags | _REMOTE_KNOWN | _REMOTE))


def _attributes(number: int, attributes: Attributes) -> bytes:
    return b"".join([_attribute(number, key, value) for key, value in attributes.items()])


@lru_cache(maxsize=4_096, typed=True)
def _attribute(number: int, key: str, value: str | int | bool) -> bytes:
    if isinstance(value, bool):
        held = b"\x10" + _varint(value)
    elif isinstance(value, int):
        held = b"\x18" + _varint(value & 0xFFFFFFFFFFFFFFFF)
    else:
        held = _field(1, _utf8(value))
    return _field(number, _field(1, key.encode()) + _field(2, held))


@lru_cache(maxsize=1_024)
def _text(number: int, text: str) -> bytes:
    return _field(number, _utf8(text))


def _utf8(text: str) -> bytes:
    return text[:_MAX_TEXT].encode("utf-8", "replace")


def _framed(span: bytes) -> bytes:
    return _SPAN + _varint(len(span)) + span


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _number(data: bytes, start: int) -> tuple[int, int]:
    """The varint at `start`, and where the next member begins."""
    value = 0
    for place, byte in enumerate(data[start : start + 10]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, start + place + 1
    return 0, len(data)


def _varint(value: int) -> bytes:
    if value < 0x80:
        return bytes((value,))
    written = bytearray()
    while value >= 0x80:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)
