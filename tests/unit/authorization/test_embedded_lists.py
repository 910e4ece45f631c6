"""What the embedded backend lists for people: whole, in turns, and honest where it is not."""

from __future__ import annotations

from collections.abc import Iterable

import anyio
import pytest

from mcp_gateway.authorization import EmbeddedRelationships, InContext
from mcp_gateway.authorization.engine.codes import FgaCode, RequestRefused
from mcp_gateway.authorization.engine.model import compile_model
from mcp_gateway.authorization.tree import Combined, Same, Subjects
from mcp_gateway.storage.relationships import RelationshipTuple
from tests.unit.authorization.world import AGENT, LATER, LATER_SECONDS, MIRA, MODEL, NOW, allowed_rows, row, tool

pytestmark = pytest.mark.anyio

BOUND = InContext(MIRA, AGENT)
PING = tool("ping")


def backend(rows: Iterable[RelationshipTuple]) -> EmbeddedRelationships:
    made = EmbeddedRelationships(MODEL)
    made.replace(rows, revision=7)
    return made


async def test_the_objects_a_user_may_use_through_this_agent_are_listed() -> None:
    one = backend(allowed_rows(PING))
    listed = await one.list_objects(MIRA, "can_write", "ticket", in_context=BOUND, now=NOW, limit=10)
    assert (listed.found, listed.cut) == (("ticket:tickets/T-1", "ticket:tickets/T-2"), "")
    assert (listed.revision, listed.model_id) == (7, MODEL.model_id)
    without_agent = await one.list_objects(MIRA, "can_write", "ticket", in_context=None, now=NOW, limit=10)
    assert without_agent.found == ()


async def test_a_tool_the_token_names_is_not_alike_to_others_of_which_the_same_is_written() -> None:
    tools = [tool(name) for name in ("one", "two", "three")]
    rows = [one for one in allowed_rows(*tools) if one.relation != "caller"]
    claiming = InContext(MIRA, AGENT, (("direct_caller", tools[1].id),))
    for order in (tools, tools[::-1], tools[1:]):
        names = [one.id for one in order]
        held = await backend(rows).held(MIRA, "can_call", names, in_context=claiming, now=NOW)
        assert held.objects == (tools[1].id,)


async def test_a_list_is_cut_at_its_limit_and_says_so() -> None:
    rows = [row(f"{MIRA} editor ticket:tickets/T-{number:04}") for number in range(1000)]
    listed = await backend(rows).list_objects(MIRA, "viewer", "ticket", in_context=None, now=NOW, limit=300)
    assert (len(listed.found), listed.cut) == (300, "only the first 300 are listed")
    users = [row(f"user:local/u{number:03} editor ticket:tickets/T-1") for number in range(30)]
    listed = await backend(users).list_users("ticket:tickets/T-1", "viewer", "user", in_context=None, now=NOW, limit=20)
    assert (len(listed.found), listed.cut) == (20, "only the first 20 are listed")


async def test_a_list_stands_until_the_first_grant_in_it_expires() -> None:
    rows = [row(f"{MIRA} caller server:tickets", expires_at=LATER)]
    for now, found in ((NOW, ("server:tickets",)), (LATER_SECONDS, ())):
        listed = await backend(rows).list_objects(MIRA, "reader", "server", in_context=None, now=now, limit=10)
        assert listed.found == found
    listed = await backend(rows).list_users("server:tickets", "reader", "user", in_context=None, now=NOW, limit=10)
    assert (listed.found, listed.valid_until) == ((MIRA,), LATER_SECONDS)


async def test_a_change_while_a_list_is_made_counts_for_what_comes_after_it() -> None:
    names = [f"ticket:tickets/T-{number:04}" for number in range(2000)]
    one = backend(row(f"{MIRA} editor {name}") for name in names)

    async def revoke_when_others_run() -> None:
        one.replace([row(f"{MIRA} editor {names[0]}")], revision=8)

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(revoke_when_others_run)
            found = (await one.list_objects(MIRA, "viewer", "ticket", in_context=None, now=NOW, limit=5000)).found
            assert found[0] == names[0]
            assert len(found) < len(names)


async def test_an_object_that_cannot_be_decided_is_not_listed_and_counted() -> None:
    model = compile_model(
        "model\n schema 1.1\ntype user\ntype doc\n relations\n  define viewer: [user, user with below]\n"
        "condition below(x: int, limit: int) { x < limit }"
    )
    one = EmbeddedRelationships(model)
    open_tuple = row("user:a viewer doc:2", condition="below", context={"limit": 3})
    one.replace([row("user:a viewer doc:1"), open_tuple], revision=1)
    listed = await one.list_objects("user:a", "viewer", "doc", in_context=None, now=NOW, limit=10)
    assert (listed.found, listed.cut) == (("doc:1",), "1 could not be decided")


async def test_a_userset_is_on_its_own_object_even_where_nothing_is_written() -> None:
    listed = await backend([]).list_objects("group:g#member", "member", "group", in_context=None, now=NOW, limit=10)
    assert listed.found == ("group:g",)


async def test_what_the_model_does_not_know_is_refused() -> None:
    one = backend([])
    for ask in (
        one.list_objects(MIRA, "viewer", "thing", in_context=None, now=NOW, limit=10),
        one.list_users("ticket:tickets/T-1", "viewer", "thing", in_context=None, now=NOW, limit=10),
    ):
        with pytest.raises(RequestRefused) as refused:
            await ask
        assert refused.value.number is FgaCode.TYPE_NOT_FOUND


async def test_an_expansion_shows_what_is_written_and_what_it_leads_to() -> None:
    one = backend([row(f"{MIRA} editor ticket:tickets/T-1")])
    expansion = await one.expand("ticket:tickets/T-1", "can_write", in_context=None)
    name = "ticket:tickets/T-1"
    assert expansion.root == Combined("intersection", (Same(f"{name}#editor"), Same(f"{name}#agent_writer")))
    editors = await one.expand(name, "editor", in_context=None)
    assert isinstance(editors.root, Combined)
    assert editors.root.parts[0] == Subjects((MIRA,))
    acting = await one.expand(AGENT, "in_context", in_context=BOUND)
    assert acting.root == Subjects((MIRA,))
