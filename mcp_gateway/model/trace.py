"""W3C trace context: which trace a request belongs to, as its client says it and as an upstream is told. Pure.

Strict in: what is not exactly as the standard writes it does not exist, and never breaks a request. Sources:
W3C Trace Context §3, W3C Baggage §3, SEP-414 (`_meta`), OpenTelemetry's conventions for MCP (`_meta` is the
parent, whatever the HTTP request around it belongs to).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

TRACEPARENT = "traceparent"
TRACESTATE = "tracestate"
BAGGAGE = "baggage"

SAMPLED = 0x01
_KNOWN_FLAGS = 0x03
"""Sampled, and that the trace id is random; others have no meaning yet and are not passed on."""
_MAX_STATE = 512
_MAX_MEMBERS = 32
_MAX_BAGGAGE = 8_192
_MAX_ENTRIES = 64

_PARENT = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-[!-~]{0,128})?"
)
_STATE_MEMBER = re.compile(r"([a-z0-9][a-z0-9_\-*/@]{0,255})=[ -+\--<>-~]{0,255}[!-+\--<>-~]")
_BAGGAGE_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}"
_BAGGAGE_VALUE = r"[!#-+\--:<-\[\]-~]{0,4096}"
_BAGGAGE_ENTRY = re.compile(
    rf"{_BAGGAGE_TOKEN}[ \t]*=[ \t]*{_BAGGAGE_VALUE}"
    rf"(?:[ \t]*;[ \t]*{_BAGGAGE_TOKEN}(?:[ \t]*=[ \t]*{_BAGGAGE_VALUE})?)*"
)


@dataclass(frozen=True, slots=True)
class Trace:
    """Where what happens next belongs: it is the child of `parent` in the trace `id`."""

    traceparent: str
    """As the standard writes it, version 00."""
    state: str = ""
    """What other tracing systems want passed on with it, as it stands."""
    baggage: str = ""
    """Passed on only where the operator says so."""

    @staticmethod
    def of(id: int, parent: int, flags: int = 0, state: str = "", baggage: str = "") -> Trace:
        return Trace(f"00-{id:032x}-{parent:016x}-{flags:02x}", state, baggage)

    @property
    def id(self) -> str:
        """32 hexadecimal digits."""
        return self.traceparent[3:35]

    @property
    def parent(self) -> str:
        """16 hexadecimal digits."""
        return self.traceparent[36:52]

    @property
    def flags(self) -> int:
        return int(self.traceparent[53:], 16)

    @property
    def sampled(self) -> bool:
        return bool(self.flags & SAMPLED)

    def pairs(self) -> list[tuple[str, str]]:
        """What an upstream is told: header lines, and keys of `_meta`, alike."""
        told = [(TRACEPARENT, self.traceparent)]
        if self.state:
            told.append((TRACESTATE, self.state))
        if self.baggage:
            told.append((BAGGAGE, self.baggage))
        return told


def told(source: Mapping[str, object], *, baggage: bool = False) -> Trace | None:
    """The trace that `source`, headers or a `_meta` object, names; None when it names none, or not properly."""
    parent = source.get(TRACEPARENT)
    if not isinstance(parent, str) or (found := _PARENT.fullmatch(parent)) is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if more is not None and version == "00":
        return None
    return Trace(
        f"00-{trace_id}-{span_id}-{int(flags, 16) & _KNOWN_FLAGS:02x}",
        _state(source.get(TRACESTATE)),
        _baggage(source.get(BAGGAGE)) if baggage else "",
    )


@dataclass(frozen=True, slots=True)
class Incoming:
    """How far a client's word about traces goes."""

    continued: bool = True
    """Its trace goes on here and at the upstream; else it is not passed on."""
    baggage: bool = False

    def trace(self, meta: Mapping[str, object], headers: Mapping[str, str]) -> Trace | None:
        """What the request says it is part of: in `_meta`, or else in its headers."""
        if TRACEPARENT not in meta and TRACEPARENT not in headers:
            return None
        return self.said(meta, headers) if self.continued else None

    def said(self, meta: Mapping[str, object], headers: Mapping[str, str]) -> Trace | None:
        return told(meta, baggage=self.baggage) or told(headers, baggage=self.baggage)


def _state(value: object) -> str:
    """A tracestate as it may be passed on; one that is not valid is dropped whole."""
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_STATE:
        return ""
    members = [member for part in value.split(",") if (member := part.strip(" \t"))]
    found = [_STATE_MEMBER.fullmatch(member) for member in members]
    keys = {match[1] for match in found if match is not None}
    return ",".join(members) if len(keys) == len(members) <= _MAX_MEMBERS else ""


def _baggage(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_BAGGAGE:
        return ""
    entries = [part.strip(" \t") for part in value.split(",")]
    if len(entries) > _MAX_ENTRIES or not all(map(_BAGGAGE_ENTRY.fullmatch, entries)):
        return ""
    return ",".join(entries)
