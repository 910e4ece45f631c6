"""Tasks extension (io.modelcontextprotocol/tasks): handles of tasks that upstreams run.

A client never sees an upstream's task id. Its handle says, sealed for one principal and endpoint,
which tool of which server runs the task and what it was called with, so that every later request
about it is decided like that call; any process with the key ring serves it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import orjson

from mcp_gateway.errors import BadRequest
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import JsonObject
from mcp_gateway.protocol import decode_header_value
from mcp_gateway.transport.sealing import Sealer
from mcp_gateway.verbs import TaskRef

EXTENSION = "io.modelcontextprotocol/tasks"

_PURPOSE = "task"
_LONGEST_SECONDS = 86_400.0
_MAX_ARGUMENTS_BYTES = 1_536
"""Of what a handle carries; the handle also travels in a header."""


class Tasks:
    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def handed_out(self, result: JsonObject, principal: Principal, ref: TaskRef) -> JsonObject:
        """A `task` result with our handle in place of the upstream's id; other results as they are."""
        if result.get("resultType") != "task":
            return result
        found: object = result.get("taskId")
        if not isinstance(found, str) or not found:
            return result
        content: dict[str, Any] = {"s": ref.server, "n": ref.tool, "t": found}
        if _fit(ref.arguments):
            # Without them a tool whose call depends on its arguments is refused later, never guessed.
            content["a"] = ref.arguments
        handle = self._sealer.seal(_PURPOSE, _binding(principal), content, seconds=_seconds(result.get("ttlMs")))
        return {**result, "taskId": handle}

    def find(self, params: Mapping[str, Any], headers: Mapping[str, str], principal: Principal) -> tuple[str, TaskRef]:
        """The handle and what it stands for; a foreign, altered or expired one is refused like an unknown one."""
        handle: object = params.get("taskId")
        if not isinstance(handle, str):
            raise BadRequest("params.taskId must be text", jsonrpc=-32602)
        if decode_header_value(headers.get("mcp-name", "")) != handle:
            raise BadRequest("the Mcp-Name header is not params.taskId", code="request.header_mismatch")
        content = self._sealer.open(_PURPOSE, _binding(principal), handle)
        if content is None:
            raise BadRequest("there is no such task", code="task.unknown")
        return handle, TaskRef(content["s"], content["n"], content["t"], content.get("a"))


def require_extension(capabilities: Mapping[str, Any]) -> None:
    """Raise BadRequest -32021 unless the client declared the extension with this request."""
    said: object = capabilities.get("extensions")
    if not isinstance(said, dict) or EXTENSION not in cast("dict[str, Any]", said):
        raise BadRequest(
            "this request needs the Tasks extension",
            code="request.missing_capability",
            data={"requiredCapabilities": {"extensions": {EXTENSION: {}}}},
        )


def renamed(result: JsonObject, ref: TaskRef, handle: str) -> JsonObject:
    """What an upstream says of a task, under the client's handle."""
    return {**result, "taskId": handle} if result.get("taskId") == ref.id else result


def _fit(arguments: Mapping[str, Any] | None) -> bool:
    try:
        return arguments is not None and len(orjson.dumps(arguments)) <= _MAX_ARGUMENTS_BYTES
    except orjson.JSONEncodeError:
        return False  # a number beyond 64 bits


def _seconds(ttl_ms: object) -> float:
    if isinstance(ttl_ms, int | float) and not isinstance(ttl_ms, bool) and ttl_ms > 0:
        return min(ttl_ms / 1000, _LONGEST_SECONDS)
    return _LONGEST_SECONDS


def _binding(principal: Principal) -> str:
    return f"{principal.user}\0{principal.agent}\0{principal.audience}"
