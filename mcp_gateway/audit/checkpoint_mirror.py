"""Checkpoints in a second directory: the same lines in the same files, under a folder of this installation. Blocking.

Never makes the directory itself, lest a missing mount fills this disk; never changes a line that is there.
"""

from __future__ import annotations

import os
from pathlib import Path

from mcp_gateway.audit.checkpoint_log import append_durably, checkpoint_files


class Contradicted(Exception):
    """The second place has other checkpoints than we have: one of the two was changed."""


def mirror(directory: Path, log: str, second: Path) -> None:
    """Bring `second` to what `directory` has; raises OSError, or Contradicted."""
    if not second.is_dir():
        raise FileNotFoundError(2, "the directory is not there", str(second))
    folder = second / log
    folder.mkdir(mode=0o700, exist_ok=True)
    ours = {path.name: path for path in checkpoint_files(directory)}
    for theirs in checkpoint_files(folder):
        if theirs.name not in ours:
            raise Contradicted(f"{theirs.name} is in the second place and not here")
    newest = max((path.name for path in checkpoint_files(folder)), default="")
    for name, path in ours.items():
        # Files before the newest there are complete, and were compared when they were.
        if name >= newest:
            _bring(path, folder / name)


def _bring(ours: Path, theirs: Path) -> None:
    here = ours.read_bytes()
    here = here[: here.rfind(b"\n") + 1]
    there = theirs.read_bytes() if theirs.exists() else b""
    whole = there[: there.rfind(b"\n") + 1]
    if not here.startswith(whole):
        raise Contradicted(f"{ours.name} is not what the second place has")
    if len(whole) != len(there):
        # A process was killed while it wrote.
        os.truncate(theirs, len(whole))
    if len(whole) < len(here):
        append_durably(theirs, here[len(whole) :])
