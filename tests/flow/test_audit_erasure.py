"""What is erased of a person stands nowhere in the data directory, and the audit still verifies."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.gateway import CommandFailed, Installation, install

_ADDRESS = "127.0.0.1"


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def signed_in_and_failed(gateway: Installation) -> None:
    """Somebody who mistypes the password, which is recorded with the address it came from."""
    gateway.cli("user", "add", "mira", "--password-stdin", stdin="correct horse battery staple")
    with gateway.serving(), httpx2.Client(base_url=gateway.origin, trust_env=False) as browser:
        page = browser.get("/login", params={"next": "/catalog"})
        sealed = page.text.partition('name="form" value="')[2].partition('"')[0]
        form = {"form": sealed, "username": "mira", "password": "wrong"}
        browser.post("/login", data=form, headers={"Origin": gateway.origin})


def logins(gateway: Installation) -> list[dict[str, Any]]:
    return gateway.json("audit", "tail", "--kind", "login.failed")


def test_an_erased_person_left_no_value_in_the_data_directory_and_the_audit_verifies(tmp_path: Path) -> None:
    gateway = install(tmp_path, registry={})
    signed_in_and_failed(gateway)
    data, backup = tmp_path / "data", tmp_path / "backup"
    [failed] = logins(gateway)
    assert failed["named"] == {"address": _ADDRESS}
    assert f'"address":"{_ADDRESS}"'.encode() not in everything(data / "audit")
    shutil.copytree(data / "audit", backup)

    told = gateway.json("audit", "erase", "--user", "mira", "--reason", "asked by her, ticket 7")
    assert told == {"user": "user:local/mira", "erased": True}
    [failed] = logins(gateway)
    assert [*failed["named"]["address"]] == ["erased"]
    [erased] = gateway.json("audit", "tail", "--kind", "audit.erased")
    assert erased["named"] == {"user": "user:local/mira", "reason": "asked by her, ticket 7"}
    assert erased["actor"].startswith("os:")

    # Neither here nor in a copy that was made before.
    for path in sorted(backup.glob("*.jsonl")):
        assert (data / "audit" / path.name).read_bytes().startswith(path.read_bytes())
    gateway.cli("audit", "verify")
    assert gateway.json("audit", "erase", "--user", "mira", "--reason", "again")["erased"] is False


def test_an_erasure_without_a_reason_is_refused(tmp_path: Path) -> None:
    gateway = install(tmp_path, registry={})
    with pytest.raises(CommandFailed, match="say why"):
        gateway.cli("audit", "erase", "--user", "mira", "--reason", " ")
    assert gateway.json("audit", "tail", "--kind", "audit.erased") == []
