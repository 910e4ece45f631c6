"""Pages for people: templates, and the headers that keep them from being framed, cached or scripted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from mcp_gateway.authserver.problems import NO_STORE, OAuthProblem, unavailable
from mcp_gateway.errors import OperatorError, Unavailable

_TEMPLATES = Path(__file__).parent / "templates"
_CSP = "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"
_HEADERS = NO_STORE | {
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    # `no-referrer` would make browsers send `Origin: null` with our own forms.
    "referrer-policy": "same-origin",
}
_environment = Environment(
    loader=FileSystemLoader(_TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

Handler = Callable[[Request], Awaitable[Response]]


def page(name: str, *, status: int = 200, forms_stay_here: bool = True, **context: Any) -> Response:
    """The template `name`. `forms_stay_here` False: the answer to a form may lead to another site."""
    policy = f"{_CSP}; form-action 'self'" if forms_stay_here else _CSP
    content = _environment.get_template(name).render(**context)
    return HTMLResponse(content, status_code=status, headers=_HEADERS | {"content-security-policy": policy})


def style(_request: Request) -> Response:
    content = (_TEMPLATES / "style.css").read_text("utf-8")
    return Response(content, media_type="text/css", headers={"cache-control": "public, max-age=300"})


def on_a_page(handler: Handler) -> Handler:
    """Answer what `handler` refuses on a page; nothing is sent on to another site."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except OAuthProblem as exc:
            return _problem_page(exc)
        except (Unavailable, OperatorError) as exc:
            return _problem_page(unavailable(exc))

    return answer


def _problem_page(problem: OAuthProblem) -> Response:
    response = page("problem.html", status=problem.status, code=problem.error, detail=problem.detail)
    if problem.retry_after is not None:
        response.headers["retry-after"] = str(problem.retry_after)
    return response
