"""What the gateway shows an upstream of itself: nothing, or a header whose value stands in a secret file.

The client's token cannot be here: a Permit does not carry it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from mcp_gateway.errors import UpstreamUnavailable
from mcp_gateway.model.tool import HttpTransport

_MAX_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Credential:
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    version: str = ""
    """Changes with the value, so a session never outlives the credential it was opened with."""


NO_CREDENTIAL = Credential()


class Credentials:
    """Reads `secrets/<file>` again when the file changes."""

    def __init__(self, secrets: Path, transport: HttpTransport) -> None:
        self._header = transport.credential_header
        self._name = transport.credential_file
        self._path = secrets / self._name if self._name is not None else None
        self._seen: tuple[int, int, int] | None = None
        self._credential = NO_CREDENTIAL

    def current(self) -> Credential:
        """Raises UpstreamUnavailable that names the file, never its content."""
        if self._path is None or self._header is None:
            return NO_CREDENTIAL
        if self._name != self._path.name or self._name in {".", ".."}:
            raise self._unusable("is not a plain file name")
        try:
            stat = self._path.stat()
            seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if seen != self._seen:
                self._credential = self._read(self._path, self._header)
                self._seen = seen
        except OSError as exc:
            self._seen = None
            raise self._unusable("cannot be read") from exc
        return self._credential

    def _read(self, path: Path, header: str) -> Credential:
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1).strip()
        if not raw or len(raw) > _MAX_BYTES:
            raise self._unusable("is empty or too long")
        if not all(0x20 <= byte < 0x7F for byte in raw):
            raise self._unusable("has a character that no header can carry")
        return Credential(((header, raw.decode("ascii")),), hashlib.sha256(raw).hexdigest())

    def _unusable(self, why: str) -> UpstreamUnavailable:
        return UpstreamUnavailable(f"secret file {self._name} {why}")
