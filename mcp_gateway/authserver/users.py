"""The people who can log in: `users.yaml` in the data directory, 0600, passwords as Argon2id hashes.

Says who a person is, never what they may do. Every change rewrites the file whole under a lock on
its directory, so readers see the old or the new one; a running gateway sees it at the next login.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from pydantic import BaseModel, ConfigDict, ValidationError

from mcp_gateway.errors import OperatorError
from mcp_gateway.model.ids import LOCAL_ISSUER, UserId, user_id

FIRST_USER = "admin"
MIN_PASSWORD = 8
MAX_PASSWORD = 256
"""Argon2 reads all of it; a longer one only costs time."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}\Z")


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    password: str
    since: str


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    users: dict[str, _Entry] = {}


@dataclass(frozen=True, slots=True)
class UserRow:
    name: str
    id: UserId
    since: str
    """ISO 8601, when the password was set."""


class Users:
    def __init__(self, path: Path, *, hasher: PasswordHasher | None = None) -> None:
        """`hasher`: Argon2id with the parameters of RFC 9106 §4 (64 MiB) unless said otherwise."""
        self._path = path
        self._hasher = hasher or PasswordHasher()
        self._seen: tuple[int, int] | None = None
        self._entries: Mapping[str, _Entry] = {}
        self._nobody = ""

    def rows(self) -> list[UserRow]:
        return [UserRow(name, user_id(LOCAL_ISSUER, name), entry.since) for name, entry in sorted(self._read().items())]

    def name_of(self, user: UserId) -> str | None:
        """The login name of `user`, None when there is no such user any more."""
        return next((name for name in self._read() if user_id(LOCAL_ISSUER, name) == user), None)

    def verify(self, name: str, password: str) -> bool:
        """Costs about 50 ms CPU whether the name exists or not: run it in a worker thread."""
        # Compared for names that do not exist, so that they take the same time; made at the first look at any name.
        self._nobody = self._nobody or self._hasher.hash(secrets.token_hex(16))
        entry = self._read().get(name)
        try:
            matches = self._hasher.verify(entry.password if entry else self._nobody, password[: MAX_PASSWORD + 1])
        except (VerificationError, InvalidHashError):
            return False
        return matches and entry is not None

    def fingerprint(self, name: str) -> str | None:
        """Changes with the password; None when there is no such user. Ends logins made before the change."""
        entry = self._read().get(name)
        return hashlib.sha256(entry.password.encode()).hexdigest()[:16] if entry else None

    def add(self, name: str, password: str) -> UserRow:
        if not _NAME.match(name):
            raise OperatorError(
                "a user name has 1 to 63 of a-z 0-9 . _ - and begins with a letter or digit", where=name[:64]
            )
        with self._changing() as entries:
            if name in entries:
                raise OperatorError(
                    "this user exists", where=name, remedy=f"mcp-gateway user password {name} sets a new password"
                )
            entries[name] = self._entry(password)
        return next(row for row in self.rows() if row.name == name)

    def set_password(self, name: str, password: str) -> None:
        with self._changing() as entries:
            _known(name, entries)
            entries[name] = self._entry(password)

    def remove(self, name: str) -> None:
        with self._changing() as entries:
            _known(name, entries)
            del entries[name]

    def first_start(self) -> str | None:
        """Make `admin` where there is no users file yet; returns its password, which is shown once and stored nowhere."""
        if self._path.exists():
            return None
        password = secrets.token_urlsafe(15)
        self.add(FIRST_USER, password)
        return password

    def _entry(self, password: str) -> _Entry:
        if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
            raise OperatorError(f"a password has {MIN_PASSWORD} to {MAX_PASSWORD} characters")
        return _Entry(password=self._hasher.hash(password), since=datetime.now(UTC).isoformat(timespec="seconds"))

    def _read(self) -> Mapping[str, _Entry]:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return {}
        version = (status.st_mtime_ns, status.st_ino)
        if version != self._seen:
            self._entries = _parse(self._path)
            self._seen = version
        return self._entries

    @contextmanager
    def _changing(self) -> Generator[dict[str, _Entry]]:
        directory = os.open(self._path.parent, os.O_RDONLY)
        try:
            fcntl.flock(directory, fcntl.LOCK_EX)
            self._seen = None
            entries = dict(self._read())
            yield entries
            _replace(self._path, entries)
            os.fsync(directory)
        finally:
            os.close(directory)


def _known(name: str, entries: Mapping[str, _Entry]) -> None:
    if name not in entries:
        raise OperatorError("there is no such user", where=name[:64], remedy="mcp-gateway user list")


def _parse(path: Path) -> Mapping[str, _Entry]:
    try:
        return _File.model_validate(yaml.safe_load(path.read_text("utf-8")) or {}).users
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as exc:
        # The cause would repeat what stands in the file, and hashes stand there.
        raise OperatorError("the users file cannot be read", where=str(path), remedy="restore it") from (
            exc if isinstance(exc, OSError) else None
        )


def _replace(path: Path, entries: Mapping[str, _Entry]) -> None:
    content = yaml.safe_dump({"users": {name: entry.model_dump() for name, entry in sorted(entries.items())}})
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
