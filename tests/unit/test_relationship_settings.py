"""What `relationships` in the settings takes, and which servers it lets the gateway talk to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mcp_gateway import settings
from mcp_gateway.compose.relationships import backend, reaching
from mcp_gateway.errors import AuthorizationUnavailable, OperatorError
from mcp_gateway.settings import OpenFgaSettings
from mcp_gateway.storage.data_dir import DataDir
from tests.support.backends import store

pytestmark = pytest.mark.anyio

SERVER: dict[str, Any] = {"backend": "openfga", "url": "https://fga.example.com", "version": "1.21.0"}
OAUTH = {"token_url": "https://login.example.com/token", "client_id": "gateway", "secret_file": "secret"}


def load(tmp_path: Path, relationships: object) -> settings.Settings:
    file = tmp_path / "gateway.yaml"
    file.write_text(json.dumps({"data_dir": str(tmp_path / "data"), "relationships": relationships}))
    return settings.load(file)


def test_without_a_word_relationships_are_decided_here(tmp_path: Path) -> None:
    assert load(tmp_path, "embedded").relationships == "embedded"
    assert settings.Settings().relationships == "embedded"


def test_a_server_needs_its_address_and_release_and_the_rest_has_defaults(tmp_path: Path) -> None:
    chosen = load(tmp_path, SERVER).relationships
    assert isinstance(chosen, OpenFgaSettings)
    assert (chosen.timeout, chosen.consistency, chosen.store_id) == (2.0, "by_risk", None)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"version": "1.17.9"}, "before 1.18.0"),
        ({"version": "latest"}, "pattern"),
        ({"url": "ftp://fga.example.com"}, "pattern"),
        ({"url": "https://user:secret@fga.example.com"}, "pattern"),
        ({"url": "http://fga.example.com"}, "needs `network`"),
        ({"store_id": "not a ulid"}, "pattern"),
        ({"token_file": "t", "client_credentials": OAUTH}, "exclude each other"),
        ({"timeout": 0}, "greater"),
        ({"colour": "red"}, "not permitted"),
        ({"backend": "abacus"}, "must be `embedded`"),
    ],
)
def test_what_a_server_cannot_be_is_refused_with_the_field(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    with pytest.raises(OperatorError, match=said) as raised:
        load(tmp_path, {**SERVER, **changed})
    assert "relationships" in str(raised.value)
    assert "secret@" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "network", "address"),
    [
        ("https://10.1.2.3", [], "10.1.2.3"),
        ("https://127.0.0.1", [], "127.0.0.1"),
        ("https://169.254.169.254", ["169.254.0.0/16"], "169.254.169.254"),
        ("http://93.184.215.14", ["10.0.0.0/8"], "93.184.215.14"),
    ],
)
async def test_an_address_that_was_not_allowed_is_not_connected_to(url: str, network: list[str], address: str) -> None:
    with pytest.raises(AuthorizationUnavailable, match=r"may not be used|needs https"):
        await reaching(url, network)(address, 8080)


async def test_an_address_in_a_named_range_is_connected_to_even_in_the_clear() -> None:
    assert list(await reaching("http://127.0.0.1", ["127.0.0.0/8"])("127.0.0.1", 8080)) == ["127.0.0.1"]


async def test_a_range_that_is_none_is_said_at_the_start(tmp_path: Path) -> None:
    wrong = load(tmp_path, {**SERVER, "network": ["everywhere"]})
    async with store(tmp_path) as (database, _):
        with pytest.raises(OperatorError, match="ranges"):
            async with backend(wrong, DataDir(tmp_path), database):
                raise AssertionError("it opened")
