"""What `doctor` finds out, and how: each check by itself, so that one that fails or hangs hides none of the others.

Looks at what is there and changes nothing; works beside a running gateway and without one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import anyio
import anyio.lowlevel

from mcp_gateway.errors import GatewayError, OperatorError

_CHECK_SECONDS = 30.0


class State(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence about one thing, and what to do where it is not well."""

    area: str
    state: State
    said: str
    remedy: str = ""


Check = Callable[[], Awaitable[Sequence[Finding]]]


def well(area: str, said: str) -> Finding:
    return Finding(area, State.OK, said)


def odd(area: str, said: str, remedy: str) -> Finding:
    return Finding(area, State.WARN, said, remedy)


def ill(area: str, said: str, remedy: str) -> Finding:
    return Finding(area, State.FAIL, said, remedy)


def of_error(area: str, error: Exception, remedy: str) -> Finding:
    """What was raised, as a finding; of errors that nobody foresaw only the kind, for they may hold anything."""
    if isinstance(error, OperatorError):
        return ill(area, str(error), error.remedy or remedy)
    if isinstance(error, GatewayError):
        return ill(area, str(error), remedy)
    if isinstance(error, TimeoutError):
        return ill(area, "did not answer in time", remedy)
    if isinstance(error, OSError):
        return ill(area, error.strerror or "cannot be read", remedy)
    return ill(area, f"could not be looked at: {type(error).__name__}", remedy)


async def every(checks: Sequence[tuple[str, str, Check]]) -> AsyncIterator[Finding]:
    """Run checks one after the other: (area, what to do when it cannot even be looked at, check)."""
    for area, remedy, check in checks:
        try:
            with anyio.fail_after(_CHECK_SECONDS):
                found = await check()
        except Exception as exc:
            found = [of_error(area, exc, remedy)]
        for finding in found:
            yield finding
        await anyio.lowlevel.checkpoint()
