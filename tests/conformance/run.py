"""`python -m tests.conformance.run`: the official MCP suite through a signed-in gateway, both revisions.

`--direct` judges the fixture server alone. The last line is one JSON object: revision to
passed, failed (unexpected) and expected checks. Exit code 0 means every verdict is good.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.verdict import REQUIRED, REVISIONS, Verdict, expected_failures, extensions, judge, read_results
from tests.support.gateway import http_entry, install
from tests.support.node import FOLDER as NODE_FOLDER
from tests.support.node import Node, find
from tests.support.processes import ROOT, free_port, listening, running

SUITE = NODE_FOLDER / "node_modules/@modelcontextprotocol/conformance"
AGENT = "conformance"
USER = "judge"
_RUN_SECONDS = 240


@dataclass(frozen=True, slots=True)
class Target:
    """Where the suite is pointed, and how it gets a fresh token, if it needs one."""

    url: str
    environment: Mapping[str, str]
    lists_apply: bool


@contextlib.contextmanager
def fixtures() -> Generator[str]:
    """The fixture server; yields its MCP endpoint."""
    port = free_port()
    with running([sys.executable, "-m", "examples.conformance", "--port", str(port)], ready=listening(port)):
        yield f"http://127.0.0.1:{port}/mcp"


@contextlib.contextmanager
def direct(node: Node) -> Generator[Target]:
    with fixtures() as url:
        yield Target(url, node.environment(), lists_apply=False)


@contextlib.contextmanager
def through_the_gateway(node: Node, folder: Path) -> Generator[Target]:
    with fixtures() as upstream:
        entry = http_entry("fixtures", upstream, sessions="per_principal")
        gateway = install(folder, registry={"fixtures": entry})
        gateway.add_user(USER, calls="fixtures")
        gateway.let_agent_act(AGENT, USER, server="fixtures")
        with gateway.serving():
            gateway.wait_for_tools("fixtures", count=5)
            token = gateway.token(user=USER, agent=AGENT, server="fixtures")
            environment = node.environment(bearer=token, origin=gateway.origin)
            yield Target(gateway.endpoint("fixtures"), environment, lists_apply=True)


def judged(node: Node, target: Target, revision: str, *, results: Path) -> Verdict:
    """Run the suite's requirement set of one revision and read what it found."""
    command = node.package("conformance", "server", "--url", target.url, "--requirements", revision, "-o", str(results))
    done = subprocess.run(
        command,
        env=dict(target.environment),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=_RUN_SECONDS,
        check=False,
    )
    if not results.is_dir():
        sys.exit(f"the suite left no results for {revision}:\n{(done.stdout + done.stderr)[-4000:]}")
    required = REQUIRED[revision]
    file = Path(__file__).with_name(f"expected-failures-{revision}.yml")
    return judge(
        read_results(results, leave_out=extensions(SUITE / f"requirements/{revision}.yaml")),
        expected=expected_failures(file, required=required) if target.lists_apply else (),
        required=required,
    )


def report(revision: str, verdict: Verdict) -> None:
    print(f"{revision}: {verdict.passed} passed, {len(verdict.failed)} failed, {len(verdict.expected)} expected")
    for check in verdict.failed:
        print(f"  failed    {check.scenario}:{check.id}  {check.message[:200]}")
    for check in verdict.expected:
        print(f"  expected  {check.scenario}:{check.id}")
    for entry in verdict.stale:
        print(f"  stale     {entry} passes now; remove it from expected-failures-{revision}.yml")
    for scenario in verdict.missing:
        print(f"  missing   {scenario} is required and passed nothing")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.run", description=__doc__)
    parser.add_argument("--direct", action="store_true", help="judge the fixture server, without a gateway")
    parser.add_argument("--keep", type=Path, help="keep the suite's result files in this folder")
    options = parser.parse_args()
    node, missing = find()
    if node is None:
        sys.exit(f"{missing}; run `make node`")
    with tempfile.TemporaryDirectory(prefix="mcp-gateway-conformance-") as temporary:
        results = options.keep or Path(temporary, "results")
        verdicts: dict[str, Verdict] = {}
        for revision in REVISIONS:
            # A gateway each, so that one revision's state cannot help or hurt the other.
            place = direct(node) if options.direct else through_the_gateway(node, Path(temporary, revision))
            with place as target:
                verdicts[revision] = judged(node, target, revision, results=results / revision)
            report(revision, verdicts[revision])
    print(json.dumps({revision: verdict.counts() for revision, verdict in verdicts.items()}))
    if not all(verdict.good for verdict in verdicts.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
