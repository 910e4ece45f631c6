"""The first-party app: `/api/v1` as documented JSON, and the pages. There is no way to a tool from here.

All a person can change is to end what was given to the own agents.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi import Path as PathParameter
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from sse_starlette import EventSourceResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response

from mcp_gateway import __version__
from mcp_gateway.api import own, pages, recorded
from mcp_gateway.api.envelope import Envelope, known_code, problem, request_id_of, told
from mcp_gateway.api.events import event_stream
from mcp_gateway.api.signed_in import Desk, desk_of, person_of
from mcp_gateway.errors import BadRequest, GatewayError
from mcp_gateway.inspection import Access, Filter, ServerView, Standing, ToolDetail, ToolPage
from mcp_gateway.model.ids import AgentId, ToolId, UserId
from mcp_gateway.model.principal import Person
from mcp_gateway.model.tool import Kind, ReviewState, Risk

PREFIX = "/api/v1"

_DESCRIPTION = """What stands behind this gateway, as far as the signed-in person may see it.

Sign in at `/login`; the session's cookie is all a browser needs. Everything here reads, but for
`DELETE`, which ends what an agent was given; with a cookie it wants an `Origin` of this gateway.
Tools are called over MCP, by an agent that has a grant."""


class Problem(BaseModel):
    reason: str
    message: str
    request_id: str


_Responses: TypeAlias = dict[int | str, dict[str, Any]]

_EVERYWHERE: _Responses = {
    401: {"model": Problem, "description": "Not signed in."},
    "default": {"model": Problem, "description": "Refused; `reason` says why."},
}
_BAD_REQUEST: _Responses = {400: {"model": Problem, "description": "Names the field that is wrong."}}
_NOT_FOUND: _Responses = {404: {"model": Problem, "description": "Not there, or not for this person."}}
_EVENTS: _Responses = {
    200: {"description": "Events `ready`, `catalog`, `decision`, `lost`, `end`; data is a JSON object."}
}

SignedIn = Annotated[Person, Depends(person_of)]

router = APIRouter(prefix=PREFIX, responses=_EVERYWHERE)


def app(desk: Desk) -> FastAPI:
    """Everything of this door, to be mounted at the root behind the other doors."""
    made = FastAPI(
        title="MCP gateway",
        version=__version__,
        description=_DESCRIPTION,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    made.state.desk = desk
    made.include_router(router)
    made.router.routes.extend(pages.routes())
    made.add_middleware(Envelope)
    made.add_exception_handler(GatewayError, _refused)
    made.add_exception_handler(RequestValidationError, _invalid)
    made.add_exception_handler(HTTPException, _unknown)
    return made


@router.get("/me", summary="Who is signed in and how far they see")
async def me(request: Request, person: SignedIn) -> Standing:
    return await desk_of(request).inspection.standing(person)


@router.get("/servers", summary="The servers this person may know of")
async def servers(request: Request, person: SignedIn) -> tuple[ServerView, ...]:
    return await desk_of(request).inspection.servers(person)


@router.get("/servers/{name}", summary="One server", responses=_NOT_FOUND)
async def server(request: Request, person: SignedIn, name: str) -> ServerView:
    return await desk_of(request).inspection.server(person, name)


@router.get("/tools", summary="Search the tools, prompts or resources this person may see", responses=_BAD_REQUEST)
async def tools(
    request: Request,
    person: SignedIn,
    q: Annotated[str | None, Query(max_length=200, description="Words that must all occur.")] = None,
    server: Annotated[str | None, Query(max_length=64)] = None,
    risk: Risk | None = None,
    state: ReviewState | None = None,
    access: Annotated[Access | None, Query(description="What it is to this person.")] = None,
    kind: Annotated[Kind, Query(description="Of what is offered; a template is a family of resources.")] = Kind.TOOL,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=1000, description="`next_cursor` of the page before.")] = None,
) -> ToolPage:
    wanted = Filter(q, server, risk, state, access, kind)
    return await desk_of(request).inspection.tools(person, wanted, limit=limit, cursor=cursor)


@router.get("/tools/{server}/{tool}", summary="One tool, by the parts of its id", responses=_NOT_FOUND)
async def tool(request: Request, person: SignedIn, server: str, tool: str) -> ToolDetail:
    return await desk_of(request).inspection.tool(person, ToolId(f"tool:{server}/{tool}"))


@router.get("/prompts/{server}/{prompt}", summary="One prompt, by the parts of its id", responses=_NOT_FOUND)
async def prompt(request: Request, person: SignedIn, server: str, prompt: str) -> ToolDetail:
    return await desk_of(request).inspection.tool(person, ToolId(f"prompt:{server}/{prompt}"))


@router.get(
    "/resources/{server}/{resource}", summary="One resource or template, by the parts of its id", responses=_NOT_FOUND
)
async def resource(request: Request, person: SignedIn, server: str, resource: str) -> ToolDetail:
    return await desk_of(request).inspection.tool(person, ToolId(f"resource:{server}/{resource}"))


@router.get("/explain", summary="Why a tool or a resource is open to a principal or not", responses=_NOT_FOUND)
async def explain(
    request: Request,
    person: SignedIn,
    user: Annotated[str, Query(max_length=512, pattern="^user:", description="`user:ISSUER/NAME`; need not exist.")],
    agent: Annotated[str, Query(max_length=512, pattern="^agent:", description="`agent:ISSUER/CLIENT`.")],
    tool: Annotated[
        str | None,
        Query(max_length=512, pattern="^(tool|prompt|resource):", description="The id of anything on offer."),
    ] = None,
    resource: Annotated[str | None, Query(max_length=512, description="`TYPE:SERVER/ID`, by itself.")] = None,
    relation: Annotated[str, Query(max_length=50, description="On the resource.")] = "can_read",
) -> dict[str, Any]:
    """For administrators and auditors: every question with its answer, every missing side, what would change it.

    A call's arguments are not taken here, because an address ends in logs; `mcp-gateway explain --arguments` takes them.
    """
    inspection = desk_of(request).inspection
    if (tool is None) == (resource is None):
        raise BadRequest("query: exactly one of tool and resource")
    who, through = UserId(user), AgentId(agent)
    if resource is not None:
        return (await inspection.explain_resource(person, who, through, relation, resource)).as_dict()
    return (await inspection.explain(person, who, through, ToolId(tool or ""), None)).as_dict()


@router.get("/access", summary="Which agents act for this person, and what they were granted")
async def access(request: Request, person: SignedIn) -> own.OwnAccess:
    return await own.own_access(request, person)


@router.delete("/access/delegations", summary="End an agent's acting for this person, and what the person granted it")
async def end_delegation(
    request: Request, person: SignedIn, agent: Annotated[str, Query(max_length=own.MAX_ID)]
) -> own.Ended:
    return await own.end_delegation(request, person, agent)


@router.delete("/access/grants/{grant}", summary="Revoke a grant this person may revoke", responses=_NOT_FOUND)
async def revoke_grant(
    request: Request, person: SignedIn, grant: Annotated[str, PathParameter(max_length=own.MAX_ID)]
) -> own.Ended:
    return await own.revoke_grant(request, person, grant)


@router.get("/audit", summary="What was recorded, newest first", responses=_BAD_REQUEST)
async def audit(request: Request, person: SignedIn, asked: Annotated[recorded.Asked, Query()]) -> recorded.Recorded:
    """Auditors read every record whole; a person reads the own ones, as it was told."""
    return await recorded.recorded(request, person, asked)


@router.get(
    "/events",
    summary="Catalog changes and decisions as they happen",
    response_class=EventSourceResponse,
    responses=_EVENTS,
)
async def events(request: Request, person: SignedIn) -> EventSourceResponse:
    return event_stream(request, person)


async def _refused(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, GatewayError)
    code = known_code(exc)
    return _answer(request, code, told(exc) if code == exc.code else None)


async def _invalid(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, RequestValidationError)
    first = exc.errors()[0]
    # The kind of the error, not its message: some messages repeat the value.
    return _answer(request, BadRequest.code, f"{'.'.join(map(str, first['loc']))}: {first['type']}")


async def _unknown(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)
    by_status = {404: "request.unknown_path", 405: "request.wrong_verb"}
    answer = _answer(request, by_status.get(exc.status_code, BadRequest.code), None)
    answer.headers.update(exc.headers or {})
    return answer


def _answer(request: Request, code: str, message: str | None) -> Response:
    if pages.wants_page(request):
        return pages.problem_page(request, code, message)
    return problem(code, request_id_of(request), message=message)
