"""`requestState` as it leaves us: whatever has to come back with a retry, sealed for this request and nobody else.

What an upstream gave us to keep travels inside. The seal holds for one principal at one endpoint, one item
and the same arguments, for ten minutes; anything else is refused exactly like a state that never existed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mcp_gateway.errors import UnknownState, UpstreamProtocolError
from mcp_gateway.transport.sealing import Sealer
from mcp_gateway.transport.turns import Turn

STATE_SECONDS = 600.0
MAX_STATE = 98_304
"""Of the sealed text: 64 KiB of an upstream's own and what we add."""
_PURPOSE = "requestState"


@dataclass(frozen=True, slots=True)
class State:
    item: str
    """Id of what asked; a name may belong to something else by the time of the retry."""
    began: str
    """Id of the request that was asked first, for the audit."""
    asked: Mapping[str, str] = field(default_factory=dict[str, str])
    """Method of every question by its key."""
    upstream: str | None = None
    """The upstream's own requestState, given back to it as it was."""
    parked: str | None = None
    """Handle of a call that waits in this process."""
    afresh: bool = False
    """The upstream keeps nothing: when the answers are in, the call is simply made again."""


class States:
    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def seal(self, turn: Turn, state: State) -> str:
        """Raises UpstreamProtocolError when the upstream gave us too much to keep."""
        content = {
            "i": state.item,
            "r": state.began,
            "q": dict(state.asked),
            "u": state.upstream,
            "p": state.parked,
            "a": state.afresh,
        }
        sealed = self._sealer.seal(_PURPOSE, turn.binding, content, seconds=STATE_SECONDS)
        if len(sealed) > MAX_STATE:
            raise UpstreamProtocolError("the upstream's requestState is too large")
        return sealed

    def open(self, turn: Turn, sealed: str) -> State:
        """Raises UnknownState."""
        content = self._sealer.open(_PURPOSE, turn.binding, sealed, limit=MAX_STATE)
        if content is None:
            raise UnknownState
        return State(content["i"], content["r"], content["q"], content["u"], content["p"], content["a"])
