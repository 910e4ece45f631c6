"""Exposed names are safe, short, stable and one to one."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.catalog.index import MAX_EXPOSED, digest, exposed_name

servers = st.from_regex(r"[a-z][a-z0-9-]{0,23}", fullmatch=True)
names = st.text(min_size=1, max_size=128)


def test_a_plain_name_is_kept() -> None:
    assert exposed_name("tickets", "ticket_get") == "tickets__ticket_get"


@given(server=servers, tool=names)
def test_every_name_is_one_that_clients_accept(server: str, tool: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]+", exposed_name(server, tool))
    assert len(exposed_name(server, tool)) <= MAX_EXPOSED


@given(one=st.tuples(servers, names), other=st.tuples(servers, names))
def test_different_tools_have_different_names(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert (exposed_name(*one) == exposed_name(*other)) is (one == other)


def test_a_digest_ignores_the_order_of_keys_and_nothing_else() -> None:
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert digest({"a": 1, "b": [1, 2]}) != digest({"a": 1, "b": [2, 1]})
