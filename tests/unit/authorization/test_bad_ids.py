"""Ids nobody should have: refused where tuples are written, or counting for nothing and nobody but themselves.

From the model's check on writing, through the file that is imported, to the index and the question:
a hostile id never becomes another id, and never a wildcard.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mcp_gateway.administration import imports
from mcp_gateway.authorization.engine.conditions import Circumstances, Undecidable
from mcp_gateway.authorization.engine.evaluate import compile_program
from mcp_gateway.authorization.engine.model import subject_kind
from mcp_gateway.authorization.engine.overlay import overlay_of
from mcp_gateway.authorization.engine.query import Query
from mcp_gateway.authorization.engine.rows import EMPTY, Key, Row
from mcp_gateway.authorization.engine.tuples import TupleIndex
from mcp_gateway.errors import OperatorError
from mcp_gateway.model.ids import encode, from_cli, resource_id, user_id
from mcp_gateway.storage.relationships import RelationshipTuple
from tests.unit.authorization.world import AGENT, MIRA, MODEL, NOW, allowed_rows, row, tool

PROGRAM = compile_program(MODEL)
TOOL = tool().id
LOOKALIKES = ["mira\u200b", "mir\u0430", "ｍira", "mira\u0301", "\u202emira", "mira\ufe0f", "＊", "∗", "⁎", "：", "＃"]
HOSTILE = [
    "",
    "*",
    "#",
    ":",
    "@",
    "%",
    "%2A",
    "/",
    ".",
    "..",
    "a b",
    "a\tb",
    "a\nb",
    "a\x00b",
    "\x7f",
    "\u00a0",
    "\ud800",
]
HOSTILE_WHOLE = ["user:*", "*#member", "x#member", "x#*", "a:b", "a#b#c", "x" * 10_240, "é" * 5_120, *LOOKALIKES]

ids = st.one_of(
    st.sampled_from([*HOSTILE, *HOSTILE_WHOLE]),
    st.text(alphabet="ab:#*@/% \x00\n", max_size=8),
    st.text(max_size=12),
    st.text(alphabet=st.characters(), min_size=1, max_size=4),
)


def _query(index: TupleIndex, subject: str) -> Query:
    said: dict[Key, Row] = {(AGENT, "in_context"): Row({subject: None}, EMPTY.usersets)}
    return Query(PROGRAM, index, subject, Circumstances(NOW, {}), overlay_of(index.places, index.tables, said))


def _callers(index: TupleIndex) -> list[str]:
    """Of some ordinary people, those the user side of the tool holds for."""
    return [who for who in (MIRA, "user:local/omar") if _query(index, who).holds("user_can_call", TOOL)]


def _company(*more: RelationshipTuple) -> TupleIndex:
    index = TupleIndex(MODEL, tracked=PROGRAM.tracked)
    index.load([*(one for one in allowed_rows(tool()) if one.relation != "caller"), *more])
    return index


@settings(max_examples=400, deadline=None)
@given(ids)
@example("*")
def test_an_encoded_id_is_one_plain_subject_and_never_everybody(name: str) -> None:
    if not name:
        with pytest.raises(ValueError, match="must not be empty"):
            user_id("local", name)
        return
    subject, ticket = user_id("local", name), resource_id("ticket", "tickets", name)
    assert subject_kind(subject) == "user"
    assert len(subject.encode()) <= 256
    assert MODEL.objection(ticket, "viewer", subject, "") is None
    assert not {"*", "#", " "} & set(ticket)
    index = _company(RelationshipTuple("server:tickets", "caller", subject))
    assert _callers(index) == [who for who in (MIRA, "user:local/omar") if who == subject]
    assert _query(index, subject).holds("user_can_call", TOOL)


@settings(max_examples=400, deadline=None)
@given(ids, ids)
def test_two_ids_that_differ_stay_two_when_they_are_encoded(one: str, other: str) -> None:
    if one and other:
        assert (encode(one) == encode(other)) == (one == other)


@settings(max_examples=400, deadline=None)
@given(ids)
@example("user:*#member")
def test_a_raw_subject_is_refused_naming_it_or_counts_for_itself_alone(text: str) -> None:
    for subject in (text, f"user:{text}", f"group:{text}#member", f"user:local/{text}"):
        stored = RelationshipTuple("server:tickets", "caller", subject)
        try:
            MODEL.validate_tuple(stored.object, stored.relation, subject)
        except OperatorError as exc:
            assert "subject" in str(exc) or "take" in str(exc)
            # Whatever reached the store past that check still counts for nobody.
            assert _callers(_company(stored)) == []
            continue
        everybody = subject == "user:*"
        named = [who for who in (MIRA, "user:local/omar") if everybody or who == subject]
        assert _callers(_company(stored)) == named


@settings(max_examples=400, deadline=None)
@given(ids)
def test_a_raw_object_is_refused_naming_it_or_is_only_itself(text: str) -> None:
    for object_ in (text, f"server:{text}", f"tool:{text}"):
        try:
            MODEL.validate_tuple(object_, "enabled", "user:*")
        except OperatorError as exc:
            assert "object" in str(exc) or "type" in str(exc) or "relation" in str(exc)
            index = _company(RelationshipTuple(object_, "enabled", "user:*"))
            assert (object_, "enabled") not in index.rows
        else:
            assert object_ != "server:*"
            assert (object_, "enabled") in _company(RelationshipTuple(object_, "enabled", "user:*")).rows


@settings(max_examples=400, deadline=None)
@given(ids)
def test_a_question_about_a_bad_id_is_a_no_or_has_no_answer(text: str) -> None:
    index = _company(row("user:* caller server:tickets"))
    for subject in (text, f"user:{text}", f"group:{text}#member"):
        for object_ in (text, f"tool:{text}", f"tool:tickets/{text}", f"ticket:tickets/{text}"):
            relation = "can_read" if object_.startswith("ticket:") else "can_call"
            try:
                held = _query(index, subject).holds(relation, object_)
            except Undecidable:
                continue
            assert not held


@settings(max_examples=200, deadline=None)
@given(ids)
def test_what_is_typed_is_encoded_once_and_never_everybody(text: str) -> None:
    try:
        subject = from_cli("user", text)
    except ValueError:
        return
    if MODEL.objection("server:tickets", "caller", subject, "") is None and text != "*":
        assert subject_kind(subject) in {"user", "user:*"}
        assert (subject == "user:*") <= (text in {"*", "user:*"})


@settings(max_examples=200, deadline=None)
@given(ids, st.sampled_from(["user", "object", "relation"]))
def test_an_imported_file_names_the_field_that_is_wrong(
    tmp_path_factory: pytest.TempPathFactory, text: str, field: str
) -> None:
    entry = {"user": MIRA, "relation": "caller", "object": "server:tickets", field: text}
    file = tmp_path_factory.getbasetemp() / "import.yaml"
    file.write_text(json.dumps([entry]), encoding="utf-8")
    try:
        (found,) = imports.read(file)
        MODEL.validate_tuple(found.row.object, found.row.relation, found.row.subject)
    except OperatorError as exc:
        said = f"{exc} {exc.where}"
        assert "import.yaml" in said or any(word in said for word in ("subject", "object", "relation", "take", "type"))
    else:
        assert text in {found.row.subject, found.row.object, found.row.relation}
        assert text == "user:*" or "*" not in text.partition(":")[2][:1] or field != "user"
