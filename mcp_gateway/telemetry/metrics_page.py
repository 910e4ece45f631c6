"""What was counted as Prometheus text (exposition format 0.0.4). Reads; counts nothing itself.

`render` may run in a thread beside the counting: every look at a dictionary takes a copy of it first.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mcp_gateway.telemetry.metrics import OTHER, Tally, place, reason
from mcp_gateway.telemetry.metrics_histogram import MICROSECONDS, Histogram
from mcp_gateway.telemetry.metrics_names import METRICS, PREFIX, PROCESS

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Reading:
    """One value somebody else keeps, as it was at the scrape."""

    name: str
    """Of `METRICS`."""
    value: float | Histogram
    labels: tuple[str, ...] = ()
    scale: float = MICROSECONDS
    """Of a histogram: from what was counted to the unit shown."""


class Page:
    """The metrics of one process; `process` is the label that tells it from others on the machine."""

    def __init__(self, tally: Tally, *, process: str) -> None:
        self._tally = tally
        self._process = process
        # Megabytes that only a gateway with metrics should hold.
        from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

        self._machine = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._machine)
        GCCollector(registry=self._machine)
        PlatformCollector(registry=self._machine)

    def render(self, readings: Sequence[Reading]) -> bytes:
        by_name: dict[str, list[Reading]] = {name: [] for name in METRICS}
        for read in (*counted(self._tally), *readings):
            by_name[read.name].append(read)
        lines = (line for name, found in by_name.items() if found for line in self._family(name, found))
        from prometheus_client import generate_latest

        return "".join(lines).encode() + generate_latest(self._machine)

    def _family(self, name: str, found: Iterable[Reading]) -> Iterator[str]:
        # By hand: a histogram has a dozen lines with the same labels, which the library would escape a dozen times.
        described, full = METRICS[name], PREFIX + name
        yield f"# HELP {full} {described.meaning}\n# TYPE {full} {described.type}\n"
        for read in found:
            own = zip(described.labels, read.labels, strict=True)
            labels = "".join(f',{label}="{_escaped(text)}"' for label, text in own)
            labels = f'{PROCESS}="{_escaped(self._process)}"{labels}'
            if isinstance(read.value, Histogram):
                yield from _of_histogram(full, labels, read.value, read.scale)
            else:
                yield f"{full}{{{labels}}} {_number(read.value)}\n"


def _of_histogram(name: str, labels: str, value: Histogram, scale: float) -> Iterator[str]:
    seen = 0
    for bound, seen in value.buckets(scale):
        yield f'{name}_bucket{{{labels},le="{bound}"}} {seen}\n'
    yield f"{name}_count{{{labels}}} {seen}\n{name}_sum{{{labels}}} {_number(value.total * scale)}\n"


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(float(value))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def counted(tally: Tally) -> Iterator[Reading]:
    """Everything in `tally`."""
    yield from _of_tools(tally)
    yield from _of_uses(tally)
    for effect, decisions in (("allow", tally.allowed), ("deny", tally.denied)):
        for code, number in list(decisions.items()):
            yield Reading("decisions_total", number, (effect, code))
    for verb, counts in list(tally.lists.items()):
        yield Reading("lists_total", sum(counts.took.counts), (verb,))
        yield Reading("list_seconds", counts.took, (verb,))
        yield Reading("list_entries", counts.entries, (verb,), scale=1)
    yield from _by_one_label(tally)
    yield Reading("audit_unread_total", tally.unread)


def _of_tools(tally: Tally) -> Iterator[Reading]:
    for counts in (*list(tally.tools.values()), tally.other_tools):
        merged: dict[tuple[str, ...], int] = {}
        for (verb, risk, outcome, code), number in list(counts.ended.items()):
            key = (verb, *counts.place, str(risk), str(outcome), reason(code))
            merged[key] = merged.get(key, 0) + number
        for labels, number in merged.items():
            yield Reading("calls_total", number, labels)
        if any(counts.gateway.counts):
            yield Reading("call_gateway_seconds", counts.gateway, counts.place)
        if any(counts.upstream.counts):
            yield Reading("call_upstream_seconds", counts.upstream, counts.place)


def _of_uses(tally: Tally) -> Iterator[Reading]:
    for (agent, tool), number in list(tally.uses.items()):
        yield Reading("agent_calls_total", number, (agent_name(agent), *place(tool)))
    if tally.other_uses:
        yield Reading("agent_calls_total", tally.other_uses, (OTHER, OTHER, OTHER))


def _by_one_label(tally: Tally) -> Iterator[Reading]:
    groups = {
        "calls_by_risk_total": tally.by_risk,
        "refused_total": tally.refused,
        "sign_ins_total": tally.sign_ins,
        "client_registrations_total": tally.registrations,
        "grants_total": tally.grants,
        "audit_records_total": tally.records,
    }
    for name, group in groups.items():
        for label, number in list(group.items()):
            yield Reading(name, number, (label,))


def agent_name(agent: str) -> str:
    """As the command line takes it: `local/docs-assistant`."""
    return agent.removeprefix("agent:")
