"""The requests that wait on one connection, and which of them each arriving message is for. No I/O."""

from __future__ import annotations

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from mcp_gateway.errors import UpstreamFailure
from mcp_gateway.upstream import envelope
from mcp_gateway.upstream.envelope import Message

_KEPT = 256


class Waiting:
    """A request and what has come back for it."""

    __slots__ = ("_heard", "_notes", "answer", "failure", "sent")

    def __init__(self) -> None:
        self._notes: MemoryObjectSendStream[Message]
        self._heard: MemoryObjectReceiveStream[Message]
        self._notes, self._heard = anyio.create_memory_object_stream[Message](_KEPT)
        self.answer: Message | None = None
        self.failure: UpstreamFailure | None = None
        self.sent = False
        """For a transport that can tell."""

    async def receive(self) -> Message | None:
        """What comes next; None when nothing comes any more."""
        try:
            return await self._heard.receive()
        except anyio.EndOfStream:
            return None

    def note(self, message: Message) -> bool:
        """Whether there was room: a client slower than its progress loses some of it."""
        try:
            self._notes.send_nowait(message)
        except (anyio.WouldBlock, anyio.BrokenResourceError, anyio.ClosedResourceError):
            return False
        return True

    def end(self, *, answer: Message | None = None, failure: UpstreamFailure | None = None) -> None:
        self.answer, self.failure = answer, failure
        self._notes.close()

    def close(self) -> None:
        self._notes.close()
        self._heard.close()


class Inbox:
    """`shared` when requests of several principals are on the connection: then a message that names none is nobody's."""

    def __init__(self, *, shared: bool) -> None:
        self._shared = shared
        self._waiting: dict[str, Waiting] = {}

    def open(self, request_id: str) -> Waiting:
        waiting = self._waiting[request_id] = Waiting()
        return waiting

    def close(self, request_id: str) -> None:
        self._waiting.pop(request_id).close()

    def take(self, message: Message) -> bool:
        """Give it to whom it is for; False for a question that we have to answer ourselves."""
        if envelope.is_request(message):
            only = self._only_one()
            return message["method"] != "ping" and only is not None and only.note(message)
        if envelope.is_call(message):
            for waiting in self._concerned(message):
                waiting.note(message)
        else:
            self._answered(message)
        return True

    def fail_all(self, failure: UpstreamFailure | None) -> None:
        for waiting in self._waiting.values():
            if waiting.answer is None and waiting.failure is None:
                waiting.end(failure=failure)

    def _concerned(self, message: Message) -> list[Waiting]:
        """Progress names its request by our token; a cancellation names a question, which others ignore."""
        match message:
            case {"params": {"progressToken": str(token)}}:
                return [self._waiting[token]] if token in self._waiting else []
            case {"method": "notifications/cancelled"}:
                return list(self._waiting.values())
            case _:
                only = self._only_one()
                return [only] if only else []

    def _only_one(self) -> Waiting | None:
        return next(iter(self._waiting.values())) if len(self._waiting) == 1 and not self._shared else None

    def _answered(self, message: Message) -> None:
        answered = message.get("id")
        waiting = self._waiting.get(answered) if isinstance(answered, str) else None
        if waiting is not None and waiting.answer is None:
            waiting.end(answer=message)
