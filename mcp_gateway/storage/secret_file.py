"""Secrets the operator keeps in files of their own."""

from __future__ import annotations

from pathlib import Path

from mcp_gateway.errors import OperatorError

_MAX_SECRET_BYTES = 16_384


def secret_of(path: Path) -> str:
    """The first line of a secret file; OperatorError when it is missing, open to others, or nonsense."""
    path = path.absolute()  # so that an error says where it was looked for
    try:
        mode, content = path.stat().st_mode, path.read_bytes()
    except OSError as exc:
        raise OperatorError("the secret file cannot be read", where=str(path)) from exc
    if mode & 0o077:
        raise OperatorError("the secret file is open to others", where=str(path), remedy=f"chmod 600 {path}")
    secret = content[:_MAX_SECRET_BYTES].decode("utf-8", "replace").strip()
    if not secret or not secret.isascii() or not secret.isprintable():
        raise OperatorError("the secret file does not hold one line of printable characters", where=str(path))
    return secret
