"""Who the gateway is to a relationship server: one token for all who wait, renewed in time, never shown."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from urllib.parse import parse_qs

import anyio
import pytest

from mcp_gateway.authorization.backends.openfga_credentials import ClientCredentials, form_poster
from mcp_gateway.errors import AuthorizationUnavailable, OperatorError
from mcp_gateway.storage.secret_file import secret_of
from tests.support.backends import literal, secret_file
from tests.support.openfga_double import Answer, OpenFgaDouble, Request, Said, openfga_double

pytestmark = pytest.mark.anyio

SECRET = "the client's secret"


@pytest.fixture
def issuer() -> Generator[OpenFgaDouble]:
    with openfga_double() as made:
        made.answer = _tokens(made)
        yield made


def _tokens(double: OpenFgaDouble) -> Answer:
    return lambda request: Said({"access_token": f"token-{len(double.requests)}", "expires_in": 600})


@pytest.fixture
def credential(issuer: OpenFgaDouble, tmp_path: Path) -> ClientCredentials:
    return ClientCredentials(
        f"{issuer.url}/token",
        "gateway",
        secret_file=secret_file(tmp_path, SECRET),
        audience="fga",
        scope="read write",
        post=form_poster(literal, timeout_seconds=5),
    )


async def test_many_who_wait_share_one_token(issuer: OpenFgaDouble, credential: ClientCredentials) -> None:
    seen: list[str | None] = []

    async def one() -> None:
        seen.append(await credential.header())

    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(one)
    assert seen == ["Bearer token-1"] * 10
    [request] = issuer.requests
    assert parse_qs(request.body) == {
        "grant_type": ["client_credentials"],
        "client_id": ["gateway"],
        "client_secret": [SECRET],
        "audience": ["fga"],
        "scope": ["read write"],
    }


async def test_a_refused_token_is_replaced(issuer: OpenFgaDouble, credential: ClientCredentials) -> None:
    assert await credential.header() == "Bearer token-1"
    assert credential.refused()
    assert await credential.header() == "Bearer token-2"


async def test_a_token_about_to_end_is_renewed(issuer: OpenFgaDouble, credential: ClientCredentials) -> None:
    issuer.answer = lambda request: Said({"access_token": f"token-{len(issuer.requests)}", "expires_in": 0.000_001})
    assert [await credential.header() for _ in range(2)] == ["Bearer token-1", "Bearer token-2"]


@pytest.mark.parametrize(
    "said",
    [
        Said({"error": "invalid_client"}, status=401),
        Said(b"rubbish"),
        Said([]),
        Said({}),
        Said({"access_token": ""}),
        Said({"access_token": 7}),
        Said({"access_token": "two\r\nlines"}),
        Said({}, status=302, location="http://127.0.0.1:1/"),
    ],
)
async def test_an_issuer_that_gives_no_token_is_unavailable_and_no_secret_is_said(
    issuer: OpenFgaDouble, credential: ClientCredentials, said: Said
) -> None:
    issuer.answer = lambda _: said
    with pytest.raises(AuthorizationUnavailable) as raised:
        await credential.header()
    assert SECRET not in repr(raised.value) + repr(raised.value.__cause__) + repr(vars(credential))


async def test_an_issuer_that_cannot_be_reached_is_unavailable(
    issuer: OpenFgaDouble, credential: ClientCredentials
) -> None:
    def gone(_: Request) -> Said:
        return Said(hang_up=True)

    issuer.answer = gone
    with pytest.raises(AuthorizationUnavailable):
        await credential.header()


@pytest.mark.parametrize("content", ["", "\n", "two\nlines", "caf\u00e9", "bell\a"])
def test_a_secret_file_holds_one_line_of_plain_characters(tmp_path: Path, content: str) -> None:
    with pytest.raises(OperatorError):
        secret_of(secret_file(tmp_path, content))


def test_a_missing_secret_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="nothing-here"):
        secret_of(tmp_path / "nothing-here")
