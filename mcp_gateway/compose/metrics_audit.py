"""How far the audit's copies and checkpoints have come, read from what their keepers leave in files. Blocking.

Whoever keeps them may be another process on the same data directory; the files say the same to all.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from mcp_gateway.audit.checkpoint_coverage import read_status
from mcp_gateway.audit.checkpoint_log import DIRECTORY, checkpoint_files
from mcp_gateway.audit.sinks import FOLDER, behind, load
from mcp_gateway.settings import Settings
from mcp_gateway.settings_sinks import sink_name
from mcp_gateway.storage.data_dir import DataDir
from mcp_gateway.telemetry.metrics_page import Reading


class Kept:
    """Moments are told as moments, so that whoever reads them knows their age also while nothing can be asked here."""

    def __init__(self, settings: Settings) -> None:
        self._directory = DataDir(settings.data_dir).audit
        self._sinks = [sink_name(chosen) for chosen in settings.audit.sinks]
        self._checkpoint_at = time.time()
        """Of the newest one seen; at first of the start, from which on there should be one soon."""

    def readings(self) -> Iterator[Reading]:
        yield from self._of_sinks()
        yield from self._of_checkpoints()

    def _of_sinks(self) -> Iterator[Reading]:
        for name in self._sinks:
            state = load(self._directory / FOLDER, name)
            with suppress(OSError):
                waiting = behind(self._directory, state.places)
                yield Reading("audit_sink_waiting", waiting.records, (name,))
                if waiting.oldest_at is not None:
                    yield Reading("audit_sink_oldest_timestamp_seconds", waiting.oldest_at, (name,))
            yield Reading("audit_sink_failures", state.failures, (name,))

    def _of_checkpoints(self) -> Iterator[Reading]:
        with suppress(OSError):
            files = checkpoint_files(self._directory / DIRECTORY)
            if files:
                self._checkpoint_at = files[-1].stat().st_mtime
        yield Reading("audit_checkpoint_timestamp_seconds", self._checkpoint_at)
        status = read_status(self._directory)
        places: Mapping[str, Mapping[str, Any]] = status.get("places") or {}
        for place, told in places.items():
            yield Reading("audit_second_place_failing", bool(told.get("failing_since")), (place,))
        damage: Mapping[str, str] = status.get("damage") or {}
        yield Reading("audit_damaged_writers", len(damage))
