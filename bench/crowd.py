"""Thousands of principals of one gateway: each a user of its own with the rights and consent of the bench's user.

Nobody signs in ten thousand times for a measurement, so rights are copied in the store and tokens made with the
gateway's own key, both before or beside the serving.
"""

from __future__ import annotations

import re
import time
from functools import partial

import anyio

from bench.targets import AGENT, USER
from mcp_gateway import settings
from mcp_gateway.authserver import ALL_SCOPES, mint, new_family
from mcp_gateway.compose.office import Office, office
from mcp_gateway.storage.relationships import RelationshipTuple, all_tuples, write_tuple
from tests.support.gateway import Installation

_SECONDS = 300
_ME = f"user:local/{USER}"
_GRANT = re.compile(r"\bgrant:\w+")


def enlarge(gateway: Installation, count: int) -> None:
    """`count` more users with the rights of the bench's; while nobody serves, as it takes some seconds."""
    anyio.run(partial(_enlarge, gateway, count))


def tokens(gateway: Installation, server: str, count: int) -> list[str]:
    """A fresh token of each of the first `count` of them."""
    return anyio.run(partial(_tokens, gateway, server, count))


async def _enlarge(gateway: Installation, count: int) -> None:
    async with office(settings.load(gateway.config)) as made:
        _, rows = await all_tuples(made.database)
        theirs = [row for row in rows if _is_theirs(row)]
        async with made.database.write("bench") as transaction:
            for number in range(count):
                for row in theirs:
                    await write_tuple(transaction, _of(row, number))


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


def _is_theirs(row: RelationshipTuple) -> bool:
    return row.subject == _ME or row.object.startswith("grant:") or row.subject.startswith("grant:")


def _of(row: RelationshipTuple, number: int) -> RelationshipTuple:
    """The same right of another user, by a grant of its own where it is by a grant."""

    def renamed(id: str) -> str:
        return f"user:local/{_name(number)}" if id == _ME else _GRANT.sub(rf"\g<0>-{number}", id)

    return RelationshipTuple(renamed(row.object), row.relation, renamed(row.subject), row.condition)
