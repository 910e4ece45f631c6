"""Counting records: what is counted where, what has a bound, and how it looks to Prometheus."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from mcp_gateway.model.ids import is_digest, tool_id
from mcp_gateway.telemetry.metrics import MAX_TOOLS, MAX_USES, Tally
from mcp_gateway.telemetry.metrics_histogram import Histogram
from mcp_gateway.telemetry.metrics_names import METRICS, PREFIX
from mcp_gateway.telemetry.metrics_page import Page, Reading


@dataclass(frozen=True, slots=True)
class Change:
    kind: str
    payload: dict[str, Any] = field(default_factory=dict[str, Any])


def intent(tool: str = "tool:echo/say", agent: str = "agent:local/a", risk: str = "read") -> dict[str, Any]:
    reasons = [{"code": "access.allowed", "evidence": ""}]
    return {"kind": "intent", "agent": agent, "tool": tool, "risk": risk, "reasons": reasons, "effect": "allow"}


def outcome(tool: str = "tool:echo/say", **changed: Any) -> dict[str, Any]:
    said = {"outcome": "ok", "code": None, "sent": True, "latency_us": 900, "upstream_us": 700}
    return {"kind": "outcome", "verb": "tools/call", "tool": tool, "risk": "read", **said, **changed}


def denied(*codes: str, code: str = "tool.unavailable", **changed: Any) -> dict[str, Any]:
    reasons = [{"code": one, "evidence": ""} for one in codes]
    said = {"verb": "tools/call", "effect": "deny", "outcome": "denied", "code": code, "latency_us": 50}
    return {"kind": "decision", "reasons": reasons, **said, **changed}


def shown(tally: Tally, *readings: Reading) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    text = Page(tally, process="127.0.0.1:1").render(readings).decode()
    found: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = frozenset((name, value) for name, value in sample.labels.items() if name != "process")
            assert (sample.name, labels) not in found, "every series is shown once"
            found[sample.name, labels] = sample.value
    return found


def value(tally: Tally, name: str, **labels: str) -> float:
    return sum(
        number
        for (found, has), number in shown(tally).items()
        if found == PREFIX + name and labels.items() <= dict(has).items()
    )


def counted(*records: dict[str, Any]) -> Tally:
    tally = Tally()
    for record in records:
        tally.observe(record)
    assert tally.unread == 0
    return tally


def test_a_call_is_one_request_one_decision_and_two_durations() -> None:
    tally = counted(intent(), outcome())
    assert value(tally, "calls_total", server="echo", tool="say", outcome="ok", reason="", risk="read") == 1
    assert value(tally, "decisions_total", effect="allow", reason="access.allowed") == 1
    assert value(tally, "call_gateway_seconds_sum") == pytest.approx(0.0002)
    assert value(tally, "call_upstream_seconds_sum") == pytest.approx(0.0007)
    assert value(tally, "agent_calls_total", agent="local/a", server="echo", tool="say") == 1


def test_a_denial_is_counted_by_the_reason_that_denied_and_not_by_what_its_caller_heard() -> None:
    tally = counted(denied("access.allowed", "agent.not_granted"), denied("access.allowed", code="arguments.invalid"))
    assert value(tally, "decisions_total", effect="deny", reason="agent.not_granted") == 1
    assert value(tally, "decisions_total", effect="deny", reason="arguments.invalid") == 1
    assert value(tally, "calls_total", outcome="denied", reason="tool.unavailable", tool="") == 1


def test_what_an_upstream_answers_chooses_no_label() -> None:
    tally = counted(*(outcome(outcome="tool_error", code=str(number)) for number in range(500)))
    assert value(tally, "calls_total", reason="tool.error_code") == 500
    assert len([series for series in shown(tally) if series[0] == PREFIX + "calls_total"]) == 1


def test_beyond_their_bounds_tools_and_agents_are_counted_as_other() -> None:
    tally = Tally()
    for number in range(MAX_TOOLS + 10):
        tally.observe(outcome(f"tool:echo/t{number}"))
    for number in range(MAX_USES + 10):
        tally.observe(intent(agent=f"agent:local/a{number}"))
    assert value(tally, "calls_total", server="other", tool="other") == 10
    assert value(tally, "calls_total") == MAX_TOOLS + 10
    assert value(tally, "agent_calls_total", agent="other") == 10


def test_a_flood_of_strangers_is_counted_though_each_is_not_recorded() -> None:
    one: dict[str, Any] = {"kind": "refused", "code": "token.invalid", "named": {}}
    many = {**one, "code": "limit.overload", "count": 30}
    tally = counted(one, one, many, {"kind": "refused", "named": {"dropped": 7}})
    assert value(tally, "refused_total") == 39
    assert value(tally, "refused_total", reason="limit.overload") == 30
    assert value(tally, "refused_total", reason="uncounted_reason") == 7


def test_counters_that_alerts_watch_begin_at_zero_and_not_at_their_first_event() -> None:
    series = shown(Tally())
    for name, labels in (
        ("sign_ins_total", {("result", "failed")}),
        ("client_registrations_total", {("kind", "self")}),
        ("grants_total", {("change", "written")}),
        ("calls_by_risk_total", {("risk", "destructive")}),
        ("decisions_total", {("effect", "deny"), ("reason", "agent.not_granted")}),
    ):
        assert series[PREFIX + name, frozenset(labels)] == 0


def test_changes_of_other_processes_are_counted_from_the_changelog() -> None:
    tally = Tally()
    anyio.run(
        tally.follow,
        [
            Change("grant.written"),
            Change("grant.revoked"),
            Change("agent.registered", {"kind": "self"}),
            Change("reload"),
        ],
    )
    assert value(tally, "grants_total", change="written") == 1
    assert value(tally, "grants_total", change="revoked") == 1
    assert value(tally, "client_registrations_total", kind="self") == 1


def test_each_pair_of_agent_and_tool_is_told_once_as_used_first() -> None:
    told: list[tuple[str, str, str]] = []
    tally = Tally(lambda agent, tool, risk: told.append((agent, tool, risk)))
    for record in (intent(), intent(), intent(risk="destructive", tool="tool:echo/drop")):
        tally.observe(record)
    assert told == [("agent:local/a", "tool:echo/say", "read"), ("agent:local/a", "tool:echo/drop", "destructive")]


@given(
    st.dictionaries(
        st.sampled_from(["kind", "verb", "tool", "risk", "code", "reasons", "named"]), st.none() | st.text()
    )
)
def test_no_record_however_odd_breaks_what_wrote_it(record: dict[str, Any]) -> None:
    for kind in ("intent", "outcome", "decision", "list", "refused", "odd"):
        Tally().observe({**record, "kind": kind})


@given(st.text(min_size=1, max_size=60))
def test_any_name_of_a_tool_is_shown_as_it_is(name: str) -> None:
    made = tool_id("echo", name)
    if not is_digest(made.partition("/")[2]):
        assert value(counted(outcome(made)), "calls_total", tool=name) == 1


@given(st.lists(st.floats(min_value=0, max_value=1e9)))
def test_the_buckets_of_a_histogram_hold_every_value_at_or_below_them(values: list[float]) -> None:
    histogram = Histogram((1, 10, 1000))
    for one in values:
        histogram.add(one)
    for bound, count in histogram.buckets(1):
        assert count == sum(one <= float(bound) for one in values)


def test_every_metric_says_what_it_means_and_has_a_name_prometheus_takes() -> None:
    for name, described in METRICS.items():
        assert name.endswith("_total") == (described.type == "counter"), name
        assert described.meaning.endswith("."), name
        labels = tuple("x" for _ in described.labels)
        read = Reading(name, Histogram((1,)) if described.type == "histogram" else 1, labels)
        own = name == "audit_unread_total"  # of the counting itself
        series = shown(Tally(), *([] if own else [read]))
        suffix = "_count" if described.type == "histogram" else ""
        assert (PREFIX + name + suffix, frozenset(zip(described.labels, labels, strict=True))) in series, name
