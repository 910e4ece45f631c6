"""What rules would have said of a recorded call: evaluated anew where the record holds what they read, recalled where
the same rule has spoken, and otherwise unknown. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mcp_gateway.authorization.rules import Bound, Expression, Rule, Verdict
from mcp_gateway.model.call import Era, Request
from mcp_gateway.model.tool import Tool
from mcp_gateway.policy.past import Past

_MODERN = "2026-07-28"
_ADDRESS = "network.address"
_OF_THE_TOKEN = frozenset({"tenant", "user.groups", "user.roles", "user.tenants"})


class _Recalled(Expression):
    """Says what the same rule said then."""

    __slots__ = ("_verdict",)

    def __init__(self, like: Expression, verdict: Verdict) -> None:
        self.text = like.text
        self.reads = frozenset()
        self._verdict = verdict

    def evaluate(self, values: Mapping[str, Any]) -> Verdict:
        return self._verdict


def recalled(bound: Bound, past: Past, tool: Tool, model_id: str, *, resources_known: bool) -> tuple[Bound, list[str]]:
    """`bound` with rules that can be asked, and a sentence for each that cannot."""
    rules: list[Rule] = []
    unknown: list[str] = []
    for rule in bound.rules:
        missing = sorted(name for name in rule.require.reads if _is_missing(name, past, resources_known))
        verdict = _said(rule, past, tool, model_id) if missing else None
        if verdict is not None:
            rules.append(replace(rule, require=_Recalled(rule.require, verdict)))
        elif missing:
            unknown.append(f"the rule {rule.id} reads {', '.join(missing)}, which is not recorded")
        else:
            rules.append(rule)
    return replace(bound, rules=tuple(rules)), unknown


def request_of(past: Past) -> Request:
    """What the record tells of the request."""
    era = Era.MODERN if past.protocol is not None and past.protocol >= _MODERN else Era.LEGACY
    address = _address(past)
    return Request(past.request, era, past.protocol or "", None, None, {}, past.session, address=address)


def _is_missing(name: str, past: Past, resources_known: bool) -> bool:
    if name == "arguments":
        return True
    if name == "resources":
        return not resources_known
    if name == _ADDRESS:
        return _address(past) is None
    # What the token said of the user is recorded since its scopes are.
    return name in _OF_THE_TOKEN and past.scopes is None


def _said(rule: Rule, past: Past, tool: Tool, model_id: str) -> Verdict | None:
    """The verdict of the very same rule on the very same things."""
    said = next((one for one in past.rules if one.id == rule.id and one.digest == rule.digest), None)
    if said is None:
        return None
    same = {
        "tool.risk": tool.risk is past.risk,
        "tool.classification": False,
        "resources": past.mapping == tool.mapping,
    }
    for name in rule.require.reads:
        if not same.get(name, not name.startswith("relations.") or past.model_id == model_id):
            return None
    return Verdict(said.result)


def _address(past: Past) -> str | None:
    values = (one.attributes.get(_ADDRESS) for one in past.rules)
    return next((value for value in values if isinstance(value, str)), None)
