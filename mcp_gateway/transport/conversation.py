"""Questions to legacy clients, in the middle of their calls.

A client is asked on the stream of its own call (MCP 2025-11-25 basic/transports) and answers by a POST in the
same session. The id of a question is ours and unguessable, and only the session it was put to may answer it;
any other answer is taken in and has no effect. What is asked and answered is never kept or recorded.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import anyio

from mcp_gateway.errors import Declined
from mcp_gateway.transport import asking
from mcp_gateway.transport.asking import MAX_QUESTIONS, is_askable, lacking, outcome_of, presented, refuse_large
from mcp_gateway.transport.inflight import Flight
from mcp_gateway.transport.reply import Reply
from mcp_gateway.transport.waits import INTERNAL, Waits

MAX_OPEN_PER_PRINCIPAL = 128
"""Questions, in one process at a time."""
_FAREWELL_SECONDS = 1.0
_KEEP_ALIVE_SECONDS = 20.0
"""So that nothing between us and the client takes a thinking person for a dead connection."""


class Question:
    """One question that waits."""

    __slots__ = ("_answered", "error", "id", "result", "session", "who")

    def __init__(self, session: str, who: tuple[str, str]) -> None:
        self.id = secrets.token_urlsafe(18)
        self.session = session
        self.who = who
        self.result: Mapping[str, Any] | None = None
        self.error: Mapping[str, Any] | None = None
        self._answered = anyio.Event()

    def answer(self, message: Mapping[str, Any]) -> None:
        """The first answer counts."""
        if not self._answered.is_set():
            self.result, self.error = message.get("result"), message.get("error")
            self._answered.set()

    @property
    def is_answered(self) -> bool:
        return self.result is not None or self.error is not None

    def withdraw(self) -> None:
        """Nobody will answer any more."""
        self._answered.set()

    async def answered(self, seconds: float) -> bool:
        with anyio.move_on_after(seconds):
            await self._answered.wait()
        return self._answered.is_set()


class Questions:
    """The questions of one process that wait for legacy clients."""

    def __init__(self, waits: Waits, *, per_principal: int = MAX_OPEN_PER_PRINCIPAL) -> None:
        self.waits = waits
        self._per_principal = per_principal
        self._open: dict[str, Question] = {}

    def put(self, session: str, who: tuple[str, str]) -> Question:
        """A new question to `session`; raises Declined when too many wait."""
        if sum(question.who == who for question in self._open.values()) >= self._per_principal:
            raise Declined("too many questions are open", jsonrpc=INTERNAL)
        question = Question(session, who)
        self._open[question.id] = question
        return question

    def drop(self, question: Question) -> None:
        self._open.pop(question.id, None)

    def answer(self, session: str, message: Mapping[str, Any]) -> bool:
        """Whether a client's response is to a question of its own session; any other changes nothing."""
        answered: object = message["id"]
        question = self._open.get(answered) if isinstance(answered, str) else None
        if question is None or question.session != session:
            return False
        question.answer(message)
        return True

    def end(self, session: str) -> None:
        """The session is over: nobody can answer in it any more."""
        for question in self._open.values():
            if question.session == session:
                question.withdraw()

    def __len__(self) -> int:
        return len(self._open)


class Conversation:
    """What one legacy call asks its client."""

    __slots__ = (
        "_capabilities",
        "_count",
        "_flight",
        "_open",
        "_questions",
        "_reply",
        "_server",
        "_session",
        "_who",
        "asked",
    )

    def __init__(
        self,
        questions: Questions,
        reply: Reply,
        flight: Flight,
        *,
        session: str,
        who: tuple[str, str],
        server: str,
        capabilities: Mapping[str, Any],
    ) -> None:
        self._questions = questions
        self._reply = reply
        self._flight = flight
        self._session = session
        self._who = who
        self._server = server
        self._capabilities = capabilities
        self._open: set[Question] = set()
        self._count = 0
        self.asked: list[str] = []
        """Method and outcome of each question, for the audit."""

    async def ask(self, method: str, params: Mapping[str, Any], *, server: str | None) -> Mapping[str, Any]:
        """The client's result; `server` is named to the user. Raises Declined."""
        try:
            result = await self._put(method, presented(method, params, server))
        except Declined:
            self._note(method, "declined")
            raise
        except BaseException:
            self._note(method, "abandoned")
            raise
        self._note(method, outcome_of(result))
        return result

    def _note(self, method: str, outcome: str) -> None:
        if is_askable(method):  # any other text is the upstream's own
            self.asked.append(f"{method}: {outcome}")

    async def _put(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        self._refuse(method, params)
        self._count += 1
        question = self._opened()
        self._flight.on_leaving(self._leave)
        try:
            with anyio.move_on_after(asking.ANSWER_SECONDS):
                await self._reply.notify({"id": question.id, "method": method, "params": params})
                while not await question.answered(_KEEP_ALIVE_SECONDS):
                    await self._reply.keep_alive()
        finally:
            self._closed(question)
            if not question.is_answered and not self._flight.client_gone:
                await self._withdraw(question)
        return _result(question)

    def _opened(self) -> Question:
        if not self._open:
            self._questions.waits.begin(self._server)
        try:
            question = self._questions.put(self._session, self._who)
        except Declined:
            if not self._open:
                self._questions.waits.end(self._server)
            raise
        self._open.add(question)
        return question

    def _closed(self, question: Question) -> None:
        self._questions.drop(question)
        self._open.discard(question)
        if not self._open:
            self._questions.waits.end(self._server)

    async def _withdraw(self, question: Question) -> None:
        """The client need not bother its user any longer."""
        params = {"requestId": question.id, "reason": "the answer is not needed any more"}
        with anyio.move_on_after(_FAREWELL_SECONDS, shield=True):
            await self._reply.notify({"method": "notifications/cancelled", "params": params})

    def _refuse(self, method: str, params: Mapping[str, Any]) -> None:
        if lacking(self._capabilities, method, params) is not None:
            raise Declined(f"the client does not answer {method}")
        if not self._reply.accepts_stream or self._flight.client_gone:
            raise Declined("the client cannot be reached")
        if self._count >= MAX_QUESTIONS:
            raise Declined("the call asked too often", jsonrpc=INTERNAL)
        refuse_large(params)

    def _leave(self) -> None:
        for question in self._open:
            question.withdraw()


def _result(question: Question) -> Mapping[str, Any]:
    if question.result is not None:
        return question.result
    if question.error is not None:
        # Its message may hold anything; the code is what an upstream can act on.
        raise Declined("the client answered with an error", jsonrpc=int(question.error["code"]))
    raise Declined("the client did not answer", jsonrpc=INTERNAL)
