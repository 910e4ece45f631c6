"""Claims → principal: what is missing, foreign or late names nobody."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_gateway.errors import Unauthenticated
from mcp_gateway.identity.claims import identify, revocation_keys
from mcp_gateway.model.principal import Principal

NOW = 1_000_000.0
GATEWAY = "http://127.0.0.1:8000/mcp"
CLAIMS: dict[str, Any] = {
    "iss": "http://127.0.0.1:8000",
    "sub": "mira",
    "aud": GATEWAY,
    "client_id": "docs-assistant",
    "scope": "mcp:read",
    "iat": NOW - 10,
    "exp": NOW + 290,
    "jti": "t1",
    "fam": "f1",
}


def identified(**changes: Any) -> Principal:
    claims = {key: value for key, value in {**CLAIMS, **changes}.items() if value is not None}
    return identify(claims, alias="local", audience=GATEWAY, accepted=(GATEWAY,), now=NOW, leeway=0)


def test_user_and_agent_come_from_subject_and_client() -> None:
    principal = identified()
    assert (principal.user, principal.agent) == ("user:local/mira", "agent:local/docs-assistant")
    assert principal.scopes == {"mcp:read"}


def test_the_outermost_actor_is_the_agent() -> None:
    actor = {"sub": "router", "act": {"sub": "inner"}}
    assert identified(act=actor).agent == "agent:local/router"


def test_azp_names_the_agent_where_client_id_is_absent() -> None:
    assert identified(client_id=None, azp="desk").agent == "agent:local/desk"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"exp": NOW}, "token.expired"),
        ({"exp": None}, "token.invalid"),
        ({"exp": "soon"}, "token.invalid"),
        ({"exp": True}, "token.invalid"),
        ({"iat": None}, "token.invalid"),
        ({"iat": NOW + 120}, "token.invalid"),
        ({"nbf": NOW + 120}, "token.invalid"),
        ({"aud": "http://127.0.0.1:8000/mcp/tickets"}, "token.wrong_audience"),
        ({"aud": GATEWAY + "/"}, "token.wrong_audience"),
        ({"aud": ["https://other.example"]}, "token.wrong_audience"),
        ({"aud": None}, "token.wrong_audience"),
        ({"sub": None}, "token.invalid"),
        ({"sub": ""}, "token.invalid"),
        ({"sub": ["mira"]}, "token.invalid"),
        ({"client_id": None}, "token.invalid"),
        ({"act": "router"}, "token.invalid"),
        ({"act": {}}, "token.invalid"),
        ({"scope": ["mcp:read"]}, "token.invalid"),
    ],
)
def test_a_token_without_a_mandatory_claim_names_nobody(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(Unauthenticated) as refused:
        identified(**changes)
    assert refused.value.code == code


def test_an_audience_may_stand_among_others() -> None:
    assert identified(aud=["account", GATEWAY]).audience == GATEWAY


def test_revocation_looks_at_token_family_user_and_agent() -> None:
    assert set(revocation_keys(identified())) == {
        ("user", "user:local/mira"),
        ("agent", "agent:local/docs-assistant"),
        ("jti", "t1"),
        ("family", "f1"),
    }
