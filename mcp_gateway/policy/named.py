"""Which resources a recorded call names under another mapping, as far as its record tells. Pure; never guessed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

from mcp_gateway.authorization import Unidentified
from mcp_gateway.model.tool import ResourceRule, Tool
from mcp_gateway.policy.past import Past

Resources: TypeAlias = tuple[tuple[str, str], ...]
"""(relation, object)."""


def named(past: Past, tool: Tool, known: Tool | None) -> Resources | Unidentified | str:
    """Under the mapping of `tool`; or, as a sentence, why that cannot be told.

    `known` is the tool as it is in force now: if the call was asked under its mapping, its record is read by that.
    """
    rules = tool.resources
    if not rules:
        return ()
    if past.mapping == tool.mapping:
        old = rules
    elif known is not None and past.mapping == known.mapping:
        old = known.resources
    else:
        return "the record does not tell by which mapping its resources were named"
    if "resource.unidentified" in past.codes:
        if old is rules:
            return Unidentified("")
        return "the arguments named no resource then, and are not recorded"
    return _translated(past, rules, old)


def _translated(past: Past, rules: Sequence[ResourceRule], old: Sequence[ResourceRule]) -> Resources | str:
    found: dict[tuple[str, str], None] = {}
    new_relation = {_source(rule): rule.relation for rule in rules}
    by_question: dict[tuple[str, str], set[str | None]] = {}
    for rule in old:
        by_question.setdefault((rule.relation, rule.type), set()).add(new_relation.get(_source(rule)))
    for rule in rules:
        before = [one for one in old if _source(one) == _source(rule)]
        if not before:
            return f"what {rule.pointer or rule.template} names is not recorded"
        question = (before[0].relation, rule.type)
        if len(by_question[question]) > 1:
            return f"which of the recorded resources {rule.pointer or rule.template} named is not recorded"
        found |= dict.fromkeys((rule.relation, object_) for object_ in _objects(past, question))
    return tuple(found)


def _source(rule: ResourceRule) -> ResourceRule:
    """Where a rule takes its ids from, whatever must hold on them."""
    return replace(rule, relation="")


def _objects(past: Past, question: tuple[str, str]) -> list[str]:
    relation, kind = question
    return [
        check.object for check in past.answers if check.relation == relation and check.object.partition(":")[0] == kind
    ]
