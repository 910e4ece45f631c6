"""The door of a running gateway's metrics: who may ask, what ends the start, and that it ends with the rest."""

from __future__ import annotations

import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.support.gateway import Installation, install
from tests.support.processes import free_port, listening, wait_until
from tests.support.prometheus import scrape

TOKEN = "a-token-of-a-scraper"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    folder = tmp_path_factory.mktemp("metrics")
    token = folder / "token"
    token.write_text(TOKEN + "\n")
    token.chmod(0o600)
    metrics = {"listen": f"127.0.0.1:{free_port()}", "token_file": str(token)}
    return install(folder / "gateway", registry={}, metrics=metrics)


def door(gateway: Installation) -> str:
    return f"http://{gateway.settings['metrics']['listen']}/metrics"


def test_with_a_token_metrics_are_for_its_holder_and_never_on_the_clients_address(gateway: Installation) -> None:
    with gateway.serving() as running:
        wait_until(listening(int(door(gateway).split(":")[2].split("/")[0])), seconds=20, what="the metrics' port")
        shown = scrape(door(gateway), token=TOKEN)
        assert shown.value("mcp_gateway_process_info") == 1
        assert shown.value("up") == 1
        for token in (None, "wrong"):
            assert scrape(door(gateway), token=token).value("up") == 0
        with pytest.raises(urllib.error.HTTPError) as missing:
            urllib.request.urlopen(f"{gateway.origin}/metrics", timeout=10)
        assert missing.value.code == 404
        missing.value.close()
        assert running.stop() == 0, "the door ends with the rest"


def test_an_address_that_is_taken_and_a_token_others_can_read_end_the_start(gateway: Installation) -> None:
    token = Path(gateway.settings["metrics"]["token_file"])
    token.chmod(0o644)
    assert "others can read it" in _refused(gateway)
    token.chmod(0o600)
    token.write_text("short")
    assert "must hold one word" in _refused(gateway)
    token.write_text(TOKEN)
    host, _, port = str(gateway.settings["metrics"]["listen"]).partition(":")
    with socket.create_server((host, int(port))):
        assert "every process needs its own" in _refused(gateway)


def _refused(gateway: Installation) -> str:
    command = [sys.executable, "-m", "mcp_gateway", "--config", str(gateway.config), "serve", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr
