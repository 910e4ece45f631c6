"""Groups, roles and tenants of a token: bounded, and never beyond the issuer's own namespace."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.errors import Unauthenticated
from mcp_gateway.identity import MembershipClaims
from mcp_gateway.identity.memberships import MAX_MEMBERSHIPS, memberships

EVERY = MembershipClaims("groups", "/realm_access/roles", "https://example.com/tenant")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def test_each_configured_claim_gives_its_relation_in_the_issuers_namespace() -> None:
    claims = {
        "groups": ["eng", "eng", "eng/backend", "admins#member"],
        "realm_access": {"roles": ["auditor"]},
        "https://example.com/tenant": "acme",
        "roles": ["not configured"],
    }
    assert memberships(claims, EVERY, alias="okta") == (
        ("assignee", "role:okta/auditor"),
        ("member", "group:okta/admins%23member"),
        ("member", "group:okta/eng"),
        ("member", "group:okta/eng%2Fbackend"),
        ("member", "tenant:okta/acme"),
    )


def test_claims_that_are_not_configured_or_not_there_give_nothing() -> None:
    assert memberships({"groups": ["eng"]}, MembershipClaims(), alias="okta") == ()
    assert memberships({"realm_access": "none"}, EVERY, alias="okta") == ()


@pytest.mark.parametrize(
    "claims",
    [
        {"groups": {"eng": True}},
        {"groups": ["eng", 7]},
        {"groups": [""]},
        {"groups": ["x" * 257]},
        {"groups": [f"g{number}" for number in range(MAX_MEMBERSHIPS + 1)]},
        {"groups": [f"g{number}" for number in range(150)], "https://example.com/tenant": [f"t{n}" for n in range(51)]},
        {"_claim_names": {"groups": "src1"}},
        {"hasgroups": True},
    ],
)
def test_a_claim_that_is_misshapen_too_long_or_elsewhere_refuses_the_token(claims: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated) as refused:
        memberships(claims, EVERY, alias="okta")
    assert refused.value.code == "token.invalid"


@given(claim=JSON, alias=st.sampled_from(["okta", "entra", "ok"]))
def test_whatever_a_token_says_stays_in_the_namespace_of_its_issuer(claim: Any, alias: str) -> None:
    try:
        found = memberships({"groups": claim, "realm_access": {"roles": claim}}, EVERY, alias=alias)
    except Unauthenticated:
        return
    assert list(found) == sorted(set(found))
    for relation, object_ in found:
        kind, _, name = object_.partition(":")
        assert (kind, relation) in {("group", "member"), ("role", "assignee")}
        assert name.startswith(f"{alias}/") and name.count("/") == 1
        assert not set(name) & set("#@*: ")
