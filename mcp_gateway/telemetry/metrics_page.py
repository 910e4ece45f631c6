"""What was counted as Prometheus text (exposition format 0.0.4). Reads; counts nothing itself.

`render` may run in a thread beside the counting: every look at a dictionary takes a copy of it first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

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
        self._machine = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._machine)
        GCCollector(registry=self._machine)
        PlatformCollector(registry=self._machine)

    def render(self, readings: Sequence[Reading]) -> bytes:
        return generate_latest(_Made([*self._families(readings)])) + generate_latest(self._machine)

    def _families(self, readings: Sequence[Reading]) -> Iterator[Metric]:
        by_name: dict[str, list[Reading]] = {name: [] for name in METRICS}
        for read in (*counted(self._tally), *readings):
            by_name[read.name].append(read)
        for name, found in by_name.items():
            if found:
                yield self._family(name, found)

    def _family(self, name: str, found: Iterable[Reading]) -> Metric:
        described = METRICS[name]
        full = PREFIX + name
        family = Metric(full.removesuffix("_total"), described.meaning, described.type)
        for read in found:
            labels = {PROCESS: self._process, **dict(zip(described.labels, read.labels, strict=True))}
            if isinstance(read.value, Histogram):
                _add_histogram(family, full, labels, read.value, read.scale)
            else:
                family.add_sample(full, labels, float(read.value))
        return family


class _Made(Collector):
    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _add_histogram(family: Metric, name: str, labels: Mapping[str, str], value: Histogram, scale: float) -> None:
    seen = 0
    for bound, seen in value.buckets(scale):
        family.add_sample(name + "_bucket", {**labels, "le": bound}, seen)
    family.add_sample(name + "_count", dict(labels), seen)
    family.add_sample(name + "_sum", dict(labels), value.total * scale)


def counted(tally: Tally) -> Iterator[Reading]:
    """Everything in `tally`."""
    yield from _of_tools(tally)
    yield from _of_uses(tally)
    for (effect, code), number in list(tally.decisions.items()):
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
