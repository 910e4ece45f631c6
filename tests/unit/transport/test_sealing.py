"""Sealed values: only the one it was made for opens it, and not for ever."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.transport.sealing import Sealer

KEY = b"k" * 32


def test_a_sealed_value_opens_for_its_purpose_and_binding() -> None:
    sealer = Sealer([KEY], clock=lambda: 0.0)
    assert sealer.open("cursor", "mira", sealer.seal("cursor", "mira", {"after": "x"}, seconds=10)) == {"after": "x"}


@pytest.mark.parametrize(("purpose", "binding"), [("session", "mira"), ("cursor", "omar")])
def test_another_purpose_or_principal_cannot_open_it(purpose: str, binding: str) -> None:
    sealer = Sealer([KEY], clock=lambda: 0.0)
    assert sealer.open(purpose, binding, sealer.seal("cursor", "mira", {}, seconds=10)) is None


def test_an_expired_value_does_not_open() -> None:
    now = [0.0]
    sealer = Sealer([KEY], clock=lambda: now[0])
    sealed = sealer.seal("cursor", "mira", {}, seconds=10)
    now[0] = 11.0
    assert sealer.open("cursor", "mira", sealed) is None


def test_an_older_key_of_the_ring_still_opens() -> None:
    old = Sealer([KEY], clock=lambda: 0.0)
    rotated = Sealer([os.urandom(32), KEY], clock=lambda: 0.0)
    assert rotated.open("cursor", "mira", old.seal("cursor", "mira", {"a": 1}, seconds=10)) == {"a": 1}


@given(st.text(max_size=200))
def test_nothing_made_up_opens(text: str) -> None:
    assert Sealer([KEY], clock=lambda: 0.0).open("cursor", "mira", text) is None


@given(position=st.integers(0, 200), bit=st.integers(0, 5))
def test_an_altered_value_does_not_open(position: int, bit: int) -> None:
    sealer = Sealer([KEY], clock=lambda: 0.0)
    sealed = sealer.seal("cursor", "mira", {"after": "tool:a/b"}, seconds=10)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    at = position % (len(sealed) - 1)  # the last character has bits that mean nothing
    changed = alphabet[alphabet.index(sealed[at]) ^ (1 << bit)]
    assert sealer.open("cursor", "mira", sealed[:at] + changed + sealed[at + 1 :]) is None
