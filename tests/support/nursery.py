"""Gateways forked from a process that has imported everything: a start takes a fifth of one from nothing.

Each is a process of its own with a group of its own, as if started from a shell; only its imports are inherited.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from mcp_gateway.cli.main import run

_CONTEXT = get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.support.nursery", "mcp_gateway.compose.server", "pytest"])


class Forked:
    """A gateway serving `config` until it is killed."""

    def __init__(self, config: Path, log: Path) -> None:
        self._process: ForkServerProcess = _CONTEXT.Process(target=_serve, args=(str(config), str(log)), daemon=True)
        self._process.start()

    def kill(self) -> None:
        """SIGKILL to the whole group."""
        if self._process.is_alive() and self._process.pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()  # should it have no group of its own yet
        self._process.join()


def _serve(config: str, log: str) -> None:
    os.setsid()
    sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for stream in (1, 2):
        os.dup2(sink, stream)
    sys.exit(run(["--config", config, "serve", "--quiet"]))
