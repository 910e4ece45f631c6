"""One key per person, in files: found, made and destroyed. Blocking; what is sealed with them is `erasure`'s.

    people.jsonl              one line per person: the key's id, and the key wrapped by the installation's
    installation-<id>.key     wraps them; a new one after every erasure

Destroying a key writes everybody else's anew under a new installation key and destroys the old one. So an
older copy of `people.jsonl` opens nothing, unless the installation key of that time was copied with it.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from base64 import b64decode, b64encode
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mcp_gateway.errors import OperatorError

_KEY_BYTES = 32
_NONCE_BYTES = 12
_PEOPLE = "people.jsonl"
_INSTALLATION = "installation-{}.key"
_LOCK = "lock"
_REMEDY = "bring the folder back from its backup, or accept the loss and move it away"


@dataclass(frozen=True, slots=True)
class PersonKey:
    user: str
    id: str
    key: bytes


class KeyFiles:
    """The folder of the keys; every method raises OSError or OperatorError."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._people = directory / _PEOPLE

    def stamp(self) -> tuple[int, int]:
        """Changes whenever a key was made or destroyed."""
        try:
            found = self._people.stat()
        except FileNotFoundError:
            return (0, 0)
        return (found.st_ino, found.st_size)

    def read(self) -> dict[str, PersonKey]:
        """Everybody's key by user."""
        try:
            return self._read()
        except OperatorError:
            # An erasure may have taken the installation's key between our two looks, and the next one is quick.
            with self._undisturbed():
                return self._read()

    def _read(self) -> dict[str, PersonKey]:
        try:
            lines = self._people.read_bytes().splitlines()
        except FileNotFoundError:
            return {}
        return {one.user: one for one in self._unwrapped(lines)}

    def make(self, user: str) -> PersonKey:
        """A key for `user`, on the disk when this returns; the one another process made meanwhile, if it did."""
        with self._locked():
            known = self._read().get(user)
            if known is not None:
                return known
            made = PersonKey(user, secrets.token_hex(8), secrets.token_bytes(_KEY_BYTES))
            by, wrapper = self._installation()
            _append(self._people, _wrapped(made, by, wrapper))
            _sync_directory(self._directory)
            return made

    def destroy(self, user: str) -> bool:
        """Make what was sealed for `user` unreadable for good; False when there was no key."""
        with self._locked():
            keys = self._read()
            if keys.pop(user, None) is None:
                return False
            former = list(self._directory.glob(_INSTALLATION.format("*")))
            by, wrapper = self._new_installation()
            self._replace(_wrapped(one, by, wrapper) for one in keys.values())
            for path in former:
                _shred(path)
            _sync_directory(self._directory)
            return True

    @contextmanager
    def _locked(self) -> Generator[None]:
        """Alone among processes; held for milliseconds, a key is made once per person."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self._directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    @contextmanager
    def _undisturbed(self) -> Generator[None]:
        """No key is made or destroyed meanwhile. A folder without a lock was never changed here."""
        try:
            handle = os.open(self._directory / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            yield
            return
        try:
            fcntl.flock(handle, fcntl.LOCK_SH)
            yield
        finally:
            os.close(handle)

    def _unwrapped(self, lines: Iterable[bytes]) -> Iterator[PersonKey]:
        wrappers: dict[str, bytes] = {}
        for number, line in enumerate(lines, start=1):
            try:
                found = cast("dict[str, Any]", orjson.loads(line))
                user, identifier, by = str(found["user"]), str(found["key"]), str(found["by"])
                if by not in wrappers:
                    wrappers[by] = self._wrapper(by)
                blob = b64decode(str(found["wrapped"]))
                key = AESGCM(wrappers[by]).decrypt(
                    blob[:_NONCE_BYTES], blob[_NONCE_BYTES:], _bound_to(user, identifier)
                )
            except (ValueError, KeyError, TypeError, InvalidTag, FileNotFoundError) as exc:
                raise OperatorError(
                    "a person's key cannot be read", where=f"{self._people}:{number}", remedy=_REMEDY
                ) from exc
            yield PersonKey(user, identifier, key)

    def _wrapper(self, identifier: str) -> bytes:
        return (self._directory / _INSTALLATION.format(identifier)).read_bytes()

    def _installation(self) -> tuple[str, bytes]:
        """The newest installation key; an erasure that was cut off leaves two."""
        found = sorted(self._directory.glob(_INSTALLATION.format("*")), key=lambda path: path.stat().st_mtime_ns)
        if not found:
            return self._new_installation()
        return found[-1].stem.removeprefix("installation-"), found[-1].read_bytes()

    def _new_installation(self) -> tuple[str, bytes]:
        identifier, key = secrets.token_hex(4), secrets.token_bytes(_KEY_BYTES)
        _write_new(self._directory / _INSTALLATION.format(identifier), key)
        _sync_directory(self._directory)
        return identifier, key

    def _replace(self, lines: Iterable[bytes]) -> None:
        fresh = self._directory / f".{_PEOPLE}.new"
        fresh.unlink(missing_ok=True)
        _write_new(fresh, b"".join(lines))
        fresh.replace(self._people)
        # The new keys must be on the disk before what wrapped the old ones goes.
        _sync_directory(self._directory)


def _wrapped(one: PersonKey, by: str, wrapper: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    blob = nonce + AESGCM(wrapper).encrypt(nonce, one.key, _bound_to(one.user, one.id))
    return orjson.dumps({"user": one.user, "key": one.id, "by": by, "wrapped": b64encode(blob).decode()}) + b"\n"


def _bound_to(user: str, identifier: str) -> bytes:
    return f"{user}\n{identifier}".encode()


def _append(path: Path, line: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        size = os.fstat(handle).st_size
        if os.write(handle, line) != len(line):
            os.ftruncate(handle, size)
            raise OSError("the disk took only part of a key")
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_new(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _shred(path: Path) -> None:
    """Overwritten before it is unlinked; what a drive keeps below the file system is out of reach."""
    with path.open("r+b") as file:
        file.write(os.urandom(_KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
    path.unlink()


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
