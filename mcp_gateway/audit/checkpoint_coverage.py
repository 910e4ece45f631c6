"""What checkpoints cover, for those who ask: status, retention, doctor. Only reads files; blocking.

`status.json` is written by whoever keeps the checkpoints, after each; it is for people and never evidence.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp_gateway.audit.checkpoint import Pruned, fingerprint, read
from mcp_gateway.audit.checkpoint_keeper import write_whole
from mcp_gateway.audit.checkpoint_log import DIRECTORY, checkpoint_files, lines_of, standing_at
from mcp_gateway.audit.merkle import Frontier, leaf_hash
from mcp_gateway.audit.segments import SUFFIX
from mcp_gateway.audit.verify_source import seq_of
from mcp_gateway.errors import OperatorError

_STATUS = "status.json"


@dataclass(frozen=True, slots=True)
class Status:
    number: int
    """Of the newest checkpoint; 0 when there is none."""
    at: float | None
    key: str
    """Its signer's fingerprint."""
    records: int
    places: Mapping[str, Mapping[str, Any]]
    """Of each second place: `delivered` up to which number, `at`, and while it fails `failing_since` and `error`."""
    damage: Mapping[str, str]
    """Writers whose files no longer hold what was written."""


def status(audit: Path) -> Status:
    """Raises OperatorError when the newest checkpoints cannot be read."""
    told = read_status(audit)
    places, damage = _places(told), dict[str, str](told.get("damage") or {})
    newest = None
    for path in reversed(checkpoint_files(audit / DIRECTORY)):
        for line in lines_of(path):
            newest = line
        if newest is not None:
            break
    if newest is None:
        return Status(0, None, "", 0, places, damage)
    try:
        said = read(newest).said
    except ValueError as exc:
        raise OperatorError(
            "the newest checkpoint is none", where=str(audit), remedy="mcp-gateway audit verify"
        ) from exc
    return Status(said.number, said.at, fingerprint(said.key), said.records, places, damage)


def covered(audit: Path, *, delivered: bool = False) -> Mapping[str, int]:
    """How many records of each writer checkpoints vouch for; `delivered`: those every second place has."""
    places = _places(read_status(audit)).values() if delivered else ()
    upto = min((int(place["delivered"]) for place in places), default=None)
    if upto == 0:
        return {}
    return {writer: one.size for writer, one in standing_at(audit / DIRECTORY, upto).writers.items()}


def tombstone(audit: Path, writer: str, upto: int) -> Mapping[str, Any]:
    """What an `audit.pruned` event has to name before files with the records up to segment `upto` go, all of them.

    Reads what is to be removed. Raises OperatorError when a record of it is missing or no checkpoint covers it.
    """
    standing = standing_at(audit / DIRECTORY)
    vouched = standing.writers.get(writer)
    before = vouched.pruned if vouched else None
    tree, head = (before.frontier(), before.hash) if before else (Frontier(), "")
    skip = tree.size
    for path in sorted(audit.glob(f"{writer}-*{SUFFIX}")):
        if int(path.stem.rpartition("-")[2]) > upto:
            break
        for line in lines_of(path):
            seq = seq_of(line)
            if seq <= skip:
                continue
            if seq != tree.size + 1:
                remedy = "mcp-gateway audit verify"
                raise OperatorError("records are missing; this is not pruned", where=str(path), remedy=remedy)
            head = line[9:73].decode("ascii")
            tree.add(leaf_hash(bytes.fromhex(head)))
    if vouched is None or not tree.size or tree.size > vouched.size:
        where, remedy = f"{writer}:{tree.size}", "mcp-gateway audit checkpoint --now"
        raise OperatorError("no checkpoint covers what would be removed", where=where, remedy=remedy)
    made = Pruned(seq=tree.size, hash=head, peaks=[peak.hex() for peak in tree.peaks])
    return {"writer": writer, **made.model_dump()}


def _places(told: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    places: Any = told.get("places") or {}
    return dict(places)


def read_status(audit: Path) -> Mapping[str, Any]:
    try:
        return dict(json.loads((audit / DIRECTORY / _STATUS).read_bytes()))
    except (OSError, ValueError, TypeError):
        return {}


def write_status(audit: Path, *, places: Mapping[str, Mapping[str, Any]], damage: Mapping[str, str]) -> None:
    write_whole(audit / DIRECTORY / _STATUS, {"places": places, "damage": damage})
