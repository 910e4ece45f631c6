"""Check: the semantics the corpus does not reach, and what bounds it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from mcp_gateway.authorization.engine.conditions import Circumstances, Undecidable
from mcp_gateway.authorization.engine.evaluate import compile_program
from mcp_gateway.authorization.engine.model import compile_model
from mcp_gateway.authorization.engine.overlay import NOTHING
from mcp_gateway.authorization.engine.query import Query
from mcp_gateway.authorization.engine.tuples import TupleIndex
from mcp_gateway.storage.relationships import Condition, RelationshipTuple
from tests.unit.authorization.world import row

GROUPS = "model\n schema 1.1\ntype user\ntype group\n relations\n  define member: [user, group#member]\n"
DOCS = (
    GROUPS
    + """
type folder
  relations
    define viewer: [user, user:*, group#member]
type doc
  relations
    define parent: [folder]
    define banned: [user, group#member]
    define owner: [user, user with odd, group#member]
    define viewer: owner or viewer from parent
    define editor: owner and viewer
    define reader: viewer but not banned
condition odd(x: int, y: int) { x == y }
"""
)


def _ring_of(kind: str) -> list[str]:
    return [f"{kind}:g#member member {kind}:h", f"{kind}:h#member member {kind}:g"]


def _holds(model: str, rows: Iterable[str | RelationshipTuple], question: str, **context: Any) -> bool:
    subject, relation, object_ = question.split(" ")
    compiled = compile_model(model)
    index = TupleIndex(compiled)
    index.load(row(one) if isinstance(one, str) else one for one in rows)
    program = compile_program(compiled)
    return Query(program, index, subject, Circumstances(None, context), NOTHING).holds(relation, object_)


@pytest.mark.parametrize(
    ("rows", "question", "answer"),
    [
        (["user:a owner doc:1"], "user:a viewer doc:1", True),
        (["user:a owner doc:1"], "user:a editor doc:1", True),
        (["folder:f parent doc:1", "user:a viewer folder:f"], "user:a viewer doc:1", True),
        (["folder:f parent doc:1", "user:a viewer folder:f"], "user:a editor doc:1", False),
        (["folder:f parent doc:1", "user:* viewer folder:f"], "user:z viewer doc:1", True),
        (["folder:f parent doc:1", "user:* viewer folder:f"], "group:g#member viewer doc:1", False),
        (["user:a owner doc:1", "user:a banned doc:1"], "user:a reader doc:1", False),
        (["user:a owner doc:1"], "user:a reader doc:1", True),
        (["group:g#member owner doc:1", "user:a member group:g"], "user:a viewer doc:1", True),
        (["group:g#member owner doc:1"], "group:g#member viewer doc:1", True),
        ([], "group:g#member member group:g", True),
        (["group:g#member member group:h", "group:h#member member group:g"], "user:a member group:g", False),
        (
            ["group:g#member member group:h", "group:h#member member group:g", "user:a member group:g"],
            "user:a member group:h",
            True,
        ),
    ],
)
def test_a_question_is_answered_from_the_tuples(rows: list[str], question: str, answer: bool) -> None:
    assert _holds(DOCS, rows, question) is answer


RINGS = """model
 schema 1.1
type user
type role
 relations
  define assignee: [user]
type group
 relations
  define member: [user, group#member]
type team
 relations
  define parent: [team]
  define member: [user] or member from parent
type club
 relations
  define member: [user, club#member, role#assignee]
type doc
 relations
  define owner: [user]
  define banned: [group#member, team#member, club#member]
  define banned_too: [club#member]
  define banned_twice: banned and banned_too
  define reader: owner but not banned
  define writer: owner but not banned_twice
  define judge: owner but not reader
"""


@pytest.mark.parametrize("ring", [_ring_of("group"), ["team:g parent team:h", "team:h parent team:g"]])
def test_who_is_in_no_group_of_a_ring_is_not_excluded_by_it(ring: list[str]) -> None:
    kind = ring[0].partition(":")[0]
    assert _holds(RINGS, ["user:a owner doc:1", f"{kind}:g#member banned doc:1", *ring], "user:a reader doc:1")


@pytest.mark.parametrize("relation", ["reader", "writer", "judge"])
def test_any_other_ring_inside_an_exclusion_denies_on_either_side(relation: str) -> None:
    banned = ["club:g#member banned doc:1", "club:h#member banned_too doc:1"]
    rows = ["user:a owner doc:1", *banned, *_ring_of("club")]
    assert _holds(RINGS, rows, f"user:a {relation} doc:1") is False


def test_a_ring_beside_a_plain_no_denies_as_well() -> None:
    rows = ["user:a owner doc:1", "club:g#member banned doc:1", *_ring_of("club")]
    assert _holds(RINGS, rows, "user:a writer doc:1") is False


def test_a_no_inside_a_cycle_is_not_kept_for_another_path() -> None:
    rows = [*_ring_of("group"), "group:k#member member group:h", "user:a member group:k"]
    compiled = compile_model(GROUPS)
    index = TupleIndex(compiled)
    index.load(map(row, rows))
    query = Query(compile_program(compiled), index, "user:a", Circumstances(None, {}), NOTHING)
    assert [query.holds("member", f"group:{name}") for name in "ghkg"] == [True, True, True, True]


def test_an_undecided_branch_does_not_hide_a_true_one_and_does_not_become_a_no() -> None:
    open_tuple = row("user:a owner doc:1", condition="odd", context={"x": 1})
    assert _holds(DOCS, [open_tuple, "folder:f parent doc:1", "user:a viewer folder:f"], "user:a viewer doc:1")
    with pytest.raises(Undecidable):
        _holds(DOCS, [open_tuple], "user:a viewer doc:1")
    assert _holds(DOCS, [open_tuple], "user:a viewer doc:1", y=1) is True
    assert _holds(DOCS, [open_tuple], "user:a viewer doc:1", y=2) is False


def test_an_undecided_side_of_an_intersection_is_no_when_the_other_is_no() -> None:
    model = DOCS.replace("define editor: owner and viewer", "define editor: owner and banned")
    assert _holds(model, [row("user:a owner doc:1", condition="odd", context={"x": 1})], "user:a editor doc:1") is False


def test_a_chain_deeper_than_the_limit_has_no_answer() -> None:
    chain = [f"group:{n + 1}#member member group:{n}" for n in range(40)]
    assert _holds(GROUPS, [*chain, "user:a member group:20"], "user:a member group:0") is True
    with pytest.raises(Undecidable):
        _holds(GROUPS, [*chain, "user:a member group:40"], "user:a member group:0")


def test_tangled_groups_are_walked_once() -> None:
    names = range(24)
    tangle = [f"group:{a}#member member group:{b}" for a in names for b in names if a != b]
    assert _holds(GROUPS, tangle, "user:a member group:0") is False
    assert _holds(GROUPS, [*tangle, "user:a member group:23"], "user:a member group:0") is True


def test_a_tangle_that_would_be_walked_for_ever_has_no_answer() -> None:
    model = "model\n schema 1.1\ntype user\ntype folder\n relations\n  define parent: [folder]\n"
    model += "  define viewer: [user] or viewer from parent\n"
    names = range(20)
    tangle = [f"folder:{a} parent folder:{b}" for a in names for b in names if a != b]
    with pytest.raises(Undecidable, match="too complex"):
        _holds(model, tangle, "user:a viewer folder:0")


@pytest.mark.parametrize(
    "question",
    [
        "user:a nothing doc:1",
        "user:a viewer thing:1",
        "thing:a viewer doc:1",
        "group:g#boss viewer doc:1",
        "a viewer doc:1",
        "user:a viewer doc",
    ],
)
def test_a_question_the_model_does_not_know_has_no_answer(question: str) -> None:
    with pytest.raises(Undecidable):
        _holds(DOCS, [], question)


def test_a_stored_tuple_the_model_does_not_accept_counts_for_nothing() -> None:
    rows = ["user:a viewer doc:1", "user:* owner doc:1", "doc:2 owner doc:1"]
    assert _holds(DOCS, rows, "user:a viewer doc:1") is False


def test_rows_that_say_the_same_are_one_object_and_a_deletion_leaves_the_others() -> None:
    compiled = compile_model(DOCS)
    index = TupleIndex(compiled)
    index.load([row("folder:f parent doc:1"), row("folder:f parent doc:2")])
    assert index.rows[("doc:1", "parent")] is index.rows[("doc:2", "parent")]
    index.apply([(False, row("folder:f parent doc:1"))])
    assert ("doc:1", "parent") not in index.rows
    assert "folder:f" in index.rows[("doc:2", "parent")].direct


def test_a_condition_that_cannot_be_judged_is_said_even_where_it_leads_nowhere_for_this_subject() -> None:
    model = DOCS.replace("type folder", "type robot\ntype folder").replace(
        "define owner: [user, user with odd, group#member]", "define owner: [robot, group#member with odd]"
    )
    written = RelationshipTuple("doc:1", "owner", "group:g#member", Condition("odd", {"x": 1}))
    with pytest.raises(Undecidable):
        _holds(model, [written], "robot:r owner doc:1")
    assert _holds(model, [written], "robot:r owner doc:1", y=1) is False
