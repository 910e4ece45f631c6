from __future__ import annotations

from pathlib import Path

import pytest
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata

from mcp_gateway.authserver import TRUSTED_HOSTS, metadata
from tests.unit.authserver.desk import ISSUER, LOCALHOST, Desk, open_desk

pytestmark = pytest.mark.anyio

FORMS = ["", "/mcp", "/mcp/tickets"]


@pytest.mark.parametrize("name", ["oauth-authorization-server", "openid-configuration"])
@pytest.mark.parametrize("path", FORMS)
async def test_the_metadata_is_found_under_every_form_clients_try(desk: Desk, name: str, path: str) -> None:
    for url in (f"/.well-known/{name}{path}", f"{path}/.well-known/{name}"):
        found = await desk.browser.get(url)
        assert found.status_code == 200
        assert found.json()["issuer"] == ISSUER


async def test_the_metadata_says_what_is_there_and_no_more(desk: Desk) -> None:
    described = (await desk.browser.get(metadata.WELL_KNOWN)).json()
    assert described["code_challenge_methods_supported"] == ["S256"]
    assert described["token_endpoint_auth_methods_supported"] == ["none"]
    assert described["client_id_metadata_document_supported"] is True
    assert described["authorization_response_iss_parameter_supported"] is True
    assert described["scopes_supported"] == ["mcp:read", "mcp:write"]
    assert described["registration_endpoint"] == f"{ISSUER}/oauth/register"
    paths = {getattr(route, "path", "") for route in desk.app.routes}
    assert {url.removeprefix(ISSUER) for name, url in described.items() if name.endswith("_endpoint")} <= paths


async def test_another_implementation_finds_the_metadata_valid() -> None:
    described = metadata.metadata("https://gateway.example.com", registration=True, documents=True)
    AuthorizationServerMetadata(described).validate()


async def test_each_public_url_is_an_issuer_of_its_own(desk: Desk) -> None:
    found = await desk.browser.get(f"{LOCALHOST}{metadata.WELL_KNOWN}")
    assert found.json()["issuer"] == LOCALHOST


@pytest.mark.parametrize("path", [metadata.WELL_KNOWN, "/login", "/oauth/authorize"])
async def test_a_host_that_is_not_ours_gets_nothing(desk: Desk, path: str) -> None:
    refused = await desk.browser.get(f"http://rebound.example:8000{path}")
    assert refused.status_code == 400
    assert "rebound" not in refused.text


async def test_without_registration_there_is_no_such_endpoint(tmp_path: Path) -> None:
    async with open_desk(tmp_path, registration=False) as closed:
        assert "registration_endpoint" not in (await closed.browser.get(metadata.WELL_KNOWN)).json()
        assert (await closed.browser.post("/oauth/register", json={})).status_code == 404


async def test_the_keys_are_published(desk: Desk) -> None:
    found = await desk.browser.get(metadata.JWKS)
    assert [key["kid"] for key in found.json()["keys"]] == [desk.server.keys.current.kid]


async def test_the_page_for_agents_names_what_exists(desk: Desk) -> None:
    told = (Path(__file__).parents[3] / "auth.md").read_text("utf-8")
    described = (await desk.browser.get(metadata.WELL_KNOWN)).json()
    for name in ("authorization_endpoint", "token_endpoint", "revocation_endpoint"):
        assert described[name].removeprefix(ISSUER) in told
    for value in (*described["scopes_supported"], *described["grant_types_supported"], *TRUSTED_HOSTS, "S256"):
        assert f"{value}" in told
