"""A full read of the server against the copy: finds the changes that the change log lost.

A difference counts only when the primary database insists on it after the feed had time to hear of
it twice; what is still on its way is no loss.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

import anyio
import anyio.lowlevel

from mcp_gateway.authorization.backends.replica_copy import LocalCopy
from mcp_gateway.authorization.backends.replica_feed import ReplicaFeed, Source
from mcp_gateway.authorization.backends.replica_log import Place, State, news, place_of

_log = logging.getLogger(__name__)

_CATCH_UP_SECONDS = 30.0
"""In which the feed must look once; otherwise the server is not well and this can wait."""
_WITHOUT_A_BREAK = 5_000
_NAMED = 5


async def reconcile(
    source: Source, copy: LocalCopy, feed: ReplicaFeed, *, clock: Callable[[], float] = time.monotonic
) -> int:
    """Repair the copy and alarm; answers how many tuples had drifted. Raises what `source` raises, and TimeoutError."""
    lost: Mapping[Place, State] = await _differences(source, copy)
    for _ in range(2):
        if not lost:
            return 0
        with anyio.fail_after(_CATCH_UP_SECONDS):
            await feed.looked(after=clock())
        lost = news({place: await source.stored(place) for place in lost}, copy)
    if lost:
        await feed.confirm(lost)
        _alarm(lost)
    return len(lost)


async def _differences(source: Source, copy: LocalCopy) -> dict[Place, State]:
    """What a full read says otherwise than the copy; both move meanwhile, so these are suspects."""
    found: dict[Place, State] = {}
    read: set[int] = set()  # hashes: a tenth of the memory, and a collision only hides a tuple until the next time
    token = ""
    while True:
        page, token, _ = await source.tuples(token)
        states = {place_of(one): one for one in page}
        read.update(map(hash, states))
        found.update(news(states, copy))
        if not token:
            break
    for number, place in enumerate(copy.places()):
        if hash(place) not in read:
            found[place] = None
        if number % _WITHOUT_A_BREAK == 0:
            await anyio.lowlevel.checkpoint()
    return found


def _alarm(lost: Mapping[Place, State]) -> None:
    some = "; ".join(
        f"{subject} {relation} {object_} {'was missing' if state else 'should be gone'}"
        for (object_, relation, subject), state in list(lost.items())[:_NAMED]
    )
    _log.critical("the replica had missed %d changes of the relationship server, now repaired: %s", len(lost), some)
