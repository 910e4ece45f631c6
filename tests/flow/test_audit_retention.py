"""Old audit files go under retention and only then; what is left verifies and says what went."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.gateway import CommandFailed, Installation, install
from tests.unit.audit.trails import Hand, Trailed

_DAY = 86_400.0


def installed(folder: Path, **audit: Any) -> tuple[Installation, Hand]:
    """A gateway of some days: a writer that ended wrote the day before yesterday, and a checkpoint covers it."""
    gateway = install(folder, registry={}, audit=audit)
    old = Trailed(folder / "data").writer()
    for number in range(60):
        named = {"object": "server:antique"}
        old.write({"kind": "access.added", "actor": "os:test", "named": named}, at=time.time() - 2 * _DAY + number)
    old.end()
    gateway.cli("audit", "key")
    gateway.cli("audit", "checkpoint", "--now")
    return gateway, old


def files_of(gateway: Installation, writer: Hand) -> list[Path]:
    return list((gateway.folder / "data" / "audit").glob(f"{writer.id}-*.jsonl"))


def test_what_is_older_than_the_retention_goes_and_the_rest_verifies(tmp_path: Path) -> None:
    gateway, old = installed(tmp_path, retention_days=1)
    assert len(gateway.json("audit", "search", "antique", "--limit", "100")) == 60
    planned = gateway.json("audit", "prune", "--dry-run")
    assert sorted(planned["removed"][0]["files"]) == sorted(path.name for path in files_of(gateway, old))
    assert len(files_of(gateway, old)) > 1
    assert gateway.json("audit", "prune")["removed"] == planned["removed"]
    assert files_of(gateway, old) == []
    gateway.cli("audit", "verify")
    [pruned] = gateway.json("audit", "tail", "--kind", "audit.pruned")
    assert (pruned["named"]["writer"], pruned["named"]["seq"]) == (old.id, 60)
    assert pruned["actor"].startswith("os:")
    assert gateway.json("audit", "search", "antique") == []
    assert gateway.json("audit", "prune")["removed"] == []
    assert [record["kind"] for record in gateway.json("audit", "tail")][:1] == ["setup"]


def test_a_legal_hold_and_a_missing_retention_keep_everything(tmp_path: Path) -> None:
    held, old = installed(tmp_path / "held", retention_days=1, hold=True)
    with pytest.raises(CommandFailed, match="a legal hold keeps the whole audit"):
        held.cli("audit", "prune")
    assert files_of(held, old)
    endless, old = installed(tmp_path / "endless")
    with pytest.raises(CommandFailed, match="the audit is kept for ever"):
        endless.cli("audit", "prune")
    assert files_of(endless, old)


def test_nothing_goes_before_its_checkpoint_and_its_records_are_elsewhere(tmp_path: Path) -> None:
    second, copies = tmp_path / "second", tmp_path / "copies"
    second.mkdir()
    gateway, old = installed(tmp_path / "a", retention_days=1, checkpoints={"directory": str(second)})
    (gateway.folder / "data" / "audit" / "checkpoints" / "status.json").unlink(missing_ok=True)
    assert gateway.json("audit", "prune")["removed"] == [], "nobody knows that the second place has it"
    assert files_of(gateway, old)
    copies.mkdir()
    unsent, old = installed(tmp_path / "b", retention_days=1, sinks=[{"type": "file", "directory": str(copies)}])
    assert unsent.json("audit", "prune")["removed"] == [], "the sink has had nothing yet"
    assert files_of(unsent, old)
