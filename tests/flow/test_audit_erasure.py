"""What is erased of a person stands nowhere in the data directory, and the audit still verifies."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.gateway import CommandFailed, Installation, install, sample_tickets
from tests.support.processes import ROOT, tickets_server
from tests.support.wire import ModernClient

pytestmark = pytest.mark.anyio

_ADDRESS = "127.0.0.1"


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def signed_in_and_failed(gateway: Installation) -> None:
    """Somebody who mistypes the password, and somebody nobody knows; recorded with the address they came from."""
    gateway.cli("user", "add", "mira", "--password-stdin", stdin="correct horse battery staple")
    with gateway.serving(), httpx2.Client(base_url=gateway.origin, trust_env=False) as browser:
        page = browser.get("/login", params={"next": "/catalog"})
        sealed = page.text.partition('name="form" value="')[2].partition('"')[0]
        for name in ("mira", "nobody"):
            form = {"form": sealed, "username": name, "password": "wrong"}
            browser.post("/login", data=form, headers={"Origin": gateway.origin})


def logins(gateway: Installation) -> list[dict[str, Any]]:
    return gateway.json("audit", "tail", "--kind", "login.failed")[::-1]


def test_an_erased_person_left_no_value_in_the_data_directory_and_the_audit_verifies(tmp_path: Path) -> None:
    gateway = install(tmp_path, registry={})
    signed_in_and_failed(gateway)
    data, backup = tmp_path / "data", tmp_path / "backup"
    unknown, failed = logins(gateway)
    assert failed["named"]["address"] == unknown["named"]["address"] == _ADDRESS
    assert f'"address":"{_ADDRESS}"'.encode() not in everything(data / "audit")
    shutil.copytree(data / "audit", backup)

    told = gateway.json("audit", "erase", "--user", "mira", "--reason", "asked by her, ticket 7")
    assert told == {"user": "user:local/mira", "erased": True}
    unknown, failed = logins(gateway)
    assert [*failed["named"]["address"]] == ["erased"]
    assert unknown["named"]["address"] == _ADDRESS
    assert gateway.json("audit", "erase", "--user", "user:unknown", "--reason", "old")["erased"] is True
    erased, _ = gateway.json("audit", "tail", "--kind", "audit.erased")
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


async def test_an_argument_a_policy_names_is_read_by_auditors_until_it_is_erased(tmp_path: Path) -> None:
    words, asked_for = "Ward 7 bed 2", "ticket_comment: {risk: write,"
    with tickets_server() as url:
        entry = sample_tickets(url).replace(asked_for, f"{asked_for} record: [/text],")
        gateway = install(tmp_path, registry={"tickets": entry})
        gateway.cli("access", "import", str(ROOT / "examples/tickets/relationships.yaml"))
        gateway.add_user("mira", calls="tickets")
        gateway.cli("access", "add", "user:mira", "editor", "project:tickets/PAY")
        gateway.let_agent_act("docs-assistant", "mira", server="tickets")
        with gateway.serving():
            gateway.wait_for_tools("tickets", count=9)
            token = gateway.token(user="mira", agent="docs-assistant", server="tickets")
            async with httpx2.AsyncClient(timeout=20, trust_env=False) as http:
                client = ModernClient(http, gateway.endpoint("tickets"), token)
                await client.call("ticket_comment", {"id": "T-391", "text": words})
    [intent] = gateway.json("audit", "search", "--kind", "intent", "--tool", "tickets/ticket_comment")
    assert intent["recorded"] == {"/text": words}
    table, shown = tmp_path / "shown.csv", tmp_path / "sealed.jsonl"
    gateway.cli("audit", "export", "-o", str(table), "--format", "csv", "--reveal")
    gateway.cli("audit", "export", "-o", str(shown))
    assert words in table.read_text()
    assert words not in shown.read_text()
    table.unlink()

    gateway.cli("audit", "erase", "--user", "mira", "--reason", "asked by her")
    assert words.encode() not in everything(tmp_path / "data")
    [intent] = gateway.json("audit", "show", intent["request"])[:1]
    assert [*intent["recorded"]["/text"]] == ["erased"]
    gateway.cli("audit", "verify")
    gateway.cli("audit", "verify", str(shown))
