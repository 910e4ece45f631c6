"""What legacy sessions told this process beyond their id: a log level, watched resources, the open stream.

A session id is sealed and cannot change, so this is kept beside it, bounded. Only the process that
made a session keeps its state; another one answers as if the session were unknown.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

from mcp_gateway.model.principal import Principal
from mcp_gateway.transport.sessions import Session
from mcp_gateway.transport.stream import Stream, Uris
from mcp_gateway.watch import Seen

LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
"""From the least to the most severe (RFC 5424, MCP 2025-11-25 server/utilities/logging)."""

IN_PROCESS = 10_000
PER_PRINCIPAL = 64


class State:
    __slots__ = ("level", "seen", "stream", "uris", "who")

    def __init__(self, who: tuple[str, str]) -> None:
        self.who = who
        self.level: str | None = None
        self.uris: Uris = {}
        self.stream: Stream | None = None
        self.seen: dict[str, Seen] = {}
        """What the client knew of each list when its last stream ended."""


class SessionStates:
    """By digest. The oldest without a stream goes first, and nobody's sessions push out another's while few are kept."""

    def __init__(self, *, in_process: int = IN_PROCESS, per_principal: int = PER_PRINCIPAL) -> None:
        self._in_process = in_process
        self._per_principal = per_principal
        self._states: OrderedDict[str, State] = OrderedDict()
        self._of_principal: dict[tuple[str, str], OrderedDict[str, None]] = {}

    def of(self, session: Session, principal: Principal) -> State:
        """The session's state, a new one if it said nothing yet."""
        state = self._states.get(session.digest)
        if state is None:
            state = self._new(session.digest, (principal.user, principal.agent))
        self._states.move_to_end(session.digest)
        return state

    def level(self, digest: str) -> str | None:
        """The least severe level the session wants to hear, None while it did not say."""
        state = self._states.get(digest)
        return state.level if state is not None else None

    def mutes(self, digest: str, message: Mapping[str, Any]) -> bool:
        """Whether `message` is a log message below what the session wants."""
        level = self.level(digest)
        if level is None or message.get("method") != "notifications/message":
            return False
        said: object = message.get("params", {}).get("level")
        return said in LEVELS and LEVELS.index(str(said)) < LEVELS.index(level)

    def drop(self, digest: str) -> State | None:
        """The session is over."""
        state = self._states.pop(digest, None)
        if state is not None:
            theirs = self._of_principal[state.who]
            del theirs[digest]
            if not theirs:
                del self._of_principal[state.who]
        return state

    def _new(self, digest: str, who: tuple[str, str]) -> State:
        theirs = self._of_principal.setdefault(who, OrderedDict())
        theirs[digest] = None
        state = self._states[digest] = State(who)
        if len(theirs) > self._per_principal:
            self._drop_idle(theirs, but=digest)
        if len(self._states) > self._in_process:
            self._drop_idle(self._states, but=digest)
        return state

    def _drop_idle(self, candidates: Iterable[str], *, but: str) -> None:
        states = self._states
        idle = next((digest for digest in candidates if states[digest].stream is None and digest != but), None)
        if idle is not None:
            self.drop(idle)

    def __len__(self) -> int:
        return len(self._states)
