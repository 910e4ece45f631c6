"""The handbook, the dashboard and the alerts speak of metrics that there are, and of all of them."""

from __future__ import annotations

import json
import re

from mcp_gateway.telemetry.metrics_names import METRICS, PREFIX
from tests.support.processes import ROOT
from tests.support.prometheus import RULES, alerts, rule_groups

DASHBOARD = ROOT / "docs" / "grafana" / "mcp-gateway.json"
HANDBOOK = ROOT / "docs" / "operations.md"
_NAME = re.compile(r"\b(?:mcp_gateway|process|python)_[a-z_]+\b")
_LIBRARY = {"process_resident_memory_bytes", "process_cpu_seconds_total"}


def named(text: str) -> set[str]:
    shown = {
        PREFIX + name + suffix
        for name, described in METRICS.items()
        for suffix in (("_bucket", "_sum", "_count") if described.type == "histogram" else ("",))
    }
    found = set(_NAME.findall(text))
    assert found <= shown | _LIBRARY, found - shown - _LIBRARY
    return found


def expressions() -> list[str]:
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return [target["expr"] for panel in board["panels"] for target in panel["targets"]]


def test_the_dashboard_shows_every_metric_and_none_that_is_not_there() -> None:
    found = {name.removesuffix("_bucket") for name in named("\n".join(expressions()))}
    assert {PREFIX + name for name in METRICS} <= found, {PREFIX + name for name in METRICS} - found


def test_the_alerts_look_at_metrics_that_are_there() -> None:
    assert named(" ".join(rule["expr"] for group in rule_groups() for rule in group["rules"]))
    assert RULES.read_text(encoding="utf-8").count("severity:") == len(alerts())


def test_labels_of_the_dashboard_and_the_alerts_are_labels_of_the_metrics() -> None:
    texts = [*expressions(), *(rule["expr"] for group in rule_groups() for rule in group["rules"])]
    known = {label for described in METRICS.values() for label in described.labels} | {"le", "process", "job"}
    for text in texts:
        for labels in re.findall(r"\bby \(([^)]*)\)", text) + re.findall(r"([a-z_]+)=~?\"", text):
            assert set(labels.replace(" ", "").split(",")) <= known, text


def test_the_handbook_has_every_metric_with_its_labels_and_every_alert() -> None:
    lines = HANDBOOK.read_text(encoding="utf-8").splitlines()
    for name, described in METRICS.items():
        labels = ", ".join(f"`{label}`" for label in described.labels) or "-"
        assert f"| `{PREFIX}{name}` | {described.type} | {labels} | {described.meaning} |" in lines
    explained = [line.split("`")[1] for line in lines if line.startswith("| `McpGateway")]
    assert sorted(explained) == sorted(alerts())
