"""How a request ended, in one word and one code. Pure.

`unknown` is said whenever the upstream may have acted and we cannot tell; only a tool that reads can be
plainly `cancelled` once its call has left.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from mcp_gateway.errors import (
    AccessDenied,
    CallerError,
    GatewayError,
    InsufficientScope,
    OutcomeUnknown,
    Unauthenticated,
    Unavailable,
    UpstreamFailure,
    UpstreamTimeout,
)
from mcp_gateway.model.call import Answer
from mcp_gateway.model.tool import Risk


class Outcome(StrEnum):
    OK = "ok"
    ASKED = "asked"
    """The upstream wants to know something first; the client may come back with it."""
    TOOL_ERROR = "tool_error"
    """The upstream answered that it failed."""
    UPSTREAM_ERROR = "upstream_error"
    TIMEOUT = "timeout"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"
    DENIED = "denied"
    REFUSED = "refused"
    """Admitted, but the request itself would not do."""
    UNAVAILABLE = "unavailable"
    """It could not be decided or recorded."""
    ERROR = "error"


_ASKABLE = ("elicitation/create", "sampling/createMessage", "roots/list")
_MAX_NAMED = 32


@dataclass(frozen=True, slots=True)
class Ending:
    outcome: Outcome
    code: str | None = None
    """A reason of `model.reasons`, or the upstream's JSON-RPC error code."""


def of_answer(answer: Answer) -> Ending:
    if answer.error is not None:
        code: Any = answer.error.get("code")
        return Ending(Outcome.TOOL_ERROR, str(code) if isinstance(code, int) and abs(code) < 2**53 else "invalid")
    if answer.result is not None and answer.result.get("isError") is True:
        return Ending(Outcome.TOOL_ERROR, "isError")
    if answer.result is not None and answer.result.get("resultType") == "input_required":
        return Ending(Outcome.ASKED)
    return Ending(Outcome.OK)


def questions(answer: Answer) -> list[str]:
    """What an answer asks back, by method alone."""
    found: object = (answer.result or {}).get("inputRequests")
    if not isinstance(found, dict):
        return []
    requests = cast("dict[str, object]", found).values()
    methods = [cast("dict[str, object]", request).get("method") for request in requests if isinstance(request, dict)]
    return [f"{method}: asked" for method in methods if method in _ASKABLE][:_MAX_NAMED]


def of_refusal(error: BaseException) -> Ending:
    """Of a request that never left."""
    match error:
        case AccessDenied() | InsufficientScope() | Unauthenticated():
            return Ending(Outcome.DENIED, error.code)
        case CallerError():
            return Ending(Outcome.REFUSED, error.code)
        case Unavailable():
            return Ending(Outcome.UNAVAILABLE, error.code)
        case UpstreamFailure():
            return Ending(Outcome.UPSTREAM_ERROR, error.code)
        case GatewayError():
            return Ending(Outcome.ERROR, error.code)
        case Exception():
            return Ending(Outcome.ERROR, "internal.error")
        case _:
            return Ending(Outcome.CANCELLED, "request.cancelled")


def of_broken_call(error: BaseException, risk: Risk) -> Ending:
    """Of a call that left and came back without an answer."""
    match error:
        case OutcomeUnknown():
            return Ending(Outcome.UNKNOWN, error.code)
        case UpstreamTimeout():
            return Ending(Outcome.TIMEOUT, error.code)
        case UpstreamFailure():
            return Ending(Outcome.UPSTREAM_ERROR, error.code)
        case GatewayError():
            return Ending(Outcome.UNKNOWN, error.code)
        case Exception():
            return Ending(Outcome.UNKNOWN, "internal.error")
        case _:
            gone = Outcome.CANCELLED if risk is Risk.READ else Outcome.UNKNOWN
            return Ending(gone, "request.cancelled")
