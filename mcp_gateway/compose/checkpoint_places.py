"""The second places of checkpoints: another directory, and a receiver over HTTPS. Each is brought everything, in order."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from anyio import CapacityLimiter

from mcp_gateway.audit.checkpoint_keeper import Keeper
from mcp_gateway.audit.checkpoint_log import lines_after
from mcp_gateway.audit.checkpoint_mirror import Contradicted, mirror
from mcp_gateway.errors import OperatorError, UpstreamFailure
from mcp_gateway.settings_checkpoints import CheckpointSettings
from mcp_gateway.storage.secret_file import secret_of

_POSTED_LINES = 200
_MOUNT_SECONDS = 15.0


def second_places(chosen: CheckpointSettings, told: dict[str, Any]) -> list[SecondPlace]:
    """Those of the settings, where the status file last saw them."""
    places: list[SecondPlace] = []
    if chosen.directory is not None:
        places.append(DirectoryPlace(chosen, told.get("directory") or {}))
    if chosen.url is not None:
        places.append(ReceiverPlace(chosen, told.get("url") or {}))
    return places


class NotDelivered(Exception):
    """Says why, for the log and the status; never with a credential in it."""


class SecondPlace:
    """One second place, and how far it is."""

    def __init__(self, name: str, told: dict[str, Any]) -> None:
        self.name = name
        self.told: dict[str, Any] = {"delivered": int(told.get("delivered", 0)), "at": told.get("at")}
        if told.get("failing_since"):
            self.told |= {"failing_since": told["failing_since"], "error": told.get("error", "")}

    async def bring(self, keeper: Keeper, number: int, log: str) -> None:
        """Everything up to checkpoint `number`; raises NotDelivered."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Nothing to close, for most."""

    @property
    def failing_since(self) -> float | None:
        return self.told.get("failing_since")


class DirectoryPlace(SecondPlace):
    def __init__(self, settings: CheckpointSettings, told: dict[str, Any]) -> None:
        super().__init__("directory", told)
        self._second = settings.directory or Path()
        # One that hangs with its mount must not be overtaken by the next.
        self._alone = CapacityLimiter(1)

    async def bring(self, keeper: Keeper, number: int, log: str) -> None:
        work = partial(mirror, keeper.directory, log, self._second)
        try:
            with anyio.fail_after(_MOUNT_SECONDS):
                await anyio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=self._alone)
        except Contradicted as exc:
            raise NotDelivered(str(exc)) from exc
        except TimeoutError as exc:
            raise NotDelivered("it takes too long") from exc
        except OSError as exc:
            raise NotDelivered(exc.strerror or "it cannot be written") from exc


class ReceiverPlace(SecondPlace):
    def __init__(self, settings: CheckpointSettings, told: dict[str, Any]) -> None:
        # Seven megabytes of an HTTP client, for those who want it.
        from mcp_gateway.upstream.post import Poster

        super().__init__("url", told)
        self._token_file = settings.token_file
        self._poster = Poster(settings.url or "", network=settings.network)

    async def bring(self, keeper: Keeper, number: int, log: str) -> None:
        while self.told["delivered"] < number:
            work = partial(lines_after, keeper.directory, self.told["delivered"], most=_POSTED_LINES)
            lines = await anyio.to_thread.run_sync(work)
            if not lines:
                raise NotDelivered("the checkpoints to send are no longer here")
            await self._post(b"".join(lines))
            self.told["delivered"] += len(lines)

    async def aclose(self) -> None:
        await self._poster.aclose()

    async def _post(self, body: bytes) -> None:
        headers = {"content-type": "application/x-ndjson"}
        try:
            if self._token_file is not None:
                headers["authorization"] = f"Bearer {secret_of(self._token_file)}"
            status, _, _ = await self._poster.post(body, headers)
        except (UpstreamFailure, OperatorError) as exc:
            raise NotDelivered(str(exc)) from exc
        if not 200 <= status < 300:
            raise NotDelivered(f"it answered {status}")
