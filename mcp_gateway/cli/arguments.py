"""What people type, as ids and values. Pure but for reading the clock it is given."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from ipaddress import ip_address
from typing import Any, cast

from mcp_gateway.errors import OperatorError
from mcp_gateway.inspection import ToolView
from mcp_gateway.model.ids import AgentId, ToolId, UserId, encode, from_cli

_SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"([1-9][0-9]{0,5})([mhdw])")
_RESERVED = frozenset(":#*@/")
"""What an encoded part of an id never holds."""
_MEMBERS = {"group": "member", "role": "assignee", "tenant": "member"}
"""As a subject, a group means those who belong to it."""


def user(text: str) -> UserId:
    """`mira`, `local/mira` or `user:local/mira`."""
    return UserId(_id("user", text))


def agent(text: str) -> AgentId:
    """`docs-assistant`, `local/docs-assistant` or `agent:local/docs-assistant`."""
    return AgentId(_id("agent", text))


def subject(text: str) -> str:
    """Who has a relation: a user's name, or `group:…`, `role:…` (their members), or another id as it stands."""
    kind, separator, rest = text.partition(":")
    if not separator or kind == "user":
        return "user:*" if text in {"*", "user:*"} else user(text)
    if kind in _MEMBERS and "#" not in rest:
        return f"{thing(text)}#{_MEMBERS[kind]}"
    name, relation_separator, relation = text.partition("#")
    return f"{thing(name)}{relation_separator}{relation}"


def membership(text: str) -> tuple[str, str]:
    """`group:okta/eng` as a token would say it: (relation, object)."""
    object_ = thing(text)
    kind = object_.partition(":")[0]
    if kind not in _MEMBERS:
        raise OperatorError("must be group:NAME, role:NAME or tenant:NAME", where=text)
    return _MEMBERS[kind], object_


def thing(text: str) -> str:
    """What a relation is on: `server:tickets`, `tool:tickets/ticket_get`, `ticket:tickets/T-391`, `group:support`."""
    kind, separator, rest = text.partition(":")
    if not separator or not kind or not rest:
        raise OperatorError("must be TYPE:NAME, such as server:tickets", where=text)
    if kind in {"user", "agent"}:
        return _id(kind, text)
    # An id may be typed encoded or plain; only the first slash separates server and name.
    return f"{kind}:" + "/".join(part if _is_encoded(part) else _encoded(part, text) for part in rest.split("/", 1))


def item(kind: str, text: str) -> str:
    """What a server offers, `tickets/triage` or `prompt:tickets/triage` for a kind of `prompt`."""
    bare = text.removeprefix(f"{kind}:")
    server, slash, name = bare.partition("/")
    # Another id would be written, and the one that was meant would go on.
    if not slash or not name or ":" in server:
        wanted = "SERVER/URI" if kind == "resource" else "SERVER/NAME"
        raise OperatorError(f"must be {wanted}", where=text, remedy="mcp-gateway server show SERVER lists what it has")
    return thing(f"{kind}:{bare}")


def until(text: str | None, *, now: float) -> float | None:
    """`30d`, `12h`, or an ISO 8601 moment (local time when it names no zone), as seconds since the epoch."""
    if text is None:
        return None
    duration = _DURATION.fullmatch(text)
    if duration:
        return now + int(duration[1]) * _SECONDS[duration[2]]
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError) as exc:
        raise OperatorError(
            "must be a duration such as 30d or 12h, or a moment such as 2027-01-31T18:00", where=f"--until {text}"
        ) from exc


def since(text: str | None, *, now: float, option: str = "--since") -> float | None:
    """`7d` ago, or an ISO 8601 moment (local time when it names no zone), as seconds since the epoch."""
    if text is None:
        return None
    duration = _DURATION.fullmatch(text)
    if duration:
        return now - int(duration[1]) * _SECONDS[duration[2]]
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError) as exc:
        raise OperatorError(
            "must be a duration such as 7d or 12h, or a moment such as 2027-01-31T18:00", where=f"{option} {text}"
        ) from exc


def address(text: str) -> str:
    """An IP address, as a rule compares it."""
    try:
        return str(ip_address(text))
    except ValueError as exc:
        raise OperatorError("must be an IP address, such as 10.1.2.3", where=f"--address {text}") from exc


def call_arguments(text: str) -> Mapping[str, Any]:
    """A JSON object; the value is never repeated in an error."""
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise OperatorError('is not JSON, such as \'{"id": "T-391"}\'', where="--arguments") from exc
    if not isinstance(value, dict):
        raise OperatorError("must be a JSON object", where="--arguments")
    return cast("dict[str, Any]", value)


def tool(text: str, known: Iterable[ToolView]) -> ToolId:
    """`tickets/ticket_get`, `tool:tickets/ticket_get`, the exposed name, or the bare name of one tool only."""
    tools = list(known)
    identifier = thing(text if text.startswith("tool:") else f"tool:{text}")
    for matches in (
        [tool for tool in tools if tool.id == identifier],
        [tool for tool in tools if tool.exposed == text],
        [tool for tool in tools if tool.name == text],
    ):
        if len(matches) == 1:
            return matches[0].id
        if matches:
            names = ", ".join(f"{tool.server}/{tool.name}" for tool in matches)
            raise OperatorError(f"is the name of several tools: {names}", where=text)
    raise OperatorError("no server has this tool", where=text, remedy="mcp-gateway server show NAME")


def _id(kind: str, text: str) -> str:
    if not text.removeprefix(f"{kind}:"):
        raise OperatorError(f"the {kind} has no name")
    try:
        return from_cli(kind, text)
    except ValueError as exc:
        raise OperatorError(f"is not the name of a {kind}", where=text) from exc


def _is_encoded(part: str) -> bool:
    """A URI may hold `%20` and is still plain: it also holds a colon, which no encoded part does."""
    return "%" in part and not _RESERVED & {*part}


def _encoded(part: str, text: str) -> str:
    try:
        return encode(part)
    except ValueError as exc:
        raise OperatorError(
            "a part of the name is empty",
            where=text,
            remedy="SERVER/NAME, or SERVER/URI of a resource; mcp-gateway server show SERVER lists what it has",
        ) from exc
