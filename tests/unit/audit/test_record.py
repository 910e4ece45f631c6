from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.audit.record import (
    GENESIS,
    about_arguments,
    about_decision,
    about_tool,
    asked,
    chain_hash,
    parse,
    plain,
    seal,
    unseal,
)
from mcp_gateway.model.decision import Decision, Effect, Reason, RuleFinding
from tests.unit.audit.calls import MIRA, request, tool

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


def test_a_sealed_line_reads_back_with_its_place_in_the_chain() -> None:
    line, digest = seal({"kind": "login", "actor": "user:local/mira"}, seq=1, prev=GENESIS, writer="w", at=1.5)
    stored, body = unseal(line)
    assert stored == digest == chain_hash(GENESIS, body)
    assert line.endswith(b"\n")
    assert parse(line) == {
        "hash": digest,
        "kind": "login",
        "actor": "user:local/mira",
        "at": 1.5,
        "writer": "w",
        "seq": 1,
        "prev": GENESIS,
    }


def test_the_same_words_after_another_record_have_another_hash() -> None:
    _, first = seal({"kind": "login"}, seq=1, prev=GENESIS, writer="w", at=1.0)
    _, second = seal({"kind": "login"}, seq=1, prev=first, writer="w", at=1.0)
    assert first != second


@pytest.mark.parametrize(
    "line",
    [b"", b"{}\n", b"[]\n", b"no json\n", b'{"seq":1}\n', b'{"seq":"1","at":1,"kind":"x"}\n', b'{"hash":"ab"}\n'],
)
def test_what_is_not_a_record_is_a_value_error(line: bytes) -> None:
    with pytest.raises(ValueError):
        parse(line)
    with pytest.raises(ValueError, match="not a sealed record"):
        unseal(line)


def test_arguments_are_told_by_digest_and_size_only() -> None:
    said = about_arguments({"password": "hunter2", "id": 1})
    assert "hunter2" not in json.dumps(said)
    assert said["arguments_bytes"] == len(b'{"id":1,"password":"hunter2"}')


def test_the_digest_of_arguments_does_not_depend_on_their_order() -> None:
    assert about_arguments({"a": 1, "b": {"c": 2, "d": 3}}) == about_arguments({"b": {"d": 3, "c": 2}, "a": 1})


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), JSON, max_size=4))
def test_any_named_values_can_be_sealed_and_read_back(named: dict[str, Any]) -> None:
    line, _ = seal({"kind": "x", "named": plain(named)}, seq=1, prev=GENESIS, writer="w", at=0.0)
    assert line.count(b"\n") == 1
    assert parse(line)["kind"] == "x"


@pytest.mark.parametrize(
    "value", ["\ud800", b"bytes", {1, 2}, {"a": object()}, {1: "x"}, ("x", None), 10**30, float("nan")]
)
def test_an_odd_value_never_keeps_a_record_from_being_written(value: object) -> None:
    seal({"kind": "x", "named": plain({"odd": value})}, seq=1, prev=GENESIS, writer="w", at=0.0)


def test_a_record_with_something_that_is_not_json_in_it_is_written_all_the_same() -> None:
    line, _ = seal({"kind": "x", "reasons": [{"evidence": "\ud800"}]}, seq=1, prev=GENESIS, writer="w", at=0.0)
    assert parse(line)["reasons"] == [{"evidence": "?"}]


def test_arguments_beyond_what_the_serialiser_takes_still_have_a_digest() -> None:
    assert about_arguments({"n": 10**30}) != about_arguments({"n": 10**31})
    assert about_arguments({"n": "\ud800"})["arguments_bytes"] > 0


def test_long_values_are_cut() -> None:
    assert len(plain("x" * 10_000)) < 600
    assert len(plain(["x"] * 10_000)) <= 100


def test_a_record_tells_the_tokens_scopes_and_memberships_and_by_which_mapping_resources_were_named() -> None:
    principal = replace(MIRA, scopes=frozenset({"mcp:write", "mcp:read"}))
    fields = asked("intent", request(), "tools/call", principal)
    assert fields["scope"] == "mcp:read mcp:write"
    assert "memberships" not in fields
    member = replace(principal, memberships=(("member", "group:okta/eng"),))
    assert asked("intent", request(), "tools/call", member)["memberships"] == [["member", "group:okta/eng"]]
    assert "mapping" not in about_tool(tool())
    assert about_tool(replace(tool(), mapping="m"))["mapping"] == "m"


def test_what_rules_said_is_told_with_the_attributes_they_may_leave_and_nothing_when_there_were_none() -> None:
    attributes = {"network.address": "10.1.2.3", "user.groups": ["group:okta/eng"]}
    finding = RuleFinding("inside", "denied", digest="d", attributes=attributes)
    observed = (Reason("rule.denied", "inside"),)
    decision = Decision(Effect.ALLOW, (), rules=(finding,), observed=observed, classification="internal")
    fields = about_decision(decision)
    assert fields["rules"] == [{"id": "inside", "digest": "d", "result": "denied", "attributes": attributes}]
    assert fields["observed"] == [{"code": "rule.denied", "evidence": "inside"}]
    assert fields["classification"] == "internal"
    assert about_decision(Decision(Effect.ALLOW, ())).keys().isdisjoint({"rules", "observed", "classification"})
