"""`server add` for what is not a streamable HTTP server or a command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from mcp_gateway.cli.exits import Exit
from tests.unit.cli.test_commands import Shell, shell

__all__ = ["shell"]

DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Shop", "version": "1"},
    "paths": {
        "/items": {"get": {"operationId": "items"}, "post": {"operationId": "add"}},
        "/items/{id}": {"delete": {"operationId": "remove", "parameters": []}},
    },
}
API = ("server", "add", "shop", "--url", "https://shop.example.com/v1")


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "shop.json"
    path.write_text(json.dumps(DOCUMENT))
    return path


def entry(shell: Shell) -> dict[str, object]:
    return yaml.safe_load((shell.folder / "registry" / "shop.yaml").read_text())["transport"]


def test_an_api_is_added_with_its_document_and_its_hints(shell: Shell, document: Path) -> None:
    said = shell.done(*API, "--openapi", str(document), "--use-hints", "--yes")
    assert {tool["name"]: (tool["state"], tool["risk"]) for tool in said["tools"]} == {
        "add": ("approved", "destructive"),
        "items": ("approved", "read"),
        "remove": ("quarantined", "destructive"),
    }
    assert entry(shell) == {"type": "openapi", "document": str(document), "url": "https://shop.example.com/v1"}


def test_a_credential_is_sent_as_the_header_or_parameter_that_is_named(shell: Shell, document: Path) -> None:
    (shell.folder / "data" / "secrets").mkdir()
    (shell.folder / "data" / "secrets" / "key").write_text("s")
    for sent_as, written in (("X-Api-Key", {"header": "X-Api-Key"}), ("?api_key", {"query": "api_key"})):
        shell.done(*API, "--openapi", str(document), "--credential", "key", "--credential-as", sent_as)
        assert entry(shell)["credential"] == {"file": "key", **written}
        shell.done("server", "remove", "shop", "--yes")


def test_an_sse_server_is_declared_as_one(shell: Shell) -> None:
    said = shell("server", "add", "shop", "--url", "http://127.0.0.1:9/sse", "--sse", "--network", "127.0.0.0/8")
    assert said.code == Exit.UNAVAILABLE
    assert entry(shell) == {"type": "sse", "url": "http://127.0.0.1:9/sse", "network": ["127.0.0.0/8"]}


def test_a_document_that_is_wrong_is_named_with_its_place(shell: Shell, document: Path) -> None:
    document.write_text('{"openapi": "3.1.0", "paths": []}')
    said = shell(*API, "--openapi", str(document))
    assert said.code == Exit.UNAVAILABLE
    assert "shop.json: #/paths: must be an object" in said.err
    assert str(document.parent) not in said.err.replace(str(shell.folder / "registry"), "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--openapi", "a.json"), "--url"),
        ((*API[3:], "--openapi", "a.json", "--sse"), "either --sse or --openapi"),
        (("--sse", "--", "python"), "are for --url"),
        ((*API[3:], "--network", "localhost"), "--network localhost: takes ranges such as 127.0.0.0/8"),
        ((*API[3:], "--openapi", "nowhere.json"), "nowhere.json: there is no such file"),
        ((*API[3:], "--credential-as", "X"), "needs --credential FILE"),
        ((*API[3:], "--credential", "k", "--credential-as", "?q"), "query"),
    ],
)
def test_forms_that_do_not_fit_together_are_refused(shell: Shell, arguments: tuple[str, ...], said: str) -> None:
    answer = shell("server", "add", "shop", *arguments)
    assert answer.code == Exit.REFUSED
    assert said in answer.err
    assert not (shell.folder / "registry" / "shop.yaml").exists()


def test_a_name_that_is_none_is_refused_in_words(shell: Shell) -> None:
    assert "must be 1 to 24 of a-z 0-9 -" in shell("server", "add", "My Shop", *API[3:]).err


def test_a_risk_for_a_tool_that_is_not_offered_is_said(shell: Shell, document: Path) -> None:
    said = shell(*API, "--openapi", str(document), "--risk", "itms=read", "--risk", "items=read", "--yes")
    assert said.code == Exit.DONE
    assert "does not offer: itms;" in said.err


def test_after_a_failed_look_it_is_said_how_to_go_on_and_how_to_begin_anew(shell: Shell) -> None:
    said = shell("server", "add", "shop", "--url", "http://127.0.0.1:9/mcp", "--network", "127.0.0.0/8")
    assert said.code == Exit.UNAVAILABLE
    assert "mcp-gateway server refresh shop" in said.err
    again = shell("server", "add", "shop", "--url", "http://127.0.0.1:9/mcp")
    assert again.code == Exit.REFUSED
    assert "mcp-gateway server remove shop" in said.err
    assert "mcp-gateway server remove shop" in again.err
