"""Thousands of principals of one gateway: each a user of its own with the rights and consent of the bench's user.

Nobody signs in ten thousand times for a measurement, so rights are copied in the store and tokens made with the
gateway's own key, both before or beside the serving.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
import time
from functools import partial
from typing import Any, TypeAlias

import anyio

from bench.targets import AGENT, USER
from mcp_gateway import settings
from mcp_gateway.authserver import ALL_SCOPES, mint, new_family
from mcp_gateway.compose.office import Office, office
from tests.support.gateway import Installation

Row: TypeAlias = tuple[Any, ...]

_SECONDS = 300
_ME = f"user:local/{USER}"
_GRANT = re.compile(r"\bgrant:\w+")


def enlarge(gateway: Installation, count: int) -> None:
    """`count` more users with the rights of the bench's; while nobody serves, as it goes past the store."""
    with contextlib.closing(sqlite3.connect(gateway.folder / "data" / "gateway.db")) as connection, connection:
        rows: list[Row] = connection.execute("SELECT * FROM tuples").fetchall()
        theirs = [row for row in rows if _is_theirs(row)]
        copies = (_of(row, number) for number in range(count) for row in theirs)
        connection.executemany("INSERT INTO tuples VALUES (?, ?, ?, ?, ?)", copies)


def tokens(gateway: Installation, server: str, count: int) -> list[str]:
    """A fresh token of each of the first `count` of them."""
    return anyio.run(partial(_tokens, gateway, server, count))


async def _tokens(gateway: Installation, server: str, count: int) -> list[str]:
    async with office(settings.load(gateway.config)) as made:
        return [_token(made, gateway, server, number) for number in range(count)]


def _token(made: Office, gateway: Installation, server: str, number: int) -> str:
    return mint(
        made.keys.current,
        issuer=gateway.origin,
        user=_name(number),
        client_id=AGENT,
        resource=gateway.endpoint(server),
        scope=ALL_SCOPES,
        family=new_family(),
        now=time.time(),
        seconds=_SECONDS,
    ).token


def _name(number: int) -> str:
    return f"{USER}-{number}"


def _is_theirs(row: Row) -> bool:
    object, _, subject, *_ = row
    return subject == _ME or object.startswith("grant:") or subject.startswith("grant:")


def _of(row: Row, number: int) -> Row:
    """The same right of another user, by a grant of its own where it is by a grant."""

    def renamed(id: str) -> str:
        return f"user:local/{_name(number)}" if id == _ME else _GRANT.sub(rf"\g<0>-{number}", id)

    object, relation, subject, *condition = row
    return (renamed(object), relation, renamed(subject), *condition)
