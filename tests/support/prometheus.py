"""What a gateway shows to Prometheus, and what Prometheus' own evaluator makes of it over time.

The values are those of real scrapes; only the clock between them is made up, so that an hour passes at once.
"""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.support.processes import ROOT

RULES = ROOT / "docs" / "alerts" / "mcp-gateway.rules.yaml"
JOB = "mcp-gateway"
_INTERVAL_SECONDS = 15
_REMEDY = "promtool is not installed: apt-get install prometheus"

Series = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class Scrape:
    at: float
    samples: Mapping[Series, float]

    def value(self, name: str, **labels: str) -> float:
        """The sum of what has that name and those labels."""
        return sum(
            value
            for (found, has), value in self.samples.items()
            if found == name and labels.items() <= dict(has).items()
        )

    @property
    def names(self) -> set[str]:
        return {name for name, _ in self.samples}


def scrape(url: str, *, token: str | None = None) -> Scrape:
    """As Prometheus would; one that fails is what `up` tells."""
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {token}"} if token else {})
    up: Series = ("up", (("instance", url), ("job", JOB)))
    at = time.time()
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            text = response.read().decode()
    except urllib.error.HTTPError as refused:
        refused.close()
        return Scrape(at, {up: 0.0})
    except OSError:
        return Scrape(at, {up: 0.0})
    samples = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    return Scrape(at, {up: 1.0, **samples})


@dataclass(slots=True)
class Timeline:
    """Scrapes, each of which stays as it was for some minutes."""

    steps: list[tuple[Scrape, int]] = field(default_factory=list[tuple[Scrape, int]])

    def then(self, scraped: Scrape, *, minutes: int) -> Timeline:
        self.steps.append((scraped, minutes))
        return self

    def firing(self, folder: Path) -> set[str]:
        """The alerts that fire at the end."""
        path = folder / "test.json"
        # JSON is YAML.
        whole = {"rule_files": [str(RULES)], "evaluation_interval": f"{_INTERVAL_SECONDS}s", "tests": [self._test()]}
        path.write_text(json.dumps(whole), encoding="utf-8")
        done = subprocess.run([promtool(), "test", "rules", str(path)], capture_output=True, text=True, timeout=60)
        if done.returncode == 0:
            return set()
        expected, found, got = (done.stdout + done.stderr).partition("got:")
        if not found:
            raise AssertionError(f"the rules cannot be evaluated: {expected[-2000:]}")
        return set(re.findall(r'alertname="(\w+)"', got))

    def _test(self) -> Mapping[str, object]:
        """That no alert fires at the end; what does is then told as got instead."""
        minutes = sum(minutes for _, minutes in self.steps)
        return {
            "interval": f"{_INTERVAL_SECONDS}s",
            "input_series": [
                {"series": _written(series), "values": self._values(series)} for series in sorted(self._all())
            ],
            "promql_expr_test": [
                {
                    "expr": 'group by (alertname) (ALERTS{alertstate="firing"})',
                    "eval_time": f"{minutes - 1}m",
                    "exp_samples": list[str](),
                }
            ],
        }

    def _all(self) -> set[Series]:
        return {series for scraped, _ in self.steps for series in scraped.samples}

    def _values(self, series: Series) -> str:
        steps: list[str] = []
        for scraped, minutes in self.steps:
            times = minutes * 60 // _INTERVAL_SECONDS
            value = scraped.samples.get(series)
            if value is not None and series[0].endswith("_timestamp_seconds"):
                value = self._moved(value)
            steps.append(" ".join([_number(value)] * times))
        return " ".join(steps)

    def _moved(self, moment: float) -> float:
        """A moment in the time of the test, where the first scrape is at 0."""
        begins = 0
        for scraped, minutes in self.steps:
            if moment <= scraped.at:
                return begins - (scraped.at - moment)
            begins += minutes * 60
        return begins


def alerts() -> list[str]:
    return [rule["alert"] for group in rule_groups() for rule in group["rules"] if "alert" in rule]


def rule_groups() -> Sequence[Mapping[str, Sequence[Mapping[str, str]]]]:
    return yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]


def promtool() -> str:
    """Prometheus' own evaluator; skips where it is not installed."""
    found = shutil.which("promtool")
    if found is None:
        pytest.skip(_REMEDY)
    return found


def _written(series: Series) -> str:
    name, labels = series
    inside = ",".join(f"{label}={json.dumps(value, ensure_ascii=False)}" for label, value in labels)
    return f"{name}{{{inside}}}"


def _number(value: float | None) -> str:
    if value is None:
        return "_"
    if math.isinf(value):
        return "Inf" if value > 0 else "-Inf"
    return "NaN" if math.isnan(value) else repr(value)
