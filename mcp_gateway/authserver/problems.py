"""How the authorization server says no: in JSON to programs, on a page to people. Holds no secret and no input."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mcp_gateway.errors import BadRequest, GatewayError, OperatorError, Unavailable
from mcp_gateway.model.reasons import sentence

Handler = Callable[[Request], Awaitable[Response]]

NO_STORE = {"cache-control": "no-store", "pragma": "no-cache"}


class OAuthProblem(BadRequest):
    """An error of RFC 6749 §5.2, RFC 7591 §3.2.2 or RFC 8707 §2; `detail` is shown."""

    def __init__(self, error: str, detail: str, *, status: int = 400, retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.error = error
        self.status = status
        self.retry_after = retry_after

    def as_json(self) -> Response:
        headers = dict(NO_STORE)
        if self.retry_after is not None:
            headers["retry-after"] = str(self.retry_after)
        described = {"error": self.error, "error_description": self.detail}
        return JSONResponse(described, status_code=self.status, headers=headers)


def in_json(handler: Handler) -> Handler:
    """Answer what `handler` refuses as OAuth JSON."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except OAuthProblem as exc:
            return exc.as_json()
        except (Unavailable, OperatorError) as exc:
            return unavailable(exc).as_json()

    return answer


def unavailable(error: GatewayError) -> OAuthProblem:
    """What a caller may read of an error that is ours."""
    return OAuthProblem("temporarily_unavailable", sentence(error.code), status=503, retry_after=5)
