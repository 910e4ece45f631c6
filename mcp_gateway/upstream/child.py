"""One child process that speaks JSON-RPC in lines: its pipes, its framing, its end.

The SDK's client is not used: it merges more of our environment into the child's than we allow
and reads lines of any length. What dies with the child is told apart: a request that was never
written is safe to send again, a written one is not.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any

import anyio
from anyio.abc import ByteReceiveStream, Process, TaskStatus

from mcp_gateway.errors import OutcomeUnknown, UpstreamFailure, UpstreamProtocolError, UpstreamUnavailable
from mcp_gateway.model.tool import StdioTransport
from mcp_gateway.upstream import envelope
from mcp_gateway.upstream.envelope import Message
from mcp_gateway.upstream.inbox import Inbox, Waiting
from mcp_gateway.upstream.lines import LineReader, LineTooLong
from mcp_gateway.upstream.listening import OUTSIDE_CALLS, Overhear
from mcp_gateway.upstream.process import GRACE_SECONDS, stop
from mcp_gateway.upstream.questions import Converse, Hear

log = logging.getLogger(__name__)

INHERITED = ("PATH", "HOME", "LANG", "TZ")
"""All a child learns of the gateway's environment."""
_FAREWELL_SECONDS = 1.0
_STDERR_LINE_BYTES = 2_000
_STDERR_LINES = 1_000
_BROKEN = (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError)


class Child:
    """`run` is its life; started in a task group, it returns when the process is gone."""

    def __init__(
        self,
        name: str,
        transport: StdioTransport,
        *,
        shared: bool,
        limit: int,
        overhear: Overhear = lambda _message: None,
    ) -> None:
        command = transport.command
        self._name = name
        self._command = [sys.executable if command[0] == "python" else command[0], *command[1:]]
        self._env = {key: os.environ[key] for key in INHERITED if key in os.environ} | dict(transport.env)
        self._cwd = transport.cwd
        self._overhear = overhear
        self._lines = LineReader(limit)
        self._writing = anyio.Lock()
        self._inbox = Inbox(shared=shared)
        self._process: Process | None = None
        self._scope = anyio.CancelScope()
        self._ended = anyio.Event()
        self._over = False

    @property
    def alive(self) -> bool:
        return self._process is not None and not self._over and self._process.returncode is None

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Raises UpstreamUnavailable, to who starts it, when the command cannot be run."""
        try:
            self._process = process = await anyio.open_process(
                self._command, env=self._env, cwd=self._cwd, start_new_session=True
            )
        except (OSError, ValueError) as exc:
            raise UpstreamUnavailable(f"the command of {self._name} cannot be run") from exc
        try:
            with self._scope:
                task_status.started()
                async with anyio.create_task_group() as pipes:
                    pipes.start_soon(self._drain_stderr, process)
                    await self._read(process)
                    pipes.cancel_scope.cancel()
        except* Exception as group:
            # The group of tasks we live in also owns every other upstream.
            log.error("%s is ended after %s", self._name, type(group.exceptions[0]).__name__)
        finally:
            self._over = True
            self._inbox.fail_all(None)
            with anyio.CancelScope(shield=True):
                await stop(process)
            self._ended.set()

    async def request(
        self, request_id: str, *, method: str, params: Mapping[str, Any], hear: Hear, converse: Converse
    ) -> Message:
        """The answer; notifications on the way go to `hear`, and what the child asks is for `converse` to settle.

        Cancelling tells the child.
        """
        waiting = self._inbox.open(request_id)

        async def receive() -> Message:
            message = await waiting.receive()
            return self._outcome(waiting) if message is None else message

        try:
            await self._write(envelope.request(request_id, method, params), waiting)
            return await converse(receive, hear)
        except anyio.get_cancelled_exc_class():
            if waiting.sent and waiting.answer is None:
                await self._cancel(request_id)
            raise
        finally:
            self._inbox.close(request_id)

    async def send(self, line: bytes) -> None:
        """An answer to what the child asked."""
        await self._write(line, None)

    async def notify(self, method: str, params: Mapping[str, Any] | None = None) -> None:
        await self._write(envelope.notification(method, params), None)

    async def aclose(self) -> None:
        self._over = True
        self._scope.cancel()
        if self._process is not None:
            with anyio.move_on_after(4 * GRACE_SECONDS, shield=True):
                await self._ended.wait()

    def _outcome(self, waiting: Waiting) -> Message:
        if waiting.answer is not None:
            return waiting.answer
        raise waiting.failure or OutcomeUnknown(f"{self._name} ended before it answered")

    async def _write(self, line: bytes, waiting: Waiting | None) -> None:
        async with self._writing:
            if not self.alive or self._process is None or self._process.stdin is None:
                raise UpstreamUnavailable(f"{self._name} is not running")
            if waiting is not None:
                waiting.sent = True
            try:
                await self._process.stdin.send(line + b"\n")
            except _BROKEN as exc:
                raise OutcomeUnknown(f"{self._name} ended while it was written to") from exc

    async def _cancel(self, request_id: str) -> None:
        params = {"requestId": request_id, "reason": "the caller no longer waits"}
        with anyio.move_on_after(_FAREWELL_SECONDS, shield=True), suppress(UpstreamFailure):
            await self.notify("notifications/cancelled", params)

    async def _read(self, process: Process) -> None:
        assert process.stdout is not None
        try:
            async for chunk in _chunks(process.stdout):
                for line in self._lines.feed(chunk):
                    await self._heard(line)
        except LineTooLong:
            self._inbox.fail_all(UpstreamProtocolError(f"{self._name} wrote a line that is too long"))
        finally:
            self._over = True  # before anybody waiting runs again and asks a dying child

    async def _heard(self, line: bytes) -> None:
        try:
            message = envelope.parse(line)
        except UpstreamProtocolError:
            log.debug("%s wrote a line to its output that is not JSON-RPC", self._name)
            return
        if message.get("method") in OUTSIDE_CALLS:
            self._overhear(message)
        elif not self._inbox.take(message):
            with suppress(UpstreamFailure):
                await self._write(envelope.reply(message), None)

    async def _drain_stderr(self, process: Process) -> None:
        """A child that nobody reads would stop at a full pipe."""
        assert process.stderr is not None
        logged = 0
        async for chunk in _chunks(process.stderr):
            if logged < _STDERR_LINES and log.isEnabledFor(logging.DEBUG):
                for line in chunk[:_STDERR_LINE_BYTES].decode("utf-8", "replace").splitlines():
                    log.debug("%s: %s", self._name, "".join(c if c.isprintable() else "?" for c in line))
                    logged += 1


async def _chunks(stream: ByteReceiveStream) -> AsyncIterator[bytes]:
    with suppress(anyio.EndOfStream, *_BROKEN):
        while True:
            yield await stream.receive()
