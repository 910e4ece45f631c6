"""Books of rules for tests: written as an operator would, into a folder, and read back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from mcp_gateway.authorization import Authorization, EmbeddedRelationships
from mcp_gateway.authorization.rules import RuleBook, load_rules
from mcp_gateway.model.call import Era, Request
from mcp_gateway.model.tool import Mode, Upstream
from mcp_gateway.storage.relationships import RelationshipTuple
from tests.unit.authorization.world import MODEL


def book(
    rules: str = "", *, tools: str = "", mode: Mode = Mode.ENFORCE, upstreams: Sequence[Upstream] = ()
) -> RuleBook:
    """The book of one `rules.yaml` and one `tools.yaml`."""
    with TemporaryDirectory() as folder:
        policies = written(Path(folder), rules, tools=tools)
        return load_rules(policies, model=MODEL, upstreams=upstreams, mode=mode)


def written(folder: Path, rules: str = "", *, tools: str = "") -> Path:
    policies = folder / "policies"
    policies.mkdir(exist_ok=True)
    if rules:
        (policies / "rules.yaml").write_text(rules, encoding="utf-8")
    if tools:
        (policies / "tools.yaml").write_text(tools, encoding="utf-8")
    return policies


def rule(require: str, *, name: str = "r1", **members: str) -> str:
    """A file of one rule; members are YAML flow values."""
    lines = [f"  - id: {name}", "    description: A rule of a test", f"    require: |-\n      {require}"]
    lines += [f"    {member}: {value}" for member, value in members.items()]
    return "\n".join(["rules:", *lines, ""])


def narrowed_by(book: RuleBook, rows: Sequence[RelationshipTuple]) -> Authorization:
    relationships = EmbeddedRelationships(MODEL)
    relationships.replace(rows, revision=1)
    return Authorization(relationships, book=book)


def request(address: str | None = "10.1.2.3", *, session: str | None = None) -> Request:
    era = Era.LEGACY if session else Era.MODERN
    return Request("r", era, "2026-07-28", None, None, {}, session, address=address)
