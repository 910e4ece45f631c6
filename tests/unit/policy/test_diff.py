"""Recorded decisions under changed policy: each flip is named, and what a record cannot tell is not guessed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_gateway.model.tool import Kind
from mcp_gateway.policy.candidate import Candidate
from mcp_gateway.policy.diff import Difference
from tests.unit.policy.past_calls import (
    DOCS,
    ENTRY,
    MIRA,
    OMAR,
    ROWS,
    Installed,
    entry,
    installed,
    policy,
    with_other_answers,
)

READ = frozenset({"mcp:read"})
RULES = """\
rules:
  - id: {id}
    description: A rule of a test.
    when: {{servers: [tickets]}}
    require: {require}
    mode: {mode}
"""


def rules(require: str, *, mode: str = "enforce", name: str = "a-rule") -> str:
    return RULES.format(id=name, require=require, mode=mode)


def flips(found: Difference) -> list[tuple[str, str, str, tuple[str, ...]]]:
    return [
        (flip.past.tool.removeprefix("tool:tickets/"), flip.before, flip.now.effect, flip.now.codes)
        for flip in found.flips
    ]


def doubts(found: Difference) -> list[tuple[str, ...]]:
    return [flip.now.unknown for flip in found.undecidable]


@pytest.fixture
def then(tmp_path: Path) -> Installed:
    return installed(policy(tmp_path / "then"))


def test_the_same_policy_changes_nothing(then: Installed, tmp_path: Path) -> None:
    assert then.call("get", {"id": "T-1"})
    assert not then.call("set", {"id": "T-1"})
    assert not then.call("get", {})
    assert not then.call("get", {"id": "T-1"}, user=OMAR)
    found = then.against(policy(tmp_path / "now"))
    assert (found.decisions, found.unchanged, found.other_reasons) == (4, 4, 0)
    assert found.totals()["undecidable"] == 0


def test_a_model_that_asks_for_more_flips_what_it_no_longer_allows(then: Installed, tmp_path: Path) -> None:
    then.call("get", {"id": "T-1"})
    then.call("get", {"id": "T-2"})
    stricter = ("define can_read: viewer and", "define can_read: editor and")
    found = then.against(policy(tmp_path / "now", model=stricter))
    assert flips(found) == [("get", "allow", "deny", ("resource.user_not_allowed",))]
    assert found.unchanged == 1


def test_each_decision_is_judged_by_the_relationships_of_its_own_moment(then: Installed, tmp_path: Path) -> None:
    assert then.call("ping")
    then.write(f"{MIRA} writer server:tickets", gone=True)
    assert not then.call("ping")
    then.write(f"{MIRA} writer server:tickets")
    assert then.call("ping")
    found = then.against(policy(tmp_path / "now"))
    assert found.unchanged == 3
    stricter = policy(tmp_path / "stricter", tickets=entry(ping={"risk": "destructive"}))
    assert [one[1:] for one in flips(then.against(stricter))] == [
        ("allow", "deny", ("user.not_allowed", "agent.not_granted"))
    ] * 2


TEMPLATE = "ticket://{id}"
TEMPLATE_ID = "resource:tickets/ticket%3A%2F%2F{id}"


def test_prompts_resources_and_completions_are_judged_again_as_calls_are(then: Installed, tmp_path: Path) -> None:
    for kind, name in ((Kind.PROMPT, "triage"), (Kind.TEMPLATE, TEMPLATE)):
        assert then.call(name, {"id": "T-1"}, kind=kind)
        assert then.call(name, {"id": "T-2"}, kind=kind)
        assert then.call(name, {}, kind=kind, verb="completion/complete")
        assert not then.call(name, {"id": "T-9"}, kind=kind)
    assert then.call(TEMPLATE, {"id": "T-1"}, kind=Kind.TEMPLATE, verb="resources/subscribe")
    same = then.against(policy(tmp_path / "same"))
    assert (same.decisions, same.unchanged, same.undecidable) == (9, 9, [])
    found = then.against(policy(tmp_path / "now", model=("define can_read: viewer and", "define can_read: editor and")))
    lost = ("allow", "deny", ("resource.user_not_allowed",))
    assert flips(found) == [("prompt:tickets/triage", *lost), (TEMPLATE_ID, *lost), (TEMPLATE_ID, *lost)]
    assert [str(flip).split(": ")[1] for flip in found.flips] == [
        f"{MIRA} through {DOCS} gets prompt:tickets/triage",
        f"{MIRA} through {DOCS} reads {TEMPLATE_ID}",
        f"{MIRA} through {DOCS} subscribes to {TEMPLATE_ID}",
    ]


def test_a_higher_risk_of_a_prompt_and_a_model_without_resources_take_rights_away(
    then: Installed, tmp_path: Path
) -> None:
    assert then.call("triage", {"id": "T-1"}, kind=Kind.PROMPT, scopes=frozenset({"mcp:read"}))
    assert then.call(TEMPLATE, {"id": "T-1"}, kind=Kind.TEMPLATE)
    riskier = json.dumps({**ENTRY, "prompts": {"triage": {"risk": "destructive"}}})
    assert flips(then.against(policy(tmp_path / "riskier", tickets=riskier))) == [
        ("prompt:tickets/triage", "allow", "deny", ("scope.insufficient", "user.not_allowed", "agent.not_granted"))
    ]
    renamed = policy(tmp_path / "other", model=("type resource\n", "type thing\n"))
    assert flips(then.against(renamed)) == [(TEMPLATE_ID, "allow", "deny", ("kind.not_modelled",))]


def test_a_lower_risk_opens_what_it_was_too_high_for(tmp_path: Path) -> None:
    high = installed(policy(tmp_path / "then", tickets=entry(ping={"risk": "destructive"})))
    assert not high.call("ping")
    assert flips(high.against(policy(tmp_path / "now"))) == [("ping", "deny", "allow", ("access.allowed",))]


def test_a_higher_risk_needs_the_scope_the_token_had(then: Installed, tmp_path: Path) -> None:
    then.call("ping", scopes=READ)
    then.call("ping")
    now = policy(tmp_path / "now", tickets=entry(ping={"risk": "write"}))
    assert flips(then.against(now)) == [("ping", "allow", "deny", ("scope.insufficient",))]
    found = then.against(now, records=then.without("scope"))
    assert doubts(found) == [("the record does not tell the token's scopes",)] * 2


def test_another_relation_on_the_same_resource_is_judged_by_the_recorded_ids(then: Installed, tmp_path: Path) -> None:
    then.call("get", {"id": "T-1"})
    then.call("get", {"id": ["T-2"]})
    said = {"risk": "read", "resources": [{"relation": "can_write", "type": "ticket", "pointer": "/id"}]}
    found = then.against(policy(tmp_path / "now", tickets=entry(get=said)))
    assert flips(found) == [("get", "allow", "deny", ("resource.user_not_allowed",))]


def test_a_mapping_that_is_gone_asks_for_nothing(then: Installed, tmp_path: Path) -> None:
    then.call("get", {"id": "T-9"})
    then.call("get", {})
    found = then.against(policy(tmp_path / "now", tickets=entry(get={"risk": "read"})))
    assert [one[1:3] for one in flips(found)] == [("deny", "allow")] * 2


def test_an_argument_that_was_not_recorded_is_not_guessed(then: Installed, tmp_path: Path) -> None:
    then.call("get", {"id": "T-1"})
    then.call("get", {"id": "T-1"}, user=OMAR)
    said = {"risk": "read", "resources": [{"relation": "can_read", "type": "ticket", "pointer": "/other"}]}
    found = then.against(policy(tmp_path / "now", tickets=entry(get=said)))
    assert doubts(found) == [("what /other names is not recorded",)]
    assert found.unchanged == 1, "who lacks access lacks it whatever the arguments name"


def test_arguments_that_named_nothing_then_are_not_read_by_another_mapping(then: Installed, tmp_path: Path) -> None:
    then.call("get", {})
    said = {"risk": "read", "resources": [{"relation": "can_write", "type": "ticket", "pointer": "/id"}]}
    found = then.against(policy(tmp_path / "now", tickets=entry(get=said)))
    assert doubts(found) == [("the arguments named no resource then, and are not recorded",)]


def test_a_record_that_does_not_tell_its_mapping_is_not_read_by_todays(then: Installed, tmp_path: Path) -> None:
    then.call("get", {"id": "T-1"})
    found = then.against(policy(tmp_path / "now"), records=then.without("mapping"))
    assert doubts(found) == [("the record does not tell by which mapping its resources were named",)]


def test_a_server_nobody_declares_any_more_has_no_tools(then: Installed, tmp_path: Path) -> None:
    then.call("ping")
    other = entry().replace('"tickets"', '"others"', 1)
    found = then.against(policy(tmp_path / "now", tickets=other))
    assert flips(found) == [("ping", "allow", "deny", ("tool.unknown",))]


@pytest.mark.parametrize(
    ("require", "expected"),
    [
        ('agent.id != "agent:local/docs"', ("allow", "deny", ("rule.denied",))),
        ('user.id == "user:local/mira"', None),
        ('time < timestamp("2020-01-01T00:00:00Z")', ("allow", "deny", ("rule.denied",))),
        ('"ticket:tickets/T-2" in resources', ("allow", "deny", ("rule.denied",))),
        ('tool.risk == "read"', None),
    ],
)
def test_a_rule_is_judged_anew_by_what_the_record_holds(
    then: Installed, tmp_path: Path, require: str, expected: tuple[str, str, tuple[str, ...]] | None
) -> None:
    then.call("get", {"id": "T-1"})
    found = then.against(policy(tmp_path / "now", rules=rules(f"'{require}'")))
    assert [one[1:] for one in flips(found)] == ([expected] if expected else [])
    assert doubts(found) == []


@pytest.mark.parametrize(
    ("require", "missing"),
    [('arguments["id"] == "T-1"', "arguments"), ('network.address == "203.0.113.9"', "network.address")],
)
def test_a_rule_that_reads_what_is_not_recorded_is_undecidable(
    then: Installed, tmp_path: Path, require: str, missing: str
) -> None:
    then.call("get", {"id": "T-1"})
    then.call("get", {"id": "T-1"}, user=OMAR)
    for mode in ("enforce", "observe"):
        found = then.against(policy(tmp_path / mode, rules=rules(f"'{require}'", mode=mode)))
        assert doubts(found) == [(f"the rule a-rule reads {missing}, which is not recorded",)]
        assert found.unchanged == 1


def test_the_same_rule_is_recalled_and_a_changed_one_is_not(tmp_path: Path) -> None:
    said = rules('\'arguments["id"] == "T-1"\'')
    made = installed(policy(tmp_path / "then", rules=said))
    assert made.call("get", {"id": "T-1"})
    assert not made.call("get", {"id": "T-2"})
    again = made.against(policy(tmp_path / "now", rules=said))
    assert (again.unchanged, again.flips, again.undecidable) == (2, [], [])
    observing = made.against(policy(tmp_path / "observing", rules=said.replace("enforce", "observe")))
    assert flips(observing) == [("get", "deny", "allow", ("access.observed", "rule.denied"))]
    changed = made.against(policy(tmp_path / "changed", rules=said.replace('== "T-1"', '!= "T-3"')))
    assert len(doubts(changed)) == 2
    without = made.against(policy(tmp_path / "without"))
    assert [one[1:3] for one in flips(without)] == [("deny", "allow")]


def test_an_address_a_rule_left_on_record_is_read_again(tmp_path: Path) -> None:
    said = rules("'network.address != \"203.0.113.9\"'") + "    audit: [network.address]\n"
    made = installed(policy(tmp_path / "then", rules=said))
    assert made.call("ping", address="203.0.113.7")
    found = made.against(policy(tmp_path / "now", rules=rules("'network.address == \"203.0.113.9\"'", name="other")))
    assert flips(found) == [("ping", "allow", "deny", ("rule.denied",))]


def test_membership_the_token_brought_counts_again(tmp_path: Path) -> None:
    rows = [one for one in ROWS if "writer server" not in one or "agent_writer" in one]
    made = installed(policy(tmp_path / "then"), *rows, "group:okta/eng#member reader server:tickets")
    belongs = (("member", "group:okta/eng"),)
    assert made.call("ping", memberships=belongs)
    assert made.against(policy(tmp_path / "now")).unchanged == 1


def test_a_kill_switch_is_no_policy_and_stays(then: Installed, tmp_path: Path) -> None:
    then.call("ping")
    (one,) = then.records
    stopped = {**one, "kind": "decision", "reasons": [{"code": "user.disabled", "evidence": MIRA}]}
    found = then.against(policy(tmp_path / "now"), records=[stopped])
    assert (found.unchanged, found.flips, found.undecidable) == (1, [], [])


def test_relationships_that_cannot_be_rebuilt_here_decide_nothing(then: Installed, tmp_path: Path) -> None:
    then.call("ping")
    found = then.against(policy(tmp_path / "now"), records=[with_other_answers(one) for one in then.records])
    assert doubts(found) == [("the relationships of then cannot be rebuilt from this store",)]


def test_relationships_kept_elsewhere_are_trusted_only_where_they_answer_as_recorded(
    then: Installed, tmp_path: Path
) -> None:
    then.call("ping")
    (one,) = then.records
    now = policy(tmp_path / "now")
    assert then.against(now, complete=False).unchanged == 1
    by_another_model = [{**one, "model": "another"}]
    assert then.against(now, records=by_another_model).unchanged == 1
    found = then.against(now, records=by_another_model, complete=False)
    assert doubts(found) == [("the relationships of then cannot be rebuilt from this store",)]


def test_what_is_no_decision_is_passed_over(then: Installed, tmp_path: Path) -> None:
    then.call("ping")
    (one,) = then.records
    others = [{**one, "kind": "outcome"}, {**one, "verb": "tools/list"}, {"kind": "login", "at": 1, "seq": 1}]
    broken = [{**one, "questions": "no"}, {**one, "risk": "harmless"}, {**one, "revision": None}]
    found = then.against(policy(tmp_path / "now"), records=[*others, *broken, one])
    assert (found.records, found.decisions) == (7, 1)


def test_a_flip_reads_as_a_line_and_as_json(then: Installed, tmp_path: Path) -> None:
    then.call("ping")
    found = then.against(policy(tmp_path / "now", rules=rules("'false'")))
    (flip,) = found.flips
    assert str(flip) == (
        f"allow -> deny: {MIRA} through {DOCS} calls tool:tickets/ping: access.allowed -> rule.denied [r-1]"
    )
    assert found.as_dict()["flips"][0]["reasons_after"] == ["rule.denied"]
    assert found.as_dict()["totals"]["allow_to_deny"] == 1


calls = st.tuples(
    st.sampled_from(sorted(ENTRY["tools"])),
    st.sampled_from([{}, {"id": "T-1"}, {"id": "T-2"}, {"id": ["T-1", "T-2"]}, {"id": "T-9"}]),
    st.sampled_from([MIRA, OMAR]),
    st.sampled_from([READ, frozenset({"mcp:read", "mcp:write"}), frozenset[str]()]),
)
SOME_RULES = rules('\'"ticket:tickets/T-2" in resources || arguments["id"] == "T-1"\'')


@pytest.fixture(scope="module", params=[None, SOME_RULES, SOME_RULES.replace("enforce", "observe")])
def any_policy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Candidate:
    return policy(tmp_path_factory.mktemp("then"), rules=request.param)


@settings(max_examples=25)
@given(rows=st.sets(st.sampled_from(ROWS)), made=st.lists(st.tuples(calls, st.sampled_from(ROWS)), max_size=6))
def test_no_policy_differs_from_itself(any_policy: Candidate, rows: set[str], made: list[Any]) -> None:
    then = installed(any_policy, *sorted(rows), ROWS[0])
    for (name, arguments, user, scopes), moved in made:
        then.call(name, arguments, user=user, scopes=scopes)
        then.write(moved, gone=moved in rows)
    found = then.against(any_policy)
    assert (found.unchanged, found.other_reasons) == (len(made), 0)
    assert (found.flips, found.undecidable) == ([], [])


def on_ticket(relation: str, pointer: str = "/id") -> dict[str, Any]:
    return {"risk": "read", "resources": [{"relation": relation, "type": "ticket", "pointer": pointer}]}


CHANGES: list[dict[str, Any]] = [
    {"tickets": entry(ping={"risk": "write"}, get={"risk": "destructive"})},
    {"tickets": entry(set={"risk": "read"})},
    {"tickets": entry(get=on_ticket("can_write"))},
    {"tickets": entry(get=on_ticket("can_read", "/other"), set={"risk": "write"})},
    {"tickets": entry(get=None)},
    {"model": ("define can_read: viewer and", "define can_read: editor and")},
    {"model": ("define can_call: user_can_call and", "define can_call: direct_caller and user_can_call and")},
    {"rules": rules('\'arguments["id"] == "T-1"\'')},
    {"rules": rules("'user.id == \"user:local/mira\"'")},
    {"rules": rules("'tool.risk == \"read\" && size(resources) < 2'", mode="observe")},
]


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> list[Candidate]:
    return [policy(tmp_path_factory.mktemp("other"), **change) for change in CHANGES]


@settings(max_examples=25)
@given(
    rows=st.sets(st.sampled_from(ROWS)),
    made=st.lists(st.tuples(calls, st.sampled_from(ROWS)), max_size=6),
    which=st.integers(0, len(CHANGES) - 1),
)
def test_what_is_said_of_a_record_is_what_would_have_been_decided_or_that_it_cannot_be_told(
    any_policy: Candidate, others: list[Candidate], rows: set[str], made: list[Any], which: int
) -> None:
    then = installed(any_policy, *sorted(rows), ROWS[0])
    for (name, arguments, user, scopes), moved in made:
        then.call(name, arguments, user=user, scopes=scopes)
        then.write(moved, gone=moved in rows)
    found = then.against(others[which])
    doubted = {flip.past.request for flip in found.undecidable}
    flipped = {flip.past.request: flip.now.effect for flip in found.flips}
    for request, really in then.really(others[which]).items():
        before = next(
            "allow" if one["effect"] == "allow" else "deny" for one in then.records if one["request"] == request
        )
        assert request in doubted or flipped.get(request, before) == really
