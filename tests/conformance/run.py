"""`python -m tests.conformance.run`: the official MCP suite, to the fixture server and through a signed-in gateway.

What the fixture server passes alone, it has to pass through the gateway, whatever the eras of the
client and the upstream. The last line is one JSON object: cell to passed, failed (unexpected) and
expected checks; cells that begin with `direct` are the control. Exit code 0 means every verdict is good.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from examples.conformance.eras import Era
from tests.conformance.cells import CELLS, REQUIRED_2025, REQUIRED_2026, RUNS, Cell, Run
from tests.conformance.features import not_shown
from tests.conformance.upstream_leg import judged_as_a_client
from tests.conformance.verdict import Check, Verdict, expected_failures, extensions, judge, read_results
from tests.support.gateway import CommandFailed, http_entry, install
from tests.support.node import FOLDER as NODE_FOLDER
from tests.support.node import Node, find
from tests.support.processes import ROOT, ProcessFailed, free_port, listening, running

SUITE = NODE_FOLDER / "node_modules/@modelcontextprotocol/conformance"
EXPECTED = Path(__file__).with_name("expected-failures.yml")
AGENT = "conformance"
USER = "judge"
CLIENT = "upstream leg"
_RUN_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Target:
    """Where the suite is pointed, and the environment that gives it a token, if it needs one."""

    url: str
    environment: Mapping[str, str]


@contextlib.contextmanager
def fixtures(era: Era = "both") -> Generator[str]:
    """The fixture server; yields its MCP endpoint."""
    port = free_port()
    command = [sys.executable, "-m", "examples.conformance", "--port", str(port), "--era", era]
    with running(command, ready=listening(port)):
        yield f"http://127.0.0.1:{port}/mcp"


@contextlib.contextmanager
def through_the_gateway(node: Node, folder: Path, era: Era) -> Generator[Target]:
    with fixtures(era) as upstream:
        entry = http_entry("fixtures", upstream, sessions="per_principal")
        gateway = install(folder, registry={"fixtures": entry})
        gateway.add_user(USER, calls="fixtures")
        gateway.let_agent_act(AGENT, USER, server="fixtures")
        with gateway.serving():
            gateway.wait_for_tools("fixtures", count=5)
            token = gateway.token(user=USER, agent=AGENT, server="fixtures")
            yield Target(gateway.endpoint("fixtures"), node.environment(bearer=token, origin=gateway.origin))


def results(node: Node, target: Target, run: Run, *, folder: Path) -> tuple[Check, ...]:
    """Run the suite and read what it found."""
    done = subprocess.run(
        node.package("conformance", "server", "--url", target.url, *run.arguments, "-o", str(folder)),
        env=dict(target.environment),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=_RUN_SECONDS,
        check=False,
    )
    if not folder.is_dir():
        sys.exit(f"the suite left no results in {folder}:\n{(done.stdout + done.stderr)[-4000:]}")
    return read(folder, run)


def read(folder: Path, run: Run) -> tuple[Check, ...]:
    if run.scenarios is not None:
        return read_results(folder, only=run.scenarios)
    return read_results(folder, leave_out=extensions(SUITE / "requirements/2026-07-28.yaml"))


class Judge:
    """Runs each distinct start of the suite once, and keeps verdicts by the name of their cell."""

    def __init__(self, node: Node, folder: Path) -> None:
        self.verdicts: dict[str, Verdict] = {}
        self._node = node
        self._folder = folder
        self._expected = expected_failures(EXPECTED)
        self._controls: dict[Run, tuple[Check, ...]] = {}

    def control(self, runs: Sequence[Run]) -> None:
        """Judge the fixture server alone, in every run that the cells compare with."""
        for run in runs:
            folder = self._folder / "direct" / run.revision
            if folder.is_dir():
                self._controls[run] = read(folder, run)
            else:
                with fixtures() as url:
                    target = Target(url, self._node.environment())
                    self._controls[run] = results(self._node, target, run, folder=folder)
            self._say(f"direct {'tasks' if run.scenarios else run.revision}", self._controls[run])

    def features(self) -> None:
        """What the documentation counts on has to be judged at all."""
        checks = (self._controls[REQUIRED_2025], self._controls[REQUIRED_2026])
        for name in not_shown(*checks):
            sys.exit(f"features.py counts on {name}, which the fixture server does not pass")

    def cell(self, cell: Cell) -> None:
        # A gateway for each start of the suite, so that what one leaves behind cannot help or hurt another.
        folder = self._folder / f"{cell.run.revision}-{cell.upstream}"
        control = self._controls[cell.run]
        if folder.is_dir():
            self._say(cell.name, read(folder, cell.run), control=control)
            return
        try:
            with through_the_gateway(self._node, folder.with_suffix(".gateway"), cell.upstream) as target:
                self._say(cell.name, results(self._node, target, cell.run, folder=folder), control=control)
        except (CommandFailed, ProcessFailed, TimeoutError) as exc:
            self._say(cell.name, [Check("the gateway", "starts", "FAILURE", str(exc)[-400:])])

    def client(self) -> None:
        self._say(CLIENT, judged_as_a_client(self._node, self._folder / "client"))

    def _say(self, cell: str, checks: Sequence[Check], *, control: Sequence[Check] = ()) -> None:
        self.verdicts[cell] = judge(checks, expected=self._expected.get(cell), control=control)
        report(cell, self.verdicts[cell])


def report(cell: str, verdict: Verdict) -> None:
    counts = verdict.counts()
    print(f"{cell}: {counts['passed']} passed, {counts['failed']} failed, {counts['expected']} expected")
    for check in verdict.failed:
        print(f"  failed    {check.scenario}:{check.id}  {check.message[:400]}")
    for check in verdict.lost:
        print(f"  lost      {check.scenario}:{check.id} passes without the gateway")
    for check in verdict.expected:
        print(f"  expected  {check.scenario}:{check.id}")
    for entry in verdict.stale:
        print(f"  stale     {entry} passes now; remove it from {EXPECTED.name}")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.run", description=__doc__)
    parser.add_argument("--only", choices=["direct", "server", "client"], help="judge one part of it")
    parser.add_argument("--cell", action="append", help="judge this cell only; may be repeated")
    parser.add_argument("--keep", type=Path, help="keep the suite's result files in this new folder")
    options = parser.parse_args()
    node, missing = find()
    if node is None:
        sys.exit(f"{missing}; run `make node`")
    if options.keep is not None and options.keep.exists():
        sys.exit(f"{options.keep} exists; name a folder that does not")
    with tempfile.TemporaryDirectory(prefix="mcp-gateway-conformance-") as temporary:
        judge = Judge(node, options.keep or Path(temporary, "results"))
        chosen = [cell for cell in CELLS if options.cell is None or cell.name in options.cell]
        if options.only != "client":
            judge.control(RUNS if options.cell is None else [cell.run for cell in chosen])
        if options.only != "client" and options.cell is None:
            judge.features()
        if options.only not in {"direct", "client"}:
            for cell in chosen:
                judge.cell(cell)
        if options.only not in {"direct", "server"} and options.cell is None:
            judge.client()
    print(json.dumps({cell: verdict.counts() for cell, verdict in judge.verdicts.items()}))
    if not all(verdict.good for verdict in judge.verdicts.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
