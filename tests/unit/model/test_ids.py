"""Ids: one spelling for one thing, and nothing in a part that means something to OpenFGA."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.model.ids import agent_id, encode, from_cli, resource_id, tool_id, user_id

parts = st.text(min_size=1, max_size=300)


@given(parts)
def test_a_part_is_short_and_free_of_reserved_characters(part: str) -> None:
    encoded = encode(part)
    assert len(encoded.encode("utf-8", "surrogatepass")) <= 200
    assert not set(encoded) & set(":#*@/ \n\t\x00")


@given(one=parts, other=parts)
def test_different_parts_have_different_encodings(one: str, other: str) -> None:
    assert (encode(one) == encode(other)) is (one == other)


@given(st.text(st.characters(max_codepoint=0x7F), min_size=1, max_size=60))
def test_the_reserved_and_the_invisible_of_ascii_are_encoded_and_nothing_else(part: str) -> None:
    reserved = [character in ":#*@/% " or not character.isprintable() for character in part]
    spelled = [f"%{ord(c):02X}" if special else c for c, special in zip(part, reserved, strict=True)]
    assert encode(part) == "".join(spelled)
    assert unquote(encode(part)) == part


def test_a_wildcard_is_never_an_id() -> None:
    assert user_id("local", "*") == "user:local/%2A"


def test_an_empty_part_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        encode("")


@pytest.mark.parametrize("text", ["mira", "local/mira", "user:local/mira", "user:mira"])
def test_people_may_type_a_user_in_three_ways(text: str) -> None:
    assert from_cli("user", text) == "user:local/mira"


@pytest.mark.parametrize("url", ["https://app.example/client.json", "https://app.example:8443/a%2Fb", "http://[::1]/c"])
def test_an_agent_known_by_its_url_may_be_typed_as_that_url(url: str) -> None:
    known = agent_id("local", url)
    assert from_cli("agent", url) == from_cli("agent", f"agent:{url}") == known
    assert from_cli("agent", known) == from_cli("agent", known.removeprefix("agent:")) == known
    assert from_cli("agent", f"okta/{encode(url)}") == agent_id("okta", url)


def test_the_forms_are_those_of_the_documentation() -> None:
    assert tool_id("tickets", "ticket_get") == "tool:tickets/ticket_get"
    assert resource_id("ticket", "tickets", "T-391") == "ticket:tickets/T-391"
