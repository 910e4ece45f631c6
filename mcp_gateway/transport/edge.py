"""The first look at a request: headers that servers disagree about are refused, not repaired. Pure.

HTTP servers pass on duplicate headers, several Hosts and underscore names; whoever reads the other
copy decides differently. Sources: RFC 9110 §5.3, §7.2; RFC 9112 §6.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias

from mcp_gateway.errors import BadRequest

Network: TypeAlias = IPv4Network | IPv6Network

MAX_HEADERS = 64
MAX_HEADER_BYTES = 32_768
"""Room for a 16 kB token and a full set of Mcp-Param headers."""

_SINGLE = frozenset(
    {
        "host",
        "authorization",
        "content-type",
        "content-length",
        "transfer-encoding",
        "origin",
        "cookie",
        "dpop",
        "last-event-id",
    }
)
_PATH = re.compile(rb"/[A-Za-z0-9._~/%-]*\Z")
_HOST = re.compile(r"[A-Za-z0-9.\-]+(:[0-9]{1,5})?\Z|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?\Z")


def read_headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by lower-case name; raises BadRequest for ambiguous or oversized ones."""
    headers: dict[str, str] = {}
    size = count = 0
    for name_bytes, value_bytes in raw:
        count += 1
        size += len(name_bytes) + len(value_bytes)
        name = name_bytes.decode("latin-1")
        if "_" in name:
            continue  # some proxies turn it into the name with a dash
        if name in headers:
            if name in _SINGLE or name.startswith("mcp-"):
                raise BadRequest(f"the header {name} stands twice")
            headers[name] += f", {value_bytes.decode('latin-1')}"
        else:
            headers[name] = value_bytes.decode("latin-1")
    if count > MAX_HEADERS or size > MAX_HEADER_BYTES:
        raise BadRequest("too many or too large headers", code="request.too_large")
    if "content-length" in headers and "transfer-encoding" in headers:
        raise BadRequest("content-length and transfer-encoding exclude each other")
    if not _HOST.match(headers.get("host", "")):
        raise BadRequest("exactly one valid host header is needed")
    return headers


def check_path(raw_path: bytes) -> None:
    """Refuse paths that could be read in two ways: empty, `.` or `..` segments, encoded slashes."""
    if not _PATH.match(raw_path) or b"//" in raw_path or b"/../" in raw_path + b"/" or b"/./" in raw_path + b"/":
        raise BadRequest("the path is ambiguous", code="request.unknown_path")
    if b"%" in raw_path and re.search(rb"%(2[eEfF]|5[cC]|00)", raw_path):
        raise BadRequest("the path is ambiguous", code="request.unknown_path")


def forwarded_for(peer: str | None, forwarded: str | None, trusted: Sequence[Network]) -> str | None:
    """The nearest address on the way that no trusted proxy vouches for; None when the way cannot be read.

    A client writes what it likes into the header, so it is read from the proxy's end.
    """
    hops = [hop.strip() for hop in forwarded.split(",")] if forwarded else []
    for hop in (peer, *reversed(hops)):
        address = _address(hop)
        if address is None:
            return None
        if not any(address in network for network in trusted):
            return str(address)
    return hops[0] if hops else peer


def _address(text: str | None) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text or "")
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


@dataclass(frozen=True, slots=True)
class Origins:
    """Where we are reached, from configuration only; never from a header (RFC 9728 §3.3)."""

    by_host: Mapping[str, str]
    """Host header (lower case) → public origin."""

    @staticmethod
    def of(origins: Iterable[str]) -> Origins:
        return Origins({_host_of(origin): origin for origin in origins})

    def of_request(self, headers: Mapping[str, str]) -> str:
        """The public origin a request came to; raises BadRequest for a foreign Host or Origin (DNS rebinding)."""
        origin = self.by_host.get(headers["host"].lower())
        if origin is None:
            raise BadRequest("this host is not one of the public URLs", code="request.origin_refused")
        claimed = headers.get("origin")
        if claimed is not None and claimed.lower() not in self.by_host.values():
            raise BadRequest("requests from this origin are not accepted", code="request.origin_refused")
        return origin


def _host_of(origin: str) -> str:
    return origin.partition("://")[2].lower()
