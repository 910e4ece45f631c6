"""What an upstream may ask the user or the model through the client of its call, and how it is put. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import orjson

from mcp_gateway.errors import Declined

ANSWER_SECONDS = 590.0
"""A person may have to look something up. A little less than the upstream's side waits, so that we know of the end."""
MAX_QUESTIONS = 32
"""Of one call, over its whole time."""
_MAX_QUESTION_BYTES = 1_048_576

_CAPABILITY = {"elicitation/create": "elicitation", "sampling/createMessage": "sampling", "roots/list": "roots"}
_NOTHING: Mapping[str, Any] = {}


def is_askable(method: str) -> bool:
    """Whether it is a question at all."""
    return method in _CAPABILITY


def can_be_asked(capabilities: Mapping[str, Any]) -> bool:
    """Whether a client declared that it answers anything at all."""
    return any(isinstance(capabilities.get(name), dict) for name in _CAPABILITY.values())


def lacking(capabilities: Mapping[str, Any], method: str, params: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The capability a client would have to declare to be asked this; None when it did.

    Raises Declined for what nobody may be asked.
    """
    name = _CAPABILITY.get(method)
    if name is None:
        raise Declined("no client is ever asked this")
    feature = _feature(name, params)
    said: object = capabilities.get(name)
    if isinstance(said, dict) and _covers(name, cast("Mapping[str, Any]", said), feature):
        return None
    return {name: {feature: {}} if feature else {}}


def _feature(name: str, params: Mapping[str, Any]) -> str | None:
    """The part of a capability that a question needs, None for its base."""
    if name == "elicitation":
        mode: object = params.get("mode", "form")
        if not isinstance(mode, str) or mode not in ("form", "url"):
            raise Declined("an elicitation has no such mode", jsonrpc=-32602)
        return None if mode == "form" else mode
    return "tools" if name == "sampling" and ("tools" in params or "toolChoice" in params) else None


def _covers(name: str, said: Mapping[str, Any], feature: str | None) -> bool:
    if feature is not None:
        return feature in said
    # MCP 2025-11-25 client/elicitation: an empty capability means forms; one that names only others does not.
    return name != "elicitation" or "form" in said or "url" not in said


def presented(method: str, params: Mapping[str, Any], server: str | None) -> Mapping[str, Any]:
    """The question as the client gets it; behind an endpoint of many servers an elicitation says which one asks."""
    # What would make the client report to a request or task that it does not know.
    shown = {name: value for name, value in params.items() if name not in ("task", "_meta")}
    meta: object = params.get("_meta")
    if isinstance(meta, dict):
        shown["_meta"] = {key: value for key, value in cast("dict[str, Any]", meta).items() if key != "progressToken"}
    message: object = params.get("message")
    if server is not None and method == "elicitation/create" and isinstance(message, str):
        shown["message"] = f"[{server}] {message}"
    return shown


def refuse_large(params: Mapping[str, Any]) -> None:
    """Raises Declined for a question that is too large to be put to anybody."""
    try:
        size = len(orjson.dumps(params))
    except orjson.JSONEncodeError as exc:
        raise Declined("the question is nested too deeply", jsonrpc=-32602) from exc
    if size > _MAX_QUESTION_BYTES:
        raise Declined("the question is too large", jsonrpc=-32602)


def outcome_of(result: Mapping[str, Any]) -> str:
    """What became of a question, without any of its content."""
    action: object = result.get("action")
    return action if isinstance(action, str) and action in ("accept", "decline", "cancel") else "answered"
