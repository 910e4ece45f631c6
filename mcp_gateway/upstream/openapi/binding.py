"""What a tool's definition says of the request it stands for, in `_meta`. Pure.

It is part of what a reviewer approved and of the digest: a document that moves a tool to another
path changes the tool. A call is made from it alone, so what was reviewed is what is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mcp_gateway.errors import UpstreamProtocolError
from mcp_gateway.model.tool import JsonObject

META = "io.github.mcp-gateway/openapi"

JSON_BODY = "application/json"
FORM_BODY = "application/x-www-form-urlencoded"
Method: TypeAlias = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
Style: TypeAlias = Literal["simple", "form", "spaceDelimited", "pipeDelimited", "deepObject", "json"]
"""`json` is not of OpenAPI: a parameter described by `content`, sent as JSON text."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Place(_Strict):
    """Where one argument goes."""

    argument: str
    name: str
    """On the wire."""
    where: Annotated[Literal["path", "query", "header"], Field(alias="in")]
    style: Style
    explode: bool


class Body(_Strict):
    argument: str
    type: str = Field(pattern=r"^application/([a-z0-9.-]+\+)?json$|^application/x-www-form-urlencoded$")


class Binding(_Strict):
    method: Method
    path: str
    """A template of the document."""
    parameters: tuple[Place, ...] = ()
    body: Body | None = None


@dataclass(frozen=True, slots=True)
class Unusable:
    why: str


def written(binding: Binding | Unusable) -> JsonObject:
    """The value under `META`."""
    if isinstance(binding, Unusable):
        return {"unusable": binding.why}
    return binding.model_dump(mode="json", by_alias=True, exclude_none=True)


def unusable(definition: JsonObject) -> str | None:
    """Why review must not offer this tool, if its definition says so."""
    match _under_meta(definition):
        case {"unusable": str(why)}:
            return why
        case _:
            return None


def bound(definition: JsonObject) -> Binding:
    """Raises UpstreamProtocolError for a definition that did not come from a document."""
    try:
        return Binding.model_validate(_under_meta(definition))
    except ValidationError:
        raise UpstreamProtocolError("the tool's definition does not say which request it is; refresh it") from None


def _under_meta(definition: JsonObject) -> object:
    meta: object = definition.get("_meta")
    return cast("Mapping[str, object]", meta).get(META) if isinstance(meta, Mapping) else None
