"""An installation's own model that governs only tools: prompts and resources are denied, and hold up nothing else."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mcp_gateway.authorization import Authorization, EmbeddedRelationships, load_model
from mcp_gateway.model.tool import Kind
from tests.support.backends import POLICIES, Bench, Servers, publish, remote, spicedb_server, store
from tests.unit.authorization.world import MIRA, allowed_rows, codes, item, mira, row, tool

pytestmark = pytest.mark.anyio

PING = tool("ping")
OTHERS = [item(Kind.PROMPT, "triage"), item(Kind.RESOURCE, "ticket://open"), item(Kind.TEMPLATE, "ticket://{id}")]


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped model without its two other types."""
    folder = tmp_path_factory.mktemp("policies")
    text = (POLICIES / "gateway.fga").read_text().replace("module gateway\n", "model\n  schema 1.1\n")
    condition = "condition grant_expiry"
    whole = text.partition("# A prompt of a server")[0] + condition + text.partition(condition)[2]
    (folder / "model.fga").write_text(whole)
    return folder


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Generator[Servers]:
    with Servers(tmp_path_factory.mktemp("servers")) as started:
        yield started


@asynccontextmanager
async def _embedded(folder: Path, policies: Path) -> AsyncGenerator[Bench]:
    model = load_model(policies)
    async with store(folder) as (database, feed):
        relationships = EmbeddedRelationships(model)
        await relationships.load(database)
        feed.add(relationships)
        yield Bench(relationships, model, database, feed)


@pytest.fixture(params=["embedded", "openfga", "spicedb"])
async def bench(
    request: pytest.FixtureRequest, tmp_path: Path, servers: Servers, policies: Path
) -> AsyncGenerator[Bench]:
    if request.param == "embedded":
        async with _embedded(tmp_path, policies) as made:
            yield made
    elif request.param == "spicedb":
        async with spicedb_server(tmp_path, servers, policies=policies) as made:
            yield made
    else:
        server = servers.openfga()
        identifier = server.new_store()
        publish(server, identifier, (policies / "model.fga").read_text())
        async with remote(tmp_path, server.url, identifier, policies=policies) as far:
            yield far.bench


async def test_what_the_model_does_not_govern_is_denied_and_delays_no_decision_about_tools(bench: Bench) -> None:
    authorization = Authorization(bench.relationships)
    # As the review writes them, and takes some back: the server has no place for those about other kinds.
    await bench.write(*allowed_rows(PING, *OTHERS))
    await bench.delete(*(row(f"user:* enabled {one.id}") for one in OTHERS))
    assert codes(await authorization.decide(mira(), PING, {}, now=time.time())) == ["access.allowed"]
    for one in OTHERS:
        assert codes(await authorization.decide(mira(), one, {}, now=time.time())) == ["kind.not_modelled"]
        assert (await authorization.visible(mira(), [one], now=time.time())).tools == ()
    assert (await authorization.visible(mira(), [*OTHERS, PING], now=time.time())).tools == (PING.id,)
    await bench.delete(row(f"{MIRA} caller server:tickets"))
    await authorization.follow([])
    assert codes(await authorization.decide(mira(), PING, {}, now=time.time())) == ["user.not_allowed"]
