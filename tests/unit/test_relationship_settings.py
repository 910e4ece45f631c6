"""What `relationships` in the settings takes, and which servers it lets the gateway talk to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mcp_gateway import settings
from mcp_gateway.authorization import compile_gateway_model, load_model
from mcp_gateway.authorization.language.printing import to_dsl
from mcp_gateway.compose.openfga import Remote, reaching
from mcp_gateway.compose.relationships import backend
from mcp_gateway.errors import AuthorizationUnavailable, OperatorError
from mcp_gateway.settings import OpenFgaSettings
from mcp_gateway.storage.data_dir import DataDir
from tests.support.backends import POLICIES, store
from tests.support.openfga_double import MODEL, STORE, openfga_double
from tests.support.processes import free_port

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


async def test_a_server_that_is_down_is_no_reason_not_to_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    chosen = loopback(tmp_path, f"http://127.0.0.1:{free_port()}")
    async with store(tmp_path) as (database, _), backend(chosen, DataDir(tmp_path), database) as made:
        made.of(load_model(POLICIES))
        await made.require()
    assert "everything is denied until" in caplog.text


async def test_policies_whose_model_was_not_published_leave_the_last_ones_in_force(tmp_path: Path) -> None:
    text = to_dsl(load_model(POLICIES).document)
    with openfga_double() as double:
        chosen = loopback(tmp_path, double.url)
        async with store(tmp_path) as (database, _), backend(chosen, DataDir(tmp_path), database) as made:
            made.of(load_model(POLICIES))
            await made.require()
            changed = made.of(compile_gateway_model(text.replace("type user\n", "type user\n\ntype plane\n", 1)))
            with pytest.raises(OperatorError, match="no model on the relationship server") as raised:
                await made.require(changed)
            assert "relationships publish" in raised.value.remedy
            assert isinstance(made, Remote)
            assert await made.pinned() == MODEL


def loopback(tmp_path: Path, url: str) -> settings.Settings:
    return load(tmp_path, {**SERVER, "url": url, "store_id": STORE, "network": ["127.0.0.0/8"]})
