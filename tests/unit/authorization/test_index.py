"""The tuples in memory: however they came there they are the same, and the way back changes no answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import anyio
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_gateway.authorization import Authorization, EmbeddedRelationships, InContext
from mcp_gateway.authorization.engine.conditions import Circumstances
from mcp_gateway.authorization.engine.evaluate import compile_program
from mcp_gateway.authorization.engine.model import compile_model
from mcp_gateway.authorization.engine.overlay import overlay_of
from mcp_gateway.authorization.engine.query import Query
from mcp_gateway.authorization.engine.rows import EMPTY, Key, Row
from mcp_gateway.authorization.engine.tuples import TupleIndex
from mcp_gateway.model.decision import Check
from mcp_gateway.storage import Change
from mcp_gateway.storage.relationships import RelationshipTuple
from tests.unit.authorization.world import AGENT, LATER, MIRA, MODEL, NOW, allowed_rows, mira, row, tool

PROGRAM = compile_program(MODEL)
SERVER, TOOL = "server:tickets", tool().id
PAST = "2027-01-15T07:59:00Z"
GROUPS = ["group:a", "group:b", "group:c", "group:d"]
NAMES = [f"grant:{number}" for number in range(24)]

SUBJECTS = [MIRA, "user:local/omar", *(f"{group}#member" for group in GROUPS), "role:r#assignee"]
POOL: list[RelationshipTuple] = [
    *(row(f"{subject} member {group}") for subject in SUBJECTS[:6] for group in GROUPS),
    *(row(f"{subject} assignee role:r", expires_at=until) for subject in SUBJECTS[:6] for until in (None, LATER, PAST)),
    *(row(f"{subject} audience {grant}") for subject in (*SUBJECTS, "user:*") for grant in NAMES),
    # Two of one kind nobody knows the members of, so one of them may go and the other stay.
    *(row(f"tenant:{one}#member audience {grant}") for one in ("t", "u") for grant in NAMES[:4]),
    row(f"{MIRA} member tenant:t"),
    *(row(f"user:* active {grant}", expires_at=until) for grant in NAMES for until in (None, LATER, PAST)),
    *(row(f"{agent} agent {grant}") for agent in (AGENT, "agent:local/other") for grant in NAMES),
    *(row(f"{grant}#effective agent_caller {SERVER}") for grant in NAMES),
    *(row(f"{subject} caller {SERVER}") for subject in (*SUBJECTS, "user:*")),
    *(row(f"{subject} direct_caller {TOOL}") for subject in SUBJECTS),
    *(row(f"agent:local/{name}#acting_for direct_agent {TOOL}") for name in ("docs", *map(str, range(12)))),
    *(row(f"{subject} delegator {AGENT}") for subject in SUBJECTS[:6]),
    *(row(one) for one in (f"user:* enabled {SERVER}", f"{SERVER} server {TOOL}", f"user:* enabled {TOOL}")),
    row("user:local/mira nonsense tool:tickets/x"),
    row("thing:1 member group:a"),
]

EVERYBODY = "model\n  schema 1.1\ntype user\ntype group\n  relations"
ONE_RELATION = """
model
  schema 1.1
type user
type agent
  relations
    define in_context: [user]
    define delegator: [user]
    define acting_for: in_context and delegator
type grant
  relations
    define agent: [agent, user]
    define effective: agent and acting_for from agent
type doc
  relations
    define open: [grant#effective]
"""

CHANGES = st.lists(st.tuples(st.booleans(), st.sampled_from(POOL)), max_size=40)
BATCHES = st.lists(CHANGES, max_size=6)
# Only a large part of the pool makes rows that are wide enough to be narrowed.
ABSENT = st.sets(st.integers(0, len(POOL) - 1), max_size=60)


def _index(rows: Iterable[RelationshipTuple] = ()) -> TupleIndex:
    index = TupleIndex(MODEL, tracked=PROGRAM.tracked)
    index.load(rows)
    return index


def _content(index: TupleIndex) -> object:
    rows: dict[Key, tuple[object, ...]] = {}
    for key, row_ in index.rows.items():
        rows[key] = (row_.direct, row_.usersets, row_.by_kind, row_.only)
    return rows, index.back.content(), index.stored_in_context


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(POOL), max_size=120), BATCHES)
def test_changes_one_after_another_come_to_what_loading_the_result_would(
    first: list[RelationshipTuple], batches: Sequence[Sequence[tuple[bool, RelationshipTuple]]]
) -> None:
    index, stored = _index(first), {(one.object, one.relation, one.subject): one for one in first}
    for batch in batches:
        index.apply(batch)
        for written, one in batch:
            key = (one.object, one.relation, one.subject)
            if written:
                stored[key] = one
            else:
                stored.pop(key, None)
    assert _content(index) == _content(_index(stored.values()))


@settings(max_examples=150, deadline=None)
@given(ABSENT, st.sampled_from([AGENT, "agent:local/other"]), st.sets(st.sampled_from(GROUPS), max_size=2))
def test_the_way_back_changes_no_answer(absent: set[int], agent: str, claimed: set[str]) -> None:
    rows = [one for number, one in enumerate(POOL) if number not in absent]
    questions = [("can_call", TOOL), ("user_can_call", TOOL), ("agent_can_call", TOOL), ("caller", SERVER)]
    questions += [("member", group) for group in GROUPS] + [("assignee", "role:r"), ("effective", NAMES[0])]
    answers: list[list[bool]] = []
    for index in (_index(rows), TupleIndex(MODEL)):
        index.load(rows)
        said = {(agent, "in_context"): Row({MIRA: None}, EMPTY.usersets)}
        for group in claimed:
            stored = index.rows.get((group, "member"), EMPTY)
            said[group, "member"] = Row({**stored.direct, MIRA: None}, stored.usersets)
        overlay = overlay_of(index.places, index.tables, said)
        query = Query(PROGRAM, index, MIRA, Circumstances(NOW, {}), overlay)
        answers.append([query.holds(relation, object_) for relation, object_ in questions])
    assert answers[0] == answers[1]


def test_the_way_back_forgets_who_has_left_a_group() -> None:
    index = _index([row(f"{MIRA} member group:a"), row("group:a#member member group:b")])
    before = index.back.closures.of(MIRA, "user:*")
    assert before.possible == {"group:a#member", "group:b#member"}
    assert before.sure("group:b#member", 2)
    assert not before.sure("group:b#member", 1)
    index.apply([(False, row("group:a#member member group:b"))])
    assert index.back.closures.of(MIRA, "user:*").possible == {"group:a#member"}
    index.apply([(False, row(f"{MIRA} member group:a"))])
    assert not index.back.closures.of(MIRA, "user:*").possible


def test_one_user_who_leaves_a_group_changes_nothing_for_the_others_in_it() -> None:
    omar = "user:local/omar"
    index = _index([row(f"{one} member group:a") for one in (MIRA, omar)] + [row("group:a#member member group:b")])
    for one in (MIRA, omar):
        assert index.back.closures.of(one, "user:*").sure("group:b#member", 2)
    index.apply([(False, row(f"{MIRA} member group:a"))])
    assert not index.back.closures.of(MIRA, "user:*").possible
    assert index.back.closures.of(omar, "user:*").possible == {"group:a#member", "group:b#member"}
    index.apply([(False, row("group:a#member member group:b"))])
    assert index.back.closures.of(omar, "user:*").possible == {"group:a#member"}


def test_everybody_who_enters_a_group_is_in_it_and_in_what_it_leads_to() -> None:
    model = compile_model(f"{EVERYBODY}\n    define member: [user, user:*, group#member]")
    index = TupleIndex(model, tracked=compile_program(model).tracked)
    assert not index.back.closures.of(MIRA, "user:*").possible
    index.apply([(True, row("user:* member group:a")), (True, row("group:a#member member group:b"))])
    assert index.back.closures.of(MIRA, "user:*").possible == {"group:a#member", "group:b#member"}
    index.apply([(False, row("user:* member group:a"))])
    assert not index.back.closures.of(MIRA, "user:*").possible


def test_what_is_written_for_agent_and_audience_at_once_counts_among_many() -> None:
    model = compile_model(ONE_RELATION)
    program = compile_program(model)
    index = TupleIndex(model, tracked=program.tracked)
    index.load(
        [
            *(row(f"grant:{number}#effective open doc:1") for number in range(9)),
            *(row(f"{one} agent grant:5") for one in (MIRA, AGENT)),
            row(f"{MIRA} delegator {AGENT}"),
        ]
    )
    for agent, held in ((AGENT, True), ("agent:local/other", False)):
        said = {(agent, "in_context"): Row({MIRA: None}, EMPTY.usersets)}
        overlay = overlay_of(index.places, index.tables, said)
        assert Query(program, index, MIRA, Circumstances(NOW, {}), overlay).holds("open", "doc:1") is held


def test_rows_that_came_in_pieces_are_alike_in_the_end() -> None:
    one, two = tool("one").id, tool("two").id
    pieces = [row(f"{SERVER} server {one}"), row(f"{SERVER} server {two}")]
    pieces += [row(f"user:* enabled {one}"), row(f"user:* enabled {two}")]
    loaded, changed = _index(pieces), _index()
    for piece in pieces:
        changed.apply([(True, piece)])
    for index in (loaded, changed):
        assert index.tables["tool"][one] is index.tables["tool"][two]
    changed.apply([(False, pieces[-1])])
    assert changed.tables["tool"][one] is not changed.tables["tool"][two]


def test_a_stored_in_context_tuple_is_kept_apart_until_it_is_deleted() -> None:
    index = _index([row(f"{MIRA} in_context {AGENT}")])
    assert index.stored_in_context == {(MIRA, AGENT)}
    index.apply([(False, row(f"{MIRA} in_context {AGENT}"))])
    assert not index.stored_in_context
    index.apply([(True, row(f"{MIRA} in_context {AGENT}"))])
    assert index.stored_in_context == {(MIRA, AGENT)}
    assert (AGENT, "in_context") not in index.rows


def test_many_tuples_the_model_does_not_accept_are_counted_and_not_all_said(caplog: pytest.LogCaptureFixture) -> None:
    _index(row(f"user:local/u{number} nonsense tool:tickets/x") for number in range(500))
    assert len(caplog.records) == 11
    assert "500 stored relationships are ignored in all" in caplog.text


@pytest.mark.anyio
async def test_a_burst_counts_all_at_once_and_lets_others_decide_meanwhile() -> None:
    relationships = EmbeddedRelationships(MODEL)
    group = row(f"{MIRA} member group:a")
    rows = [one for one in allowed_rows(tool()) if one.relation != "caller"]
    relationships.replace([*rows, group], revision=1)
    burst = [_change(2, group, written=False)]
    burst += [_change(3 + n, row(f"user:local/u{n} viewer ticket:tickets/T-{n}")) for n in range(10_000)]
    burst.append(_change(20_000, row("group:a#member caller server:tickets")))
    check = Check(MIRA, "can_call", TOOL)
    revisions: list[int] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(relationships.follow, burst)
        while relationships.revision < 20_000:
            await checkpoint()
            answers = await relationships.answer([check], in_context=InContext(MIRA, AGENT), now=NOW)
            revisions.append(answers.revision)
            assert answers.answers[check] is False
    assert revisions.count(1) > 20
    assert set(revisions) == {1, 20_000}


@pytest.mark.anyio
async def test_kept_lists_are_bounded_by_the_tools_in_them() -> None:
    tools = [tool(f"t{number}") for number in range(8)]
    relationships = EmbeddedRelationships(MODEL)
    relationships.replace([*allowed_rows(*tools), row(f"{MIRA} delegator agent:local/other")], revision=1)
    roomy, tight = Authorization(relationships), Authorization(relationships, kept_tools=10)
    for authorization, stays in ((roomy, True), (tight, False)):
        first = await authorization.visible(mira(), tools, now=NOW)
        assert len(first.tools) == 8
        assert await authorization.visible(mira(), tools, now=NOW) is first
        await authorization.visible(mira(), tools[:4], now=NOW)
        assert (await authorization.visible(mira(), tools, now=NOW) is first) is stays


def _change(revision: int, one: RelationshipTuple, *, written: bool = True) -> Change:
    payload = {"object": one.object, "relation": one.relation, "subject": one.subject, "condition": None}
    return Change(revision, NOW, "os:test", "tuple.written" if written else "tuple.deleted", payload)
