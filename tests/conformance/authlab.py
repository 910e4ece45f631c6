"""`python -m tests.conformance.authlab`: PyPI `mcp-authlab` judges the gateway as an OAuth resource server.

It signs in by itself, with our browser, for the ticket server's endpoint and, as the token for
somewhere else, for `/mcp`. Exit code 0 means grade A. The last line is one JSON object.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from tests.support.environments import Unavailable, environment
from tests.support.gateway import PASSWORD, Installation, install, sample_tickets
from tests.support.node import browser_environment
from tests.support.processes import ROOT, tickets_server

REQUIREMENT = "mcp-authlab==0.2.2"
_GRADE = "A"
_LOGIN_SECONDS = 120
_SCAN_SECONDS = 240


def main() -> None:
    try:
        program = environment("authlab", REQUIREMENT).with_name("mcp-authlab")
    except Unavailable as exc:
        sys.exit(str(exc))
    with tempfile.TemporaryDirectory(prefix="mcp-gateway-authlab-") as temporary, tickets_server() as tickets:
        folder = Path(temporary)
        gateway = install(folder / "gateway", registry={"tickets": sample_tickets(tickets)})
        gateway.cli("access", "import", str(ROOT / "examples/tickets/relationships.yaml"))
        gateway.add_user("mira", calls="tickets")
        with gateway.serving():
            gateway.wait_for_tools("tickets", count=9)
            report = scanned(program, gateway, folder)
    show(report)


def scanned(program: Path, gateway: Installation, folder: Path) -> dict[str, Any]:
    """Sign in, scan, and read the report."""
    url, output = gateway.endpoint("tickets"), folder / "report.json"
    env = {**os.environ, **browser_environment(folder, user="mira", password=PASSWORD, tick="tickets:read")}
    login = [program, "login", url, "--scope", "mcp:read", "--foreign-resource", gateway.endpoint()]
    done = _run(login, env, _LOGIN_SECONDS)
    if done.returncode != 0:
        sys.exit(f"the sign-in failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    # The agent may comment, its token was asked for reading only: the refusal has to name the missing scope.
    (agent,) = (row["id"] for row in gateway.json("agent", "list"))
    gateway.let_agent_act(str(agent).removeprefix("agent:"), "mira", server="tickets", access="write")
    scan = [program, "scan", url, "--tool", "ticket_comment", "--format", "json", "--output", output, "--verbose"]
    done = _run(scan, env, _SCAN_SECONDS)
    if not output.is_file():
        sys.exit(f"the scan left no report:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return json.loads(output.read_text(encoding="utf-8"))


def _run(command: list[Any], env: dict[str, str], seconds: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def show(report: dict[str, Any]) -> None:
    checks: list[dict[str, Any]] = report["results"]
    for check in checks:
        print(f"{check['status']:8}{check['id']:10}{check['title']}")
    counts = Counter(str(check["status"]) for check in checks)
    print(json.dumps({"grade": report["grade"], **counts}))
    if report["grade"] != _GRADE:
        sys.exit(1)


if __name__ == "__main__":
    main()
