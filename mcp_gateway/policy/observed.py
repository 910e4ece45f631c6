"""What was let through only because it is observed: would it be denied rightly? From the audit; reads only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from mcp_gateway.audit import Record


@dataclass(slots=True)
class Observed:
    """One reason that would have denied, on one tool."""

    tool: str
    code: str
    rule: str
    """The rule's id; empty for a missing right."""
    times: int = 0
    users: set[str] = field(default_factory=set[str])
    agents: set[str] = field(default_factory=set[str])
    last_at: float = 0.0
    request: str = ""
    """The newest one."""

    def as_dict(self) -> dict[str, Any]:
        return {
            "tool": self.tool,
            "code": self.code,
            "rule": self.rule,
            "times": self.times,
            "users": sorted(self.users),
            "agents": sorted(self.agents),
            "last_at": self.last_at,
            "request": self.request,
        }


def observed(records: Iterable[Record]) -> list[Observed]:
    """Every would-be denial, the most frequent first."""
    found: dict[tuple[str, str, str], Observed] = {}
    for record in records:
        # The intent holds the decision; its outcome would count it twice.
        if record.get("kind") not in {"intent", "decision"}:
            continue
        for reason in record.get("observed", ()):
            code, tool = str(reason["code"]), str(record.get("tool", ""))
            rule = str(reason["evidence"]) if code.startswith("rule.") else ""
            _add(found.setdefault((tool, code, rule), Observed(tool, code, rule)), record)
    return sorted(found.values(), key=lambda one: (-one.times, one.tool, one.code, one.rule))


def _add(one: Observed, record: Record) -> None:
    one.times += 1
    one.users.add(str(record.get("user", "")))
    one.agents.add(str(record.get("agent", "")))
    at = float(record["at"])
    if at >= one.last_at:
        one.last_at, one.request = at, str(record.get("request", ""))
