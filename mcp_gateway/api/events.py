"""`GET /api/v1/events`: what happens, as server-sent events, for as long as the watcher is signed in.

Events are `ready` (nothing is missed from here on), `catalog`, `decision`, `lost` (`{"count"}`:
this watcher read too slowly) and `end` (`{"reason"}`: sign in again). There is no replay: after
`ready`, read the lists anew.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any

import anyio
import orjson
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request

from mcp_gateway.api.signed_in import desk_of, person_of
from mcp_gateway.errors import GatewayError, Unauthenticated
from mcp_gateway.model.principal import Person

TICK_SECONDS = 0.5
"""How long an ended session may keep a silent stream; before each event it is compared again anyway."""

_KEEP_ALIVE_SECONDS = 15
_SEND_SECONDS = 30.0
_LAST_WORDS_SECONDS = 5.0


def event_stream(request: Request, person: Person) -> EventSourceResponse:
    return EventSourceResponse(
        _frames(request, person),
        ping=_KEEP_ALIVE_SECONDS,
        send_timeout=_SEND_SECONDS,
        # At a shutdown the board ends the stream; the library must not cut it off before.
        shutdown_grace_period=_LAST_WORDS_SECONDS,
    )


async def _frames(request: Request, person: Person) -> AsyncGenerator[ServerSentEvent]:
    inspection = desk_of(request).inspection
    try:
        async with inspection.watch() as subscription:
            yield _frame("ready", {})
            while True:
                shown = await inspection.next_event(person, subscription, wait_seconds=TICK_SECONDS)
                if await person_of(request) != person:
                    raise Unauthenticated
                if shown is not None:
                    yield _frame(shown.kind, shown.data)
    except anyio.EndOfStream:
        return
    except GatewayError as exc:
        yield _frame("end", {"reason": exc.code})


def _frame(kind: str, data: Mapping[str, Any]) -> ServerSentEvent:
    return ServerSentEvent(event=kind, data=orjson.dumps(data).decode())
