"""Which network addresses an upstream may have. `vet` is pure; `resolve` asks the system's resolver.

Addresses are judged, never strings: resolvers accept octal, hexadecimal and full-width digits.
An address hidden in another (IPv4-mapped, 6to4, NAT64, Teredo, ISATAP) is judged as well, because
`ipaddress` calls several of those forms global.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TypeAlias

import anyio

from mcp_gateway.errors import OperatorError, UpstreamUnavailable

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network
Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port to address literals; raises OSError."""

_NEVER = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",  # "this host": Linux connects it to loopback
        "169.254.0.0/16",  # link-local, cloud metadata
        "100.100.100.200/32",  # metadata (Alibaba)
        "168.63.129.16/32",  # Azure wire server: a public address, reachable only inside
        "192.0.0.192/32",  # metadata (Oracle)
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/128",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
        "fd00:ec2::254/128",  # metadata (AWS)
        "fd20:ce::254/128",  # metadata (Google)
    )
)
"""Refused whatever the registry entry allows."""

_NOT_PUBLIC = tuple(
    ipaddress.ip_network(text)
    for text in (
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "::1/128",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "fc00::/7",
    )
)
"""Need a `network` range in the entry."""

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """The entry's `network` ranges; raises OperatorError for one that is not CIDR."""
    try:
        return tuple(ipaddress.ip_network(text) for text in texts)
    except ValueError as exc:
        raise OperatorError("`network` takes ranges such as 127.0.0.0/8", where="network") from exc


def vet(text: str, allowed: Sequence[Network]) -> str:
    """The address to connect to, as a literal; raises UpstreamUnavailable for one that may not be used."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError as exc:
        raise UpstreamUnavailable("the upstream's host resolved to something that is no address") from exc
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        raise UpstreamUnavailable("a scoped address is never allowed")
    for form in _forms(address):
        _vet_one(form, allowed)
    return str(address.ipv4_mapped or address) if isinstance(address, IPv6Address) else str(address)


def vet_all(texts: Sequence[str], allowed: Sequence[Network]) -> tuple[str, ...]:
    """Every answer must pass, or a mixed answer could be raced; IPv4 first, because fewer hosts lack it."""
    vetted = dict.fromkeys(vet(text, allowed) for text in texts)
    if not vetted:
        raise UpstreamUnavailable("the upstream's host has no address")
    return tuple(sorted(vetted, key=lambda text: ":" in text))


async def resolve(host: str, port: int) -> Sequence[str]:
    """The system resolver, on its own thread; used when an upstream is first called and in the background."""
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _vet_one(address: Address, allowed: Sequence[Network]) -> None:
    if _within(address, _NEVER):
        raise UpstreamUnavailable("the upstream's address is link-local, multicast, reserved or a metadata service")
    public = address.is_global and not address.is_multicast and not _within(address, _NOT_PUBLIC)
    if not public and not _within(address, allowed):
        raise UpstreamUnavailable("the upstream's address is not public; its registry entry needs a `network` range")


def _within(address: Address, ranges: Sequence[Network]) -> bool:
    return any(address.version == network.version and address in network for network in ranges)


def _forms(address: Address) -> tuple[Address, ...]:
    """The address and every IPv4 address it carries. A mapped one is only another spelling of its IPv4."""
    if isinstance(address, IPv4Address):
        return (address,)
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    inner: list[Address] = [address]
    if address.sixtofour is not None:
        inner.append(address.sixtofour)
    if address.teredo is not None:
        inner.extend(address.teredo)
    packed = address.packed
    compatible = not any(packed[:12]) and int(address) > 1  # `::1` and `::` carry nothing
    if compatible or address in _NAT64 or _is_isatap(packed):
        inner.append(IPv4Address(packed[12:]))
    return tuple(inner)


def _is_isatap(packed: bytes) -> bool:
    return packed[8:12] in (b"\x00\x00\x5e\xfe", b"\x02\x00\x5e\xfe")


def is_literal(host: str) -> bool:
    """An address already; there is no name to look up."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
