"""Hears what an upstream tells outside any call: that a list changed, that a watched resource did.

One connection an upstream, the gateway's own, whoever listens behind it. Over HTTP it is always open where the
upstream offers it: a definition that changed must be reviewed soon even if no client listens. A child process
is heard whenever one runs, and kept running only while somebody watches a resource of it.

Nothing is replayed, so whatever may have been missed counts as changed. A call never waits for any of this.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, cast

import anyio
from anyio.abc import TaskGroup

from mcp_gateway.errors import GatewayError
from mcp_gateway.model.tool import JsonObject
from mcp_gateway.upstream.envelope import Message
from mcp_gateway.upstream.link import an_object

log = logging.getLogger(__name__)

LONGEST_SECONDS = 3_600.0
"""A connection is opened anew at least this often: one that died in silence is not trusted for ever."""
SETTLE_SECONDS = 0.1
"""What is watched or no longer watched together is asked for once."""
OPENING_SECONDS = 30.0
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0
_NOT_OFFERED_SECONDS = 600.0
"""An upstream may learn to tell when it is upgraded."""
_STEADY_SECONDS = 30.0
"""A connection that lasted this long was a good one."""
_MAX_URI = 8_192

LIST_CHANGED = frozenset(f"notifications/{name}/list_changed" for name in ("tools", "prompts", "resources"))
UPDATED = "notifications/resources/updated"
ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
OUTSIDE_CALLS = LIST_CHANGED | {UPDATED, ACKNOWLEDGED}

Overhear: TypeAlias = Callable[[Message], None]


class NotOffered(Exception):
    """The upstream tells nothing outside calls."""


@dataclass(frozen=True, slots=True)
class Ears:
    """Who is told; both return at once."""

    changed: Callable[[str, str | None], None]
    """What this server serves may have changed; with the list it announced, `tools`, `prompts` or `resources`."""
    updated: Callable[[str, str], None]
    """This resource of this server, by its own URI, may have changed."""


class Wanted:
    """Which resources of one upstream anybody watches."""

    def __init__(self) -> None:
        self.uris: frozenset[str] = frozenset()
        self.changed = anyio.Event()

    def put(self, uris: Set[str]) -> None:
        self.uris = frozenset(uris)
        self.wake()

    def wake(self) -> None:
        self.changed.set()

    async def wait(self, seconds: float) -> None:
        """Until it changes, at most `seconds`; changes that come together are waited for together."""
        with anyio.move_on_after(seconds):
            await self.changed.wait()
            await anyio.sleep(SETTLE_SECONDS)
        self.changed = anyio.Event()


@dataclass(frozen=True, slots=True)
class Offered:
    """What an upstream says it would tell."""

    lists: tuple[str, ...]
    """`tools`, `prompts`, `resources`."""
    resources: bool

    @classmethod
    def of(cls, capabilities: JsonObject) -> Offered:
        """Raises NotOffered for nothing."""
        lists = tuple(name for name in ("tools", "prompts", "resources") if _says(capabilities, name, "listChanged"))
        offered = cls(lists, _says(capabilities, "resources", "subscribe"))
        if not offered.lists and not offered.resources:
            raise NotOffered
        return offered


class Listens(Protocol):
    """A link that can be listened on."""

    async def listen(self, wanted: Wanted, hear: Overhear, opened: Callable[[Offered], None], /) -> None:
        """Until the connection is over; `opened` is called when something may be told from then on.

        Raises UpstreamFailure, and NotOffered.
        """
        ...


class Listening:
    """One upstream's; `run` is its life and never raises."""

    def __init__(self, server: str, link: Listens, ears: Ears, wanted: Wanted) -> None:
        self._server = server
        self._link = link
        self._ears = ears
        self._wanted = wanted
        self._scope = anyio.CancelScope()
        self._pause = _FIRST_PAUSE_SECONDS
        self._missed = False
        self._opened_at: float | None = None
        self.offered: Offered | None = None
        """As last heard; None before that."""

    def start(self, tasks: TaskGroup) -> None:
        tasks.start_soon(self.run)

    def stop(self) -> None:
        self._scope.cancel()

    async def run(self) -> None:
        with self._scope:
            while True:
                try:
                    await self._link.listen(self._wanted, self._hear, self._opened)
                except NotOffered:
                    self.offered = Offered((), resources=False)
                    await self._wanted.wait(_NOT_OFFERED_SECONDS)
                    continue
                except (GatewayError, OSError) as exc:
                    log.info("listening to %s ended: %s", self._server, exc)
                except Exception:
                    # One upstream's connection; the group of tasks it runs in owns all of them.
                    log.exception("listening to %s failed", self._server)
                await self._rest()

    async def _rest(self) -> None:
        self._missed = self._missed or self._opened_at is not None
        if self._opened_at is not None and time.monotonic() - self._opened_at > _STEADY_SECONDS:
            self._pause = _FIRST_PAUSE_SECONDS
        self._opened_at = None
        await anyio.sleep(self._pause * (0.5 + random.random()))
        self._pause = min(self._pause * 2, _LONGEST_PAUSE_SECONDS)

    def _opened(self, offered: Offered) -> None:
        self.offered = offered
        self._opened_at = time.monotonic()
        if self._missed:
            self._missed = False
            self._ears.changed(self._server, None)
            for uri in self._wanted.uris:
                self._ears.updated(self._server, uri)

    def _hear(self, message: Message) -> None:
        method: object = message.get("method")
        if self._scope.cancel_called:
            return  # what was on its way when the entry went
        if method in LIST_CHANGED:
            self._ears.changed(self._server, str(method).split("/")[1])
        elif method == UPDATED:
            uri: object = an_object(message.get("params")).get("uri")
            if isinstance(uri, str) and len(uri) <= _MAX_URI:
                self._ears.updated(self._server, uri)


def _says(capabilities: JsonObject, name: str, what: str) -> bool:
    part: object = capabilities.get(name)
    return isinstance(part, dict) and cast("dict[str, Any]", part).get(what) is True
