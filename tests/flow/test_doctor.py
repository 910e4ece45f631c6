"""`mcp-gateway doctor`: what is wrong is named with what to do, stopped or running, and never as a traceback."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_server import commands
from tests.support.counting import Counting, counting
from tests.support.gateway import Installation, http_entry, install


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Generator[Counting]:
    with counting(tmp_path_factory.mktemp("upstream")) as made:
        yield made


@pytest.fixture
def gateway(tmp_path: Path, upstream: Counting) -> Installation:
    return install(tmp_path / "gateway", registry={"modern": upstream.entry("modern")})


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return install(tmp_path_factory.mktemp("empty") / "gateway", registry={})


def _doctor(gateway: Installation) -> tuple[int, dict[str, list[dict[str, str]]]]:
    """The exit code, and the findings by area."""
    done = commands.run(["--config", str(gateway.config), "doctor", "--json"], stdin="")
    assert "Traceback" not in done.out + done.err
    found: dict[str, list[dict[str, str]]] = {}
    for finding in json.loads(done.out)["findings"]:
        found.setdefault(finding["area"], []).append(finding)
    return done.code, found


def _worst(findings: list[dict[str, str]]) -> dict[str, str]:
    return max(findings, key=lambda finding: ["ok", "warn", "fail"].index(finding["state"]))


def test_a_gateway_that_is_well_is_well_stopped_and_running(gateway: Installation) -> None:
    code, found = _doctor(gateway)
    assert code == 0, found
    assert "free" in found["port"][0]["said"]
    with gateway.serving():
        gateway.wait_for_tools("modern", count=2)
        code, found = _doctor(gateway)
    assert code == 0, found
    assert "is ready" in found["port"][0]["said"]
    assert "modern era" in found["server modern"][0]["said"]
    assert "2 tools" in found["server modern"][0]["said"]
    for area in ("configuration", "registry", "policies", "data directory", "store", "audit", "disk", "relationships"):
        assert _worst(found[area])["state"] != "fail", found[area]


def test_each_thing_that_is_wrong_is_named_with_what_to_do(gateway: Installation) -> None:
    data, entries = gateway.folder / "data", gateway.folder / "registry"
    (entries / "down.yaml").write_text(http_entry("down", "http://127.0.0.1:9/mcp"))
    lacking = {"type": "http", "url": "http://127.0.0.1:9/mcp", "network": ["127.0.0.0/8"]}
    secret = http_entry("lacking", "", transport={**lacking, "credential": {"file": "no-such-secret"}})
    (entries / "lacking.yaml").write_text(secret)
    (entries / "wrong.yaml").write_text("name: wrong\nowner: 7\n")
    key = data / "keys" / "seal-0001.key"
    key.write_bytes(b"k" * 32)
    key.chmod(0o644)
    code, found = _doctor(gateway)
    assert code == 1
    for area, words in {
        "registry": "wrong.yaml",
        "data directory": "open to others",
        "server down": "",
        "server lacking": "no-such-secret",
    }.items():
        worst = _worst(found[area])
        assert worst["state"] == "fail", worst
        assert words in worst["said"]
        assert worst["remedy"]
    assert _worst(found["server modern"])["state"] == "ok", "one that is down hides no other"


def test_a_changed_record_a_damaged_store_and_a_stranger_on_the_port_are_found(gateway: Installation) -> None:
    data = gateway.folder / "data"
    log = max((data / "audit").glob("*.jsonl"))
    log.write_bytes(log.read_bytes().replace(b'"actor":"', b'"actor":"X', 1))
    (data / "gateway.db").write_bytes(os.urandom(8192))
    with socket.create_server(("127.0.0.1", gateway.port)):
        code, found = _doctor(gateway)
    assert code == 1
    assert "was changed" in _worst(found["audit"])["said"]
    assert "damaged" in _worst(found["store"])["said"]
    assert "no gateway answers" in _worst(found["port"])["said"]


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe not text",
        b"listen: [",
        b"- a list",
        b"listen: 8000:",
        b"listen: {}",
        b"no_such_setting: 1",
        b"relationships: {backend: nothing}",
        b"relationships: {backend: openfga}",
        b"issuers: [{alias: local}]",
        b"public_urls: ['http://elsewhere.example']",
        b"limits: {concurrency: -1}",
        b"data_dir: {}",
        b"trusted_proxies: [somewhere]",
    ],
)
def test_a_configuration_that_is_wrong_in_any_way_is_named(empty: Installation, content: bytes) -> None:
    empty.config.write_bytes(content)
    code, found = _doctor(empty)
    assert code == 1
    (configuration,) = found["configuration"]
    assert configuration["state"] == "fail"
    assert "could not be looked at" not in configuration["said"], configuration
    assert configuration["remedy"]


def test_an_issuer_that_cannot_be_reached_is_named(tmp_path: Path) -> None:
    issuer: dict[str, Any] = {
        "alias": "okta",
        "issuer": "http://127.0.0.1:9",
        "algorithms": ["ES256"],
        "jwks_uri": "http://127.0.0.1:9/keys",
        "network": ["127.0.0.0/8"],
    }
    code, found = _doctor(install(tmp_path / "gateway", registry={}, issuers=[issuer]))
    assert code == 1
    assert _worst(found["issuer okta"])["state"] == "fail"


def test_before_the_first_start_it_says_what_comes_next(tmp_path: Path) -> None:
    made = install(tmp_path / "gateway", registry={})
    settings = json.loads(made.config.read_text())
    made.config.write_text(json.dumps({**settings, "data_dir": str(tmp_path / "nowhere")}))
    code, found = _doctor(made)
    assert code == 0
    assert "setup" in found["data directory"][0]["remedy"]
    assert not (tmp_path / "nowhere").exists()
