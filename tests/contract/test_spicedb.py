"""SpiceDB beside its contract: what depends on something unsaid is no answer, and a wrong schema or binding denies."""

from __future__ import annotations

import shutil
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from authzed.api.v1 import CheckBulkPermissionsRequestItem, Consistency, Relationship, RelationshipUpdate

from mcp_gateway.authorization import InContext
from mcp_gateway.authorization.backends.spicedb import Unusable, answered
from mcp_gateway.authorization.backends.spicedb_tuples import reference, subject_of
from mcp_gateway.errors import AuthorizationUnavailable
from mcp_gateway.model.decision import Check
from tests.support.backends import POLICIES, Servers, SpiceDbBench, spicedb_server
from tests.unit.authorization.world import AGENT, MIRA, allowed_rows, row, tool

pytestmark = pytest.mark.anyio

READ_TOOL = tool("ticket_get")
BOUND = InContext(MIRA, AGENT)
CAN_CALL = Check(MIRA, "can_call", READ_TOOL.id)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncGenerator[SpiceDbBench]:
    with Servers(tmp_path) as servers:
        async with spicedb_server(tmp_path, servers) as made:
            await made.write(*allowed_rows(READ_TOOL))
            yield made


async def ask(bench: SpiceDbBench) -> bool | None:
    answers = await bench.relationships.answer([CAN_CALL], in_context=BOUND, now=time.time())
    return answers.answers.get(CAN_CALL)


async def test_an_answer_that_depends_on_what_was_not_said_is_no_answer(bench: SpiceDbBench) -> None:
    item = CheckBulkPermissionsRequestItem(
        resource=reference(CAN_CALL.object), permission=CAN_CALL.relation, subject=subject_of(CAN_CALL.subject)
    )
    pairs = await bench.client.check([item], Consistency(fully_consistent=True))
    assert answered([CAN_CALL], pairs) == {}
    with pytest.raises(AuthorizationUnavailable, match="nobody asked"):
        answered([], pairs)


async def test_a_schema_that_says_something_else_denies_until_ours_is_back(bench: SpiceDbBench) -> None:
    assert await ask(bench) is True
    text = bench.spicedb.schema.text
    await bench.client.write_schema(text.replace("user_can_call & agent_can_call & available", "user_can_call"))
    with pytest.raises(Unusable) as raised:
        await bench.spicedb.verify()
    assert raised.value.reason == bench.spicedb.refusal == "relationship.wrong_model"
    with pytest.raises(AuthorizationUnavailable):
        await ask(bench)
    await bench.client.write_schema(text)
    assert await ask(bench) is True


async def test_an_agent_bound_to_another_agents_requests_denies_everything(bench: SpiceDbBench) -> None:
    (binding,) = bench.spicedb.sink.tuples.bindings_of(AGENT)
    wrong = Relationship()
    wrong.CopyFrom(binding)
    wrong.optional_caveat.context.update({"agent": "agent:local/other"})
    await bench.client.write([RelationshipUpdate(operation=RelationshipUpdate.OPERATION_TOUCH, relationship=wrong)])
    with pytest.raises(Unusable) as raised:
        await bench.spicedb.verify()
    assert raised.value.reason == "relationship.in_context_stored"
    await bench.client.write([RelationshipUpdate(operation=RelationshipUpdate.OPERATION_TOUCH, relationship=binding)])
    assert await ask(bench) is True


async def test_ids_beyond_its_alphabet_are_asked_about_as_they_were_written(bench: SpiceDbBench) -> None:
    odd = "user:okta/a%40b.example=1+é"
    await bench.write(row(f"{odd} caller server:tickets"))
    asked = Check(odd, "caller", "server:tickets")
    found = await bench.relationships.answer([asked], in_context=None, now=time.time())
    assert found.answers == {asked: True}
    tree = await bench.relationships.expand("server:tickets", "caller", in_context=None)
    assert odd in str(tree)


async def test_what_can_only_be_given_under_a_condition_is_taken_back_all_the_same(tmp_path: Path) -> None:
    policies, folder = tmp_path / "policies", tmp_path / "server"
    shutil.copytree(POLICIES, policies)
    folder.mkdir()
    with (policies / "tickets.fga").open("a", encoding="utf-8") as module:
        module.write("\ntype vault\n  relations\n    define opener: [user with grant_expiry]\n")
    asked = Check(MIRA, "opener", "vault:v1")
    with Servers(tmp_path) as servers:
        async with spicedb_server(folder, servers, policies=policies) as bench:
            for change, expected in (
                (bench.write(row(f"{MIRA} opener vault:v1", expires_at="2099-01-01T00:00:00Z")), True),
                (bench.delete(row(f"{MIRA} opener vault:v1")), False),
            ):
                await change
                found = await bench.relationships.answer([asked], in_context=None, now=time.time())
                assert found.answers == {asked: expected}
