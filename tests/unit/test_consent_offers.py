"""What the consent page offers: everything a user may use of a server, of whatever kind, by its risk."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from mcp_gateway.authorization import Authorization, EmbeddedRelationships
from mcp_gateway.catalog import Catalog
from mcp_gateway.consent import Offers
from mcp_gateway.model.ids import UserId
from mcp_gateway.model.tool import Kind, ReviewState, Risk
from mcp_gateway.storage.catalog import ServerRow, ToolRow, put_server, put_tool
from mcp_gateway.storage.relationships import write_tuple
from tests.support.backends import store
from tests.unit.authorization.world import MODEL, row
from tests.unit.catalog.test_review import TICKETS

pytestmark = pytest.mark.anyio

OFFERED = [
    ("get", Kind.TOOL, Risk.READ),
    ("close", Kind.TOOL, Risk.DESTRUCTIVE),
    ("triage", Kind.PROMPT, Risk.READ),
    ("wipe", Kind.PROMPT, Risk.DESTRUCTIVE),
    ("ticket://open", Kind.RESOURCE, Risk.READ),
    ("ticket://{id}", Kind.TEMPLATE, Risk.READ),
]


def _row(name: str, kind: Kind, risk: Risk) -> ToolRow:
    return ToolRow("tickets", name, ReviewState.APPROVED, risk, "d", {}, "d", "t", 0.0, None, 0.0, kind)


async def test_a_user_is_offered_tools_prompts_and_resources_by_risk_and_only_what_is_theirs(tmp_path: Path) -> None:
    async with store(tmp_path) as (database, feed):
        async with database.write("os:test") as transaction:
            await put_server(transaction, ServerRow("tickets", True, "2026-07-28", time.time(), None))
            for name, kind, risk in OFFERED:
                await put_tool(transaction, _row(name, kind, risk))
            await write_tuple(transaction, row("user:local/mira reader server:tickets"))
            await write_tuple(transaction, row("user:local/omar direct_reader resource:tickets/ticket%3A%2F%2Fopen"))
        catalog = Catalog(database)
        await catalog.declare([TICKETS])
        authorization = Authorization(EmbeddedRelationships(MODEL))
        await authorization.load(database)
        offers = Offers(feed, catalog, authorization, "read")
        (mira,) = await offers.offers(UserId("user:local/mira"))
        (omar,) = await offers.offers(UserId("user:local/omar"))
    (level,) = mira.levels
    assert (level.risk, level.tools, level.prompts, level.resources) == (
        Risk.READ,
        ("get",),
        ("triage",),
        ("ticket://open", "ticket://{id}"),
    )
    assert [(one.tools, one.prompts, one.resources) for one in omar.levels] == [((), (), ("ticket://open",))]
