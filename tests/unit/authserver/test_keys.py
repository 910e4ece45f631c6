from __future__ import annotations

import stat
from pathlib import Path

import pytest
from joserfc import jwt

from mcp_gateway.authserver import KeyRing, Minted, mint
from mcp_gateway.errors import OperatorError, Unauthenticated
from mcp_gateway.identity import Identity, TrustedIssuer
from mcp_gateway.storage import Database
from mcp_gateway.storage.database import migrate
from tests.unit.authserver.desk import ISSUER, RESOURCE

pytestmark = pytest.mark.anyio


def _mint(ring: KeyRing, *, now: float = 1_000_000.0, seconds: int = 300) -> Minted:
    return mint(
        ring.current,
        issuer=ISSUER,
        user="mira",
        client_id="docs-assistant",
        resource=RESOURCE,
        scope="mcp:read",
        family="f1",
        now=now,
        seconds=seconds,
    )


async def test_the_first_opening_makes_a_private_key_that_the_next_one_finds(tmp_path: Path) -> None:
    first = KeyRing(tmp_path / "keys")
    files = list((tmp_path / "keys").iterdir())
    assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600]
    assert KeyRing(tmp_path / "keys").current.kid == first.current.kid


async def test_the_published_keys_are_public_halves(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path)
    ring.rotate()
    keys = ring.jwks()["keys"]
    assert len(keys) == 2
    assert all("d" not in key and key["alg"] == "ES256" and key["use"] == "sig" for key in keys)


async def test_after_a_rotation_the_new_key_signs_and_the_old_one_still_verifies(tmp_path: Path) -> None:
    hours = iter([0.0, 3600.0])
    ring = KeyRing(tmp_path, clock=lambda: next(hours))
    old = ring.current.kid
    assert ring.rotate() == ring.current.kid != old
    assert (await ring.key(old)).kid == old


async def test_a_key_another_process_adds_is_found_by_its_kid(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path)
    kid = KeyRing(tmp_path).rotate()
    assert (await ring.key(kid)).kid == kid
    with pytest.raises(Unauthenticated):
        await ring.key("another")
    with pytest.raises(Unauthenticated):
        await ring.key(None)


async def test_a_key_another_process_removed_verifies_nothing_any_more(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path)
    stolen = ring.current.kid
    assert (await ring.key(stolen)).kid == stolen
    KeyRing(tmp_path).rotate()
    (tmp_path / f"signing-{stolen}.pem").unlink()
    with pytest.raises(Unauthenticated):
        await ring.key(stolen)


async def test_an_unreadable_key_file_stops_the_start_and_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "signing-20260101T000000-00000000.pem").write_text("not a key")
    with pytest.raises(OperatorError, match="signing-20260101T000000"):
        KeyRing(tmp_path)


async def test_an_access_token_says_who_for_whom_where_and_how_long(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path)
    minted = _mint(ring)
    decoded = jwt.decode(minted.token, ring.verifying(), algorithms=["ES256"])
    assert decoded.header == {"typ": "at+jwt", "alg": "ES256", "kid": ring.current.kid}
    assert decoded.claims == {
        "iss": ISSUER,
        "sub": "mira",
        "aud": RESOURCE,
        "client_id": "docs-assistant",
        "scope": "mcp:read",
        "iat": 1_000_000,
        "exp": 1_000_300,
        "jti": minted.token_id,
        "fam": "f1",
    }


@pytest.mark.parametrize("seconds", [0, -1, 301])
async def test_no_access_token_lives_longer_than_five_minutes(tmp_path: Path, seconds: int) -> None:
    with pytest.raises(ValueError, match="300"):
        _mint(KeyRing(tmp_path), seconds=seconds)


async def test_identity_takes_the_ring_as_its_key_source(tmp_path: Path) -> None:
    migrate(tmp_path / "gateway.db")
    ring, database = KeyRing(tmp_path / "keys"), Database(tmp_path / "gateway.db")
    issuer = TrustedIssuer("local", ISSUER, (), ("ES256",), ("at+jwt",), 0.0, ring)
    identity = Identity(database, [issuer], clock=lambda: 1_000_010.0)
    principal = await identity.authenticate(f"Bearer {_mint(ring).token}", RESOURCE)
    assert (principal.user, principal.agent) == ("user:local/mira", "agent:local/docs-assistant")
    await database.close()
