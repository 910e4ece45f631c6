"""Rules, scopes, roles and classifications: what narrows a call beyond its relationships."""

from mcp_gateway.authorization.rules.attributes import ATTRIBUTES, Facts
from mcp_gateway.authorization.rules.book import NO_RULES, Bound, Rule, RuleBook
from mcp_gateway.authorization.rules.expression import Expression, Verdict, compile_expression
from mcp_gateway.authorization.rules.files import load_rules, rule_problems
from mcp_gateway.authorization.rules.narrow import OBSERVABLE, narrow

__all__ = [
    "ATTRIBUTES",
    "Bound",
    "Expression",
    "Facts",
    "NO_RULES",
    "OBSERVABLE",
    "Rule",
    "RuleBook",
    "Verdict",
    "compile_expression",
    "load_rules",
    "narrow",
    "rule_problems",
]
