"""The data directory: what lies where, and that only its owner can look inside."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from mcp_gateway.errors import OperatorError

_SEAL_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class DataDir:
    root: Path

    @property
    def database(self) -> Path:
        return self.root / "gateway.db"

    @property
    def audit(self) -> Path:
        return self.root / "audit"

    @property
    def audit_index(self) -> Path:
        """What is searched; may be removed at any time."""
        return self.root / "index" / "audit.db"

    @property
    def keys(self) -> Path:
        return self.root / "keys"

    @property
    def people(self) -> Path:
        """The keys values of people are sealed with."""
        return self.keys / "people"

    @property
    def secrets(self) -> Path:
        return self.root / "secrets"

    @property
    def users(self) -> Path:
        return self.root / "users.yaml"

    def prepare(self) -> None:
        """Create what is missing, 0700; raises OperatorError when others could read it or we cannot write it."""
        try:
            for directory in (self.root, self.audit, self.keys, self.secrets):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            mode = self.root.stat().st_mode & 0o077
        except OSError as exc:
            raise OperatorError("the data directory cannot be used", where=str(self.root)) from exc
        if mode:
            raise OperatorError(
                "the data directory is open to others; it holds keys and users",
                where=str(self.root),
                remedy=f"chmod 700 {self.root}",
            )

    def seal_keys(self) -> list[bytes]:
        """The ring that seals session ids and cursors, newest first; made at the first start."""
        ring = sorted(self.keys.glob("seal-*.key"), reverse=True)
        if not ring:
            path = self.keys / "seal-0001.key"
            try:
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                return self.seal_keys()  # another process was faster
            with os.fdopen(descriptor, "wb") as file:
                file.write(os.urandom(_SEAL_KEY_BYTES))
            ring = [path]
        return [path.read_bytes() for path in ring]
