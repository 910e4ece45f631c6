"""Follow the changelog: what happened since the revision this process knows.

`moved()` costs well under a microsecond and no disk: it compares what every commit changes.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import anyio
from anyio.lowlevel import checkpoint
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from mcp_gateway.errors import AuthorizationUnavailable
from mcp_gateway.storage import schema
from mcp_gateway.storage.commits import Commits, Sign
from mcp_gateway.storage.database import Database

_CATCH_UP_SECONDS = 5.0
_FOLLOW_SECONDS = 60.0
_AT_ONCE = 500
"""Changes read between two turns of the event loop."""


@dataclass(frozen=True, slots=True)
class Change:
    revision: int
    at: float
    actor: str
    kind: str
    payload: Mapping[str, Any]


class Follower(Protocol):
    """A room's view of the store. `follow` gets every change once, in order; it must not fail halfway."""

    async def follow(self, changes: Sequence[Change]) -> None: ...


class ChangeFeed:
    """Keeps the followers of one process at the newest revision."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._commits = Commits(database.path)
        self._seen: Sign | None = None
        self._followers: list[Follower] = []
        self._lock = anyio.Lock()
        self.revision = 0

    async def begin(self) -> None:
        """Start from now: what the rooms load from here on holds every change there has been."""
        self.revision = await newest_revision(self._database)

    def add(self, follower: Follower) -> None:
        self._followers.append(follower)

    def moved(self) -> bool:
        """True when some process has committed since the last `catch_up`."""
        try:
            return self._commits.sign() != self._seen
        except sqlite3.Error as exc:
            raise AuthorizationUnavailable("the store cannot be read") from exc

    async def keep_up(self) -> None:
        """See every change that was acknowledged by now: before any decision. Raises like `catch_up`."""
        if self.moved():
            await self.catch_up()

    async def catch_up(self) -> None:
        """Give every follower what it has not seen. Raises AuthorizationUnavailable if that cannot be done."""
        try:
            with anyio.fail_after(_CATCH_UP_SECONDS):
                async with self._lock:
                    await self._catch_up()
        except TimeoutError as exc:
            raise AuthorizationUnavailable("the store did not answer in time") from exc
        except (sqlite3.Error, SQLAlchemyError) as exc:
            raise AuthorizationUnavailable("the store cannot be read") from exc

    async def _catch_up(self) -> None:
        # The sign is taken before the rows: a commit in between shows as another move.
        sign = self._commits.sign()
        if sign == self._seen:
            return
        news = await changes_since(self._database, self.revision)
        if news:
            # Whoever is in a hurry does not leave some rooms with the change and some without.
            with anyio.fail_after(_FOLLOW_SECONDS, shield=True):
                for follower in self._followers:
                    await follower.follow(news)
                self.revision = news[-1].revision
        self._seen = sign

    def close(self) -> None:
        self._commits.close()


async def changes_since(database: Database, revision: int) -> list[Change]:
    async with database.read(seconds=_CATCH_UP_SECONDS) as connection:
        rows = await connection.execute(
            select(schema.changes).where(schema.changes.c.revision > revision).order_by(schema.changes.c.revision)
        )
        found: list[Change] = []
        for number, row in enumerate(rows, 1):
            found.append(Change(row.revision, row.at, row.actor, row.kind, json.loads(row.payload_json)))
            if number % _AT_ONCE == 0:
                await checkpoint()
        return found


async def newest_revision(database: Database) -> int:
    async with database.read() as connection:
        return int((await connection.execute(select(func.max(schema.changes.c.revision)))).scalar() or 0)
