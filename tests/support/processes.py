"""Start real programs for a test and end them: free ports, readiness by polling, logs kept until the end."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The repository; child processes start here so that `examples` and `tests` can be imported."""

_POLL_SECONDS = 0.02
_STOP_SECONDS = 8.0


class ProcessFailed(Exception):
    """The program ended or stayed silent before it was ready; the message ends with its log."""


@dataclass(frozen=True, slots=True)
class Running:
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def output(self) -> str:
        """Everything it wrote to stdout and stderr so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def kill(self) -> None:
        """SIGKILL, for tests of what survives one."""
        self._signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM to the whole group, SIGKILL after the deadline; answers the exit code."""
        self._signal(signal.SIGTERM)
        try:
            return self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            return self.process.wait()
        finally:
            # Children that outlived their parent share its group.
            self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)


def free_port() -> int:
    """A loopback port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listening(port: int) -> Callable[[], bool]:
    """True as soon as somebody accepts connections on `port` of 127.0.0.1."""

    def check() -> bool:
        with socket.socket() as probe:
            probe.settimeout(0.2)
            return probe.connect_ex(("127.0.0.1", port)) == 0

    return check


def wait_until(check: Callable[[], bool], *, seconds: float = 20.0, what: str = "the condition") -> None:
    """Poll `check` until it holds; raises TimeoutError when `seconds` have passed."""
    deadline = time.monotonic() + seconds
    while not check():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come true within {seconds:g} s")
        time.sleep(_POLL_SECONDS)


@contextlib.contextmanager
def running(
    command: Sequence[str],
    *,
    ready: Callable[[], bool] | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    seconds: float = 30.0,
) -> Generator[Running]:
    """Run `command` until the block ends; `env` is added to ours. Enters when `ready()` holds."""
    with tempfile.TemporaryDirectory(prefix="mcp-gateway-test-") as folder:
        started = start(command, log=Path(folder, "log"), env=env, cwd=cwd)
        try:
            if ready is not None:
                _wait_ready(started, ready, seconds)
            yield started
        finally:
            started.stop()


def start(
    command: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Running:
    """Start without waiting; the caller stops it."""
    with log.open("wb") as sink:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            cwd=cwd or ROOT,
            start_new_session=True,
        )
    return Running(process, log)


def _wait_ready(started: Running, ready: Callable[[], bool], seconds: float) -> None:
    def ready_or_gone() -> bool:
        return started.process.poll() is not None or ready()

    try:
        wait_until(ready_or_gone, seconds=seconds, what="readiness")
    except TimeoutError as exc:
        raise ProcessFailed(f"not ready after {seconds:g} s:\n{started.output()[-4000:]}") from exc
    if (code := started.process.poll()) is not None:
        raise ProcessFailed(f"ended with {code} before it was ready:\n{started.output()[-4000:]}")


@contextlib.contextmanager
def tickets_server(port: int | None = None) -> Generator[str]:
    """The sample tickets on a free port; yields their MCP endpoint."""
    chosen = port or free_port()
    command = [sys.executable, "-m", "examples.tickets", "--port", str(chosen)]
    with running(command, ready=listening(chosen)):
        yield f"http://127.0.0.1:{chosen}/mcp"
