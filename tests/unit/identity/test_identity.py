"""Bearer tokens: hostile ones are refused with a reason; a revocation binds the next use."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from mcp_gateway.errors import AuthorizationUnavailable, Unauthenticated
from mcp_gateway.identity import Identity, MembershipClaims, RemoteKeys, TrustedIssuer
from mcp_gateway.storage import Change, Database
from mcp_gateway.storage.database import migrate

pytestmark = pytest.mark.anyio

ISSUER = "http://127.0.0.1:8000"
AUDIENCE = f"{ISSUER}/mcp"
KEY = ECKey.generate_key("P-256", {"kid": "k1"})


async def published(_url: str) -> bytes:
    return json.dumps({"keys": [KEY.as_dict(private=False)]}).encode()


@pytest.fixture
async def identity(tmp_path: Path) -> AsyncGenerator[Identity]:
    migrate(tmp_path / "gateway.db")
    database = Database(tmp_path / "gateway.db")
    issuer = TrustedIssuer("local", ISSUER, (), ("ES256",), ("at+jwt",), 0.0, RemoteKeys("https://keys", published))
    identity = Identity(database, [issuer])
    await identity.load()
    yield identity
    await database.close()


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    plain = {"iss": ISSUER, "sub": "mira", "aud": AUDIENCE, "client_id": "a", "iat": now, "exp": now + 60, "jti": "t"}
    return {**plain, **changes}


def token(header: dict[str, Any] | None = None, key: ECKey = KEY, **changes: Any) -> str:
    return jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": "k1", **(header or {})}, claims(**changes), key)


def unsigned(header: dict[str, Any]) -> str:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part(header)}.{part(claims())}."


def switched(kind: str, object_: str) -> Change:
    return Change(1, time.time(), "os:test", kind, {"object": object_, "at": time.time()})


async def refusal(identity: Identity, authorization: str | None, audience: str = AUDIENCE) -> str:
    with pytest.raises(Unauthenticated) as refused:
        await identity.authenticate(authorization, audience)
    return refused.value.code


async def test_a_good_token_names_its_principal_again_and_again(identity: Identity) -> None:
    good = f"Bearer {token()}"
    first = await identity.authenticate(good, AUDIENCE)
    assert await identity.authenticate(good, AUDIENCE) is first
    assert first.user == "user:local/mira"


async def test_hostile_tokens_are_refused(identity: Identity) -> None:
    public_as_secret = OctKey.import_key(json.dumps(KEY.as_dict(private=False)))
    confused = jwt.encode({"alg": "HS256", "typ": "at+jwt", "kid": "k1"}, claims(), public_as_secret)
    other = ECKey.generate_key("P-256", {"kid": "k1"})
    hostile = [
        unsigned({"alg": "none", "typ": "at+jwt"}),
        unsigned({"alg": "None", "typ": "at+jwt", "kid": "k1"}),
        confused,
        token(key=other),
        token({"typ": "JWT"}),
        token({"kid": "unknown"}),
        token(iss="https://evil.example"),
        token()[:-4] + "AAAA",
        "not-a-token",
        "a.b.c",
        "x" * 20_000,
    ]
    for bad in hostile:
        assert await refusal(identity, f"Bearer {bad}") == "token.invalid"
    assert await refusal(identity, None) == "token.missing"
    assert await refusal(identity, "Basic bWlyYTpw") == "token.invalid"
    assert await refusal(identity, f"Bearer {token(exp=int(time.time()) - 1)}") == "token.expired"


async def test_a_token_for_one_endpoint_is_refused_at_another_even_when_remembered(identity: Identity) -> None:
    good = f"Bearer {token()}"
    await identity.authenticate(good, AUDIENCE)
    assert await refusal(identity, good, f"{AUDIENCE}/tickets") == "token.wrong_audience"


@pytest.mark.parametrize(
    ("kind", "value"), [("jti", "t"), ("user", "user:local/mira"), ("agent", "agent:local/a"), ("family", "f")]
)
async def test_a_revocation_binds_a_remembered_token(identity: Identity, kind: str, value: str) -> None:
    good = f"Bearer {token(fam='f')}"
    await identity.authenticate(good, AUDIENCE)
    payload = {"kind": kind, "value": value, "not_before": time.time() + 1, "until": time.time() + 600}
    await identity.follow([Change(1, time.time(), "os:test", "token.revoked", payload)])
    assert await refusal(identity, good) == "token.revoked"


@pytest.mark.parametrize(
    ("object_", "recorded"), [("user:local/mira", "user.disabled"), ("agent:local/a", "agent.disabled")]
)
async def test_a_switch_binds_a_remembered_token_and_only_the_record_says_which(
    identity: Identity, object_: str, recorded: str
) -> None:
    good = f"Bearer {token()}"
    await identity.authenticate(good, AUDIENCE)
    await identity.follow([switched("switch.off", object_)])
    for bearer in (good, f"Bearer {token(jti='another')}"):
        with pytest.raises(Unauthenticated) as refused:
            await identity.authenticate(bearer, AUDIENCE)
        assert (refused.value.code, refused.value.recorded) == ("token.revoked", recorded)
    await identity.follow([switched("switch.on", object_)])
    assert (await identity.authenticate(good, AUDIENCE)).user == "user:local/mira"


async def test_a_stopped_gateway_knows_nobody(identity: Identity) -> None:
    good = f"Bearer {token()}"
    await identity.authenticate(good, AUDIENCE)
    await identity.follow([switched("switch.off", "gateway:local")])
    with pytest.raises(AuthorizationUnavailable) as refused:
        await identity.authenticate(good, AUDIENCE)
    assert refused.value.code == "gateway.disabled"


async def test_a_token_past_its_time_still_tells_whose_it_was(identity: Identity) -> None:
    principal = await identity.authenticate(f"Bearer {token(fam='f')}", AUDIENCE)
    identity.refuse_ended(principal)
    payload = {"kind": "family", "value": "f", "not_before": time.time() + 1, "until": time.time() + 600}
    await identity.follow([Change(1, time.time(), "os:test", "token.revoked", payload)])
    with pytest.raises(Unauthenticated) as refused:
        identity.refuse_ended(principal)
    assert refused.value.code == "token.revoked"


async def test_an_issuers_claims_become_memberships_of_its_own_alias(tmp_path: Path) -> None:
    migrate(tmp_path / "gateway.db")
    database = Database(tmp_path / "gateway.db")
    keys = RemoteKeys("https://keys", published)
    claimed = MembershipClaims(groups="groups")
    issuer = TrustedIssuer("okta", ISSUER, (), ("ES256",), ("at+jwt",), 0.0, keys, claimed)
    identity = Identity(database, [issuer])
    await identity.load()
    principal = await identity.authenticate(f"Bearer {token(groups=['eng'])}", AUDIENCE)
    assert principal.memberships == (("member", "group:okta/eng"),)
    await database.close()


async def test_an_unknown_key_costs_one_fetch_and_unreachable_keys_deny() -> None:
    fetches: list[str] = []
    now = [0.0]

    async def down(url: str) -> bytes:
        fetches.append(url)
        raise OSError("unreachable")

    keys = RemoteKeys("https://keys", down, clock=lambda: now[0])
    for _ in range(5):
        with pytest.raises(AuthorizationUnavailable):
            await keys.key("k1")
    assert len(fetches) == 1
    now[0] = 31.0
    with pytest.raises(AuthorizationUnavailable):
        await keys.key("k1")
    assert len(fetches) == 2


async def test_known_keys_outlive_an_outage_within_their_bound() -> None:
    now = [0.0]
    reachable = [True]

    async def sometimes(url: str) -> bytes:
        if not reachable[0]:
            raise OSError("unreachable")
        return await published(url)

    keys = RemoteKeys("https://keys", sometimes, clock=lambda: now[0])
    assert (await keys.key("k1")).kid == "k1"
    reachable[0] = False
    now[0] = 3000.0
    assert (await keys.key("k1")).kid == "k1"
    now[0] = 3700.0
    with pytest.raises(AuthorizationUnavailable):
        await keys.key("k1")
