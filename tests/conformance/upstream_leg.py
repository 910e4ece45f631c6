"""The suite's client scenarios: how the gateway behaves as a client of its upstreams.

The suite plays the upstream. What it starts as the client under test is `client_command`: a gateway
in front of that upstream, and an SDK client in front of the gateway that does what the scenario asks.
"""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.conformance.verdict import Check, read_results
from tests.support.node import Node
from tests.support.processes import ROOT

SCENARIOS = (
    ("initialize", "2025-11-25"),
    ("tools_call", "2025-11-25"),
    ("tools_call", "2026-07-28"),
    ("elicitation-sep1034-client-defaults", "2025-11-25"),
    ("sse-retry", "2025-11-25"),
    ("request-metadata", "2026-07-28"),
    ("http-standard-headers", "2026-07-28"),
    ("http-custom-headers", "2026-07-28"),
    ("http-invalid-tool-headers", "2026-07-28"),
    ("json-schema-ref-no-deref", "2026-07-28"),
    ("json-schema-2020-12-preservation", "2025-11-25"),
    ("json-schema-2020-12-preservation", "2026-07-28"),
    ("sep-2322-client-request-state", "2026-07-28"),
)
_AT_ONCE = 2
_CLIENT_MS = 60_000
_SCENARIO_SECONDS = 90


def judged_as_a_client(node: Node, folder: Path) -> tuple[Check, ...]:
    """Every check of every scenario; one that says nothing is a failure of its own."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        runs = [pool.submit(_judged, node, folder, scenario, revision) for scenario, revision in SCENARIOS]
        return tuple(check for run in runs for check in run.result())


def _judged(node: Node, folder: Path, scenario: str, revision: str) -> list[Check]:
    results = folder / f"{scenario}-{revision}"
    command = f"{sys.executable} -m tests.conformance.client_command"
    chosen = ("--scenario", scenario, "--spec-version", revision, "--timeout", str(_CLIENT_MS))
    done = subprocess.run(
        node.package("conformance", "client", "--command", command, *chosen, "-o", str(results)),
        env=node.environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=_SCENARIO_SECONDS,
        check=False,
    )
    # The revision is part of the name: some scenarios are judged in two.
    checks = [
        Check(f"{found.scenario} {revision}", found.id, found.status, found.message) for found in read_results(results)
    ]
    if any(check.status in {"SUCCESS", "FAILURE"} for check in checks):
        return checks
    return [Check(f"{scenario} {revision}", "judged", "FAILURE", (done.stdout + done.stderr)[-400:])]
