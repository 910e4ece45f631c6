"""Make the next checkpoint from what all writers' files hold: one process per data directory, off the call path. Blocking.

Not a task: `compose/checkpoints.py` runs it in a thread. A record is read once, also over restarts: how far each
open writer was read stands in `state.json`, which may be lost, then that writer is read again.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mcp_gateway.audit.checkpoint import Checkpoint, Covered, Pruned, Standing, public_text
from mcp_gateway.audit.checkpoint_follow import Damaged, Follower, Patience
from mcp_gateway.audit.checkpoint_key import SigningKeys
from mcp_gateway.audit.checkpoint_log import DIRECTORY, FILE_BYTES, CheckpointLog
from mcp_gateway.audit.record import parse
from mcp_gateway.audit.segments import SUFFIX

_ROUND_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Ours:
    """Where the writer of this very process stands; nobody can change that from outside."""

    writer: str
    seq: int
    head: str


@dataclass(frozen=True, slots=True)
class Made:
    checkpoint: Checkpoint | None
    """None when nothing was new."""
    damage: Mapping[str, str]
    """Writers whose files no longer hold what was written, found for the first time, and how that shows."""
    more: bool
    """There was more to read than one round takes."""


class Keeper:
    """`begin`, then `make` again and again, then `end`."""

    def __init__(
        self,
        audit: Path,
        keys: Path,
        *,
        round_bytes: int = _ROUND_BYTES,
        checkpoint_file_bytes: int = FILE_BYTES,
    ) -> None:
        self._audit = audit
        self._round_bytes = round_bytes
        self._keys = SigningKeys(keys)
        self._log = CheckpointLog(audit / DIRECTORY, roll_bytes=checkpoint_file_bytes)
        self._standing: Standing | None = None
        self._followers: dict[str, Follower] = {}
        self._pruned: dict[str, Pruned] = {}

    @property
    def directory(self) -> Path:
        return self._log.directory

    @property
    def standing(self) -> Standing | None:
        """None until `make` was called, and after it failed."""
        return self._standing

    def begin(self) -> bool:
        """False while another process keeps the checkpoints of this data directory."""
        return self._log.lock()

    def end(self) -> None:
        self._log.unlock()

    def make(self, *, at: float, ours: Ours | None = None) -> Made:
        """Cover everything that is on the disk. Raises OSError or OperatorError; the next call begins afresh."""
        standing = self._standing or self._load()
        self._standing = None
        patience = Patience(self._round_bytes)
        damage = self._follow(standing, ours, patience)
        checkpoint = self._sign(standing, at)
        self._standing = standing
        if checkpoint is not None:
            self._save()
        return Made(checkpoint, damage, more=patience.left <= 0)

    def _load(self) -> Standing:
        standing = self._log.load()
        standing.log = standing.log or secrets.token_hex(16)
        self._followers, self._pruned = {}, {}
        saved = self._saved()
        for writer in self._segments():
            self._new_follower(standing, writer, saved.get(writer))
        return standing

    def _new_follower(self, standing: Standing, writer: str, saved: Any = None) -> None:
        covered = standing.writers.get(writer)
        if covered is not None and covered.closed:
            return
        follower = Follower(self._audit, writer, covered.pruned if covered else None)
        if saved is not None:
            try:
                follower.restore(saved)
            except (ValueError, KeyError, TypeError):
                follower = Follower(self._audit, writer, covered.pruned if covered else None)
        self._followers[writer] = follower

    def _follow(self, standing: Standing, ours: Ours | None, patience: Patience) -> dict[str, str]:
        damage: dict[str, str] = {}
        any_taken = False
        for writer, numbers in self._segments().items():
            if writer not in self._followers:
                self._new_follower(standing, writer)
            follower = self._followers.get(writer)
            if follower is None or follower.closed or follower.damage:
                continue
            us = ours if ours is not None and ours.writer == writer else None
            landmarks = _landmarks(standing.writers.get(writer), us)
            try:
                taken = follower.advance(numbers, landmarks, self._notice, patience, ours=us is not None)
                any_taken = any_taken or taken
            except FileNotFoundError:
                # Gone since we looked, or under retention: the next look tells.
                continue
            except Damaged as exc:
                follower.damage = damage[writer] = str(exc)
        if any_taken:
            self._sync_names()
        return damage

    def _sign(self, standing: Standing, at: float) -> Checkpoint | None:
        changed = [one for one in self._told(standing) if standing.writers.get(one.writer) != one]
        newest = self._keys.newest()
        # Whoever pinned a key before the first checkpoint is led on from it, too.
        public = standing.signer or self._keys.public()[0]
        signer = self._keys.named(public)
        rotates = signer is not None and public != public_text(newest)
        if not changed and not rotates:
            return None
        checkpoint = standing.sign(
            changed,
            signer or newest,
            at=at,
            full=self._log.begins_file,
            next_key=public_text(newest) if rotates else None,
        )
        self._log.append(checkpoint)
        return checkpoint

    def _told(self, standing: Standing) -> list[Covered]:
        told: list[Covered] = []
        for writer, follower in self._followers.items():
            covered = standing.writers.get(writer)
            pruned = self._pruned.get(writer) or (covered.pruned if covered else None)
            # What is damaged is vouched for no further than before.
            if follower.size and not follower.damage:
                told.append(follower.covered(pruned))
        for writer, pruned in self._pruned.items():
            covered = standing.writers.get(writer)
            if covered is not None and (writer not in self._followers or self._followers[writer].damage):
                told.append(covered.model_copy(update={"pruned": pruned}))
        self._pruned = {}
        return told

    def _notice(self, line: bytes) -> None:
        """A record declares that a part of a writer may be missing."""
        declared = declared_pruned(parse(line))
        if declared is not None:
            self._pruned[declared[0]] = declared[1]

    def _segments(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        with os.scandir(self._audit) as entries:
            for entry in entries:
                writer, dash, number = entry.name.removesuffix(SUFFIX).rpartition("-")
                if dash and number.isdigit() and entry.name.endswith(SUFFIX):
                    found.setdefault(writer, []).append(int(number))
        return {writer: sorted(numbers) for writer, numbers in sorted(found.items())}

    def _saved(self) -> Mapping[str, Any]:
        try:
            saved: Any = json.loads((self.directory / "state.json").read_bytes())
            return dict(saved["writers"])
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def _save(self) -> None:
        for writer in [writer for writer, follower in self._followers.items() if follower.closed]:
            del self._followers[writer]
        open_ = {writer: one.saved() for writer, one in self._followers.items() if not one.damage}
        write_whole(self.directory / "state.json", {"writers": open_})

    def _sync_names(self) -> None:
        handle = os.open(self._audit, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def declared_pruned(record: Mapping[str, Any]) -> tuple[str, Pruned] | None:
    """The writer and the part that an `audit.pruned` record declares; None when it declares nothing."""
    named: Any = record.get("named")
    try:
        members = {name: named[name] for name in ("seq", "hash", "peaks")}
        return str(named["writer"]), Pruned.model_validate(members)
    except (KeyError, TypeError, ValidationError):
        return None


def write_whole(path: Path, value: Mapping[str, Any]) -> None:
    """Complete or not at all; what it replaces stays until then."""
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(value), encoding="utf-8")
    temporary.chmod(0o600)
    temporary.replace(path)


def _landmarks(covered: Covered | None, ours: Ours | None) -> dict[int, str]:
    found = {covered.size: covered.head} if covered else {}
    if ours is not None and ours.seq:
        found[ours.seq] = ours.head
    return found
