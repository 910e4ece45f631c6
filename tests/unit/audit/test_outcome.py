from __future__ import annotations

import anyio
import pytest

from mcp_gateway.audit.outcome import Ending, Outcome, of_answer, of_broken_call, of_refusal
from mcp_gateway.errors import (
    AccessDenied,
    AuditUnavailable,
    AuthorizationUnavailable,
    InsufficientScope,
    InvalidArguments,
    LimitExceeded,
    OutcomeUnknown,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from mcp_gateway.model.call import Answer
from mcp_gateway.model.tool import Risk
from tests.unit.audit.calls import JSONRPC_ERROR, OK, TOOL_ERROR


@pytest.mark.parametrize(
    ("answer", "ending"),
    [
        (OK, Ending(Outcome.OK)),
        (TOOL_ERROR, Ending(Outcome.TOOL_ERROR, "isError")),
        (JSONRPC_ERROR, Ending(Outcome.TOOL_ERROR, "-32050")),
    ],
)
def test_an_answer_says_how_the_call_ended(answer: Answer, ending: Ending) -> None:
    assert of_answer(answer) == ending


@pytest.mark.parametrize(
    ("error", "outcome", "code"),
    [
        (AccessDenied(None, code="tool.unavailable"), "denied", "tool.unavailable"),
        (InsufficientScope("mcp:write"), "denied", "scope.insufficient"),
        (InvalidArguments("/id", "type"), "refused", "arguments.invalid"),
        (LimitExceeded(), "refused", "limit.concurrency"),
        (AuthorizationUnavailable(), "unavailable", "authorization.unavailable"),
        (AuditUnavailable(), "unavailable", "audit.unavailable"),
        (RuntimeError("x"), "error", "internal.error"),
        (KeyboardInterrupt(), "cancelled", "request.cancelled"),
    ],
)
def test_a_request_that_never_left_ends_by_its_error(error: BaseException, outcome: str, code: str) -> None:
    assert of_refusal(error) == Ending(Outcome(outcome), code)


@pytest.mark.parametrize(
    ("error", "risk", "outcome", "code"),
    [
        (UpstreamUnavailable(), Risk.WRITE, "upstream_error", "upstream.unavailable"),
        (UpstreamTimeout(), Risk.WRITE, "timeout", "upstream.timeout"),
        (UpstreamProtocolError(), Risk.READ, "upstream_error", "upstream.protocol_error"),
        (OutcomeUnknown(), Risk.READ, "unknown", "upstream.outcome_unknown"),
        (RuntimeError("x"), Risk.READ, "unknown", "internal.error"),
        (anyio.ClosedResourceError(), Risk.WRITE, "unknown", "internal.error"),
        (KeyboardInterrupt(), Risk.READ, "cancelled", "request.cancelled"),
        (KeyboardInterrupt(), Risk.WRITE, "unknown", "request.cancelled"),
        (KeyboardInterrupt(), Risk.DESTRUCTIVE, "unknown", "request.cancelled"),
    ],
)
def test_a_call_that_left_and_may_have_acted_is_never_said_to_have_failed(
    error: BaseException, risk: Risk, outcome: str, code: str
) -> None:
    assert of_broken_call(error, risk) == Ending(Outcome(outcome), code)
