"""A relationship model as a SpiceDB schema: what it becomes, what is refused, and ids in a smaller alphabet."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.authorization.backends.spicedb_ids import decoded, encoded
from mcp_gateway.authorization.backends.spicedb_schema import translate
from mcp_gateway.authorization.engine.model import compile_model
from mcp_gateway.errors import OperatorError
from tests.unit.authorization.world import MODEL

HEAD = "model\n  schema 1.1\ntype user\n"


def zed(text: str) -> str:
    return translate(compile_model(HEAD + text)).text


def test_a_relation_that_is_only_written_stays_one() -> None:
    assert "relation owner: user | user:*\n" in zed("type house\n  relations\n    define owner: [user, user:*]\n")


def test_a_relation_that_is_written_and_follows_becomes_two() -> None:
    text = zed(
        "type house\n  relations\n    define owner: [user]\n    define guest: [user] or owner\n"
        "    define tenant: (guest but not owner) or owner\n"
    )
    assert "relation guest_written: user\n  permission guest = guest_written + owner\n" in text
    assert "permission tenant = (guest - owner) + owner\n" in text


def test_another_objects_relation_becomes_an_arrow() -> None:
    text = zed(
        "type house\n  relations\n    define street: [street]\n    define guard: guard from street\n"
        "type street\n  relations\n    define guard: [user]\n"
    )
    assert "permission guard = street->guard\n" in text


def test_what_a_token_may_claim_stands_under_a_caveat() -> None:
    schema = translate(MODEL)
    assert schema.claimed["group#member"] == "member_claimed"
    assert "relation member_claimed: user:* with claimed\n" in schema.text
    assert "relation in_context: user:* with this_agent\n" in schema.text
    assert "permission acting_for = in_context & delegator\n" in schema.text


def test_a_condition_becomes_a_caveat() -> None:
    caveat = "caveat grant_expiry(current_time timestamp, expires_at timestamp) {\n  current_time < expires_at\n}"
    assert caveat in translate(MODEL).text


def test_every_relation_that_takes_tuples_knows_where_they_go() -> None:
    schema = translate(MODEL)
    takes_tuples = {kind for kind, accepted in MODEL.accepted.items() if accepted and not kind.endswith("#in_context")}
    assert schema.written.keys() == takes_tuples


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("type ab\n  relations\n    define owner: [user]\n", "type ab"),
        ("type House\n  relations\n    define owner: [user]\n", "type House"),
        ("type house\n  relations\n    define my-owner: [user]\n", "house#my-owner"),
        ("type house\n  relations\n    define relation: [user]\n", "house#relation"),
        (
            "type house\n  relations\n    define owner_written: [user]\n    define owner: [user] or owner_written\n",
            "house#owner_written",
        ),
        ("type agent\n  relations\n    define in_context: [user, agent]\n", "agent#in_context"),
        (
            "type house\n  relations\n    define owner: [user with claimed]\n"
            "condition claimed(current_time: timestamp) {\n  current_time > timestamp('2026-01-01T00:00:00Z')\n}\n",
            "condition claimed",
        ),
    ],
)
def test_what_has_no_translation_is_refused_by_name(text: str, where: str) -> None:
    with pytest.raises(OperatorError) as raised:
        zed(text)
    assert raised.value.where == where
    assert raised.value.remedy


@given(st.text(min_size=1, max_size=120))
def test_ids_come_back_as_they_were(name: str) -> None:
    try:
        written = encoded(name)
    except UnicodeEncodeError:
        return  # half of a surrogate pair is no text
    except OperatorError:
        assert len(name) > 80
        return
    assert name == "*" or re.fullmatch(r"[A-Za-z0-9/_|\-=+]+", written)
    assert decoded(written) == name
