"""Policy files of a test: the shipped model, a registry of one server, and whatever a test adds."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import anyio

from mcp_gateway.authorization import load_model
from mcp_gateway.authorization.rules import load_rules
from mcp_gateway.catalog import registry
from mcp_gateway.policy.candidate import Candidate
from mcp_gateway.policy.run import run
from mcp_gateway.policy.verdict import Run

ROOT = Path(__file__).parents[3]
MODEL = ROOT / "policies"
NOW = 1_800_000_000.0

SMALL = """\
name: small
model: |
  model
    schema 1.1
  type user
  type group
    relations
      define member: [user, user:*, group#member, user with fresh]
  condition fresh(current_time: timestamp, until: timestamp) {
    current_time < until
  }
tuples:
  - {user: "user:ana", relation: member, object: "group:a"}
  - {user: "group:a#member", relation: member, object: "group:b"}
"""


def candidate(rules: Path | None = None) -> Candidate:
    """What ships, with the rules of another folder."""
    upstreams = registry.load(ROOT / "registry")
    model = load_model(MODEL)
    book = load_rules(rules or ROOT / "policies", model=model, upstreams=upstreams)
    return Candidate(model, {upstream.name: upstream for upstream in upstreams}, book)


def written(folder: Path, text: str, name: str = "a.fga.yaml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def run_files(*paths: Path, rules: Path | None = None) -> Run:
    return anyio.run(partial(run, paths, candidate(rules), now=NOW))


def found(ran: Run) -> list[str]:
    """What each assertion that did not pass says it found."""
    return [one.found for one in ran.failed]
