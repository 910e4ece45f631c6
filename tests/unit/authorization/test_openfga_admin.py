"""What administration does to a real OpenFGA server."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest

from mcp_gateway.authorization.backends.openfga_pin import Mispinned
from mcp_gateway.authorization.engine.model import load_model
from mcp_gateway.authorization.language.json_model import to_json
from mcp_gateway.errors import AuthorizationUnavailable
from mcp_gateway.storage.relationships import RelationshipTuple
from tests.support.backends import POLICIES, Remote, Servers, publish, remote
from tests.unit.authorization.world import row

pytestmark = pytest.mark.anyio

DELEGATION = "user:local/mira delegator agent:local/docs"
ENDS = row(DELEGATION, expires_at="2030-01-01T00:00:00Z")
STANDS = row(DELEGATION)
MEMBER = row("user:local/mira member group:eng")
NO_PLACE = row("user:local/mira pilot plane:1")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Generator[Servers]:
    with Servers(tmp_path_factory.mktemp("servers")) as started:
        yield started


@pytest.fixture
async def far(servers: Servers, tmp_path: Path) -> AsyncGenerator[Remote]:
    server = servers.openfga()
    store = server.new_store()
    publish(server, store)
    async with remote(tmp_path, server.url, store) as made:
        yield made


async def held(far: Remote) -> set[RelationshipTuple]:
    return {one async for one in far.admin.tuples()}


async def test_writing_and_deleting_twice_is_doing_it_once(far: Remote) -> None:
    for _ in range(2):
        await far.admin.apply((), [MEMBER, STANDS])
        assert await held(far) == {MEMBER, STANDS}
    for _ in range(2):
        await far.admin.apply([MEMBER], ())
        assert await held(far) == {STANDS}


async def test_a_changed_condition_replaces_the_tuple_and_disturbs_no_other(far: Remote) -> None:
    await far.admin.apply((), [STANDS, MEMBER])
    await far.admin.apply([MEMBER], [ENDS])
    assert await held(far) == {ENDS}
    await far.admin.apply((), [STANDS, MEMBER])
    assert await held(far) == {STANDS, MEMBER}


async def test_a_tuple_the_servers_model_has_no_place_for_holds_up_no_other(
    far: Remote, caplog: pytest.LogCaptureFixture
) -> None:
    await far.admin.apply([ENDS], [MEMBER, NO_PLACE])
    assert await held(far) == {MEMBER}
    assert "plane:1" in caplog.text


async def test_hundreds_of_tuples_arrive_and_are_read_page_by_page(far: Remote) -> None:
    rows = [row(f"user:local/u{number} member group:eng") for number in range(250)]
    await far.admin.apply((), rows)
    assert await held(far) == set(rows)
    await far.admin.apply(rows[:150], [MEMBER])
    assert await held(far) == {*rows[150:], MEMBER}


async def test_a_model_and_a_store_are_made_and_found_by_content(far: Remote, servers: Servers) -> None:
    later = await far.admin.write_model(to_json(load_model(POLICIES).document))
    assert await far.openfga.pinned() == later
    other = await far.admin.create_store("another")
    assert servers.openfga().get(f"/stores/{other}")["name"] == "another"


async def test_nothing_is_written_to_a_store_whose_model_is_not_ours(servers: Servers, tmp_path: Path) -> None:
    server = servers.openfga()
    store = server.new_store()
    publish(server, store, "model\n  schema 1.1\ntype user\ntype group\n  relations\n    define member: [user]\n")
    async with remote(tmp_path, server.url, store) as far:
        with pytest.raises(Mispinned):
            await far.admin.apply((), [MEMBER])
        assert await held(far) == set()


async def test_a_store_that_does_not_exist_is_said_and_no_tuple_is_named(servers: Servers, tmp_path: Path) -> None:
    async with remote(tmp_path, servers.openfga().url, "01ARZ3NDEKTSV4RRFFQ69G5FAV") as far:
        with pytest.raises(AuthorizationUnavailable) as raised:
            await far.admin.apply((), [MEMBER])
    assert "mira" not in str(raised.value)
