"""JSON-RPC between us and an upstream: what we write, what we accept, what we pass on. Pure.

Objects stay plain dicts, so fields we do not know travel through. Request ids are ours.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Mapping
from typing import Any, TypeAlias, cast

import orjson

from mcp_gateway import __version__
from mcp_gateway.errors import InvalidArguments, UpstreamProtocolError
from mcp_gateway.model.call import Answer, Era, Permit
from mcp_gateway.protocol import (
    LATEST_LEGACY_VERSION,
    META_CAPABILITIES,
    META_SERVER_INFO,
    META_VERSION,
    MODERN_VERSION,
)
from mcp_gateway.upstream.capabilities import EVERYTHING, NOTHING, TASKS, Capabilities, for_modern

Message: TypeAlias = dict[str, Any]

GATEWAY_INFO = {"name": "mcp-gateway", "version": __version__}
META_LOG_LEVEL = "io.modelcontextprotocol/logLevel"
MODERN_META: Mapping[str, Any] = {
    META_VERSION: MODERN_VERSION,
    "io.modelcontextprotocol/clientInfo": GATEWAY_INFO,
    META_CAPABILITIES: {},
}
OWN_META: Mapping[str, Any] = {**MODERN_META, META_CAPABILITIES: EVERYTHING}
"""Of the gateway's own questions: what exists, whoever may be asked during a call of it."""

METHOD_NOT_FOUND = -32601
_LOG_LEVELS = frozenset({"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"})
_MAX_ERROR_MESSAGE = 1_000
_MAX_ERROR_DATA = 8 * 1024
_RESERVED_CODES = range(-32099, -32019)
"""Between two peers of the protocol: they speak of our envelope, never of the client's, but for the next."""
MISSING_CAPABILITY = -32021
_ABOUT_THE_ERA = (-32020, -32022)
_URL_ELICITATION_REQUIRED = -32042
"""Of 2025-11-25, from before the codes were reserved."""
_WITH_INPUT = frozenset({"tools/call", "prompts/get", "resources/read"})
"""May be answered by `input_required` (MCP 2026-07-28 basic/patterns/mrtr)."""

_prefix = secrets.token_hex(8)
_numbers = itertools.count(1)


class QuestionRefused(UpstreamProtocolError):
    """The upstream answered a question of our own with an error object."""

    def __init__(self, jsonrpc: object) -> None:
        super().__init__(f"the upstream refused with code {jsonrpc}")
        self.jsonrpc = jsonrpc


def new_id() -> str:
    """Unique to this process and unguessable from outside it."""
    return f"{_prefix}-{next(_numbers)}"


def request(request_id: str, method: str, params: Mapping[str, Any]) -> bytes:
    return _encode({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})


def notification(method: str, params: Mapping[str, Any] | None = None) -> bytes:
    return _encode({"jsonrpc": "2.0", "method": method} | ({"params": params} if params else {}))


def reply(to: Message) -> bytes:
    """Our answer to a request of the upstream outside any call: there is no client to bother with it."""
    if to["method"] == "ping":
        return replied(to, {})
    return refused(to, METHOD_NOT_FOUND, "this client does not serve requests")


def replied(to: Message, result: Mapping[str, Any]) -> bytes:
    return _encode({"jsonrpc": "2.0", "id": to["id"], "result": result})


def refused(to: Message, code: int, message: str) -> bytes:
    return _encode({"jsonrpc": "2.0", "id": to["id"], "error": {"code": code, "message": message}})


def initialize(capabilities: Capabilities) -> Mapping[str, Any]:
    """`params` that say what the session's callers can be asked."""
    return {"protocolVersion": LATEST_LEGACY_VERSION, "capabilities": capabilities, "clientInfo": GATEWAY_INFO}


def call_params(permit: Permit, token: str, era: Era) -> Message:
    """`params` for the upstream; `token` is our progress token, sent only if the client sent one."""
    client = permit.request.meta
    meta: Message = dict(MODERN_META) if era is Era.MODERN else {}
    if permit.request.capabilities and era is Era.MODERN:
        meta[META_CAPABILITIES] = for_modern(permit.request.capabilities, permit.request.era)
    if permit.request.trace is not None:
        meta.update(permit.request.trace.pairs())
    level = client.get(META_LOG_LEVEL)
    if era is Era.MODERN and isinstance(level, str) and level in _LOG_LEVELS:
        meta[META_LOG_LEVEL] = level
    if permit.request.progress_token is not None:
        meta["progressToken"] = token
    if permit.params is None:
        params: Message = {"name": permit.tool.name, "arguments": permit.arguments}
    else:
        params = dict(permit.params)
    if meta:
        params["_meta"] = meta
    return params


def parse(data: bytes | memoryview) -> Message:
    """One JSON-RPC message; raises UpstreamProtocolError without repeating any of it."""
    try:
        parsed: object = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise UpstreamProtocolError("the upstream's answer is not JSON") from None
    if not isinstance(parsed, dict):
        raise UpstreamProtocolError("the upstream's answer is not one JSON-RPC message")
    message = cast("Message", parsed)
    if message.get("jsonrpc") != "2.0":
        raise UpstreamProtocolError("the upstream's answer is not JSON-RPC 2.0")
    return message


def is_call(message: Message) -> bool:
    """A request or notification of the upstream, not an answer."""
    return isinstance(message.get("method"), str)


def is_request(message: Message) -> bool:
    return is_call(message) and "id" in message


def answer(message: Message, request_id: str, era: Era, permit: Permit | None = None) -> Answer:
    """The answer to our request and to nothing else; raises UpstreamProtocolError.

    `permit` is None for questions of our own.
    """
    if message.get("id") != request_id:
        raise UpstreamProtocolError("the upstream answered another request")
    if ("result" in message) == ("error" in message):
        raise UpstreamProtocolError("the upstream's answer has not exactly one of result and error")
    if "error" in message:
        return Answer(result=None, error=sanitised(message["error"], era, permit), era=era)
    result: object = message["result"]
    if not isinstance(result, dict):
        raise UpstreamProtocolError("the upstream's result is not an object")
    found = cast("Message", result)
    if found.get("resultType", "complete") != "complete" and (era is Era.LEGACY or not _may_be(found, permit)):
        raise UpstreamProtocolError("the upstream's result is of a type that is not supported here")
    return Answer(result=found, error=None, era=era)


def _may_be(found: Message, permit: Permit | None) -> bool:
    """Whether a result that is not complete may answer this request."""
    if permit is None:
        return False
    kind = found["resultType"]
    if kind == "input_required":
        return permit.method in _WITH_INPUT and _can_go_on(found)
    if kind == "task" and permit.method == "tools/call":
        return TASKS in for_modern(permit.request.capabilities, permit.request.era).get("extensions", NOTHING)
    return False


def _can_go_on(found: Message) -> bool:
    """There is something to ask the client, or to come back with."""
    requests, state = found.get("inputRequests"), found.get("requestState")
    if requests is None and state is None:
        return False
    return isinstance(requests, dict | None) and isinstance(state, str | None)


def result(found: Answer) -> Mapping[str, Any]:
    """For questions of our own, where an error object is no answer."""
    if found.result is None:
        raise QuestionRefused((found.error or {}).get("code"))
    return found.result


def server_info(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Where each era keeps it; empty when it is missing or no object."""
    meta: object = found.get("_meta")
    stamped = cast("Message", meta).get(META_SERVER_INFO) if isinstance(meta, dict) else None
    info: object = found.get("serverInfo", stamped)
    return cast("Message", info) if isinstance(info, dict) else {}


def sanitised(error: object, era: Era, permit: Permit | None = None) -> Message:
    """An upstream's error object, cut to what is safe to pass on."""
    if not isinstance(error, dict):
        raise UpstreamProtocolError("the upstream's error is not an object")
    fields = cast("Message", error)
    code, message = fields.get("code"), fields.get("message")
    if type(code) is not int or not isinstance(message, str):
        raise UpstreamProtocolError("the upstream's error has no code or no message")
    if code in _RESERVED_CODES and not _is_for_the_client(code, fields.get("data"), era, permit):
        raise UpstreamProtocolError(f"the upstream refused our envelope with code {code}")
    passed: Message = {"code": code, "message": _printable(message[:_MAX_ERROR_MESSAGE])}
    if fields.get("data") is not None and len(_encode(fields["data"])) <= _MAX_ERROR_DATA:
        passed["data"] = fields["data"]
    return passed


def _is_for_the_client(code: int, data: object, era: Era, permit: Permit | None) -> bool:
    """A missing capability is the client's, as we forward what it declares; a legacy client may have to open a URL.

    Between two legacy peers the codes were never reserved, but for those that tell the eras apart.
    """
    if permit is None:
        return False
    if code == MISSING_CAPABILITY:
        return _names_capabilities(data)
    if era is Era.MODERN:
        return False
    old = permit.request.era is Era.LEGACY and code not in _ABOUT_THE_ERA
    return old or code == _URL_ELICITATION_REQUIRED


def _names_capabilities(data: object) -> bool:
    match data:
        case {"requiredCapabilities": dict()}:
            return True
        case _:
            return False


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


def _encode(value: object) -> bytes:
    try:
        return orjson.dumps(value, default=_plain)
    except orjson.JSONEncodeError:
        raise InvalidArguments("", "json") from None


def _plain(value: object) -> Message:
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, Any]", value))
    raise TypeError
