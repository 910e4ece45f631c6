"""The requests that may be answered by a question: what one of them is, what its retry brings, what is asked. Pure.

MCP 2026-07-28 basic/patterns/mrtr: `tools/call`, `prompts/get` and `resources/read` may be answered
`input_required`; the client sends the same request again, with `inputResponses` and the exact `requestState`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

import orjson

from mcp_gateway.errors import BadRequest, GatewayError, UpstreamProtocolError
from mcp_gateway.model.call import Again, Answer, Caller, Request
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import JsonObject, Tool
from mcp_gateway.verbs import Called

INPUT_REQUIRED = "input_required"
URL_REQUIRED = -32042
"""MCP 2025-11-25 client/elicitation: the error of a legacy upstream that wants a page to be visited first."""
MAX_REQUESTS = 32
_MAX_KEY = 256
_INVALID_PARAMS = -32602


class Core(Protocol):
    """What the gateway does with a request that may be made again."""

    async def make(self, principal: Principal, called: Called, caller: Caller, again: Again | None) -> Answer:
        """Decide, record and forward it, each time it is made."""
        ...

    def may_ask(self, principal: Principal, called: Called) -> Tool | None: ...

    async def ended(self, principal: Principal) -> GatewayError | None: ...

    async def refused(self, principal: Principal, called: Called) -> GatewayError | None: ...

    async def record_ended(
        self, request_id: str, principal: Principal, name: str | None, refusal: GatewayError
    ) -> None: ...

    def record_refused(self, request_id: str, principal: Principal, reason: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Turn:
    """One request for one item, by one principal."""

    core: Core
    principal: Principal
    called: Called

    @property
    def request(self) -> Request:
        return self.called[0]

    @property
    def name(self) -> str:
        return self.called[2]

    async def make(self, caller: Caller, again: Again | None = None) -> Answer:
        return await self.core.make(self.principal, self.called, caller, again)

    @property
    def binding(self) -> str:
        """Of everything that must be the same when the request is made again."""
        who, (_, kind, name, arguments) = self.principal, self.called
        digest = hashlib.sha256(orjson.dumps(arguments, option=orjson.OPT_SORT_KEYS)).hexdigest()
        return f"{who.user}\0{who.agent}\0{who.audience}\0{kind}\0{name}\0{digest}"


@dataclass(frozen=True, slots=True)
class Returned:
    """What a client brings when it makes its request again."""

    state: str | None
    answers: Mapping[str, JsonObject]


def returned(params: Mapping[str, Any]) -> Returned | None:
    """None for a request that is made for the first time; raises BadRequest."""
    if "inputResponses" not in params and "requestState" not in params:
        return None
    state: Any = params.get("requestState")
    if "requestState" in params and not isinstance(state, str):
        raise BadRequest("params.requestState must be text", jsonrpc=_INVALID_PARAMS)
    answers: Any = params.get("inputResponses", {})
    if not isinstance(answers, dict):
        raise BadRequest("params.inputResponses must be an object", jsonrpc=_INVALID_PARAMS)
    given = cast("dict[str, Any]", answers)
    if not all(isinstance(answer, dict) for answer in given.values()):
        raise BadRequest("every one of params.inputResponses must be an object", jsonrpc=_INVALID_PARAMS)
    return Returned(state, given)


def wanted(result: JsonObject) -> dict[str, JsonObject]:
    """The requests in an `input_required` result by their keys; none when it only says to come back later.

    Raises UpstreamProtocolError.
    """
    found: object = result.get("inputRequests")
    if not isinstance(result.get("requestState"), str | None):
        raise UpstreamProtocolError("the upstream's requestState is not text")
    if found is None and result.get("requestState") is None:
        raise UpstreamProtocolError("the upstream asks back without saying what for")
    if not isinstance(found, dict | None):
        raise UpstreamProtocolError("the upstream's inputRequests are not an object")
    requests = cast("dict[str, object]", found or {})
    if len(requests) > MAX_REQUESTS or any(len(key) > _MAX_KEY for key in requests):
        raise UpstreamProtocolError("the upstream asks too much at once")
    return {key: _request(request) for key, request in requests.items()}


def _request(found: object) -> JsonObject:
    if isinstance(found, dict):
        request = cast("JsonObject", found)
        if isinstance(request.get("method"), str) and isinstance(request.get("params", {}), dict):
            return request
    raise UpstreamProtocolError("one of the upstream's inputRequests is not a request")


def urls_wanted(error: JsonObject) -> dict[str, JsonObject] | None:
    """The pages a legacy upstream wants visited first, as requests; None for any other error."""
    data: object = error.get("data")
    listed: object = cast("JsonObject", data).get("elicitations") if isinstance(data, dict) else None
    if error.get("code") != URL_REQUIRED or not isinstance(listed, list):
        return None
    pages = [_page(page) for page in cast("list[object]", listed[:MAX_REQUESTS])]
    known = [page for page in pages if page is not None]
    if not known or len(known) != len(cast("list[object]", listed)):
        return None
    return {f"url-{number}": page for number, page in enumerate(known, start=1)}


def _page(found: object) -> JsonObject | None:
    if not isinstance(found, dict):
        return None
    page = cast("JsonObject", found)
    if page.get("mode", "url") != "url" or not all(isinstance(page.get(name), str) for name in ("url", "message")):
        return None
    return {"method": "elicitation/create", "params": {**page, "mode": "url"}}
