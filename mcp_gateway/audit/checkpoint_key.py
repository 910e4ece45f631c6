"""The Ed25519 keys that sign checkpoints: `audit-<n>.pem` in the data directory's `keys/`, 0600; the newest signs.

Keys of their own: whoever can make tokens cannot vouch for the audit, and the other way round.
"""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from mcp_gateway.audit.checkpoint import from_base64, public_text
from mcp_gateway.errors import OperatorError

_PEM = serialization.Encoding.PEM


class SigningKeys:
    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def newest(self) -> Ed25519PrivateKey:
        """The key that signs; made when there is none."""
        return _read(self._paths()[-1]) if self._paths() else self.add()

    def named(self, public: str) -> Ed25519PrivateKey | None:
        return next((key for key in map(_read, reversed(self._paths())) if public_text(key) == public), None)

    def public(self) -> list[str]:
        """The public halves as checkpoints name them, oldest first."""
        return [public_text(_read(path)) for path in self._paths()]

    def add(self) -> Ed25519PrivateKey:
        """A new key; the next checkpoint announces it, signed by the one before."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = Ed25519PrivateKey.generate()
        number = int(self._paths()[-1].stem.rpartition("-")[2]) if self._paths() else 0
        path = self._directory / f"audit-{number + 1:04d}.pem"
        content = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        try:
            _write_private(path, content)
        except FileExistsError:
            return _read(path)  # another process was faster
        return key

    def _paths(self) -> list[Path]:
        return sorted(self._directory.glob("audit-*.pem"))


def public_pem(public: str) -> str:
    key = Ed25519PublicKey.from_public_bytes(from_base64(public))
    return key.public_bytes(_PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def read_public(path: Path) -> str:
    """The public key in the PEM file `path`; raises OperatorError when there is none."""
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as exc:
        raise _unreadable(path) from exc
    if not isinstance(key, Ed25519PublicKey):
        raise _unreadable(path)
    return public_text(key)


def _unreadable(path: Path) -> OperatorError:
    remedy = "mcp-gateway audit key prints the public key of an installation"
    return OperatorError("this is no Ed25519 public key in PEM", where=str(path), remedy=remedy)


def _read(path: Path) -> Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise OperatorError("the audit's key cannot be read", where=str(path), remedy="restore it") from exc
    if not isinstance(key, Ed25519PrivateKey):
        raise OperatorError("the audit's key is not an Ed25519 key", where=str(path), remedy="restore it")
    return key


def _write_private(path: Path, content: bytes) -> None:
    """Complete or not there at all, never over another file; readable by the owner only from its first byte."""
    temporary = path.with_suffix(f".{os.getpid()}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(temporary, path)
    finally:
        temporary.unlink()
