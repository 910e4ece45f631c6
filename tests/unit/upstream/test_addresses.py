"""No upstream address reaches what its entry did not name."""

from __future__ import annotations

import ipaddress

import pytest

from mcp_gateway.errors import OperatorError, UpstreamUnavailable
from mcp_gateway.upstream.addresses import networks, vet, vet_all

EVERYTHING = networks(["0.0.0.0/0", "::/0"])


@pytest.mark.parametrize("text", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"])
def test_a_public_address_is_used(text: str) -> None:
    assert vet(text, ()) == text


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1",
        "127.8.8.8",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "198.18.0.1",
        "::1",
        "fc00::1",
        "fd12::1",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "::10.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::93.184.216.34",
        "64:ff9b:1::1",
        "2002:0a00:0001::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:db8::1",
        "2606:2800::5efe:10.0.0.1",
    ],
)
def test_an_address_that_is_not_public_needs_the_entry_to_name_its_range(text: str) -> None:
    with pytest.raises(UpstreamUnavailable) as caught:
        vet(text, ())
    assert caught.value.code == "upstream.unavailable"
    assert text not in str(caught.value)
    assert vet(text, EVERYTHING)


@pytest.mark.parametrize(
    "text",
    [
        "169.254.169.254",
        "169.254.1.1",
        "0.0.0.0",
        "0.1.2.3",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "fd00:ec2::254",
        "::ffff:169.254.169.254",
        "64:ff9b::169.254.169.254",
        "2002:a9fe:a9fe::1",
        "2606:2800::5efe:169.254.169.254",
    ],
)
def test_link_local_and_metadata_addresses_are_never_used(text: str) -> None:
    with pytest.raises(UpstreamUnavailable):
        vet(text, EVERYTHING)


def test_a_named_range_allows_only_itself() -> None:
    allowed = networks(["127.0.0.0/8"])
    assert vet("127.0.0.1", allowed) == "127.0.0.1"
    assert vet("::ffff:127.0.0.1", allowed) == "127.0.0.1"
    for other in ("10.0.0.1", "::1"):
        with pytest.raises(UpstreamUnavailable):
            vet(other, allowed)


def test_one_refused_address_among_a_hosts_answers_refuses_the_host() -> None:
    with pytest.raises(UpstreamUnavailable):
        vet_all(["93.184.216.34", "10.0.0.1"], ())
    with pytest.raises(UpstreamUnavailable):
        vet_all([], ())


def test_ipv4_is_tried_first() -> None:
    assert vet_all(["2606:2800:220:1::1", "93.184.216.34"], ()) == ("93.184.216.34", "2606:2800:220:1::1")


@pytest.mark.parametrize("text", ["0x7f.1", "127.1", "２.2.2.2", "example.com", ""])
def test_only_address_literals_pass(text: str) -> None:
    with pytest.raises(UpstreamUnavailable):
        vet(text, EVERYTHING)


def test_a_range_that_is_not_cidr_is_the_operators_error() -> None:
    with pytest.raises(OperatorError):
        networks(["127.0.0.1/8"])
    assert networks(["10.0.0.0/8"]) == (ipaddress.ip_network("10.0.0.0/8"),)
