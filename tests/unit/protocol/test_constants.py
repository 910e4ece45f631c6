"""Our copies of the protocol's tables equal the SDK's."""

from __future__ import annotations

from mcp.shared.inbound import ERROR_CODE_HTTP_STATUS
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, LATEST_HANDSHAKE_VERSION, MODERN_PROTOCOL_VERSIONS

from mcp_gateway import protocol


def test_versions_and_statuses_are_those_of_the_sdk() -> None:
    assert frozenset(HANDSHAKE_PROTOCOL_VERSIONS) == protocol.LEGACY_VERSIONS
    assert LATEST_HANDSHAKE_VERSION == protocol.LATEST_LEGACY_VERSION
    assert tuple(MODERN_PROTOCOL_VERSIONS) == protocol.MODERN_VERSIONS
    assert dict(ERROR_CODE_HTTP_STATUS) == dict(protocol.HTTP_STATUS)
