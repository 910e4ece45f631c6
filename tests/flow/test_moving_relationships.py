"""Relationships move to a real OpenFGA server and back, and nothing is lost, kept or removed unasked."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.gateway import CommandFailed, Installation, install
from tests.support.openfga import TOKEN, OpenFgaServer, openfga, version

MIRA = "user:local/mira"
STRANGER = ("user:elsewhere/ada", "member", "group:eng")


@dataclass(slots=True)
class Move:
    gateway: Installation
    server: OpenFgaServer
    relationships: dict[str, Any]

    @property
    def store(self) -> str:
        return str(self.relationships["store_id"])

    def configure(self, relationships: object) -> None:
        whole = json.loads(self.gateway.config.read_text())
        self.gateway.config.write_text(json.dumps({**whole, "relationships": relationships}))

    def migrate(self, to: str, *more: str) -> Any:
        return self.gateway.json("relationships", "migrate", "--to", to, *more)


@pytest.fixture
def move(tmp_path: Path) -> Generator[Move]:
    """A gateway that has lived without a server, beside a server that holds its model in a new store."""
    gateway = install(tmp_path / "gateway", registry={})
    gateway.cli("access", "add", MIRA, "member", "group:eng")
    gateway.cli("access", "add", "group:eng", "reader", "server:tickets", "--until", "30d")
    secret = tmp_path / "token"
    secret.write_text(TOKEN)
    secret.chmod(0o600)
    with openfga(tmp_path / "openfga") as server:
        relationships: dict[str, Any] = {
            "backend": "openfga",
            "url": server.url,
            "version": version(),
            "token_file": str(secret),
            "network": ["127.0.0.0/8"],
        }
        made = Move(gateway, server, relationships)
        made.configure(relationships)
        published = gateway.json("relationships", "publish", "--new-store", "gateway")
        relationships["store_id"] = published["store_id"]
        made.configure(relationships)
        yield made


def test_a_model_is_published_once_and_the_status_says_what_is_missing(move: Move) -> None:
    again = move.gateway.json("relationships", "publish")
    assert (again["store_id"], again["written"]) == (move.store, False)
    status = move.gateway.json("relationships", "status")
    assert (status["backend"], status["state"], status["model_id"]) == ("openfga", "usable", again["model_id"])
    assert status["changes_not_relayed"] > 0


def test_without_a_server_in_the_settings_there_is_nothing_to_move_to(move: Move) -> None:
    move.configure("embedded")
    assert move.gateway.json("relationships", "status")["backend"] == "embedded"
    with pytest.raises(CommandFailed, match="name no relationship server"):
        move.migrate("openfga")


def test_a_move_there_says_first_what_it_would_do_and_then_does_exactly_that(move: Move) -> None:
    planned = move.migrate("openfga", "--dry-run")
    assert f"{MIRA} member group:eng" in planned["added"]
    assert any("grant_expiry" in one for one in planned["added"])
    assert move.server.post(f"/stores/{move.store}/read", {})["tuples"] == []
    done = move.migrate("openfga")
    assert done["added"] == planned["added"]
    held = move.server.post(f"/stores/{move.store}/read", {})["tuples"]
    assert len(held) == len(planned["added"])
    assert move.migrate("openfga")["added"] == []
    assert move.gateway.json("relationships", "status")["changes_not_relayed"] == 0


def test_what_only_the_target_has_is_removed_or_kept_only_when_told(move: Move) -> None:
    move.migrate("openfga")
    move.server.write(move.store, STRANGER)
    with pytest.raises(CommandFailed, match="--extra keep or --extra remove"):
        move.migrate("openfga")
    assert move.migrate("openfga", "--extra", "keep")["extra"] == [" ".join(STRANGER)]
    assert move.migrate("openfga", "--extra", "remove")["removed"] == 1
    assert move.migrate("openfga")["extra"] == []


def test_what_other_systems_wrote_comes_back_with_the_rest_and_stays(move: Move) -> None:
    move.migrate("openfga")
    move.server.write(move.store, STRANGER)
    move.server.delete(move.store, (MIRA, "member", "group:eng"))
    planned = move.migrate("embedded", "--dry-run")
    assert (planned["added"], planned["extra"]) == ([" ".join(STRANGER)], [f"{MIRA} member group:eng"])
    move.migrate("embedded", "--extra", "remove")
    move.configure("embedded")
    members = move.gateway.json("access", "list", "--on", "group:eng")
    assert [one["subject"] for one in members] == [STRANGER[0]]


def test_who_a_request_is_never_moves(move: Move) -> None:
    move.migrate("openfga")
    move.server.write(move.store, (MIRA, "in_context", "agent:local/docs"))
    with pytest.raises(CommandFailed, match="never stored"):
        move.migrate("embedded", "--dry-run")
    status = move.gateway.json("relationships", "status")
    assert status["state"] == "unusable"
    assert "in_context" in status["problem"]


def test_a_store_without_our_model_is_neither_read_nor_written(move: Move) -> None:
    move.relationships["store_id"] = move.server.new_store()
    move.configure(move.relationships)
    with pytest.raises(CommandFailed, match="ended with 3"):
        move.migrate("openfga")
    with pytest.raises(CommandFailed, match="ended with 3"):
        move.gateway.cli("access", "add", MIRA, "member", "group:ops")
    assert move.server.post(f"/stores/{move.store}/read", {})["tuples"] == []
