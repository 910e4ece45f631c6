"""Changes through the façade, on a real store, model, audit and users file."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mcp_gateway.administration import Administration, Level, SelfGrant
from mcp_gateway.audit import Journal, Trail
from mcp_gateway.audit.erasure import Personal
from mcp_gateway.authorization import Authorization, EmbeddedRelationships
from mcp_gateway.authorization.engine.model import load_model
from mcp_gateway.authserver import Users
from mcp_gateway.catalog import Catalog, Review, registry
from mcp_gateway.catalog.registry import UpstreamEntry
from mcp_gateway.errors import AuditUnavailable, GatewayError, OperatorError, UpstreamUnavailable
from mcp_gateway.model.decision import Decision
from mcp_gateway.model.ids import AgentId, UserId, tool_id
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import JsonObject, Kind, Risk, Upstream
from mcp_gateway.storage import ChangeFeed, Database
from mcp_gateway.storage.data_dir import DataDir
from mcp_gateway.storage.database import migrate
from mcp_gateway.storage.relationships import all_tuples

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).resolve().parents[2]
MIRA, AGENT, OPERATOR = UserId("user:local/mira"), AgentId("agent:local/docs"), "os:tester"
PASSWORD = "correct horse battery"
TOOLS = {"note_read": Risk.READ, "note_write": Risk.WRITE, "note_drop": Risk.DESTRUCTIVE}


@dataclass(frozen=True, slots=True)
class Served:
    offered: Mapping[Kind, Sequence[JsonObject]]
    failed: Mapping[Kind, GatewayError] = field(default_factory=dict[Kind, GatewayError])
    protocol_version: str = "2026-07-28"


@dataclass(slots=True)
class House:
    """An installation with one server, `notes`, whose tools the test may change."""

    administration: Administration
    authorization: Authorization
    catalog: Catalog
    feed: ChangeFeed
    database: Database
    data: DataDir
    registry: Path
    offered: list[JsonObject]

    def audited(self, kind: str) -> list[dict[str, Any]]:
        return [dict(record["named"]) for record in Trail(self.data.audit).tail(1000) if record["kind"] == kind]

    async def decide(
        self, tool: str, *, user: UserId = MIRA, agent: AgentId = AGENT, at: float | None = None
    ) -> Decision:
        if self.feed.moved():
            await self.feed.catch_up()
        found = self.catalog.find(tool_id("notes", tool))
        assert found is not None
        scopes = frozenset({"mcp:read", "mcp:write"})
        principal = Principal(user, agent, scopes, audience="", token_id="", expires_at=0)
        return await self.authorization.decide(principal, found, {}, now=at or time.time())

    async def allowed(self) -> set[str]:
        """The tools Mira's agent may call now."""
        return {tool for tool in TOOLS if (await self.decide(tool)).allowed}

    async def codes(self, tool: str) -> set[str]:
        return {reason.code for reason in (await self.decide(tool)).reasons}


def definition(name: str, **more: Any) -> JsonObject:
    return {"name": name, "description": name, "inputSchema": {"type": "object"}, **more}


def entry(**changed: Any) -> UpstreamEntry:
    fields: dict[str, Any] = {
        "name": "notes",
        "description": "",
        "owner": "tester",
        "transport": {"type": "http", "url": "http://127.0.0.1:9/mcp"},
        "tools": {name: {"risk": risk} for name, risk in TOOLS.items()},
        **changed,
    }
    return UpstreamEntry.model_validate(fields)


@asynccontextmanager
async def house(folder: Path, *, approved: bool = True) -> AsyncGenerator[House]:
    data = DataDir(folder / "data")
    data.prepare()
    migrate(data.database)
    database = Database(data.database)
    feed = ChangeFeed(database)
    model = load_model(ROOT / "policies")
    authorization, catalog = Authorization(EmbeddedRelationships(model)), Catalog(database)
    offered = [definition(name) for name in TOOLS]
    users = Users(data.users)

    async def list_tools(upstream: Upstream) -> Served:
        if not offered:
            raise UpstreamUnavailable(f"{upstream.name} is down")
        return Served({Kind.TOOL: offered})

    review = Review(database, list_tools, lambda _: None)
    registry_dir = folder / "registry"
    async with Journal(data.audit) as journal:
        administration = Administration(
            database,
            journal,
            model,
            users=users,
            review=review,
            personal=Personal(data.people),
            registry=registry_dir,
            check_policies=lambda _: load_model(ROOT / "policies"),
        )
        await administration.server_add(entry(), actor=OPERATOR)
        await administration.server_refresh("notes", actor=OPERATOR)
        if approved:
            await administration.server_approve("notes", None, actor=OPERATOR)
        await authorization.load(database)
        await catalog.declare(registry.load(registry_dir))
        for follower in (authorization, catalog):
            feed.add(follower)
        try:
            yield House(administration, authorization, catalog, feed, database, data, registry_dir, offered)
        finally:
            feed.close()
            await database.close()


async def let(
    house: House, *, level: Level | None = Level.ALL, on: str = "server:notes", until: float | None = None
) -> str:
    """Everything Mira's agent needs; the grant's id."""
    administration = house.administration
    await administration.access_add(MIRA, "caller", "server:notes", actor=OPERATOR)
    await administration.delegation_add(MIRA, AGENT, until=None, actor=OPERATOR)
    return await administration.grant_add(
        AGENT, on, level=level, audience=MIRA, until=until, reason="test", granted_by=OPERATOR
    )


@pytest.mark.parametrize(
    ("level", "reach"),
    [
        (None, {"note_read"}),
        (Level.READ, {"note_read"}),
        (Level.WRITE, {"note_read", "note_write"}),
        (Level.ALL, set(TOOLS)),
    ],
)
async def test_a_server_grant_reaches_as_far_as_its_level(tmp_path: Path, level: Level | None, reach: set[str]) -> None:
    async with house(tmp_path) as made:
        await let(made, level=level)
        assert await made.allowed() == reach


async def test_a_tool_grant_reaches_that_tool_only(tmp_path: Path) -> None:
    async with house(tmp_path) as made:
        await let(made, level=None, on="tool:notes/note_drop")
        assert await made.allowed() == {"note_drop"}


async def test_a_revoked_grant_denies_the_next_call_and_stays_readable(tmp_path: Path) -> None:
    async with house(tmp_path) as made:
        grant = await let(made)
        assert (await made.decide("note_read")).allowed
        assert await made.administration.grant_revoke(grant, actor=OPERATOR)
        assert await made.codes("note_read") == {"agent.not_granted"}
        row = (await made.administration.grant_list())[0]
        assert (row.revoked_by, row.targets[0].object, row.reason) == (OPERATOR, "server:notes", "test")
        _, facts = await all_tuples(made.database)
        assert not [fact for fact in facts if grant in (fact.object, fact.subject.partition("#")[0])]
        assert not await made.administration.grant_revoke(grant, actor=OPERATOR)


async def test_an_expired_grant_denies_and_an_unexpired_one_allows(tmp_path: Path) -> None:
    async with house(tmp_path) as made:
        await let(made, until=time.time() + 3600)
        assert (await made.decide("note_read")).allowed
        tool = made.catalog.find(tool_id("notes", "note_read"))
        assert tool is not None
        scopes = frozenset({"mcp:read"})
        principal = Principal(MIRA, AGENT, scopes, audience="", token_id="", expires_at=0)
        later = await made.authorization.decide(principal, tool, {}, now=time.time() + 3601)
        assert {reason.code for reason in later.reasons} == {"agent.not_granted"}


async def test_a_prolonged_grant_holds_longer_and_a_shortened_one_ends(tmp_path: Path) -> None:
    async with house(tmp_path) as made:
        start = time.time()
        grant = await let(made, until=start + 60)
        await made.administration.grant_extend(grant, until=start + 7200, actor=OPERATOR)
        assert (await made.decide("note_read", at=start + 3600)).allowed
        assert [row.expires_at for row in await made.administration.grant_list(state="active")] == [start + 7200]
        await made.administration.grant_extend(grant, until=start + 600, actor=OPERATOR)
        assert not (await made.decide("note_read", at=start + 3600)).allowed
        assert made.audited("grant.extended")[-1]["formerly_expires_at"] == start + 7200


async def test_nobody_but_the_user_prolongs_a_consent(tmp_path: Path) -> None:
    async with house(tmp_path) as made:
        until = time.time() + 3600
        grant = await made.administration.approve_consent(
            MIRA, AGENT, {"notes": Risk.READ}, self_grant="read", until=until
        )
        assert grant is not None
        for longer in (until + 1, None):
            with pytest.raises(OperatorError, match="only the user"):
                await made.administration.grant_extend(grant, until=longer, actor=OPERATOR)
        await made.administration.grant_extend(grant, until=until - 60, actor=OPERATOR)
        assert [row.expires_at for row in await made.administration.grant_list()] == [until - 60]


@pytest.mark.parametrize("audience", ["group:staff#member", "role:editor#assignee", "tenant:acme#member"])
async def test_a_grant_for_a_group_role_or_tenant_is_for_those_who_belong_to_it(tmp_path: Path, audience: str) -> None:
    async with house(tmp_path) as made:
        await made.administration.access_add(MIRA, "caller", "server:notes", actor=OPERATOR)
        await made.administration.delegation_add(MIRA, AGENT, until=None, actor=OPERATOR)
        await made.administration.grant_add(
            AGENT, "server:notes", level=Level.ALL, audience=audience, until=None, reason="x", granted_by=OPERATOR
        )
        assert await made.codes("note_read") == {"agent.not_granted"}
        whole, _, relation = audience.partition("#")
        await made.administration.access_add(MIRA, relation, whole, actor=OPERATOR)
        assert await made.allowed() == set(TOOLS)
        await made.administration.access_remove(MIRA, relation, whole, actor=OPERATOR)
        assert await made.allowed() == set()


async def test_a_grant_for_one_user_is_none_for_another(tmp_path: Path) -> None:
    async with house(tmp_path) as made:
        await let(made)
        olga = UserId("user:local/olga")
        await made.administration.access_add(olga, "caller", "server:notes", actor=OPERATOR)
        await made.administration.delegation_add(olga, AGENT, until=None, actor=OPERATOR)
        decision = await made.decide("note_read", user=olga)
        assert {reason.code for reason in decision.reasons} == {"agent.not_granted"}


@pytest.mark.parametrize(
    ("ceiling", "ticks", "reach"),
    [
        ("none", {}, set[str]()),
        ("read", {"notes": Risk.READ}, {"note_read"}),
        ("write", {"notes": Risk.WRITE}, {"note_read", "note_write"}),
    ],
)
async def test_a_consent_grants_what_was_ticked(
    tmp_path: Path, ceiling: SelfGrant, ticks: dict[str, Risk], reach: set[str]
) -> None:
    async with house(tmp_path) as made:
        await made.administration.access_add(MIRA, "caller", "server:notes", actor=OPERATOR)
        until = time.time() + 30 * 86_400
        grant = await made.administration.approve_consent(MIRA, AGENT, ticks, self_grant=ceiling, until=until)
        assert await made.allowed() == reach
        assert (grant is None) == (not ticks)
        assert [row.user for row in await made.administration.delegation_list()] == [MIRA]
        rows = await made.administration.grant_list()
        assert [(row.granted_by, row.audience, row.expires_at) for row in rows] == [(MIRA, MIRA, until)] * bool(ticks)


@pytest.mark.parametrize(
    ("ceiling", "risk"),
    [("none", Risk.READ), ("read", Risk.WRITE), ("read", Risk.DESTRUCTIVE), ("write", Risk.DESTRUCTIVE)],
)
async def test_a_consent_above_the_ceiling_writes_nothing(tmp_path: Path, ceiling: SelfGrant, risk: Risk) -> None:
    async with house(tmp_path) as made:
        with pytest.raises(OperatorError):
            await made.administration.approve_consent(
                MIRA, AGENT, {"notes": risk}, self_grant=ceiling, until=time.time() + 60
            )
        assert await made.administration.delegation_list() == []
        assert await made.administration.grant_list() == []


async def test_a_consent_never_exceeds_what_the_user_may(tmp_path: Path) -> None:
    async with house(tmp_path) as made:
        await made.administration.access_add(MIRA, "reader", "server:notes", actor=OPERATOR)
        await made.administration.approve_consent(
            MIRA, AGENT, {"notes": Risk.WRITE}, self_grant="write", until=time.time() + 60
        )
        assert await made.allowed() == {"note_read"}
        assert await made.codes("note_write") == {"user.not_allowed"}


async def test_a_new_consent_replaces_the_earlier_one_but_no_administrators_grant(tmp_path: Path) -> None:
    async with house(tmp_path) as made:
        given = await let(made, level=None, on="tool:notes/note_drop")
        until = time.time() + 60
        for risk in (Risk.WRITE, Risk.READ):
            await made.administration.approve_consent(MIRA, AGENT, {"notes": risk}, self_grant="write", until=until)
        assert await made.allowed() == {"note_read", "note_drop"}
        active = [row.id for row in await made.administration.grant_list() if row.revoked_at is None]
        assert given in active
        assert len(active) == 2


async def test_ending_a_delegation_ends_what_the_user_granted(tmp_path: Path) -> None:
    async with house(tmp_path) as made:
        await made.administration.access_add(MIRA, "caller", "server:notes", actor=OPERATOR)
        until = time.time() + 60
        await made.administration.approve_consent(MIRA, AGENT, {"notes": Risk.READ}, self_grant="read", until=until)
        assert await made.administration.delegation_end(MIRA, AGENT, actor=OPERATOR)
        assert await made.codes("note_read") == {"agent.not_delegated"}
        await made.administration.delegation_add(MIRA, AGENT, until=None, actor=OPERATOR)
        assert await made.codes("note_read") == {"agent.not_granted"}
        assert not await made.administration.delegation_end(UserId("user:local/nobody"), AGENT, actor=OPERATOR)


async def test_access_is_written_once_and_taken_away_for_the_next_call(tmp_path: Path) -> None:
    async with house(tmp_path) as made:
        await let(made)
        administration = made.administration
        assert not await administration.access_add(MIRA, "caller", "server:notes", actor=OPERATOR)
        assert await administration.access_remove(MIRA, "caller", "server:notes", actor=OPERATOR)
        assert await made.codes("note_read") == {"user.not_allowed"}
        assert not await administration.access_remove(MIRA, "caller", "server:notes", actor=OPERATOR)


@pytest.mark.parametrize(
    ("subject", "relation", "object", "said"),
    [
        (MIRA, "in_context", AGENT, "never stored"),
        (MIRA, "delegator", AGENT, "delegation"),
        (f"{AGENT}#acting_for", "agent_caller", "server:notes", "grant"),
        (f"{AGENT}#acting_for", "direct_agent", "tool:notes/note_drop", "grant"),
        ("user:*", "active", "grant:x", "grant"),
        ("user:*", "enabled", "tool:notes/note_drop", "review"),
        ("user:*", "read_only", "tool:notes/note_drop", "review"),
        ("server:notes", "server", "tool:notes/note_drop", "review"),
        ("user:*", "enabled", "server:notes", "review"),
        (MIRA, "owner", "server:notes", "relation"),
        (MIRA, "reader", "nonsense:notes", "type"),
        (MIRA, "can_call", "tool:notes/note_read", "cannot be written"),
        ("group:support", "reader", "server:notes", "does not take"),
    ],
)
async def test_what_people_may_not_write_is_refused_with_its_reason(
    tmp_path: Path, subject: str, relation: str, object: str, said: str
) -> None:
    async with house(tmp_path) as made:
        before = await all_tuples(made.database)
        with pytest.raises(OperatorError, match=said):
            await made.administration.access_add(subject, relation, object, actor=OPERATOR)
        assert await all_tuples(made.database) == before
        assert made.audited("access.added") == []


async def test_the_list_of_access_leaves_out_what_other_commands_write(tmp_path: Path) -> None:
    async with house(tmp_path) as made:
        await let(made)
        rows = await made.administration.access_list()
        assert {(row.subject, row.relation) for row in rows} == {
            (MIRA, "caller"),
            ("group:admins#member", "operator"),
            ("group:admins#member", "caller"),
        }


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("- {user: 'user:local/mira', relation: reader, object: 'server:notes'}\n- {user: x}\n", "rows.yaml:2"),
        ("- {user: 'user:local/mira', relation: nothing, object: 'server:notes'}\n", "rows.yaml:1"),
        ("\n- {user: 'user:local/mira', relation: in_context, object: 'agent:local/docs'}\n", "rows.yaml:2"),
        ("users: []\n", "rows.yaml"),
        ("- [\n", "rows.yaml:2"),
    ],
)
async def test_an_import_with_one_bad_line_names_it_and_writes_nothing(tmp_path: Path, text: str, where: str) -> None:
    file = tmp_path / "rows.yaml"
    file.write_text(text)
    async with house(tmp_path) as made:
        before = await all_tuples(made.database)
        with pytest.raises(OperatorError) as refused:
            await made.administration.relationships_import(file, actor=OPERATOR)
        assert str(refused.value).startswith(where)
        assert await all_tuples(made.database) == before


async def test_an_import_can_be_repeated(tmp_path: Path) -> None:
    async with house(tmp_path) as made:
        file = ROOT / "examples" / "tickets" / "relationships.yaml"
        held, new = await made.administration.relationships_import(file, actor=OPERATOR)
        assert held == new > 0
        assert await made.administration.relationships_import(file, actor=OPERATOR) == (held, 0)


async def test_a_removed_user_leaves_nothing_to_inherit(tmp_path: Path) -> None:
    async with house(tmp_path) as made:
        await made.administration.user_add("mira", PASSWORD, actor=OPERATOR)
        await let(made)
        await made.administration.user_remove("mira", actor=OPERATOR)
        await made.administration.user_add("mira", PASSWORD, actor=OPERATOR)
        assert await made.codes("note_read") >= {"user.not_allowed", "agent.not_delegated"}
        _, facts = await all_tuples(made.database)
        assert not [fact for fact in facts if fact.subject == MIRA]
        assert [row.revoked_at is None for row in await made.administration.grant_list()] == [False]


async def test_the_first_start_makes_one_administrator_and_the_next_none(tmp_path: Path) -> None:
    async with house(tmp_path) as made:
        password = await made.administration.setup(actor="gateway")
        assert password is not None
        assert Users(made.data.users).verify("admin", password)
        assert await made.authorization.holds(
            "user:local/admin", "administrator", "gateway:local", now=time.time()
        ) is (False)
        await made.feed.catch_up()
        assert await made.authorization.holds("user:local/admin", "administrator", "gateway:local", now=time.time())
        assert await made.administration.setup(actor="gateway") is None
        assert len(made.audited("setup")) == 1


@pytest.mark.parametrize("client_id", ["", "a b", "../x", "x" * 65, "https://example.com/client"])
async def test_an_agent_needs_a_plain_id(tmp_path: Path, client_id: str) -> None:
    async with house(tmp_path) as made:
        with pytest.raises(OperatorError):
            await made.administration.agent_add(
                client_id, redirect_uris=["http://127.0.0.1/"], name=None, actor=OPERATOR
            )


async def test_an_agent_is_added_once(tmp_path: Path) -> None:
    async with house(tmp_path) as made:
        uris = ["http://127.0.0.1/callback"]
        assert await made.administration.agent_add("docs", redirect_uris=uris, name="Docs", actor=OPERATOR) == AGENT
        with pytest.raises(OperatorError, match="exists"):
            await made.administration.agent_add("docs", redirect_uris=uris, name=None, actor=OPERATOR)
        assert [(row.name, row.state) for row in await made.administration.agent_list()] == [("Docs", "active")]


async def test_new_tools_wait_for_approval_and_changed_ones_are_suspended(tmp_path: Path) -> None:
    async with house(tmp_path, approved=False) as made:
        await let(made)
        assert await made.codes("note_read") >= {"tool.not_available"}
        assert set(await made.administration.server_approve("notes", ["note_read"], actor=OPERATOR)) == {"note_read"}
        assert await made.allowed() == {"note_read"}
        made.offered[0] = definition("note_read", title="changed")
        findings = await made.administration.server_refresh("notes", actor=OPERATOR)
        assert findings.changed == ("note_read",)
        assert await made.allowed() == set()


async def test_a_failing_server_is_a_finding_and_keeps_its_tools(tmp_path: Path) -> None:
    async with house(tmp_path) as made:
        await let(made)
        made.offered.clear()
        assert (await made.administration.server_refresh("notes", actor=OPERATOR)).error == "upstream.unavailable"
        assert await made.allowed() == set(TOOLS)


async def test_a_removed_server_is_gone_with_its_file(tmp_path: Path) -> None:
    async with house(tmp_path) as made:
        path = await made.administration.server_remove("notes", actor=OPERATOR)
        assert not path.exists()
        assert await made.administration.server_rows() == []
        with pytest.raises(OperatorError):
            await made.administration.server_refresh("notes", actor=OPERATOR)


async def test_a_server_is_not_added_twice(tmp_path: Path) -> None:
    async with house(tmp_path) as made:
        before = (made.registry / "notes.yaml").read_text()
        with pytest.raises(OperatorError):
            await made.administration.server_add(entry(owner="other"), actor=OPERATOR)
        assert (made.registry / "notes.yaml").read_text() == before


async def test_a_reload_names_file_and_line_and_announces_nothing(tmp_path: Path) -> None:
    async with house(tmp_path) as made:
        await made.feed.catch_up()
        (made.registry / "bad.yaml").write_text("name: bad\nowner: [\n")
        with pytest.raises(OperatorError, match=r"registry/bad.yaml:\d"):
            await made.administration.reload(actor=OPERATOR)
        assert not made.feed.moved()
        (made.registry / "bad.yaml").unlink()
        assert [upstream.name for upstream in await made.administration.reload(actor=OPERATOR)] == ["notes"]
        assert made.feed.moved()


async def test_every_change_is_on_record_with_its_actor(tmp_path: Path) -> None:
    async with house(tmp_path) as made:
        administration = made.administration
        await administration.user_add("mira", PASSWORD, actor=OPERATOR)
        grant = await let(made)
        await administration.grant_revoke(grant, actor=OPERATOR)
        await administration.delegation_end(MIRA, AGENT, actor=OPERATOR)
        await administration.access_remove(MIRA, "caller", "server:notes", actor=OPERATOR)
        await administration.user_password("mira", PASSWORD + "2", actor=OPERATOR)
        await administration.user_remove("mira", actor=OPERATOR)
        records = Trail(made.data.audit).tail(1000)
        assert {record["actor"] for record in records} == {OPERATOR}
        assert [record["kind"] for record in records] == [
            "server.added",
            "server.refreshed",
            "server.approved",
            "user.added",
            "access.added",
            "delegation.added",
            "grant.added",
            "grant.revoked",
            "delegation.ended",
            "access.removed",
            "user.password_set",
            "user.removed",
        ]
        assert PASSWORD not in str(records)


async def test_a_change_that_cannot_be_recorded_is_not_made(tmp_path: Path) -> None:
    class Full:
        async def event(self, kind: str, actor: str, **named: object) -> None:
            raise AuditUnavailable

    async with house(tmp_path) as made:
        before = await all_tuples(made.database)
        unrecorded = Administration(
            made.database,
            Full(),
            load_model(ROOT / "policies"),
            users=Users(made.data.users),
            review=Review(made.database, lambda _: pytest.fail("asked"), lambda _: None),
            personal=Personal(made.data.people),
            registry=made.registry,
            check_policies=lambda _: None,
        )
        with pytest.raises(AuditUnavailable):
            await unrecorded.access_add(MIRA, "caller", "server:notes", actor=OPERATOR)
        with pytest.raises(AuditUnavailable):
            await unrecorded.grant_add(
                AGENT, "server:notes", level=None, audience=MIRA, until=None, reason="x", granted_by=OPERATOR
            )
        with pytest.raises(AuditUnavailable):
            await unrecorded.user_add("mira", PASSWORD, actor=OPERATOR)
        with pytest.raises(AuditUnavailable):
            await unrecorded.server_remove("notes", actor=OPERATOR)
        with pytest.raises(AuditUnavailable):
            await unrecorded.disable(MIRA, reason="x", actor=OPERATOR)
        assert await all_tuples(made.database) == before
        assert await made.administration.user_list() == []
        assert await made.administration.disabled() == []
        assert (made.registry / "notes.yaml").exists()


async def test_a_change_that_fails_after_its_record_is_on_record_as_failed(tmp_path: Path) -> None:
    async with house(tmp_path) as made:
        with pytest.raises(OperatorError):
            await made.administration.user_add("mira", "short", actor=OPERATOR)
        assert len(made.audited("user.added")) == len(made.audited("user.added.failed")) == 1


@pytest.mark.parametrize(
    ("on", "level", "audience", "reason", "until", "said"),
    [
        ("server:notes", None, MIRA, " ", None, "reason"),
        ("server:notes", None, MIRA, "x", 1.0, "already"),
        ("tool:notes/note_read", Level.READ, MIRA, "x", None, "whole"),
        ("group:support", None, MIRA, "x", None, "relation"),
        ("nonsense:x", None, MIRA, "x", None, "type"),
        ("server:notes", None, "server:notes", "x", None, "does not take"),
        ("server:*", None, MIRA, "x", None, "not an object"),
    ],
)
async def test_a_grant_that_means_nothing_is_refused(
    tmp_path: Path, on: str, level: Level | None, audience: str, reason: str, until: float | None, said: str
) -> None:
    async with house(tmp_path) as made:
        with pytest.raises(OperatorError, match=said):
            await made.administration.grant_add(
                AGENT, on, level=level, audience=audience, until=until, reason=reason, granted_by=OPERATOR
            )
        assert await made.administration.grant_list() == []


async def test_grants_sort_by_when_they_were_made(tmp_path: Path) -> None:
    async with house(tmp_path) as made:
        made_ids = [await let(made) for _ in range(3)]
        listed = [row.id for row in await made.administration.grant_list(agent=AGENT, audience=MIRA)]
        assert set(listed) == set(made_ids)
        assert sorted(listed) == listed
