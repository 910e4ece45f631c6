"""Expressions of rules: typed and bounded at load, and never an allow by accident."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.authorization.rules import ATTRIBUTES, Verdict, compile_expression
from mcp_gateway.errors import OperatorError

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "values", "verdict"),
    [
        ('time.getHours("Europe/Berlin") == 13', {"time": NOON}, Verdict.HELD),
        ("time.getDayOfWeek() in [0, 6]", {"time": NOON}, Verdict.DENIED),
        ('time + duration("1h") > time', {"time": NOON}, Verdict.HELD),
        ('network.address.in_cidr("10.0.0.0/8")', {"network.address": "10.1.2.3"}, Verdict.HELD),
        ('network.address.in_cidr("10.0.0.0/8")', {"network.address": "::ffff:10.1.2.3"}, Verdict.HELD),
        ('network.address.in_cidr("10.0.0.0/8")', {"network.address": "11.1.2.3"}, Verdict.DENIED),
        ('network.address.in_cidr("10.0.0.0/8")', {"network.address": "localhost"}, Verdict.UNDECIDABLE),
        ('"group:okta/sre" in user.groups', {"user.groups": ["group:okta/sre"]}, Verdict.HELD),
        ('"group:okta/sre" in user.groups', {"user.groups": ["group:other/sre"]}, Verdict.DENIED),
        ('!("group:okta/x" in user.groups)', {}, Verdict.UNDECIDABLE),
        ("arguments.amount <= 1000", {"arguments": {"amount": 5}}, Verdict.HELD),
        ("arguments.amount <= 1000", {"arguments": {"amount": 5.5}}, Verdict.HELD),
        ("arguments.amount <= 1000", {"arguments": {"amount": 1001}}, Verdict.DENIED),
        ("arguments.amount <= 1000", {"arguments": {"amount": "5"}}, Verdict.UNDECIDABLE),
        ("arguments.amount <= 1000", {"arguments": {"amount": 2**70}}, Verdict.UNDECIDABLE),
        ("arguments.amount <= 1000", {"arguments": {"amount": float("nan")}}, Verdict.DENIED),
        ("arguments.amount <= 1000", {"arguments": {}}, Verdict.UNDECIDABLE),
        ("arguments.amount <= 1000", {}, Verdict.UNDECIDABLE),
        ("!has(arguments.force)", {"arguments": {"force": False}}, Verdict.DENIED),
        ('arguments.to.all(t, t.endsWith("@example.com"))', {"arguments": {"to": ["a@example.com"]}}, Verdict.HELD),
        ('arguments.to.all(t, t.endsWith("@example.com"))', {"arguments": {"to": ["a@evil.com"]}}, Verdict.DENIED),
        ('arguments.to.all(t, t.endsWith("@example.com"))', {"arguments": {"to": 7}}, Verdict.UNDECIDABLE),
        ('arguments.q == "\\u0441"', {"arguments": {"q": "\u0441"}}, Verdict.HELD),
        ('arguments.q == "x"', {"arguments": {"q": "\ud800"}}, Verdict.UNDECIDABLE),
        ("size(resources) <= 2", {"resources": ["ticket:tickets/T-1"]}, Verdict.HELD),
        ("relations.contractor == false", {"relations.contractor": False}, Verdict.HELD),
        ("relations.contractor == false", {}, Verdict.UNDECIDABLE),
        ("1 / 0 == 1", {}, Verdict.UNDECIDABLE),
        ('time.getHours("Moon/Base") == 1', {"time": NOON}, Verdict.UNDECIDABLE),
    ],
)
def test_only_a_true_expression_holds(text: str, values: dict[str, Any], verdict: Verdict) -> None:
    relations = frozenset({"relations.contractor"}) if "relations." in text else frozenset[str]()
    assert compile_expression(text, relations=relations).evaluate(values) is verdict


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('user.name == "mira"', "`user.name` is neither an attribute"),
        ('request.ip == "x"', "neither an attribute"),
        ("relations.other", "neither an attribute"),
        ('exec("id") == "x"', "`exec` is neither"),
        ("user.id == 1", "no matching overload"),
        ("user.id", "must be a bool, not STRING"),
        ("arguments.flag", "must be a bool, not DYN"),
        ("true &&", "Syntax error"),
        ("", "Syntax error"),
        ("'unclosed", "Syntax error"),
        ("(" * 40 + "true" + ")" * 40, "recursion"),
        ("(" * 2000 + "true" + ")" * 2000, "recursion"),
        ("[" * 1000 + "]" * 1000 + " == []", "recursion"),
        ("true" + " " * 4096, "longer than 4096"),
        ("true || " * 1200 + "true", "longer than 4096"),
        ("[arguments.s].map(x, x + x).map(x, x + x)[0] == 'a'", "`+` must not stand in a macro"),
        ("[arguments.s].map(x, [x].map (y, y+y)) == []", "`+` must not stand in a macro"),
        ("[1].map // a comment\n (x, x+x) == []", "`+` must not stand in a macro"),
        ("arguments.s" + " + arguments.s" * 9 + " == ''", "nor more than 8"),
        ("[1].all(a, [1].all(b, [1].all(c, true)))", "more than 2 deep"),
        ('"group:\u043ekta/sre" in user.groups', "plain ASCII"),
        ("us\u0435r.id == 'x'", "plain ASCII"),
        ("user.id == 'a\u200b'", "plain ASCII"),
        ("true\x00", "plain ASCII"),
    ],
)
def test_hostile_and_mistaken_expressions_are_refused_at_load(text: str, says: str) -> None:
    with pytest.raises(OperatorError) as refused:
        compile_expression(text, where="policies/rules/x.yaml:7")
    assert says in refused.value.problem
    assert refused.value.where == "policies/rules/x.yaml:7"


@pytest.mark.parametrize(
    "text",
    [
        "user.id == '+ + + + + + + + + +'",
        "user.id.matches(r'\\++\\d++') || user.id == '+'",
        '"(" + user.id == """+"+""" // +++++++++',
    ],
)
def test_texts_and_comments_are_not_taken_for_code(text: str) -> None:
    compile_expression(text)


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("true", set[str]()),
        ("user.id == agent.id", {"user.id", "agent.id"}),
        ('user.id == "tool.risk"', {"user.id"}),
        ('size(arguments) > 0 && tool . risk == "read"', {"arguments", "tool.risk"}),
        ('["a"].exists(user, user == "a")', set[str]()),
        ("has(arguments.x) || time > timestamp('2026-01-01T00:00:00Z')", {"arguments", "time"}),
    ],
)
def test_an_expression_knows_what_it_reads(text: str, reads: set[str]) -> None:
    assert compile_expression(text).reads == reads


@pytest.mark.parametrize(
    "text",
    [
        "!has(arguments.force)",
        '!("force" in arguments)',
        "!('force' in arguments) || arguments[ 'force' ] == false",
        "!has(arguments.options) || !has(arguments.options.force)",
        "arguments.all(key, key != 'x') && ! has( arguments . force )",
    ],
)
@pytest.mark.parametrize("key", ["Force", "FORCE", "\uff46orce", "for\u217de"])
def test_a_key_that_only_looks_like_the_one_looked_for_is_not_overlooked(text: str, key: str) -> None:
    rule = compile_expression(text)
    assert rule.evaluate({"arguments": {"path": "Force"}}) is Verdict.HELD
    assert rule.evaluate({"arguments": {key: True}}) is Verdict.UNDECIDABLE
    assert rule.evaluate({"arguments": {"options": {"more": [{key: True}]}}}) is Verdict.UNDECIDABLE


def test_other_keys_and_compared_values_are_not_taken_for_it() -> None:
    rule = compile_expression("arguments.labels.size() < 3 && arguments.kind != 'bug' && !has(arguments.force)")
    labels = {"Bug": 1, "Size": 2}
    assert rule.evaluate({"arguments": {"labels": labels, "kind": "Bug", "forced": 1}}) is Verdict.HELD


def test_what_takes_too_many_steps_is_undecidable() -> None:
    every_pair = compile_expression("arguments.l.all(i, arguments.l.all(j, true))")
    assert every_pair.evaluate({"arguments": {"l": list(range(1000))}}) is Verdict.UNDECIDABLE


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "amount"]), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["a", "b", "amount"]), JSON, max_size=3))
def test_whatever_the_arguments_are_the_answer_is_one_of_three_and_nothing_is_raised(arguments: dict[str, Any]) -> None:
    for expression in _OVER_ARGUMENTS:
        assert expression.evaluate({"arguments": arguments}) in set(Verdict)


_OVER_ARGUMENTS = [
    compile_expression(text)
    for text in (
        "arguments.amount < 10",
        "arguments.a.b.amount == 'x' || has(arguments.b)",
        "arguments.all(k, arguments[k] != null)",
        "size(arguments.a) > 1",
    )
]


@given(st.text(st.characters(), max_size=60) | st.text("()[]{}.+!&|'\"\\ ab\n", max_size=60))
def test_no_text_makes_the_compiler_do_anything_but_refuse(text: str) -> None:
    with contextlib.suppress(OperatorError):
        compile_expression(text)


@given(st.sampled_from(sorted(ATTRIBUTES)))
def test_an_expression_without_its_attribute_is_undecidable(name: str) -> None:
    equal = compile_expression(f"{name} == {name}")
    assert equal.reads == {name}
    assert equal.evaluate({}) is Verdict.UNDECIDABLE
