"""Values about people, sealed in the records and readable as long as their person's key exists.

    seal = personal.sealed_for("user:local/mira")
    seal("T-391")            {"sealed": "<key id>.<nonce and ciphertext>"}, what stands in the record
    personal.opened(record)  the record with such values in the clear, or {"erased": "<key id>"} in their place
    personal.erase(user)     destroys the key: the records stay as they are, and the chain over them too

Only values: the ids of people are what an audit is about, and stay. AES-256-GCM, bound to the person.
"""

from __future__ import annotations

import os
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias, cast

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mcp_gateway.audit.erasure_keys import KeyFiles, PersonKey
from mcp_gateway.audit.record import Fields, Record, plain
from mcp_gateway.errors import AuditUnavailable, OperatorError

Sealed: TypeAlias = dict[str, str]
Seal: TypeAlias = Callable[[object], Sealed]

_NONCE_BYTES = 12
_LOOK_SECONDS = 1.0
"""How long a destroyed key may still be used for sealing by a process that has it."""

MAX_BYTES = 4096
"""Of one value as JSON; a longer one is cut, as text."""

PERSONAL = frozenset({"address"})
"""What events name of a person beyond ids."""


class Personal:
    """The keys of one installation; kept in memory once read, so sealing reads no file but to see an erasure."""

    def __init__(self, directory: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._files = KeyFiles(directory)
        self._clock = clock
        self._seals: dict[str, Seal] = {}
        self._keys: dict[str, PersonKey] = {}
        self._stamp = (-1, -1)
        self._looked_at = float("-inf")

    def sealed_for(self, user: str) -> Seal:
        """What seals values of `user`; the first time a key is made. Raises AuditUnavailable when it cannot be kept."""
        try:
            self._look()
            seal = self._seals.get(user)
            if seal is None:
                key = self._keys[user] = self._keys.get(user) or self._files.make(user)
                seal = self._seals[user] = _seal(key)
        except (OSError, OperatorError) as exc:
            raise AuditUnavailable("the keys of people cannot be used") from exc
        return seal

    def of_event(self, actor: str, named: Mapping[str, object]) -> Fields:
        """`named` of an event by `actor`, with what is personal sealed."""
        if PERSONAL.isdisjoint(named):
            return dict(named)
        seal = self.sealed_for(actor)
        return {name: seal(value) if name in PERSONAL and value else value for name, value in named.items()}

    def opened(self, record: Record) -> Record:
        """`record` as a person reads it. Raises OperatorError when the keys are there and cannot be read."""
        try:
            self._looked_at = float("-inf")
            self._look()
        except OSError as exc:
            raise OperatorError(
                "the keys of people cannot be read", remedy="run it as who owns the data directory"
            ) from exc
        return cast("Record", self._open(record, {one.id: one for one in self._keys.values()}))

    def erase(self, user: str) -> bool:
        """Destroy the key of `user`; False when nothing was ever sealed for it. Raises OSError or OperatorError."""
        destroyed = self._files.destroy(user)
        self._looked_at = float("-inf")
        return destroyed

    def _look(self) -> None:
        now = self._clock()
        if now - self._looked_at < _LOOK_SECONDS:
            return
        stamp = self._files.stamp()
        if stamp != self._stamp:
            self._keys = self._files.read()
            self._seals.clear()
            self._stamp = stamp
        self._looked_at = now

    def _open(self, value: Any, keys: Mapping[str, PersonKey]) -> Any:
        if isinstance(value, dict):
            members = cast("dict[str, Any]", value)
            if is_sealed(members):
                return _opened(str(members["sealed"]), keys)
            return {name: self._open(member, keys) for name, member in members.items()}
        if isinstance(value, list):
            return [self._open(item, keys) for item in cast("list[Any]", value)]
        return value


def is_sealed(value: object) -> bool:
    return isinstance(value, dict) and set(cast("dict[str, Any]", value)) == {"sealed"}


def _seal(one: PersonKey) -> Seal:
    cipher, bound, start = AESGCM(one.key), one.user.encode(), f"{one.id}."

    def seal(value: object) -> Sealed:
        nonce = os.urandom(_NONCE_BYTES)
        return {"sealed": start + urlsafe_b64encode(nonce + cipher.encrypt(nonce, _json(value), bound)).decode()}

    return seal


def _json(value: object) -> bytes:
    try:
        text = orjson.dumps(value)
    except TypeError:
        text = orjson.dumps(plain(value))
    return text if len(text) <= MAX_BYTES else orjson.dumps(text[:MAX_BYTES].decode("utf-8", "ignore") + "…")


def _opened(text: str, keys: Mapping[str, PersonKey]) -> Any:
    identifier, _, encoded = text.partition(".")
    key = keys.get(identifier)
    if key is None:
        return {"erased": identifier}
    try:
        blob = urlsafe_b64decode(encoded)
        return orjson.loads(AESGCM(key.key).decrypt(blob[:_NONCE_BYTES], blob[_NONCE_BYTES:], key.user.encode()))
    except (ValueError, InvalidTag):
        return {"unreadable": identifier}
