"""The one onion: every guard once, in the order `compose` lists them, around the forward to the upstream.

A guard lets a call through by awaiting `proceed`, once; it stops one by raising. What a decision obliges us to do
and no guard does stops the call before the first guard.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Protocol, TypeAlias, runtime_checkable

from mcp_gateway.errors import AccessDenied
from mcp_gateway.model.call import Answer, Caller, Forward, Permit
from mcp_gateway.model.decision import Effect, Reason

Guard: TypeAlias = Callable[[Permit, Caller, Forward], Awaitable[Answer]]


@runtime_checkable
class Fulfils(Protocol):
    """A guard that sees to obligations says which, by name."""

    @property
    def fulfils(self) -> frozenset[str]: ...


class Guards:
    def __init__(self, guards: Sequence[Guard]) -> None:
        """`guards[0]` sees a call first and its answer last."""
        self._inside_out = tuple(reversed(guards))
        self._fulfilled = frozenset(name for guard in guards if isinstance(guard, Fulfils) for name in guard.fulfils)

    async def run(self, permit: Permit, caller: Caller, proceed: Forward) -> Answer:
        """The answer of `proceed`, if every guard agrees."""
        for obligation in permit.decision.obligations:
            if obligation.name not in self._fulfilled:
                raise refusal(permit, Reason("obligation.unhandled", obligation.name))
        for guard in self._inside_out:
            proceed = _around(guard, proceed)
        return await proceed(permit, caller)


def refusal(permit: Permit, reason: Reason) -> AccessDenied:
    """A denial of what the relationships allowed; the caller learns no more than that the thing is unavailable."""
    said = permit.decision
    return AccessDenied(
        replace(said, effect=Effect.DENY, reasons=(*said.reasons, reason)), code=permit.tool.kind.unavailable
    )


def _around(guard: Guard, proceed: Forward) -> Forward:
    def step(permit: Permit, caller: Caller) -> Awaitable[Answer]:
        return guard(permit, caller, proceed)

    return step
