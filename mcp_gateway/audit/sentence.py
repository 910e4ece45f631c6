"""One record as one sentence a person can read. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast

from mcp_gateway.audit.events import places, sentence_of
from mcp_gateway.audit.record import Record

_OUTCOMES = {
    "ok": "succeeded",
    "asked": "asked something back",
    "tool_error": "answered with an error",
    "upstream_error": "failed at the upstream",
    "timeout": "timed out",
    "unknown": "ended unknown: it may have acted",
    "cancelled": "was cancelled",
    "denied": "was denied",
    "refused": "was refused",
    "unavailable": "was not made: it could not be decided or recorded",
    "error": "failed inside the gateway",
}

_LISTED = {
    "prompts/list": "prompts",
    "resources/list": "resources",
    "resources/templates/list": "resource templates",
}


def sentence(record: Record) -> str:
    """`2026-12-03 10:15:02Z Mira through docs-assistant …`; never fails on a record it does not know."""
    return f"{_moment(float(record.get('at', 0)))}  {_printable(_what(record))}"


def _what(record: Record) -> str:
    match record.get("kind"):
        case "intent":
            return f"{_who(record)} is let through to {_use(record)} ({_why(record)})"
        case "outcome":
            return f"{_who(record)}: {_use(record)} {_ended(record)}{_took(record)}"
        case "decision":
            return f"{_who(record)}: {_use(record)} {_ended(record)} ({_why(record)})"
        case "list":
            shown = _LISTED.get(str(record.get("verb")), "tools")
            return f"{_who(record)} was shown {record.get('count')} {shown} at {record.get('audience')}"
        case "refused":
            return _turned_away(record)
        case kind:
            return _event(str(kind), record)


def _event(kind: str, record: Record) -> str:
    said = sentence_of(kind)
    named: Mapping[str, Any] = record.get("named") or {}
    if said is None:
        return f"{record.get('actor', 'somebody')} {kind}{_named(named)}"
    told = {name: _value(name, value) for name, value in named.items() if value is not None}
    # What a sentence names stands in the event, but for one that an older version wrote.
    missing = dict.fromkeys(places(said), "somebody or something")
    rest = {name: value for name, value in named.items() if name not in missing}
    return said.format_map({**missing, **told, "actor": record.get("actor", "somebody")}) + _named(rest)


def _use(record: Record) -> str:
    """The tool that was called; of everything else also by which method."""
    tool, verb = record.get("tool"), record.get("verb")
    if not tool:
        return str(verb)
    return str(tool) if verb in (None, "tools/call") else f"{verb} {tool}"


def _who(record: Record) -> str:
    return f"{record.get('user')} through {record.get('agent')}"


def _why(record: Record) -> str:
    reasons: Sequence[Any] = record.get("reasons") or ()
    said = [f"{reason['code']} {reason.get('evidence') or ''}".strip() for reason in reasons]
    observed: Sequence[Any] = record.get("observed") or ()
    said += [f"would be denied: {reason['code']} {reason.get('evidence') or ''}".strip() for reason in observed]
    code = record.get("code")
    if code and code not in {reason["code"] for reason in reasons}:
        said.append(str(code))
    return "; ".join(said) or "no reason recorded"


def _ended(record: Record) -> str:
    return _OUTCOMES.get(str(record.get("outcome")), str(record.get("outcome")))


def _took(record: Record) -> str:
    code = f", {record['code']}" if record.get("code") else ""
    upstream = record.get("upstream_us")
    there = "" if upstream is None else f", {upstream / 1000:.1f} ms of it at the upstream"
    return f"{code} after {record.get('latency_us', 0) / 1000:.1f} ms{there}"


def _turned_away(record: Record) -> str:
    named: Mapping[str, Any] = record.get("named") or {}
    dropped: Any = named.get("dropped")
    if dropped:
        return f"{dropped} more requests without a valid token were turned away"
    if count := record.get("count"):
        whose = _who(record) if "user" in record else "others"
        return f"{count} requests of {whose} were refused: {record.get('code')}"
    return f"a request was turned away: {record.get('code')}{_named(named)}"


def _named(named: Mapping[str, Any]) -> str:
    return "".join(f" {name}={_value(name, value)}" for name, value in named.items() if value is not None)


def _value(name: str, value: Any) -> str:
    if name.endswith("_at") and isinstance(value, int | float):
        return _moment(value)
    if isinstance(value, Mapping):
        pairs = cast("Mapping[str, Any]", value)
        return ",".join(f"{key}:{item}" for key, item in pairs.items()) or "-"
    if isinstance(value, list | tuple):
        return ",".join(map(str, cast("Sequence[Any]", value))) or "-"
    return str(value)


def _moment(seconds: float) -> str:
    return _second(int(seconds // 1))


@lru_cache(maxsize=256)
def _second(seconds: int) -> str:
    # Many records are of one second, and a collector is sent a sentence of each.
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _printable(text: str) -> str:
    """A name in a record may come from a stranger; a terminal must not obey it."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else "�" for character in text)
