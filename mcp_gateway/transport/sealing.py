"""Opaque values that leave us and come back: session ids and cursors, sealed with AES-256-GCM.

A sealed value is bound to its purpose, principal and audience and expires; a foreign, altered,
expired or unknown one is refused alike. The newest key seals, every key of the ring opens.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12
_MAX_SEALED = 4096


class Sealer:
    def __init__(self, keys: Sequence[bytes], *, clock: Callable[[], float]) -> None:
        self._ring = [AESGCM(key) for key in keys]
        self._clock = clock

    def seal(self, purpose: str, binding: str, content: Mapping[str, Any], *, seconds: float) -> str:
        """`content` as URL-safe text that only `open` with the same purpose and binding reads."""
        plain = orjson.dumps({"e": int(self._clock() + seconds), "c": content})
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + self._ring[0].encrypt(nonce, plain, _context(purpose, binding))
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def open(self, purpose: str, binding: str, sealed: str, *, limit: int = _MAX_SEALED) -> Mapping[str, Any] | None:
        """The content, or None for anything that is not ours, not for this binding, too old, or beyond `limit`."""
        if len(sealed) > limit or not sealed.isascii():
            return None
        try:
            raw = base64.b64decode(sealed + "=" * (-len(sealed) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        for key in self._ring:
            try:
                plain = key.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _context(purpose, binding))
            except (InvalidTag, ValueError):
                continue
            value = cast("dict[str, Any]", orjson.loads(plain))
            return value["c"] if value["e"] > self._clock() else None
        return None


def _context(purpose: str, binding: str) -> bytes:
    return f"{purpose}\0{binding}".encode()
