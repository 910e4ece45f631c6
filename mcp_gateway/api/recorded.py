"""What was recorded, for whoever is signed in: auditors read the records whole, a person the own ones as told."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Query, Request
from pydantic import BaseModel, ConfigDict, Field

from mcp_gateway.api.signed_in import desk_of
from mcp_gateway.inspection import Wanted
from mcp_gateway.model.principal import Person

_ID = Query(max_length=512)


class Asked(BaseModel):
    """All that is given must agree."""

    model_config = ConfigDict(extra="forbid")

    user: Annotated[str | None, _ID] = None
    agent: Annotated[str | None, _ID] = None
    tool: Annotated[str | None, _ID] = None
    resource: Annotated[str | None, _ID] = None
    request: Annotated[str | None, _ID] = None
    kind: Annotated[str | None, Query(max_length=64)] = None
    code: Annotated[str | None, Query(max_length=64)] = None
    effect: Literal["allow", "deny"] | None = None
    since: Annotated[float | None, Field(ge=0, description="Seconds since 1970.")] = None
    until: Annotated[float | None, Field(ge=0, description="Seconds since 1970; not the moment itself.")] = None
    limit: Annotated[int, Field(ge=1, le=500)] = 100


class Recorded(BaseModel):
    records: list[dict[str, Any]]


async def recorded(request: Request, person: Person, asked: Asked) -> Recorded:
    """The newest first; looks at no more than the newest 100,000 records, `mcp-gateway audit search` at all."""
    wanted = Wanted(**asked.model_dump(exclude={"limit"}))
    found = await desk_of(request).inspection.audit(person, wanted, limit=asked.limit)
    return Recorded(records=[dict(record) for record in found])
