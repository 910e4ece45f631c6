"""The bounds of one process towards its upstreams; `compose` fills them from the settings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    response_bytes: int = 16 * 1024 * 1024
    """One answer, decoded: a JSON body, a whole event stream, or one line of a child's output."""
    connect_seconds: float = 3.0
    connections: int = 256
    """Requests in flight to one upstream."""
    sessions: int = 200
    """Legacy sessions or child processes of one upstream."""
    session_idle_seconds: float = 600.0
    list_seconds: float = 30.0
    """Deadline of a probe or of one whole listing, all pages."""
    tools: int = 10_000
    pages: int = 100
    questions: int = 32
    """What an upstream may ask the client in one call."""
    question_seconds: float = 600.0
    """For a person to answer one."""
    patience_seconds: float = 1_800.0
    """How long the deadline of one call may stand still for all its questions."""
    breaker_failures: int = 5
    breaker_cooldown_seconds: float = 2.0
    sweep_seconds: float = 30.0
    """How often addresses are resolved again and idle sessions ended."""
