"""Discovery and review: new tools wait, changed ones are suspended, broken ones are quarantined."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from mcp_gateway.catalog import Catalog, Review
from mcp_gateway.errors import AccessDenied, GatewayError, OperatorError, UpstreamUnavailable
from mcp_gateway.model.ids import tool_id
from mcp_gateway.model.tool import HttpTransport, JsonObject, Kind, ReviewState, Risk, ToolPolicy, Upstream
from mcp_gateway.storage import Database
from mcp_gateway.storage.catalog import tool_rows
from mcp_gateway.storage.database import migrate
from mcp_gateway.storage.relationships import matching

pytestmark = pytest.mark.anyio

TICKETS = Upstream(
    name="tickets",
    transport=HttpTransport("http://127.0.0.1:1/mcp", (), None, None, ()),
    owner="me",
    description="",
    trusted=False,
    sessions="shared",
    protocol="auto",
    timeout_seconds=5,
    default_risk=Risk.DESTRUCTIVE,
    tools={"get": ToolPolicy(Risk.READ, ())},
)


@dataclass
class Upstreams:
    """What the upstream answers next."""

    tools: Sequence[JsonObject]
    others: dict[Kind, Sequence[JsonObject]] = field(default_factory=dict[Kind, Sequence[JsonObject]])
    failed: dict[Kind, GatewayError] = field(default_factory=dict[Kind, GatewayError])
    protocol_version: str = "2026-07-28"
    down: bool = False

    @property
    def offered(self) -> dict[Kind, Sequence[JsonObject]]:
        whole = {kind: self.others.get(kind, ()) for kind in Kind} | {Kind.TOOL: self.tools}
        return {kind: items for kind, items in whole.items() if kind not in self.failed}

    async def list_tools(self, _upstream: Upstream) -> Upstreams:
        if self.down:
            raise UpstreamUnavailable
        return self


def tool(name: str, **more: Any) -> JsonObject:
    return {"name": name, "inputSchema": {"type": "object"}, **more}


def lint(definition: JsonObject) -> str | None:
    return None if definition.get("inputSchema", {}).get("type") == "object" else "inputSchema is not an object's"


@dataclass
class Desk:
    database: Database
    served: Upstreams
    review: Review

    async def approve(self, *names: str) -> Sequence[str]:
        """Approve what waits, or the named tools, as they are now."""
        rows = await tool_rows(self.database)
        waiting = (ReviewState.PENDING, ReviewState.CHANGED)
        chosen = {row.id: row.digest for row in rows if (row.name in names if names else row.state in waiting)}
        return await self.review.approve("tickets", chosen, "os:me")

    async def states(self) -> dict[str, ReviewState]:
        return {row.name: row.state for row in await tool_rows(self.database)}

    async def enabled(self) -> set[str]:
        return {row.object for row in await matching(self.database, relation="enabled")}


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncGenerator[Desk]:
    migrate(tmp_path / "gateway.db")
    database = Database(tmp_path / "gateway.db")
    served = Upstreams([tool("get"), tool("delete")])
    yield Desk(database, served, Review(database, served.list_tools, lint))
    await database.close()


async def test_new_tools_wait_for_approval(desk: Desk) -> None:
    findings = await desk.review.refresh(TICKETS, "os:me")
    assert set(findings.new) == {"get", "delete"}
    assert set((await desk.states()).values()) == {ReviewState.PENDING}
    assert await desk.enabled() == {"server:tickets"}


async def test_an_approved_tool_is_enabled_in_the_same_transaction(desk: Desk) -> None:
    await desk.review.refresh(TICKETS, "os:me")
    assert await desk.approve("get") == ["tool:tickets/get"]
    assert "tool:tickets/get" in await desk.enabled()
    assert [row.object for row in await matching(desk.database, relation="read_only")] == ["tool:tickets/get"]


async def test_a_trusted_upstream_needs_no_reviewer(desk: Desk) -> None:
    await desk.review.refresh(replace(TICKETS, trusted=True), "gateway")
    assert set((await desk.states()).values()) == {ReviewState.APPROVED}


async def test_a_tool_whose_definition_changed_is_suspended_until_approved_again(desk: Desk) -> None:
    await desk.review.refresh(TICKETS, "os:me")
    await desk.approve()
    desk.served.tools = [tool("get", description="now with more"), tool("delete")]
    findings = await desk.review.refresh(TICKETS, "gateway")
    assert findings.changed == ("get",)
    assert (await desk.states())["get"] is ReviewState.CHANGED
    assert "tool:tickets/get" not in await desk.enabled()
    await desk.approve()
    assert "tool:tickets/get" in await desk.enabled()


async def test_a_change_that_is_taken_back_needs_no_second_approval(desk: Desk) -> None:
    await desk.review.refresh(TICKETS, "os:me")
    await desk.approve()
    before = desk.served.tools
    desk.served.tools = [tool("get", description="oops")]
    await desk.review.refresh(TICKETS, "gateway")
    assert (await desk.states())["delete"] is ReviewState.MISSING
    desk.served.tools = before
    await desk.review.refresh(TICKETS, "gateway")
    assert set((await desk.states()).values()) == {ReviewState.APPROVED}


async def test_one_bad_tool_is_quarantined_and_the_others_stand(desk: Desk) -> None:
    desk.served.tools = [tool("get"), {"name": "bad", "inputSchema": {}}, tool("new\u202eline")]
    findings = await desk.review.refresh(replace(TICKETS, trusted=True), "gateway")
    assert set(findings.quarantined) == {"bad", "new\u202eline"}
    assert (await desk.states())["get"] is ReviewState.APPROVED
    with pytest.raises(OperatorError, match="quarantined"):
        await desk.approve("bad")


async def test_an_upstream_that_is_down_keeps_its_approved_tools(desk: Desk) -> None:
    await desk.review.refresh(replace(TICKETS, trusted=True), "gateway")
    desk.served.down = True
    assert (await desk.review.refresh(TICKETS, "gateway")).error == "upstream.unavailable"
    assert set((await desk.states()).values()) == {ReviewState.APPROVED}


async def test_refreshing_what_did_not_change_writes_nothing(desk: Desk) -> None:
    from mcp_gateway.storage.feed import newest_revision

    await desk.review.refresh(TICKETS, "gateway")
    revision = await newest_revision(desk.database)
    await desk.review.refresh(TICKETS, "gateway")
    assert await newest_revision(desk.database) == revision


async def test_only_approved_tools_resolve_and_a_declared_risk_must_have_reached_the_tuples(desk: Desk) -> None:
    catalog = Catalog(desk.database)
    await desk.review.refresh(TICKETS, "os:me")
    await desk.approve("get")
    await catalog.declare([TICKETS])
    assert catalog.resolve(None, "tickets__get") is catalog.resolve("tickets", "get")
    with pytest.raises(AccessDenied) as refused:
        catalog.resolve(None, "tickets__delete")
    assert refused.value.code == "tool.unavailable"
    riskier = replace(TICKETS, tools={"get": ToolPolicy(Risk.DESTRUCTIVE, ())})
    await catalog.declare([riskier])
    with pytest.raises(AccessDenied):
        catalog.resolve(None, "tickets__get")
    await desk.review.refresh(riskier, "gateway")
    await catalog.load()
    assert catalog.resolve(None, "tickets__get").risk is Risk.DESTRUCTIVE


async def test_a_removed_server_leaves_no_fact_behind(desk: Desk) -> None:
    await desk.review.refresh(replace(TICKETS, trusted=True), "gateway")
    await desk.review.remove("tickets", "os:me")
    assert await desk.enabled() == set()
    assert await tool_rows(desk.database) == []


async def test_what_changed_during_the_review_is_not_approved(desk: Desk) -> None:
    await desk.review.refresh(TICKETS, "os:me")
    (seen,) = [row.digest for row in await tool_rows(desk.database) if row.name == "get"]
    desk.served.tools = [tool("get", description="swapped")]
    await desk.review.refresh(TICKETS, "gateway")
    with pytest.raises(OperatorError, match="changed while"):
        await desk.review.approve("tickets", {tool_id("tickets", "get"): seen}, "os:me")
    assert await desk.enabled() == {"server:tickets"}


EVERY_KIND: dict[Kind, Sequence[JsonObject]] = {
    Kind.PROMPT: [{"name": "get", "arguments": [{"name": "id", "required": True}]}],
    Kind.RESOURCE: [{"uri": "tickets://open", "name": "open", "size": 3}],
    Kind.TEMPLATE: [{"uriTemplate": "tickets://{id}", "name": "one"}],
}
"""The prompt is called as a tool is."""


async def test_prompts_resources_and_templates_wait_for_approval_as_tools_do(desk: Desk) -> None:
    desk.served.others = EVERY_KIND
    findings = await desk.review.refresh(TICKETS, "os:me")
    assert findings.new == ("get", "delete", "prompt:get", "resource:tickets://open", "template:tickets://{id}")
    assert await desk.enabled() == {"server:tickets"}
    assert len(await desk.approve()) == 5
    assert await desk.enabled() == {
        "server:tickets",
        "tool:tickets/get",
        "tool:tickets/delete",
        "prompt:tickets/get",
        "resource:tickets/tickets%3A%2F%2Fopen",
        "resource:tickets/tickets%3A%2F%2F{id}",
    }
    read = {row.object for row in await matching(desk.database, relation="read_only")}
    assert read == await desk.enabled() - {"server:tickets", "tool:tickets/delete"}
    placed = await matching(desk.database, relation="server")
    assert {(row.object, row.subject) for row in placed} >= {("prompt:tickets/get", "server:tickets")}


async def test_a_kind_that_does_not_answer_keeps_what_was_approved_of_it(desk: Desk) -> None:
    desk.served.others = EVERY_KIND
    trusted = replace(TICKETS, trusted=True)
    await desk.review.refresh(trusted, "gateway")
    before = await desk.enabled()
    desk.served.failed = {Kind.PROMPT: UpstreamUnavailable("prompts/list failed")}
    desk.served.others = {Kind.RESOURCE: [{"uri": "tickets://closed", "name": "closed"}]}
    findings = await desk.review.refresh(trusted, "gateway")
    assert (findings.error, findings.unanswered) == ("upstream.unavailable", (Kind.PROMPT,))
    assert findings.new == ("resource:tickets://closed",)
    assert findings.missing == ("resource:tickets://open", "template:tickets://{id}")
    assert "prompt:tickets/get" in before & await desk.enabled()
    (server,) = await desk.review.servers()
    assert server.last_error == "upstream.unavailable"


async def test_a_resource_that_only_grew_is_still_the_approved_one(desk: Desk) -> None:
    desk.served.others = EVERY_KIND
    await desk.review.refresh(TICKETS, "os:me")
    await desk.approve()
    grown = {
        "uri": "tickets://open",
        "name": "open",
        "size": 4,
        "annotations": {"lastModified": "2027-01-01T00:00:00Z"},
    }
    desk.served.others = {**EVERY_KIND, Kind.RESOURCE: [grown]}
    assert (await desk.review.refresh(TICKETS, "gateway")).changed == ()
    desk.served.others = {**EVERY_KIND, Kind.RESOURCE: [{**grown, "annotations": {"audience": ["user"]}}]}
    assert (await desk.review.refresh(TICKETS, "gateway")).changed == ("resource:tickets://open",)
    assert "resource:tickets/tickets%3A%2F%2Fopen" not in await desk.enabled()


async def test_what_is_no_uri_and_no_template_is_quarantined_and_the_others_stand(desk: Desk) -> None:
    desk.served.others = {
        Kind.RESOURCE: [
            {"uri": "tickets://{id}", "name": "one"},
            {"uri": "a b", "name": "x"},
            {"uri": "t:ok", "name": "y"},
        ],
        Kind.TEMPLATE: [{"uriTemplate": "tickets://{id}", "name": "one"}, {"uriTemplate": "{+any}", "name": "any"}],
        Kind.PROMPT: [{"name": "p", "arguments": [{"name": "a"}, {"name": "a"}]}],
    }
    findings = await desk.review.refresh(replace(TICKETS, trusted=True), "gateway")
    assert set(findings.quarantined) == {"resource:tickets://{id}", "resource:a b", "template:{+any}", "prompt:p"}
    catalog = Catalog(desk.database)
    await catalog.declare([TICKETS])
    assert catalog.resolve("tickets", "tickets://{id}", Kind.TEMPLATE).state is ReviewState.APPROVED
    assert "resource:tickets/tickets%3A%2F%2F{id}" in await desk.enabled(), "the text is the template's"
    with pytest.raises(AccessDenied) as refused:
        catalog.resolve("tickets", "tickets://{id}", Kind.RESOURCE)
    assert refused.value.code == "resource.unavailable"
    with pytest.raises(AccessDenied) as refused:
        catalog.resolve("tickets", "p", Kind.PROMPT)
    assert refused.value.code == "prompt.unavailable"


async def test_a_removed_server_leaves_no_fact_of_any_kind_behind(desk: Desk) -> None:
    desk.served.others = EVERY_KIND
    await desk.review.refresh(replace(TICKETS, trusted=True), "gateway")
    await desk.review.remove("tickets", "os:me")
    for relation in ("enabled", "read_only", "server"):
        assert await matching(desk.database, relation=relation) == []


async def test_a_resource_that_is_gone_is_kept_only_if_a_person_approved_it(desk: Desk) -> None:
    desk.served.others = EVERY_KIND
    await desk.review.refresh(TICKETS, "os:me")
    await desk.approve("tickets://open")
    desk.served.others = {Kind.RESOURCE: [{"uri": f"tickets://{number}", "name": "new"} for number in range(3)]}
    findings = await desk.review.refresh(TICKETS, "gateway")
    assert findings.missing == ("prompt:get", "resource:tickets://open", "template:tickets://{id}")
    states = await desk.states()
    assert (states["tickets://open"], "tickets://{id}" in states) == (ReviewState.MISSING, False)
    desk.served.others = {}
    await desk.review.refresh(TICKETS, "gateway")
    assert [name for name in await desk.states() if ":" in name] == ["tickets://open"]
    desk.served.others = EVERY_KIND
    await desk.review.refresh(TICKETS, "gateway")
    assert (await desk.states())["tickets://open"] is ReviewState.APPROVED
    await desk.review.refresh(replace(TICKETS, trusted=True), "gateway")
    desk.served.others = {}
    await desk.review.refresh(replace(TICKETS, trusted=True), "gateway")
    assert not [row for row in await matching(desk.database, relation="server") if "resource:" in row.object]
