"""Counting: one observer of everything the audit records, in plain integers. Pure; no clock, no I/O, no lock.

Two records of a call cost together about a microsecond; what is shown of it is made at a scrape. What can
have many values has a bound: beyond it everything is counted as `other`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias
from urllib.parse import unquote

from mcp_gateway.model.reasons import REASONS
from mcp_gateway.model.tool import Risk
from mcp_gateway.telemetry.metrics_histogram import ENTRIES_BOUNDS, GATEWAY_BOUNDS, UPSTREAM_BOUNDS, Histogram

Record: TypeAlias = Mapping[str, Any]

MAX_TOOLS = 300
MAX_USES = 2_000
MAX_KINDS = 200
OTHER = "other"
UNKNOWN = ""
"""What a request was about that named nothing there is."""

_ALLOWING = frozenset({"access.allowed", "access.observed"})
_DENYING = {"user", "agent", "tool", "server", "resource", "rule", "role", "scope", "relationship", "authorization"}
_REQUEST_KINDS = frozenset({"intent", "outcome", "decision", "list", "refused"})
_SIGN_INS = {"login.succeeded": "succeeded", "login.failed": "failed", "login.throttled": "throttled"}
_CHANGES = {"grant.written": "written", "grant.extended": "extended", "grant.revoked": "revoked"}
_UPSTREAM_ERRORS = {"isError": "tool.said_so", "invalid": "tool.error_code"}

Place: TypeAlias = tuple[str, str]
"""A server and what it offers by its own name."""


class Changed(Protocol):
    """A line of the changelog."""

    @property
    def kind(self) -> str: ...

    @property
    def payload(self) -> Mapping[str, Any]: ...


class ToolCounts:
    """Of one tool, prompt or resource."""

    __slots__ = ("ended", "gateway", "place", "upstream")

    def __init__(self, place: Place) -> None:
        self.place = place
        self.ended: defaultdict[tuple[str, str, str, str | None], int] = defaultdict(int)
        """By verb, risk, outcome and code."""
        self.gateway = Histogram(GATEWAY_BOUNDS)
        self.upstream = Histogram(UPSTREAM_BOUNDS)


class ListCounts:
    __slots__ = ("entries", "took")

    def __init__(self) -> None:
        self.took = Histogram(GATEWAY_BOUNDS)
        self.entries = Histogram(ENTRIES_BOUNDS)


class Tally:
    """`observe` is for the journal, `follow` for the changelog. `first_use(agent, tool, risk)` hears of every new pair."""

    def __init__(self, first_use: Callable[[str, str, str], None] = lambda _agent, _tool, _risk: None) -> None:
        self.tools: dict[str | None, ToolCounts] = {}
        self.other_tools = ToolCounts((OTHER, OTHER))
        self.uses: dict[tuple[str, str], int] = {}
        self.other_uses = 0
        self.by_risk: dict[str, int] = {risk.value: 0 for risk in Risk}
        # A counter that begins at its first event hides that event from whoever looks for a rise.
        self.allowed = defaultdict[str, int](int, {"access.allowed": 0})
        self.denied = defaultdict[str, int](int, {code: 0 for code in REASONS if code.partition(".")[0] in _DENYING})
        """Decisions by reason."""
        self.lists: dict[str, ListCounts] = {}
        self.refused: dict[str, int] = {code: 0 for code in REASONS if code.startswith("token.")}
        self.records: dict[str, int] = dict.fromkeys(sorted(_REQUEST_KINDS), 0)
        self.sign_ins: dict[str, int] = dict.fromkeys(_SIGN_INS.values(), 0)
        self.registrations: dict[str, int] = {"self": 0, "cimd": 0, OTHER: 0}
        self.grants: dict[str, int] = dict.fromkeys(_CHANGES.values(), 0)
        self.unread = 0
        """Records that are not what they were when this was written."""
        self._first_use = first_use

    def observe(self, record: Record) -> None:
        """One record that was just written. Never raises: what it cannot read is counted as that."""
        try:
            kind = record["kind"]
            self.records[kind] += 1
            # A call that left has one of each, so these two are what counting costs a call.
            if kind == "outcome":
                self._ended(record)
            elif kind == "intent":
                self._left(record)
            else:
                self._count(kind, record)
        except KeyError:
            self._first_of_its_kind(record)
        except (TypeError, ValueError, AttributeError):
            self.unread += 1

    def _first_of_its_kind(self, record: Record) -> None:
        kind: object = record.get("kind")
        if not isinstance(kind, str) or kind in self.records or len(self.records) >= MAX_KINDS:
            self.unread += 1
        else:
            self.records[kind] = 0
            self.observe(record)

    def _count(self, kind: str, record: Record) -> None:
        if kind == "decision":
            self._refused(record)
        elif kind == "list":
            self._listed(record)
        elif kind == "refused":
            self._turned_away(record)
        elif kind in _SIGN_INS:
            self.sign_ins[_SIGN_INS[kind]] += 1

    async def follow(self, changes: Sequence[Changed]) -> None:
        """What any process changed, the command line too. A `storage.Follower`."""
        for change in changes:
            if change.kind in _CHANGES:
                self.grants[_CHANGES[change.kind]] += 1
            elif change.kind == "agent.registered":
                kind = str(change.payload.get("kind"))
                self.registrations[kind if kind in self.registrations else OTHER] += 1

    def _left(self, record: Record) -> None:
        risk, reasons = record["risk"], record["reasons"]
        self.allowed[reasons[0]["code"] if reasons else UNKNOWN] += 1
        self.by_risk[risk] += 1
        use = (record["agent"], record["tool"])
        uses = self.uses
        if use in uses:
            uses[use] += 1
        else:
            self._used_first(use, risk)

    def _used_first(self, use: tuple[str, str], risk: str) -> None:
        self._first_use(*use, risk)
        if len(self.uses) < MAX_USES:
            self.uses[use] = 1
        else:
            self.other_uses += 1

    def _ended(self, record: Record) -> None:
        tool = record["tool"]
        tools = self.tools
        counts = tools[tool] if tool in tools else self._counts(tool)
        counts.ended[record["verb"], record["risk"], record["outcome"], record["code"]] += 1
        took = record["latency_us"]
        if record["sent"]:
            upstream = record["upstream_us"]
            counts.upstream.add(upstream)
            took -= upstream
        counts.gateway.add(took)

    def _refused(self, record: Record) -> None:
        """It did not leave: denied, refused by a guard, or not decidable."""
        tool = record.get("tool")
        counts = self.tools.get(tool) or self._counts(tool)
        counts.ended[record["verb"], record.get("risk", UNKNOWN), record["outcome"], record["code"]] += 1
        counts.gateway.add(record["latency_us"])
        decisions = self.allowed if record.get("effect") == "allow" else self.denied
        decisions[denial(record)] += 1

    def _counts(self, tool: str | None) -> ToolCounts:
        if len(self.tools) >= MAX_TOOLS:
            return self.other_tools
        self.tools[tool] = made = ToolCounts(place(tool))
        return made

    def _listed(self, record: Record) -> None:
        counts = self.lists.get(record["verb"])
        if counts is None:
            counts = self.lists[record["verb"]] = ListCounts()
        counts.took.add(record["latency_us"])
        counts.entries.add(record["count"])

    def _turned_away(self, record: Record) -> None:
        code, number = record.get("code"), int(record.get("count", 1))
        if code is None:
            # Under a flood the audit tells how many, and not why.
            code, number = "uncounted_reason", int(record["named"].get("dropped", 0))
        self.refused[code] = self.refused.get(code, 0) + number


def denial(record: Record) -> str:
    """Why: the first reason that denied, else what the caller heard."""
    reasons = (reason["code"] for reason in record.get("reasons", ()))
    return next((code for code in reasons if code not in _ALLOWING), record.get("code") or "access.allowed")


def reason(code: str | None) -> str:
    """A code as a label: an upstream may answer with any number it likes."""
    if code is None:
        return ""
    return code if code in REASONS else _UPSTREAM_ERRORS.get(code, "tool.error_code")


def place(tool: str | None) -> Place:
    """`tool:<server>/<name>` as its two names."""
    if tool is None:
        return UNKNOWN, UNKNOWN
    server, _, name = tool.partition(":")[2].partition("/")
    return unquote(server), unquote(name)
