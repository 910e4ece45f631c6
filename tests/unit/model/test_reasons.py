"""Reason codes are a closed list: whatever can be raised has a public sentence."""

from __future__ import annotations

from mcp_gateway import errors
from mcp_gateway.model.reasons import REASONS


def classes(root: type[errors.GatewayError]) -> list[type[errors.GatewayError]]:
    return [root, *(found for child in root.__subclasses__() for found in classes(child))]


def test_every_error_and_every_public_code_has_a_meaning() -> None:
    assert {error.code for error in classes(errors.GatewayError)} <= REASONS.keys()
    assert errors.PUBLIC.keys() <= REASONS.keys()


def test_our_codes_stay_out_of_the_range_the_protocol_reserves() -> None:
    reserved = range(-32099, -32022)
    assert not any(public.jsonrpc in reserved for public in errors.PUBLIC.values())
