"""One tree of errors, split by who must act. An exception means: stop this request.

    GatewayError
    ├── CallerError                 the client must change something
    │   ├── Unauthenticated         401: no token, or not a valid one
    │   ├── InsufficientScope       403: the token may not reach this far
    │   ├── BadRequest              400/404/413/...: malformed, mismatching, unknown method, unknown session
    │   ├── InvalidArguments        the arguments do not fit the schema
    │   ├── UnknownState            what came back with a retry is not ours, or not for it
    │   ├── Declined                asked by the upstream, the client did not answer
    │   └── LimitExceeded           too much at once
    ├── AccessDenied                a Decision said no (carries it)
    ├── Unavailable                 we cannot decide or record, so we do not act
    │   ├── AuthorizationUnavailable
    │   └── AuditUnavailable
    ├── UpstreamFailure             the server behind the tool
    │   ├── UpstreamUnavailable     nothing was sent: safe to try again
    │   ├── UpstreamTimeout
    │   ├── UpstreamProtocolError
    │   └── OutcomeUnknown          it may have acted; nothing is retried
    └── OperatorError               configuration, registry, policy, CLI: names file, line, field

`str(error)` is for operators and logs and never holds a token or an argument value; what a
caller reads is `PUBLIC[error.code]`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mcp_gateway.model.reasons import sentence

if TYPE_CHECKING:
    from mcp_gateway.model.decision import Decision


class GatewayError(Exception):
    """Root of everything we raise on purpose; `code` is a reason of `model.reasons`."""

    code: str = "internal.error"

    def __init__(self, detail: str = "", *, code: str | None = None) -> None:
        super().__init__(detail or sentence(code or self.code))
        if code is not None:
            self.code = code

    @property
    def recorded(self) -> str:
        """The code for the audit, where it may say more than the caller hears."""
        return self.code


class CallerError(GatewayError):
    pass


class Unauthenticated(CallerError):
    """RFC 6750 §3.1: without credentials no `error` attribute is sent."""

    code = "token.invalid"

    def __init__(self, detail: str = "", *, code: str | None = None, recorded: str | None = None) -> None:
        super().__init__(detail, code=code)
        self._recorded = recorded

    @property
    def recorded(self) -> str:
        return self._recorded or self.code


class InsufficientScope(CallerError):
    code = "scope.insufficient"

    def __init__(self, scope: str) -> None:
        super().__init__(f"needs scope {scope}")
        self.scope = scope


class BadRequest(CallerError):
    """`detail` names the field and is shown to the caller; `data` goes into the JSON-RPC error."""

    code = "request.malformed"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        data: Mapping[str, Any] | None = None,
        jsonrpc: int | None = None,
    ) -> None:
        super().__init__(detail, code=code)
        self.detail = detail
        self.data = data or {}
        self.jsonrpc = jsonrpc
        """Overrides the table's JSON-RPC code, e.g. -32700 for what is not JSON."""


class InvalidArguments(CallerError):
    """`location` is a JSON Pointer into the arguments; the offending value is never repeated."""

    code = "arguments.invalid"

    def __init__(self, location: str, rule: str) -> None:
        super().__init__(f"argument {location or '/'} breaks `{rule}` of the input schema")
        self.location = location
        self.rule = rule


class UnknownState(CallerError):
    """A `requestState` that is foreign, altered, expired, for another request or made up: one refusal for all."""

    code = "state.invalid"


class Declined(CallerError):
    """The client was not asked, or answered the upstream's question with an error; the upstream hears of it."""

    code = "caller.declined"

    def __init__(self, message: str, *, jsonrpc: int = -32601) -> None:
        super().__init__(message)
        self.jsonrpc = jsonrpc
        """For the upstream: -32601 when the client cannot be asked that, or the client's own code."""


class LimitExceeded(CallerError):
    code = "limit.concurrency"


class AccessDenied(GatewayError):
    """A decision refused the call; `code` is what the caller may know of it."""

    def __init__(self, decision: Decision | None, *, code: str) -> None:
        super().__init__(code=code)
        self.decision = decision
        self.uri: str | None = None
        """Of a resource that was asked for, as the caller wrote it; told back to it (MCP 2026-07-28 server/resources)."""


class Unavailable(GatewayError):
    pass


class AuthorizationUnavailable(Unavailable):
    code = "authorization.unavailable"


class AuditUnavailable(Unavailable):
    code = "audit.unavailable"


class UpstreamFailure(GatewayError):
    code = "upstream.unavailable"


class UpstreamUnavailable(UpstreamFailure):
    """The request certainly did not reach the upstream's tool."""


class UpstreamTimeout(UpstreamFailure):
    code = "upstream.timeout"


class UpstreamProtocolError(UpstreamFailure):
    code = "upstream.protocol_error"


class OutcomeUnknown(UpstreamFailure):
    code = "upstream.outcome_unknown"


class OperatorError(GatewayError):
    """Something an operator wrote or runs; says where and what to do."""

    def __init__(self, problem: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(f"{where}: {problem}" if where else problem)
        self.problem = problem
        self.where = where
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Public:
    """How a reason looks from outside."""

    jsonrpc: int
    http: int
    retry_after_seconds: int | None = None


# MCP 2026-07-28 reserves -32020..-32099; our own codes are positive.
PUBLIC: dict[str, Public] = {
    "token.missing": Public(-32600, 401),
    "token.invalid": Public(-32600, 401),
    "token.expired": Public(-32600, 401),
    "token.wrong_audience": Public(-32600, 401),
    "token.revoked": Public(-32600, 401),
    "access.ended": Public(1001, 200),
    "scope.insufficient": Public(-32600, 403),
    "request.malformed": Public(-32600, 400),
    "request.too_large": Public(-32600, 413),
    "request.too_slow": Public(-32600, 408),
    "request.media_type": Public(-32600, 415),
    "resource.not_watchable": Public(-32601, 200),
    "request.not_acceptable": Public(-32600, 406),
    "request.unknown_path": Public(-32600, 404),
    "request.wrong_verb": Public(-32600, 405),
    "request.header_mismatch": Public(-32020, 400),
    "request.missing_capability": Public(-32021, 400),
    "request.unsupported_version": Public(-32022, 400),
    "request.origin_refused": Public(-32600, 403),
    "request.unknown_method": Public(-32601, 404),
    "request.cancelled": Public(-32600, 200),
    "session.missing": Public(-32600, 400),
    "session.unknown": Public(-32600, 404),
    "cursor.invalid": Public(-32602, 200),
    "state.invalid": Public(-32602, 400),
    "arguments.invalid": Public(-32602, 200),
    "caller.declined": Public(-32600, 200),
    "tool.unavailable": Public(-32602, 200),
    "prompt.unavailable": Public(-32602, 200),
    "resource.unavailable": Public(-32602, 200),
    "task.unknown": Public(-32602, 200),
    "server.unavailable": Public(-32602, 404),
    "grant.unknown": Public(-32602, 404),
    "resource.denied": Public(1001, 200),
    "rule.denied": Public(1001, 200),
    "authorization.unavailable": Public(1002, 503, 1),
    "relationship.stale": Public(1002, 503, 1),
    "audit.unavailable": Public(1002, 503, 5),
    "gateway.disabled": Public(1002, 503, 60),
    "gateway.stopping": Public(1002, 503, 1),
    "upstream.unavailable": Public(1003, 200),
    "upstream.timeout": Public(1003, 200),
    "upstream.protocol_error": Public(1003, 200),
    "upstream.outcome_unknown": Public(1003, 200),
    "limit.concurrency": Public(1004, 429, 1),
    "limit.streams": Public(1004, 429, 1),
    "limit.subscriptions": Public(1004, 429),
    "limit.overload": Public(1004, 503, 1),
    "internal.error": Public(-32603, 500),
}
