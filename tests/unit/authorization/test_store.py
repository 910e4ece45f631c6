"""OpenFGA's API in memory: what a write refuses, what a batch answers, and lists that say when they were cut."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_gateway.authorization.engine.codes import FgaCode, RequestRefused, code_of
from mcp_gateway.authorization.engine.contextual import Given
from mcp_gateway.authorization.engine.model import compile_model
from mcp_gateway.authorization.engine.store import BatchItem, Store
from mcp_gateway.authorization.tree import as_openfga
from mcp_gateway.model.decision import Check
from mcp_gateway.storage.relationships import Condition, RelationshipTuple
from tests.unit.authorization.world import row

MODEL = compile_model("""model
  schema 1.1
type user
type group
  relations
    define member: [user, group#member]
type folder
  relations
    define viewer: [user, user:*]
type doc
  relations
    define parent: [folder]
    define owner: [user, user with below, group#member]
    define banned: [user]
    define viewer: (owner or viewer from parent) but not banned
    define both: owner and banned
condition below(x: int, limit: int) { x < limit }
""")


def store(*rows: str) -> Store:
    return Store(MODEL, map(row, rows))


def check(text: str) -> Check:
    return Check(*text.split(" "))


def code(refused: pytest.ExceptionInfo[RequestRefused]) -> FgaCode:
    assert refused.value.code == "authorization.unavailable"
    return refused.value.number


def test_what_is_written_counts_and_what_is_deleted_does_not() -> None:
    one = store()
    one.write([row("user:a owner doc:1"), row("user:b owner doc:1")])
    one.write(delete=[row("user:a owner doc:1")])
    assert [one.check(check(f"user:{name} viewer doc:1")) for name in "ab"] == [False, True]
    assert one.list_objects("user:a", "viewer", "doc").found == ()
    assert one.tuples == (row("user:b owner doc:1"),)


@pytest.mark.parametrize(
    ("write", "delete", "number"),
    [
        ([], [], 2003),
        (["user:a viewer doc:1"], [], 2000),
        (["user:* owner doc:1"], [], 2000),
        (["thing:a owner doc:1"], [], 2000),
        (["user:a owner thing:1"], [], 2000),
        (["user:a owner doc:*"], [], 2000),
        (["folder:1#viewer parent doc:1"], [], 2000),
        (["group:g#member member group:g"], [], 2000),
        (["user:a owner doc:1", "user:a owner doc:1"], [], 2004),
        (["user:b owner doc:1"], ["user:b owner doc:1"], 2004),
        (["user:there owner doc:1"], [], 2017),
        ([], ["user:a owner doc:1"], 2017),
        ([], ["a owner doc:1"], 2000),
        ([f"user:{number} owner doc:1" for number in range(101)], [], 2053),
    ],
)
def test_a_write_is_refused_with_openfgas_number(write: list[str], delete: list[str], number: int) -> None:
    one = store("user:there owner doc:1")
    with pytest.raises(RequestRefused) as refused:
        one.write([row("user:z owner doc:1"), *map(row, write)] if write else [], delete=list(map(row, delete)))
    assert code(refused) == number
    assert one.tuples == (row("user:there owner doc:1"),)


def test_what_is_there_or_missing_can_be_ignored_but_not_another_condition() -> None:
    one = store("user:a owner doc:1")
    one.write([row("user:a owner doc:1")], on_duplicate="ignore")
    one.write(delete=[row("user:b owner doc:1")], on_missing="ignore")
    with pytest.raises(RequestRefused) as refused:
        one.write([row("user:a owner doc:1", condition="below", context={"limit": 3})], on_duplicate="ignore")
    assert code(refused) == 2017


@pytest.mark.parametrize("context", [{"limit": "many"}, {"unknown": 1}, {"limit": "3\x00"}, {"limit": 2**70}])
def test_a_condition_that_does_not_fit_is_refused(context: dict[str, Any]) -> None:
    one = RelationshipTuple("doc:1", "owner", "user:a", Condition("below", context))
    with pytest.raises(RequestRefused) as refused:
        store().write([one])
    assert code(refused) == 2000


@pytest.mark.parametrize(
    "question",
    [
        "user:a viewer doc:*",
        "user:a viewer doc",
        "user:a viewer doc:",
        "user:a viewer doc:1#owner",
        "user:a viewer doc:a:b",
        "user:a nothing doc:1",
        "user:a vie#wer doc:1",
        "user viewer doc:1",
        "user:a:b viewer doc:1",
        "group:*#member viewer doc:1",
        "group:g#boss viewer doc:1",
        "user:a\x00b viewer doc:1",
        "user:a\u200bb viewer doc:1",
        f"user:a viewer doc:{'x' * 257}",
        f"user:{'é' * 256} viewer doc:1",
        f"user:a {'x' * 51} doc:1",
    ],
)
def test_a_malformed_question_is_a_validation_error(question: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        store().check(check(question))
    assert code(refused) is FgaCode.VALIDATION_ERROR


def test_a_batch_answers_each_item_by_its_own_id_and_given() -> None:
    given = Given((row("user:b owner doc:1", condition="below", context={"limit": 5}),), {"x": 4})
    items = [
        BatchItem("yes", check("user:a viewer doc:1")),
        BatchItem("given", check("user:b viewer doc:1"), given),
        BatchItem("no", check("user:b viewer doc:1")),
        BatchItem("bad", check("user:b nothing doc:1")),
        BatchItem("open", check("user:b viewer doc:1"), Given(given.contextual)),
    ]
    answers = store("user:a owner doc:1").batch_check(items)
    refused = {name: one.number for name, one in answers.items() if isinstance(one, RequestRefused)}
    assert {name: one for name, one in answers.items() if name not in refused} == {
        "yes": True,
        "given": True,
        "no": False,
    }
    assert refused == {"bad": 2000, "open": 2000}


@pytest.mark.parametrize("ids", [[], [""], ["a", "a"], ["a b"], ["x" * 37], [str(n) for n in range(51)]])
def test_a_batch_needs_ids_that_tell_its_items_apart(ids: list[str]) -> None:
    with pytest.raises(RequestRefused) as refused:
        store().batch_check([BatchItem(one, check("user:a viewer doc:1")) for one in ids])
    assert code(refused) == 2000


def test_contextual_tuples_are_validated_like_written_ones_and_forgotten() -> None:
    one = store()
    assert one.check(check("user:a viewer doc:1"), Given((row("user:a owner doc:1"),)))
    assert one.list_objects("user:a", "viewer", "doc", Given((row("user:a owner doc:1"),))).found == ("doc:1",)
    assert not one.check(check("user:a viewer doc:1"))
    with pytest.raises(RequestRefused) as refused:
        one.check(check("user:a viewer doc:1"), Given((row("user:* owner doc:1"),)))
    assert code(refused) is FgaCode.INVALID_TUPLE
    with pytest.raises(RequestRefused) as refused:
        one.check(check("user:a viewer doc:1"), Given(tuple(row(f"user:{n} owner doc:1") for n in range(101))))
    assert code(refused) is FgaCode.VALIDATION_ERROR


def test_what_is_stored_with_a_tuple_wins_over_the_request() -> None:
    one = Store(MODEL, [row("user:a owner doc:1", condition="below", context={"limit": 5, "x": 9})])
    assert not one.check(check("user:a viewer doc:1"), Given(context={"x": 1, "limit": 100}))


def test_a_list_says_when_it_was_cut() -> None:
    one = store(*(f"user:a owner doc:{number:03}" for number in range(30)))
    listing = one.list_objects("user:a", "viewer", "doc", limit=10)
    assert (len(listing.found), listing.cut) == (10, "only the first 10 are listed")
    assert one.list_objects("user:a", "viewer", "doc", limit=30).cut == ""
    many = store(*(f"user:{number:03} owner doc:1" for number in range(30)))
    assert many.list_users("doc:1", "viewer", "user", limit=10).cut == "only the first 10 are listed"
    assert len(many.list_users("doc:1", "viewer", "user").found) == 30


@pytest.mark.anyio
async def test_a_streamed_list_has_no_limit_and_sees_what_is_written_meanwhile() -> None:
    one = store(*(f"user:a owner doc:{number:04}" for number in range(1500)))
    seen: list[str] = []
    async for object_ in one.streamed_list_objects("user:a", "viewer", "doc"):
        seen.append(object_)
        if object_ == "doc:0100":
            one.write([row("user:a banned doc:1499")])
    assert (len(seen), seen[-1]) == (1499, "doc:1498")


def test_everybody_but_some_is_everybody_and_those_some_are_not_listed() -> None:
    one = store("folder:f parent doc:1", "user:* viewer folder:f", "user:b banned doc:1", "user:a owner doc:1")
    assert one.list_users("doc:1", "viewer", "user").found == ("user:*", "user:a")
    assert one.list_users("doc:1", "banned", "user").found == ("user:b",)


def test_what_leaned_on_a_ring_is_looked_at_again_where_the_ring_is_entered_elsewhere() -> None:
    model = compile_model("""model
  schema 1.1
type robot
type group
  relations
    define member: [robot]
    define guest: [robot, doc#owner] but not member
type doc
  relations
    define banned: [robot]
    define owner: [group#guest] but not banned
    define viewer: [group#guest]
    define judge: viewer and owner
""")
    ring = ["group:1#guest viewer doc:0", "group:1#guest owner doc:0", "doc:0#owner guest group:1"]
    one = Store(model, map(row, [*ring, "robot:1 guest group:1"]))
    assert one.list_users("doc:0", "judge", "robot").found == ("robot:1",)


def test_a_list_of_users_deeper_than_the_limit_has_no_answer() -> None:
    chain = [f"group:{n + 1}#member member group:{n}" for n in range(40)]
    with pytest.raises(RequestRefused) as refused:
        store(*chain, "user:a member group:40").list_users("group:0", "member", "user")
    assert code(refused) is FgaCode.AUTHORIZATION_MODEL_RESOLUTION_TOO_COMPLEX


def test_an_expansion_reads_as_the_definition() -> None:
    one = store("folder:f parent doc:1", "user:b owner doc:1", "user:a owner doc:1", "group:g#member owner doc:1")
    name = "doc:1#viewer"
    owner = {"name": name, "leaf": {"computed": {"userset": "doc:1#owner"}}}
    through = {"tupleset": "doc:1#parent", "computed": [{"userset": "folder:f#viewer"}]}
    union = {"name": name, "union": {"nodes": [owner, {"name": name, "leaf": {"tupleToUserset": through}}]}}
    banned = {"name": name, "leaf": {"computed": {"userset": "doc:1#banned"}}}
    difference = {"base": union, "subtract": banned}
    assert as_openfga(one.expand("doc:1", "viewer")) == {"tree": {"root": {"name": name, "difference": difference}}}
    users = as_openfga(one.expand("doc:1", "owner", [row("user:c owner doc:1")]))["tree"]["root"]["leaf"]["users"]
    assert users == {"users": ["group:g#member", "user:a", "user:b", "user:c"]}
    both = as_openfga(one.expand("doc:1", "both"))["tree"]["root"]["intersection"]["nodes"]
    assert [node["leaf"]["computed"]["userset"] for node in both] == ["doc:1#owner", "doc:1#banned"]


@pytest.mark.parametrize(
    ("object_", "relation", "number"), [("", "viewer", 2010), ("doc:1", "", 2010), ("doc:1", "no", 2000)]
)
def test_an_expansion_needs_an_object_and_a_relation_of_the_model(object_: str, relation: str, number: int) -> None:
    with pytest.raises(RequestRefused) as refused:
        store().expand(object_, relation)
    assert code(refused) == number


def test_a_number_has_the_word_and_the_status_of_the_http_api() -> None:
    words = {one.word: one.http_status for one in (FgaCode(2000), FgaCode(2027), FgaCode(3500), FgaCode(4000))}
    assert words == {
        "validation_error": 400,
        "invalid_tuple": 400,
        "throttled_timeout_error": 422,
        "internal_error": 500,
    }
    assert code_of("store_id_not_found") is FgaCode(5002)
    assert FgaCode(5002).http_status == 404
    assert code_of("Validation_Error_") is None
