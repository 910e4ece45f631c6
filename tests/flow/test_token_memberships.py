"""Groups that a foreign issuer's tokens name: they count like stored ones, in that issuer's namespace only."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from tests.support.gateway import Installation, install, sample_tickets
from tests.support.processes import tickets_server
from tests.support.wire import ModernClient

pytestmark = pytest.mark.anyio

KEYS = {alias: ECKey.generate_key("P-256", {"kid": alias}) for alias in ("okta", "entra")}
READS = {"project_get", "project_list", "ticket_get", "ticket_list", "ticket_search"}


@contextmanager
def key_server() -> Generator[str]:
    """The issuers' public keys, at `/<alias>`."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            key = KEYS[self.path.strip("/")]
            body = json.dumps({"keys": [key.as_dict(private=False)]}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def issuer(alias: str, keys: str) -> dict[str, Any]:
    return {
        "alias": alias,
        "issuer": f"https://{alias}.example",
        "algorithms": ["ES256"],
        "jwks_uri": f"{keys}/{alias}",
        "network": ["127.0.0.0/8"],
        "claims": {"groups": "/profile/groups"},
    }


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Installation]:
    folder = tmp_path_factory.mktemp("memberships")
    with tickets_server() as url, key_server() as keys:
        issuers = [issuer(alias, keys) for alias in KEYS]
        gateway = install(folder / "gateway", registry={"tickets": sample_tickets(url)}, issuers=issuers)
        gateway.cli("access", "add", "group:okta/eng", "reader", "server:tickets")
        # A stored group of the same name may do everything; no token can claim it.
        gateway.cli("access", "add", "group:eng", "caller", "server:tickets")
        reach = ("--on", "server:tickets", "--access", "all", "--for", "user:*", "--reason", "test")
        for alias in KEYS:
            gateway.cli("delegation", "add", "--user", f"{alias}/kim", "--agent", f"{alias}/desk")
            gateway.cli("grant", "add", "--agent", f"{alias}/desk", *reach)
        with gateway.serving():
            gateway.wait_for_tools("tickets", count=9)
            yield gateway


async def listed(gateway: Installation, alias: str, groups: Sequence[str] | str | None) -> set[str]:
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": f"https://{alias}.example",
        "sub": "kim",
        "client_id": "desk",
        "aud": gateway.endpoint("tickets"),
        "scope": "mcp:read mcp:write",
        "iat": now,
        "exp": now + 300,
        "profile": {} if groups is None else {"groups": groups},
    }
    token = jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": alias}, claims, KEYS[alias])
    async with httpx2.AsyncClient(timeout=20) as http:
        client = ModernClient(http, gateway.endpoint("tickets"), token)
        answer = await client.request("tools/list")
    if answer.status != 200:
        return {answer.reason}
    return {tool["name"] for tool in answer.result["tools"]}


async def test_a_group_in_the_token_gives_what_the_group_was_given(gateway: Installation) -> None:
    assert await listed(gateway, "okta", ["eng", "sales"]) == READS
    assert await listed(gateway, "okta", "eng") == READS


async def test_the_same_user_with_another_token_has_only_what_that_token_says(gateway: Installation) -> None:
    assert await listed(gateway, "okta", ["eng"]) == READS
    assert await listed(gateway, "okta", ["sales"]) == set()
    assert await listed(gateway, "okta", None) == set()


async def test_no_issuer_claims_anothers_group_or_a_stored_one(gateway: Installation) -> None:
    claimed = ["eng", "okta/eng", "group:okta/eng", "../okta/eng", "eng#member", "*", "user:*"]
    assert await listed(gateway, "entra", claimed) == set()


async def test_a_token_with_a_misshapen_or_endless_claim_is_refused(gateway: Installation) -> None:
    assert await listed(gateway, "okta", ["eng", ""]) == {"token.invalid"}
    assert await listed(gateway, "okta", [f"g{number}" for number in range(201)]) == {"token.invalid"}
