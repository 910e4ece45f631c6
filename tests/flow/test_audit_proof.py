"""A running gateway makes checkpoints, brings them to a second place, and an auditor checks all of it offline."""

from __future__ import annotations

import http.server
import json
import shutil
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from mcp_gateway.audit.checkpoint import read
from mcp_gateway.cli.exits import Exit
from tests.support.command_server import commands
from tests.support.gateway import Installation, install
from tests.support.processes import wait_until


@dataclass
class Receiver:
    """An HTTP server that takes checkpoints, once it is `up`."""

    up: bool = True
    lines: list[bytes] = field(default_factory=list[bytes])
    tokens: set[str] = field(default_factory=set[str])
    port: int = 0

    @contextmanager
    def serving(self) -> Generator[Receiver]:
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if receiver.up:
                    receiver.lines.extend(body.splitlines())
                    receiver.tokens.add(self.headers["authorization"])
                self.send_response(204 if receiver.up else 503)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        self.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def installed(folder: Path, **checkpoints: Any) -> Installation:
    return install(folder, registry={}, audit={"checkpoints": {"seconds": 1, **checkpoints}})


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Installation]:
    """One that runs on, for tests that only add to it; its second place is beside it."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "second").mkdir()
    gateway = installed(folder / "gateway", directory=str(folder / "second"))
    with gateway.serving():
        yield gateway


def pinned(gateway: Installation) -> str:
    path = gateway.folder / "audit.pem"
    path.write_text(gateway.cli("audit", "key") + "\n")
    return str(path)


def newest(gateway: Installation) -> dict[str, Any]:
    return dict(gateway.json("audit", "checkpoint"))


def verified(gateway: Installation, *more: str) -> tuple[int, dict[str, Any]]:
    done = commands.run(["--config", str(gateway.config), "audit", "verify", *more, "--json"], stdin="")
    return done.code, json.loads(done.out)


def knock(gateway: Installation, times: int) -> None:
    """Each leaves a record, of a request without a token."""
    with httpx2.Client(trust_env=False) as client:
        for _ in range(times):
            assert client.post(gateway.endpoint(), json={}).status_code == 401


def kinds_of(gateway: Installation) -> list[str]:
    return [record["kind"] for record in gateway.json("audit", "tail", "-n", "500")]


def test_a_running_gateway_covers_its_records_and_those_of_commands(served: Installation) -> None:
    second = str(served.folder.parent / "second")
    key = pinned(served)
    before = newest(served)["number"]
    for _ in range(3):
        knock(served, 5)
        code, report = verified(served, "--key", key, "--checkpoints", second)
        assert (code, report["findings"]) == (Exit.DONE, []), "a gateway that writes on looks whole"
    wait_until(lambda: newest(served)["number"] > before, what="a checkpoint")
    wait_until(lambda: verified(served, "--key", key)[1]["uncovered"] == 0, what="everything covered")
    assert "audit.key_made" in kinds_of(served)


def test_a_past_that_was_cut_off_here_shows_by_the_second_place(tmp_path: Path) -> None:
    second = tmp_path / "second"
    second.mkdir()
    gateway = installed(tmp_path / "gateway", directory=str(second))
    with gateway.serving():
        key = pinned(gateway)
        wait_until(lambda: newest(gateway)["number"] >= 1, what="a checkpoint")
        saved = tmp_path / "saved"
        shutil.copytree(gateway.folder / "data" / "audit", saved)
        knock(gateway, 5)
    shutil.rmtree(gateway.folder / "data" / "audit")
    shutil.copytree(saved, gateway.folder / "data" / "audit")
    assert verified(gateway, "--key", key)[0] == Exit.DONE
    code, report = verified(gateway, "--key", key, "--checkpoints", str(second))
    assert code == Exit.ALTERED
    assert {"checkpoint_gap", "truncated"} <= {finding["kind"] for finding in report["findings"]}
    # The gateway itself notices as well, and overwrites nothing.
    with gateway.serving():
        wait_until(lambda: "audit.second_place_failed" in kinds_of(gateway), what="the contradiction on record")
    assert "is not what the second place has" in newest(gateway)["places"]["directory"]["error"]


def test_second_places_that_are_away_are_loud_hold_up_nothing_and_get_everything_in_order(tmp_path: Path) -> None:
    token, second = tmp_path / "token", tmp_path / "second"
    token.write_text("s3cret-of-the-receiver")
    token.chmod(0o600)
    with Receiver(up=False).serving() as receiver:
        url = f"http://127.0.0.1:{receiver.port}/checkpoints"
        posted = {"url": url, "token_file": str(token), "network": ["127.0.0.0/8"]}
        gateway = installed(tmp_path / "gateway", directory=str(second), **posted)
        with gateway.serving():
            wait_until(
                lambda: kinds_of(gateway).count("audit.second_place_failed") == 2, what="both failures on record"
            )
            wait_until(lambda: newest(gateway)["number"] >= 2, what="two checkpoints")
            places = newest(gateway)["places"]
            assert {place: (told["delivered"], told["error"]) for place, told in places.items()} == {
                "directory": (0, "the directory is not there"),
                "url": (0, "it answered 503"),
            }
            knock(gateway, 3)
            second.mkdir()
            receiver.up = True
            wait_until(
                lambda: kinds_of(gateway).count("audit.second_place_back") == 2, what="both recoveries on record"
            )
    state = newest(gateway)
    assert {told["delivered"] for told in state["places"].values()} == {state["number"]}
    (copy,) = second.glob("*/000001.jsonl")
    assert copy.read_bytes() == (gateway.folder / "data/audit/checkpoints/000001.jsonl").read_bytes()
    got = [read(line) for line in receiver.lines]
    assert [one.number for one in got] == list(range(1, state["number"] + 1))
    assert all(one.is_signed() for one in got)
    assert receiver.tokens == {"Bearer s3cret-of-the-receiver"}
    assert "s3cret" not in json.dumps(gateway.json("audit", "tail", "-n", "500"))


def test_after_a_kill_the_next_start_covers_what_the_last_one_wrote(tmp_path: Path) -> None:
    gateway = installed(tmp_path / "gateway")
    killed = gateway.start()
    wait_until(lambda: newest(gateway)["number"] >= 1, what="a checkpoint")
    key = pinned(gateway)
    knock(gateway, 5)
    killed.kill()
    assert verified(gateway, "--key", key)[0] == Exit.DONE
    with gateway.serving():
        wait_until(lambda: verified(gateway)[1]["uncovered"] == 0, what="everything covered")
    code, report = verified(gateway, "--key", key)
    assert (code, report["uncovered"]) == (Exit.DONE, 0)


def test_one_record_is_proven_to_somebody_who_has_only_the_key(served: Installation, tmp_path: Path) -> None:
    knock(served, 3)
    key = pinned(served)
    wait_until(lambda: verified(served)[1]["uncovered"] == 0, what="everything covered")
    shown = served.json("audit", "tail", "-n", "50", "--kind", "refused")
    request = next(record["request"] for record in shown if "request" in record)
    proof = tmp_path / "proof.json"
    served.cli("audit", "prove", request, "-o", str(proof))
    alone = ["audit", "verify", "--proof", str(proof), "--key", key, "--json"]
    said = commands.run(["--data-dir", str(tmp_path / "nothing"), *alone], stdin="")
    assert (said.code, json.loads(said.out)["record"]["request"]) == (Exit.DONE, request)
    proof.write_text(proof.read_text().replace("refused", "allowed", 1))
    assert verified(served, "--proof", str(proof), "--key", key)[0] == Exit.ALTERED


def test_a_rotated_key_goes_on_from_the_one_before(served: Installation) -> None:
    old = pinned(served)
    wait_until(lambda: newest(served)["number"] >= 1, what="a checkpoint")
    before = newest(served)["key"]
    served.cli("audit", "key", "--rotate")

    def signed_anew() -> bool:
        knock(served, 1)
        return newest(served)["key"] != before

    wait_until(signed_anew, what="a checkpoint by the new key")
    code, report = verified(served, "--key", old)
    assert (code, len(report["keys"])) == (Exit.DONE, 2)


def test_checkpoints_that_cannot_be_made_are_loud_and_stop_no_call(tmp_path: Path) -> None:
    gateway = installed(tmp_path / "gateway")
    checkpoints = gateway.folder / "data" / "audit" / "checkpoints"
    checkpoints.write_text("in the way")
    with gateway.serving():
        wait_until(lambda: "audit.checkpoint_failed" in kinds_of(gateway), what="the failure on record")
        knock(gateway, 3)
        checkpoints.unlink()
        wait_until(lambda: newest(gateway)["number"] >= 1, what="a checkpoint")
