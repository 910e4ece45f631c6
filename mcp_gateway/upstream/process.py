"""How a child process is ended: its input closed, then SIGTERM, then SIGKILL to its whole group, every wait bounded."""

from __future__ import annotations

import logging
import os
import signal
from contextlib import suppress

import anyio
from anyio.abc import Process

log = logging.getLogger(__name__)

GRACE_SECONDS = 2.0
"""After closing its input, after SIGTERM, and after SIGKILL."""


async def stop(process: Process) -> None:
    """Returns when the process is gone; never raises. The caller shields it."""
    if process.stdin is not None:
        with suppress(OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
            await process.stdin.aclose()
    if not await _gone(process):
        _signal(process, signal.SIGTERM)
    if not await _gone(process):
        _signal(process, signal.SIGKILL)
    if not await _gone(process):
        log.warning("process %d is still there after SIGKILL", process.pid)
        return
    await process.aclose()


async def _gone(process: Process) -> bool:
    with anyio.move_on_after(GRACE_SECONDS):
        await process.wait()
    return process.returncode is not None


def _signal(process: Process, number: signal.Signals) -> None:
    if process.returncode is None:  # not reaped, so its group id is still its own
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
