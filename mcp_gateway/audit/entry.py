"""One request's place in the audit: an intent just before the call leaves, an outcome before the answer does.

    async with journal.entry(...) as entry:
        entry.tool = ...            what it is about
        entry.decision = ...        what was decided
        entry.recorded(forward)     writes the intent, then forwards

Leaving the block writes the outcome, or the one record of a request that never left. If that cannot be
written, AuditUnavailable is raised in place of the answer.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import lru_cache
from time import perf_counter_ns
from types import TracebackType
from typing import Any

import anyio

from mcp_gateway.audit import record
from mcp_gateway.audit.outcome import Ending, Outcome, of_answer, of_broken_call, of_refusal, questions
from mcp_gateway.audit.record import Fields
from mcp_gateway.audit.recorded import SealedFor, named_values
from mcp_gateway.audit.writer import Writer
from mcp_gateway.errors import AccessDenied, AuditUnavailable
from mcp_gateway.model.call import Answer, Caller, Forward, Permit, Request
from mcp_gateway.model.decision import Decision
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import Risk, Tool

_SHIELDED_SECONDS = 2.0
"""How long a cancelled request may stay for its outcome to reach the disk."""

_log = logging.getLogger(__name__)


class Entry:
    """Opened by `Journal.entry`, used once."""

    __slots__ = (
        "_answer",
        "_arguments",
        "_began",
        "_caller",
        "_everything_durable",
        "_forwarded_at",
        "_intent",
        "_listed",
        "_named",
        "_policy",
        "_principal",
        "_request",
        "_seal",
        "_sent",
        "_verb",
        "_writer",
        "decision",
        "tool",
    )

    def __init__(
        self,
        writer: Writer,
        request: Request,
        verb: str,
        principal: Principal,
        arguments: Mapping[str, Any] | None,
        *,
        everything_durable: bool,
        policy: str = "",
        seal: SealedFor | None = None,
    ) -> None:
        """`policy` tells which rules are in force; `seal` makes values of a user unreadable without that user's key."""
        self.tool: Tool | None = None
        self.decision: Decision | None = None
        self._writer = writer
        self._request = request
        self._verb = verb
        self._principal = principal
        self._arguments = arguments
        self._everything_durable = everything_durable
        self._policy = policy
        self._seal = seal
        self._named: Fields = {}
        self._listed: Fields | None = None
        self._intent = 0
        self._sent = False
        self._answer: Answer | None = None
        self._caller: Caller | None = None
        self._began = 0
        self._forwarded_at = 0

    def note(self, **named: object) -> None:
        """Attributes worth keeping, by name; never a secret or an argument's value."""
        self._named.update((name, record.plain(value)) for name, value in named.items())

    def listed(self, names: frozenset[str] | tuple[str, ...], *, model: str = "", revision: int = 0) -> None:
        """What a list showed, by count and digest, and from which relationships."""
        digest = _names_digest(names)
        self._listed = {"count": len(names), "names": digest, "effect": "allow", "model": model, "revision": revision}

    def recorded(self, forward: Forward) -> Forward:
        """`forward`, but only after the intent is recorded at its level."""

        async def record_then_forward(permit: Permit, caller: Caller) -> Answer:
            self._intend(permit)
            if self._is_durable(permit.tool):
                await self._writer.durable()
            self._sent = True
            self._caller = caller
            self._forwarded_at = perf_counter_ns()
            self._answer = answer = await forward(permit, caller)
            return answer

        return record_then_forward

    async def __aenter__(self) -> Entry:
        self._began = perf_counter_ns()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if exc is not None and not isinstance(exc, Exception):
            await self._close_cancelled(exc)
            return
        try:
            self._writer.write(self._closing(exc))
            if self._closes_durably(exc):
                await self._writer.durable()
        except AuditUnavailable as failure:
            # From `exc`, so that the log shows both; the caller gets no answer that has no record.
            raise failure from exc

    async def _close_cancelled(self, exc: BaseException) -> None:
        """Cancellation goes on whatever happens here."""
        try:
            self._writer.write(self._closing(exc))
            if self._closes_durably(exc):
                with anyio.CancelScope(shield=True), anyio.move_on_after(_SHIELDED_SECONDS):
                    await self._writer.durable()
        except AuditUnavailable:
            _log.error("request %s was cancelled and its outcome could not be recorded", self._request.id)

    def _is_durable(self, tool: Tool | None) -> bool:
        return self._everything_durable or (tool is not None and tool.risk is not Risk.READ)

    def _closes_durably(self, exc: BaseException | None) -> bool:
        if isinstance(exc, AuditUnavailable):
            # The disk was waited for already.
            return False
        return self._is_durable(self.tool) if self._sent else self._everything_durable

    def _intend(self, permit: Permit) -> None:
        self.tool, self.decision = permit.tool, permit.decision
        fields = record.asked("intent", self._request, self._verb, self._principal)
        fields.update(record.about_tool(permit.tool))
        fields.update(record.about_decision(permit.decision))
        fields.update(record.about_arguments(permit.arguments))
        fields["policy"] = self._policy
        if permit.tool.record:
            self._record_values(fields, permit.tool, permit.arguments)
        if self._named:
            fields["named"] = self._named
        self._intent = self._writer.write(fields)

    def _closing(self, exc: BaseException | None) -> Fields:
        if self._intent and self.tool is not None:
            fields = self._outcome(self.tool, exc)
        elif self._listed is not None and exc is None:
            fields = record.asked("list", self._request, self._verb, self._principal)
            fields.update(self._listed, policy=self._policy, outcome=Outcome.OK)
        else:
            fields = self._decided(exc)
        if self._named:
            fields["named"] = self._named
        fields["latency_us"] = (perf_counter_ns() - self._began) // 1000
        return fields

    def _outcome(self, tool: Tool, exc: BaseException | None) -> Fields:
        fields = record.outcome(self._request, self._verb, self._principal, tool, intent=self._intent)
        ending = self._ending(tool, exc)
        fields.update(outcome=ending.outcome, code=ending.code, sent=self._sent)
        if self.decision is not None and self.decision.classification is not None:
            fields["classification"] = self.decision.classification
        if self._sent:
            fields["upstream_us"] = (perf_counter_ns() - self._forwarded_at) // 1000
        if self._caller is not None and self._caller.asked:
            self._named["answers"] = list(self._caller.asked)
        if self._answer is not None and ending.outcome is Outcome.ASKED:
            self._named["questions"] = questions(self._answer)
        return fields

    def _record_values(self, fields: Fields, tool: Tool, arguments: Mapping[str, Any]) -> None:
        """What the tool's policy names, unreadable without the user's key; nothing when values cannot be sealed."""
        if self._seal is None:
            return
        seal = self._seal(self._principal.user)
        fields["recorded"] = {pointer: seal(value) for pointer, value in named_values(tool.record, arguments)}

    def _ending(self, tool: Tool, exc: BaseException | None) -> Ending:
        if self._answer is not None:
            return of_answer(self._answer)
        if exc is None:
            return Ending(Outcome.UNKNOWN, "internal.error")
        return of_broken_call(exc, tool.risk) if self._sent else of_refusal(exc)

    def _decided(self, exc: BaseException | None) -> Fields:
        """The one record of a request that did not leave."""
        fields = record.asked("decision", self._request, self._verb, self._principal)
        if self.tool is not None:
            fields.update(record.about_tool(self.tool))
        said = exc.decision if isinstance(exc, AccessDenied) else None
        decision = self.decision if said is None else said
        if decision is not None:
            fields.update(record.about_decision(decision))
        if self._arguments is not None:
            fields.update(record.about_arguments(self._arguments))
            if self.tool is not None and self.tool.record:
                self._record_values(fields, self.tool, self._arguments)
        fields["policy"] = self._policy
        ending = Ending(Outcome.OK) if exc is None else of_refusal(exc)
        if exc is not None:
            # What happened to the request, whatever the relationships said of it.
            fields["effect"] = "deny"
        fields.update(outcome=ending.outcome, code=ending.code)
        return fields


@lru_cache(maxsize=64)
def _names_digest(names: frozenset[str] | tuple[str, ...]) -> str:
    # The same names are listed again and again; hashing a thousand names each time would cost more than the list.
    return record.names_digest(names)
