"""What a running gateway does unasked: follow the store, notice edited files, look at its upstreams."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import anyio
from sqlalchemy.exc import SQLAlchemyError

from mcp_gateway.catalog import Catalog, Review, registry
from mcp_gateway.errors import GatewayError, OperatorError
from mcp_gateway.model.tool import Upstream
from mcp_gateway.storage import Change, ChangeFeed
from mcp_gateway.upstream import Upstreams

log = logging.getLogger(__name__)

_TICK_SECONDS = 1.0
_SETTLE_SECONDS = 0.1
"""What an upstream changes together is looked at once."""
_REST_SECONDS = 2.0
_FREE_LOOKS = 5
_REST_FACTOR = 10.0
"""Of the time that looking took, to the next look that an upstream asks for."""
_UNDER_WAY = float("inf")
_FIRST_RETRY_SECONDS = 1.0
_ENDING_SECONDS = 1.0
"""How long a disabled server's calls have to be ended for the reason that they are; then its connections are."""
_ACTOR = "gateway"


class Upkeep:
    """Owns the background tasks of the serving process. A `storage.Follower`: `reload` makes it read the files again."""

    def __init__(
        self,
        feed: ChangeFeed,
        catalog: Catalog,
        review: Review,
        upstreams: Upstreams,
        *,
        registry_dir: Path,
        policies_dir: Path,
        reload_policies: Callable[[Sequence[Upstream]], Awaitable[None]],
        discovery_seconds: float,
    ) -> None:
        self._feed = feed
        self._catalog = catalog
        self._review = review
        self._upstreams = upstreams
        self._registry_dir = registry_dir
        self._policies_dir = policies_dir
        self._reload_policies = reload_policies
        self._discovery_seconds = discovery_seconds
        self._due: dict[str, float] = {}
        self._pause: dict[str, float] = {}
        self._not_before: dict[str, float] = {}
        self._looks: dict[str, deque[float]] = {}
        self._again: set[str] = set()
        """Said while they were looked at that something changed."""
        self._nudged = anyio.Event()
        self._announced: dict[str, set[str]] = {}
        self._tell: Callable[[str, str], None] = lambda _server, _list: None
        self._seen: object = None
        self._end_disabled_at: float | None = None

    async def declare(self) -> None:
        """Read the registry for the first time; raises OperatorError, because there is no good state to keep yet."""
        self._seen = self._stamp()
        upstreams = registry.load(self._registry_dir)
        await self._reload_policies(upstreams)
        await self._declare(upstreams)

    async def run(self) -> None:
        """Until cancelled."""
        async with anyio.create_task_group() as tasks:
            while True:
                await self._follow_store()
                self._end_disabled(time.monotonic())
                if self._stamp() != self._seen:
                    await self._reload()
                for upstream in self._waiting(time.monotonic()):
                    tasks.start_soon(self._discover, upstream)
                await self._until_due()

    def attend(self, announced: Callable[[str, str], None]) -> None:
        """Call this with a server and a list of it that it announced as changed, once it was looked at."""
        self._tell = announced

    def look_soon(self, server: str, announced: str | None = None) -> None:
        """`server` said that what it serves changed; however often it says so, it is not looked at all the time."""
        if announced is not None:
            self._announced.setdefault(server, set()).add(announced)
        now, due = time.monotonic(), self._due.get(server)
        if due is None:
            return
        if due == _UNDER_WAY:
            self._again.add(server)
        elif (soon := max(now + _SETTLE_SECONDS, self._not_before.get(server, 0.0))) < due:
            self._due[server] = soon
            self._nudged.set()

    async def _until_due(self) -> None:
        self._nudged = anyio.Event()
        soonest = min(self._due.values(), default=_UNDER_WAY) - time.monotonic()
        with anyio.move_on_after(min(max(soonest, _SETTLE_SECONDS), _TICK_SECONDS)):
            await self._nudged.wait()

    async def follow(self, changes: Sequence[Change]) -> None:
        kinds = {change.kind for change in changes}
        if "reload" in kinds:
            self._seen = None
        if "switch.on" in kinds:
            self._upstreams.configure(self._enabled(tuple(self._catalog.upstreams.values())))
        if "switch.off" in kinds:
            self._end_disabled_at = time.monotonic() + _ENDING_SECONDS

    def _end_disabled(self, now: float) -> None:
        """End the sessions and processes of servers that were switched off, when the calls to them have ended."""
        if self._end_disabled_at is not None and self._end_disabled_at <= now:
            self._end_disabled_at = None
            self._upstreams.configure(self._enabled(tuple(self._catalog.upstreams.values())))

    def _enabled(self, upstreams: Sequence[Upstream]) -> list[Upstream]:
        rows = {upstream.name: self._catalog.server(upstream.name) for upstream in upstreams}
        return [upstream for upstream in upstreams if (row := rows[upstream.name]) is None or row.enabled]

    async def _follow_store(self) -> None:
        try:
            await self._feed.keep_up()
        except GatewayError as exc:
            log.error("the store cannot be followed: %s", exc)

    async def _reload(self) -> None:
        """The last good state keeps serving while a file is wrong."""
        self._seen = self._stamp()
        try:
            upstreams = registry.load(self._registry_dir)
            await self._reload_policies(upstreams)
            await self._declare(upstreams)
        except OperatorError as exc:
            log.error("not reloaded, the last good state stays: %s", exc)
        except (GatewayError, SQLAlchemyError) as exc:
            self._seen = None  # the files may be right: read again at the next tick
            log.error("not reloaded, the store cannot be used: %s", type(exc).__name__)
        else:
            log.info("reloaded %s and %s", self._registry_dir, self._policies_dir)

    async def _declare(self, upstreams: Sequence[Upstream]) -> None:
        self._upstreams.configure(self._enabled(upstreams))
        await self._catalog.declare(upstreams)
        self._due = dict.fromkeys((upstream.name for upstream in upstreams), 0.0)

    def _waiting(self, now: float) -> list[Upstream]:
        names = [name for name, due in self._due.items() if due <= now]
        for name in names:
            self._due[name] = _UNDER_WAY
        # One may be gone already, when a reload did not come to its end.
        return [self._catalog.upstreams[name] for name in names if name in self._catalog.upstreams]

    async def _discover(self, upstream: Upstream) -> None:
        """Look at one upstream; one that fails is asked again soon, then ever more rarely; one that is off, not."""
        error, began = "internal.error", time.monotonic()
        try:
            error = await self._refreshed(upstream)
        except GatewayError as exc:
            error = exc.code
        except SQLAlchemyError as exc:
            # Another process holds the store, or the disk is full; that must not end the gateway.
            log.error("what upstream %s serves cannot be stored: %s", upstream.name, type(exc).__name__)
        if upstream.name not in self._due:
            return
        pause = self._discovery_seconds
        if error is not None:
            pause = min(self._pause.get(upstream.name, _FIRST_RETRY_SECONDS), self._discovery_seconds)
            self._pause[upstream.name] = pause * 2
            log.warning("upstream %s: %s; next look in %g s", upstream.name, error, pause)
        else:
            self._pause.pop(upstream.name, None)
        now = time.monotonic()
        self._due[upstream.name] = now + pause
        self._not_before[upstream.name] = now + self._rest(upstream.name, began, now)
        if upstream.name in self._again:
            self._again.discard(upstream.name)
            if error is None:
                self.look_soon(upstream.name)
        elif error is None:
            for name in self._announced.pop(upstream.name, ()):
                self._tell(upstream.name, name)

    def _rest(self, name: str, began: float, now: float) -> float:
        """How long an upstream has to wait for the next look that it asks for; a few in a row are free."""
        looks = self._looks.setdefault(name, deque(maxlen=_FREE_LOOKS))
        looks.append(began)
        if len(looks) < _FREE_LOOKS or began - looks[0] > _FREE_LOOKS * _REST_SECONDS:
            return 0.0
        return max(_REST_SECONDS, _REST_FACTOR * (now - began))

    async def _refreshed(self, upstream: Upstream) -> str | None:
        """Why it could not be asked; what is switched off is left alone."""
        if not self._enabled((upstream,)):
            return None
        return (await self._review.refresh(upstream, _ACTOR)).error

    def _stamp(self) -> object:
        """Changes whenever a declared file was added, removed or written."""
        found: list[tuple[str, int, int]] = []
        for directory, pattern in ((self._registry_dir, "*.yaml"), (self._policies_dir, "**/*")):
            for path in sorted(directory.glob(pattern)):
                try:
                    stat = path.stat()
                except OSError:
                    continue
                found.append((str(path), stat.st_mtime_ns, stat.st_size))
        return found
