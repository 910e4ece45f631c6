"""The pages for people: catalog, one tool, how to connect, and the own agents. Plain HTML; what changes is a POST."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from mcp_gateway.api import own
from mcp_gateway.api.envelope import request_id_of, status_of
from mcp_gateway.api.signed_in import desk_of, login_path, mcp_url, person_of
from mcp_gateway.api.snippets import snippets
from mcp_gateway.errors import BadRequest
from mcp_gateway.inspection import Access, Filter
from mcp_gateway.model.ids import ToolId
from mcp_gateway.model.reasons import sentence
from mcp_gateway.model.tool import JsonObject, Kind, ReviewState, Risk

PAGE_SIZE = 50
_MAX_SEARCH = 200
_MAX_CURSOR = 1000
_MAX_DEFINITION = 65_536
_STYLE_SECONDS = 300

_Choice = TypeVar("_Choice", Risk, ReviewState, Access, Kind)

_KINDS = {"tools": "tool", "prompts": "prompt", "resources": "resource"}
"""Types of ids by where their pages are; a template is a resource."""


def routes() -> list[BaseRoute]:
    return [
        Route("/", _home, name="home"),
        Route("/catalog", _catalog, name="catalog"),
        Route("/catalog/{kind}/{server}/{tool}", _tool, name="tool"),
        Route("/connect", _connect, name="connect"),
        Route("/access", _access, name="access"),
        Route("/access/end", _end_delegation, methods=["POST"]),
        Route("/access/revoke", _revoke_grant, methods=["POST"]),
        Route("/catalog/style.css", _style, name="style"),
    ]


def wants_page(request: Request) -> bool:
    return not request.url.path.startswith("/api/") and "text/html" in request.headers.get("accept", "")


def problem_page(request: Request, code: str, message: str | None) -> Response:
    """A refusal for a person: to the sign-in page if that helps, else in words."""
    status = status_of(code)
    if status == 401 and "authorization" not in request.headers:
        return RedirectResponse(login_path(request), 303)
    shown = {"status": status, "message": message or sentence(code), "request_id": request_id_of(request)}
    return _page(request, "problem.html", shown, status=status)


async def _home(_request: Request) -> Response:
    return RedirectResponse("/catalog", 303)


async def _catalog(request: Request) -> Response:
    person = await person_of(request)
    inspection = desk_of(request).inspection
    wanted = _filter(request.query_params)
    cursor = _text(request.query_params, "cursor", _MAX_CURSOR)
    shown = {
        "standing": await inspection.standing(person),
        "servers": await inspection.servers(person),
        "page": await inspection.tools(person, wanted, limit=PAGE_SIZE, cursor=cursor),
        "wanted": wanted,
        "is_first_page": cursor is None,
        "risks": list(Risk),
        "states": list(ReviewState),
        "kinds": list(Kind),
        "accesses": [Access.CALLABLE, Access.DEPENDS, Access.REQUESTABLE],
        "next_query": _query_without_cursor(request.query_params),
    }
    return _page(request, "catalog.html", shown)


async def _tool(request: Request) -> Response:
    person = await person_of(request)
    inspection = desk_of(request).inspection
    place = request.path_params
    if place["kind"] not in _KINDS:
        raise BadRequest("there is nothing at this path", code="request.unknown_path")
    identifier = ToolId(f"{_KINDS[place['kind']]}:{place['server']}/{place['tool']}")
    detail = await inspection.tool(person, identifier)
    shown = {
        "standing": await inspection.standing(person),
        "detail": detail,
        "tool": detail.tool,
        "definition": _visible_json(detail.definition),
    }
    return _page(request, "tool.html", shown)


async def _connect(request: Request) -> Response:
    person = await person_of(request)
    url = mcp_url(request)
    standing = await desk_of(request).inspection.standing(person)
    return _page(request, "connect.html", {"standing": standing, "url": url, "snippets": snippets(url)})


async def _access(request: Request) -> Response:
    person = await person_of(request)
    standing = await desk_of(request).inspection.standing(person)
    return _page(request, "access.html", {"standing": standing, "access": await own.own_access(request, person)})


async def _end_delegation(request: Request) -> Response:
    person = await person_of(request)
    await own.end_delegation(request, person, _text(request.query_params, "agent", own.MAX_ID) or "")
    return RedirectResponse("/access", 303)


async def _revoke_grant(request: Request) -> Response:
    person = await person_of(request)
    await own.revoke_grant(request, person, _text(request.query_params, "grant", own.MAX_ID) or "")
    return RedirectResponse("/access", 303)


async def _style(_request: Request) -> Response:
    return Response(_STYLE, media_type="text/css", headers={"Cache-Control": f"max-age={_STYLE_SECONDS}"})


def _page(request: Request, template: str, shown: Mapping[str, Any], *, status: int = 200) -> Response:
    html = _TEMPLATES.get_template(template).render(path=request.url.path, **shown)
    return HTMLResponse(html, status)


def _filter(query: QueryParams) -> Filter:
    """What the form asks for; an empty field means any. Raises BadRequest naming the field."""
    return Filter(
        search=_text(query, "q", _MAX_SEARCH),
        server=_text(query, "server", _MAX_SEARCH),
        risk=_choice(query, "risk", Risk),
        state=_choice(query, "state", ReviewState),
        access=_choice(query, "access", Access),
        kind=_choice(query, "kind", Kind),
    )


def _text(query: QueryParams, field: str, limit: int) -> str | None:
    value = query.get(field, "").strip()
    if len(value) > limit:
        raise BadRequest(f"{field}: at most {limit} characters")
    return value or None


def _choice(query: QueryParams, field: str, kind: type[_Choice]) -> _Choice | None:
    value = query.get(field)
    try:
        return kind(value) if value else None
    except ValueError as exc:
        raise BadRequest(f"{field}: one of {', '.join(kind)}") from exc


def _query_without_cursor(query: QueryParams) -> str:
    return urlencode([(name, value) for name, value in query.items() if value and name != "cursor"])


def _visible_json(definition: JsonObject) -> str:
    """Every character that is not plain ASCII as an escape, so that nothing in it can hide."""
    text = json.dumps(definition, indent=2, ensure_ascii=True)
    return text if len(text) <= _MAX_DEFINITION else text[:_MAX_DEFINITION] + "\n…"


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


def _tool_path(identifier: ToolId) -> str:
    kind, _, rest = identifier.partition(":")
    server, _, name = rest.partition("/")
    return f"/catalog/{kind}s/{quote(server, safe='')}/{quote(name, safe='')}"


def _bare(identifier: str) -> str:
    """`user:local/mira` as people say it."""
    return identifier.partition(":")[2].removeprefix("local/") or identifier


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("mcp_gateway.api", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(moment=_moment, tool_path=_tool_path, bare=_bare)
    return environment


_TEMPLATES = _environment()
_STYLE = files("mcp_gateway.api").joinpath("templates/style.css").read_text(encoding="utf-8")
