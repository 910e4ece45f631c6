"""What a legacy upstream asks while a call runs: put to the call's own client, the answers carried back.

Whose question it is, is known by where it arrives: a stream, or a session, that belongs to this one call.
A call that is asked nothing pays nothing; the first question starts a group of tasks, so that progress
and the answer are read while a person thinks. What the answer may be is the client's and the upstream's affair.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeAlias, cast

import anyio
from anyio.abc import TaskGroup

from mcp_gateway.errors import Declined, GatewayError, UpstreamProtocolError
from mcp_gateway.model.call import Caller, Era, Permit
from mcp_gateway.upstream import envelope
from mcp_gateway.upstream.capabilities import NOTHING, Capabilities, declares, needed, refusal
from mcp_gateway.upstream.envelope import Message
from mcp_gateway.upstream.limits import Limits

Receive: TypeAlias = Callable[[], Awaitable[Message]]
Hear: TypeAlias = Callable[[Message], Awaitable[None]]
Send: TypeAlias = Callable[[bytes], Awaitable[None]]
Converse: TypeAlias = Callable[[Receive, Hear], Awaitable[Message]]
"""Takes what the upstream sends for a call, and returns its answer."""

_INTERNAL = -32603
_MAX_ID = 256


async def no_questions(receive: Receive, hear: Hear) -> Message:
    """The modern era: an upstream has nothing to ask on a stream."""
    while envelope.is_call(message := await receive()):
        if "id" in message:
            raise UpstreamProtocolError("the upstream sent a request in an era that has none")
        await hear(message)
    return message


class Room:
    """How many questions of one upstream may be open at once: each holds a connection for as long as a person thinks."""

    __slots__ = ("limit", "taken")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.taken = 0


class Questions:
    """Of one call. `told` is what the upstream was told it may ask, `send` carries our replies to it."""

    __slots__ = ("_asked", "_caller", "_group", "_lacking", "_limits", "_open", "_permit", "_room", "_send", "_told")

    def __init__(
        self,
        send: Send,
        limits: Limits,
        *,
        permit: Permit | None = None,
        caller: Caller | None = None,
        told: Capabilities = NOTHING,
        room: Room | None = None,
    ) -> None:
        self._send = send
        self._limits = limits
        self._permit = permit
        self._caller = caller
        self._told = told if caller is not None else NOTHING
        self._room = room
        self._asked = 0
        self._group: TaskGroup | None = None
        self._open: dict[str | int, anyio.CancelScope] = {}
        self._lacking: dict[str, Any] = {}
        """What the client would have had to declare to be asked what was refused."""

    async def answer(self, receive: Receive, hear: Hear) -> Message:
        """Raises UpstreamProtocolError for an upstream that asks too much, or what cannot be told apart."""
        while envelope.is_call(message := await receive()):
            if "id" in message:
                refused = self._refusal(message)
                if refused is not None:
                    await self._reply(refused)
                elif self._group is None:
                    return await self._beside(message, receive, hear)
                else:
                    self._ask(message, self._group)
            elif message["method"] == "notifications/cancelled":
                self.withdraw(message)
            else:
                await hear(message)
        return self._explained(message) if self._lacking else message

    async def pushed(self, message: Message, group: TaskGroup) -> None:
        """A question that came outside the call's own stream; `group` is where it waits. Raises nothing."""
        refused = self._refusal(message)
        if refused is None:
            try:
                self._ask(message, group)
                return
            except UpstreamProtocolError as exc:
                refused = envelope.refused(message, -32600, str(exc))
        await self._reply(refused)

    def close(self) -> None:
        """The call is over; so is whatever is still asked."""
        for scope in self._open.values():
            scope.cancel()

    async def _beside(self, first: Message, receive: Receive, hear: Hear) -> Message:
        """Go on with questions open; the answer withdraws those that still are."""
        failure: Exception | None = None
        found: Message = {}
        async with anyio.create_task_group() as group:
            self._group = group
            try:
                self._ask(first, group)
                found = await self.answer(receive, hear)
            except Exception as exc:
                failure = exc
            group.cancel_scope.cancel()
        if failure is not None:
            raise failure
        return found

    def _refusal(self, message: Message) -> bytes | None:
        """Our answer, when the client has no part in it."""
        if message["method"] == "ping":
            return envelope.replied(message, {})
        params = _params(message)
        if params is None:
            return envelope.refused(message, -32602, "params must be an object")
        refused = refusal(self._told, message["method"], params)
        if refused is not None:
            self._lacking |= needed(message["method"], params)
            return envelope.refused(message, *refused)
        if self._room is not None and self._room.taken >= self._room.limit:
            return envelope.refused(message, _INTERNAL, "too many questions are open")
        return None

    def _explained(self, answer: Message) -> Message:
        """An upstream that could not ask fails by our refusal; a modern client hears what it would have to declare."""
        match answer:
            case {"error": {"code": -32601 | -32602}} if self._permit is not None:
                request = self._permit.request
            case _:
                return answer
        if request.era is Era.LEGACY or declares(request.capabilities, self._lacking):
            return answer
        error = {"code": envelope.MISSING_CAPABILITY, "message": "The server has to ask the client something."}
        return {**answer, "error": {**error, "data": {"requiredCapabilities": self._lacking}}}

    def _ask(self, message: Message, group: TaskGroup) -> None:
        asked: object = message["id"]
        if not isinstance(asked, str | int) or isinstance(asked, bool) or len(str(asked)) > _MAX_ID:
            raise UpstreamProtocolError("the upstream's question has an id that is not valid")
        if asked in self._open:
            raise UpstreamProtocolError("the upstream asked twice under one id")
        self._asked += 1
        if self._asked > self._limits.questions:
            raise UpstreamProtocolError(f"the upstream asked more than {self._limits.questions} questions in a call")
        scope = self._open[asked] = anyio.CancelScope()
        group.start_soon(self._put, message, asked, scope)

    async def _put(self, message: Message, asked: str | int, scope: anyio.CancelScope) -> None:
        room = self._room or Room(0)
        room.taken += 1
        try:
            with scope:
                await self._reply(await self._answered(message))
        finally:
            room.taken -= 1
            del self._open[asked]

    async def _answered(self, message: Message) -> bytes:
        assert self._caller is not None
        try:
            with anyio.fail_after(self._limits.question_seconds):
                result = await self._caller.ask(message["method"], _params(message) or {})
            return envelope.replied(message, result)
        except Declined as exc:
            return envelope.refused(message, exc.jsonrpc, str(exc))
        except (TimeoutError, GatewayError):
            return envelope.refused(message, _INTERNAL, "the client did not answer")

    def withdraw(self, message: Message) -> None:
        """The upstream no longer wants to know; such a question gets no reply."""
        withdrawn: object = (_params(message) or {}).get("requestId")
        scope = self._open.get(withdrawn) if isinstance(withdrawn, str | int) else None
        if scope is not None:
            scope.cancel()

    async def _reply(self, line: bytes) -> None:
        with suppress(GatewayError):  # what became of the call, its own stream tells
            await self._send(line)


def _params(message: Message) -> dict[str, Any] | None:
    params: object = message.get("params", {})
    return cast("dict[str, Any]", params) if isinstance(params, dict) else None
