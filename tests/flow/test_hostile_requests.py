"""What a client can get wrong or do on purpose: a coded refusal each time, and the gateway stays up."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from tests.support.gateway import Installation, install, sample_tickets
from tests.support.processes import free_port, tickets_server
from tests.support.wire import META, MODERN, ModernClient

pytestmark = pytest.mark.anyio

AGENT = "docs-assistant"
SECRET = "s3cr3t-argument-value"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Installation]:
    with tickets_server() as url:
        gateway = install(tmp_path_factory.mktemp("gateway"), registry={"tickets": sample_tickets(url)})
        gateway.add_user("mira", calls="tickets")
        gateway.let_agent_act(AGENT, "mira", server="tickets", access="write")
        with gateway.serving():
            gateway.wait_for_tools("tickets", count=9)
            yield gateway


@pytest.fixture
async def client(gateway: Installation) -> AsyncGenerator[ModernClient]:
    async with httpx2.AsyncClient(timeout=30) as http:
        client = ModernClient(http, gateway.endpoint(), gateway.token(user="mira", agent=AGENT))
        yield client
        # Whatever was sent, the next honest request is served.
        assert (await client.request("tools/list")).status == 200


def message(**changes: Any) -> dict[str, Any]:
    meta = dict(META)
    params = {"name": "tickets__project_list", "arguments": {}, "_meta": meta}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params, **changes}


HEADERS = {"mcp-method": "tools/call", "mcp-name": "tickets__project_list"}


async def test_without_a_token_the_challenge_says_where_to_get_one(client: ModernClient) -> None:
    token, client.token = client.token, None
    answer = await client.request("tools/list")
    client.token = token
    assert (answer.status, answer.reason) == (401, "token.missing")
    challenge = answer.headers["www-authenticate"]
    assert "/.well-known/oauth-protected-resource/mcp" in challenge
    assert 'scope="mcp:read mcp:write"' in challenge
    assert "error=" not in challenge, "RFC 6750 §3.1: no error without credentials"


@pytest.mark.parametrize("bad", ["garbage", "a.b.c", "x" * 30_000])
async def test_a_bad_token_is_refused_and_not_repeated(client: ModernClient, bad: str) -> None:
    token, client.token = client.token, bad
    answer = await client.request("tools/list")
    client.token = token
    assert answer.status in {400, 401, 413}
    assert bad not in json.dumps(answer.body)


async def test_an_unsigned_token_is_refused(client: ModernClient) -> None:
    assert client.token is not None
    token, (_, payload, _) = client.token, client.token.split(".")
    header = base64.urlsafe_b64encode(b'{"alg":"none","typ":"at+jwt"}').rstrip(b"=").decode()
    client.token = f"{header}.{payload}."
    answer = await client.request("tools/list")
    client.token = token
    assert (answer.status, answer.reason) == (401, "token.invalid")


async def test_clients_that_probe_without_a_version_or_session_get_the_challenge(gateway: Installation) -> None:
    async with httpx2.AsyncClient() as http:
        probe = await http.get(gateway.endpoint(), headers={"mcp-protocol-version": "2024-11-05"})
    assert probe.status_code == 401


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({**HEADERS, "mcp-name": "tickets__ticket_delete"}, "request.header_mismatch"),
        ({**HEADERS, "mcp-method": "tools/list"}, "request.header_mismatch"),
        ({"mcp-method": "tools/call"}, "request.header_mismatch"),
        ({**HEADERS, "mcp-protocol-version": "2025-11-25"}, "request.header_mismatch"),
        ({**HEADERS, "content-type": "text/plain"}, "request.media_type"),
        ({**HEADERS, "host": "evil.example"}, "request.origin_refused"),
        ({**HEADERS, "origin": "https://evil.example"}, "request.origin_refused"),
    ],
)
async def test_a_header_that_contradicts_the_body_or_the_endpoint_is_refused(
    client: ModernClient, headers: dict[str, str], code: str
) -> None:
    answer = await client.send(json.dumps(message()).encode(), headers)
    assert answer.status >= 400
    assert answer.reason == code


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        json.dumps([message(), message()]).encode(),
        json.dumps(message()).encode().replace(b'"arguments"', b'"name":"x","arguments"'),
        json.dumps(message()).encode().replace(b'"arguments"', b'"Name":"x","arguments"'),
        json.dumps({"jsonrpc": "2.0", "id": 1, "result": {}}).encode(),
    ],
)
async def test_a_malformed_body_is_a_client_error(client: ModernClient, body: bytes) -> None:
    answer = await client.send(body, HEADERS)
    assert (answer.status, answer.reason) == (400, "request.malformed")


async def test_twenty_megabytes_are_refused_whether_announced_or_not(
    client: ModernClient, gateway: Installation
) -> None:
    announced = await client.send(b"x" * 20_000_000, HEADERS)
    assert (announced.status, announced.reason) == (413, "request.too_large")

    async def endless() -> AsyncGenerator[bytes]:
        for _ in range(320):
            yield b"x" * 65_536

    sent = {"authorization": f"Bearer {client.token}", "content-type": "application/json", **HEADERS}
    async with httpx2.AsyncClient(timeout=30) as http:
        try:
            chunked = await http.post(gateway.endpoint(), content=endless(), headers=sent)
        except httpx2.TransportError:
            return  # the server may close the connection before it has read everything
    assert chunked.status_code == 413


async def test_an_unknown_method_is_not_found_and_an_unknown_version_names_ours(client: ModernClient) -> None:
    unknown = await client.request("resources/write")
    assert (unknown.status, unknown.body["error"]["code"]) == (404, -32601)
    future = message()
    future["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = "2099-01-01"
    answer = await client.send(json.dumps(future).encode(), {**HEADERS, "mcp-protocol-version": "2099-01-01"})
    assert (answer.status, answer.body["error"]["code"]) == (400, -32022)
    assert answer.body["error"]["data"]["supported"] == [MODERN]


async def test_an_unknown_endpoint_does_not_exist(client: ModernClient, gateway: Installation) -> None:
    known, client.url = client.url, gateway.endpoint("nowhere")
    answer = await client.request("tools/list")
    client.url = known
    assert (answer.status, answer.reason) == (404, "request.unknown_path")


async def test_no_answer_log_or_record_repeats_an_argument(client: ModernClient, gateway: Installation) -> None:
    wrong = {"project": SECRET, "title": SECRET, "surplus": SECRET}
    for tool in ("tickets__ticket_create", "tickets__ticket_get", "tickets__unknown"):
        answer = await client.call(tool, wrong)
        assert SECRET not in json.dumps(answer.body)
    tail = gateway.cli("audit", "tail", "-n", "20", "--json")
    values = [line for line in tail.splitlines() if SECRET in line]
    # Resource ids are what the rule names; anything else of the arguments is only there by digest.
    assert all(f"project:tickets/{SECRET}" in line and line.count(SECRET) <= 8 for line in values)


async def test_a_client_that_sends_half_a_request_and_leaves_harms_nobody(
    client: ModernClient, gateway: Installation
) -> None:
    for _ in range(20):
        stream = await anyio.connect_tcp("127.0.0.1", gateway.port)
        await stream.send(b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{")
        await stream.aclose()
    assert (await client.request("tools/list")).status == 200


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /mcp HTTP/1.1\r\n\r\n",
        b"GET /mcp HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET //mcp HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /api/../mcp HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /%2e%2e/mcp HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"BREW /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
async def test_odd_http_is_refused(client: ModernClient, gateway: Installation, raw: bytes) -> None:
    raw = raw.replace(b"Host: 127.0.0.1\r", f"Host: 127.0.0.1:{gateway.port}\r".encode())
    answer = b""
    async with await anyio.connect_tcp("127.0.0.1", gateway.port) as stream:
        await stream.send(raw)
        with anyio.move_on_after(5):
            with contextlib.suppress(anyio.EndOfStream):
                answer = await stream.receive()
    assert not answer.startswith(b"HTTP/1.1 2")


async def test_every_authentication_refusal_is_on_record(client: ModernClient, gateway: Installation) -> None:
    token, client.token = client.token, "garbage"
    refused = await client.request("tools/list")
    client.token = token
    assert "token.invalid" in gateway.cli("audit", "show", str(refused.body["request_id"]), "--json")


async def test_an_issuer_whose_keys_cannot_be_had_denies_for_now_and_is_on_record(tmp_path: Path) -> None:
    issuer = {
        "alias": "corp",
        "issuer": "https://id.example",
        "jwks_uri": f"http://127.0.0.1:{free_port()}/jwks",
        "algorithms": ["RS256"],
        "network": ["127.0.0.0/8"],
    }
    gateway = install(tmp_path, registry={}, issuers=[issuer])
    parts = ({"alg": "RS256", "typ": "at+jwt", "kid": "k"}, {"iss": "https://id.example"})
    token = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    with gateway.serving():
        async with httpx2.AsyncClient(timeout=20) as http:
            answer = await ModernClient(http, gateway.endpoint(), f"{token}.c2ln").request("tools/list")
    assert (answer.status, answer.reason) == (503, "authorization.unavailable")
    assert answer.headers["retry-after"] == "1"
    request = answer.body["error"]["data"]["request_id"]
    assert "authorization.unavailable" in gateway.cli("audit", "show", request, "--json")
