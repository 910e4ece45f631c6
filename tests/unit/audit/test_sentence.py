from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mcp_gateway.audit import Journal, sentence
from mcp_gateway.errors import AccessDenied
from tests.unit.audit.calls import DENIED, MIRA, call, request, tool, written


@pytest.mark.anyio
async def test_a_day_reads_like_a_story(tmp_path: Path) -> None:
    async with Journal(tmp_path, clock=lambda: 1_795_000_000.0) as journal:
        await journal.event("login", "user:local/mira", client="docs")
        async with journal.entry(request(), "tools/list", MIRA) as entry:
            entry.listed(frozenset({"tool:tickets/get"}))
        await call(journal)
        with pytest.raises(AccessDenied):
            async with journal.entry(request(), "tools/call", MIRA, {}) as entry:
                entry.tool, entry.decision = tool(), DENIED
                raise AccessDenied(DENIED, code="tool.unavailable")
        journal.refused("r-9", "token.expired", audience="http://gw/mcp")
    said = [sentence(record).split(" after ")[0] for record in written(tmp_path)]
    who = "2026-11-18 11:06:40Z  user:local/mira through agent:local/docs"
    assert said == [
        "2026-11-18 11:06:40Z  user:local/mira login client=docs",
        f"{who} was shown 1 tools at http://gw/mcp",
        f"{who} is let through to tool:tickets/get (access.allowed)",
        f"{who}: tool:tickets/get succeeded",
        f"{who}: tool:tickets/get was denied (agent.not_granted agent:local/docs; tool.unavailable)",
        "2026-11-18 11:06:40Z  a request was turned away: token.expired audience=http://gw/mcp",
    ]


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ({"kind": "list", "verb": "prompts/list", "count": 3}, "was shown 3 prompts"),
        ({"kind": "list", "verb": "resources/templates/list", "count": 0}, "was shown 0 resource templates"),
        ({"kind": "intent", "verb": "prompts/get", "tool": "prompt:a/b"}, "is let through to prompts/get prompt:a/b"),
        (
            {"kind": "outcome", "verb": "resources/read", "tool": "resource:a/b", "outcome": "ok"},
            "resources/read resource:a/b succeeded",
        ),
        ({"kind": "decision", "verb": "prompts/get", "outcome": "denied"}, "prompts/get was denied"),
    ],
)
def test_what_was_done_with_a_prompt_or_resource_is_told(record: dict[str, Any], told: str) -> None:
    assert told in sentence({"at": 0, **record})


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"kind": "outcome"},
        {"kind": "outcome", "tool": ["x"], "verb": {}},
        {"kind": "decision"},
        {"kind": "list"},
        {"kind": "refused"},
        {"kind": "new.thing"},
    ],
)
def test_a_record_with_little_in_it_still_makes_a_sentence(record: dict[str, Any]) -> None:
    assert sentence(record)


def test_a_terminal_is_not_given_what_it_would_obey() -> None:
    said = sentence({"kind": "refused", "code": "x", "at": 0, "named": {"client": "\x1b[2J\u202egnp"}})
    assert "\x1b" not in said
    assert "\u202e" not in said


def test_moments_and_lists_in_a_record_read_as_such() -> None:
    named = {"on": ["reader server:a", "reader server:b"], "ticks": {"a": "read"}, "expires_at": 86_400.5}
    said = sentence({"kind": "grant.added", "actor": "os:ana", "at": 0, "named": named})
    assert "os:ana granted somebody or something reader server:a,reader server:b for" in said
    assert said.endswith(" ticks=a:read expires_at=1970-01-02 00:00:00Z")


def test_what_was_only_observed_is_told_beside_what_happened() -> None:
    reasons, observed = [{"code": "access.observed"}], [{"code": "rule.denied", "evidence": "working-hours"}]
    said = sentence({"kind": "intent", "at": 0, "reasons": reasons, "observed": observed})
    assert said.endswith("(access.observed; would be denied: rule.denied working-hours)")
