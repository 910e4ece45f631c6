"""The ES256 signing keys in the data directory's `keys/`: one PEM file per key, 0600, named by its `kid`.

The newest signs; every one that is still there verifies, so rotation breaks no token. A `kid` sorts
by age. Another process may add or remove a file; it is noticed at the next look at any key.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

from mcp_gateway.errors import OperatorError, Unauthenticated

ALGORITHM = "ES256"
_SETTLED_NANOSECONDS = 100_000_000
_FILE = re.compile(r"signing-([0-9]{8}T[0-9]{6}-[0-9a-f]{8})\.pem\Z")


class KeyRing:
    """Never empty: the first key is made on the first opening."""

    def __init__(self, directory: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._directory = directory
        self._clock = clock
        self._keys: Mapping[str, ECKey] = {}
        self._seen = -1
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._refresh()
        if not self._keys:
            self.rotate()

    @property
    def current(self) -> ECKey:
        """The key that signs."""
        self._refresh()
        return self._keys[max(self._keys)]

    def rotate(self) -> str:
        """Add a key that signs from now on; returns its `kid`. Older ones go on verifying."""
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(self._clock()))
        kid = f"{stamp}-{secrets.token_hex(4)}"
        pem = ECKey.generate_key("P-256").as_pem(private=True)
        _write_private(self._directory / f"signing-{kid}.pem", pem)
        self._refresh()
        return kid

    def jwks(self) -> dict[str, Any]:
        """The public halves (RFC 7517)."""
        self._refresh()
        return {"keys": [key.as_dict(private=False) for _, key in sorted(self._keys.items())]}

    def verifying(self) -> KeySet:
        self._refresh()
        return KeySet(list(self._keys.values()))

    async def key(self, kid: str | None) -> ECKey:
        """The key a token's header names; raises Unauthenticated when there is none such."""
        # Looked at also when the key is known: a file that was removed must stop counting.
        self._refresh()
        found = self._keys.get(kid or "")
        if found is None:
            raise Unauthenticated("the token names a key its issuer does not have")
        return found

    def _refresh(self) -> None:
        version = self._directory.stat().st_mtime_ns
        # Two changes within one tick of the file system's clock leave the same time.
        settled = time.time_ns() - version > _SETTLED_NANOSECONDS
        if settled and version == self._seen:
            return
        names = ((path, _FILE.match(path.name)) for path in self._directory.iterdir())
        self._keys = {name.group(1): _read(path, name.group(1)) for path, name in names if name}
        self._seen = version


def _read(path: Path, kid: str) -> ECKey:
    try:
        return ECKey.import_key(path.read_bytes(), {"kid": kid, "use": "sig", "alg": ALGORITHM})
    except (OSError, JoseError, ValueError, TypeError) as exc:
        raise OperatorError("the signing key cannot be read", where=str(path), remedy="restore or remove it") from exc


def _write_private(path: Path, content: bytes) -> None:
    """Complete or not there at all; readable by the owner only from its first byte."""
    temporary = path.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
