"""Records to an OpenTelemetry collector: one log record each, OTLP/HTTP in JSON (opentelemetry-proto 1.x).

The body is the sentence a person reads, the attributes are what is searched by, and one of them is the whole
line as it was sealed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import anyio.lowlevel
import orjson

from mcp_gateway.audit.record import Record, parse
from mcp_gateway.audit.sentence import sentence
from mcp_gateway.audit.sinks.reading import Batch
from mcp_gateway.audit.sinks.sink import Post, Posted, Taken
from mcp_gateway.audit.sinks.webhook import accepted

_SLICE = 25
"""Records made into log records without a pause; half a millisecond."""
_INFO, _WARN, _ERROR = (9, "INFO"), (13, "WARN"), (17, "ERROR")
_FAILED = frozenset({"unavailable", "error", "unknown"})

_ATTRIBUTES = {
    "kind": "mcp_gateway.audit.kind",
    "writer": "mcp_gateway.audit.writer",
    "seq": "mcp_gateway.audit.seq",
    "request": "mcp_gateway.request.id",
    "effect": "mcp_gateway.effect",
    "outcome": "mcp_gateway.outcome",
    "code": "mcp_gateway.reason",
    "agent": "mcp_gateway.agent",
    "tool": "mcp_gateway.tool",
    "risk": "mcp_gateway.risk",
    "classification": "mcp_gateway.classification",
    "user": "enduser.id",
    "actor": "enduser.id",
    "verb": "mcp.method.name",
}


class OtlpSink:
    def __init__(self, post: Post, *, headers: Callable[[], Mapping[str, str]], resource: Mapping[str, str]) -> None:
        self._post = post
        self._headers = headers
        self._resource = _attributes(resource)

    async def send(self, batch: Batch) -> Taken:
        logs: list[dict[str, Any]] = []
        lines = batch.lines
        for start in range(0, len(lines), _SLICE):
            logs += [log_record(line) for line in lines[start : start + _SLICE]]
            await anyio.lowlevel.checkpoint()
        scopes = [{"scope": {"name": "mcp_gateway.audit"}, "logRecords": logs}]
        body = {"resourceLogs": [{"resource": {"attributes": self._resource}, "scopeLogs": scopes}]}
        answer = await self._post(orjson.dumps(body), {"content-type": "application/json", **self._headers()})
        accepted(answer)
        return _partial(answer)

    async def aclose(self) -> None:
        await self._post.aclose()


def log_record(line: bytes) -> dict[str, Any]:
    whole = line.decode("utf-8", "replace")
    try:
        record = parse(line)
    except ValueError:
        return {"severityNumber": _ERROR[0], "severityText": _ERROR[1], "body": {"stringValue": whole}}
    number, text = _severity(record)
    at = str(int(float(record["at"]) * 1_000_000) * 1_000)
    named = {key: record[name] for name, key in _ATTRIBUTES.items() if record.get(name) is not None}
    log: dict[str, Any] = {
        "timeUnixNano": at,
        "observedTimeUnixNano": at,
        "severityNumber": number,
        "severityText": text,
        "eventName": f"mcp_gateway.audit.{record['kind']}",
        "body": {"stringValue": sentence(record)},
        "attributes": _attributes({**named, "mcp_gateway.audit.record": whole}),
    }
    if record.get("trace"):
        log["traceId"] = record["trace"]
    return log


def _severity(record: Record) -> tuple[int, str]:
    if record.get("outcome") in _FAILED or str(record["kind"]).endswith(".failed"):
        return _ERROR
    return _WARN if record.get("effect") == "deny" else _INFO


def _attributes(named: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in named.items()]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, bool):
        return {"boolValue": value}
    # 64-bit integers are text in the JSON of protocol buffers.
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": str(value)}


def _partial(answer: Posted) -> Taken:
    """What a collector took only in part is not to be sent again (OTLP, partial success)."""
    try:
        said: Any = orjson.loads(answer.body or b"{}")
        partial = cast("dict[str, Any]", said.get("partialSuccess") or {})
        return Taken(int(partial.get("rejectedLogRecords") or 0), str(partial.get("errorMessage") or "")[:500])
    except (ValueError, TypeError, AttributeError):
        return Taken()
