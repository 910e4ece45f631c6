"""Calls that were decided and recorded by the parts that decide and record, to be judged again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio
import orjson

from mcp_gateway.audit import record
from mcp_gateway.audit.record import Record
from mcp_gateway.authorization import Authorization, EmbeddedRelationships, load_model
from mcp_gateway.authorization.rules import load_rules
from mcp_gateway.catalog import registry
from mcp_gateway.model.call import Era, Request
from mcp_gateway.model.ids import AgentId, UserId
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import Kind
from mcp_gateway.policy.candidate import Candidate, facts, kind_of
from mcp_gateway.policy.diff import Difference, compare
from mcp_gateway.policy.past import COMPLETION
from mcp_gateway.storage import Change
from mcp_gateway.storage.relationships import RelationshipTuple, tuple_of
from tests.unit.policy.files import MODEL, NOW, written

MIRA, OMAR = UserId("user:local/mira"), UserId("user:local/omar")
DOCS = AgentId("agent:local/docs")
SCOPES = frozenset({"mcp:read", "mcp:write"})

ENTRY: Mapping[str, Any] = {
    "name": "tickets",
    "description": "Tickets",
    "owner": "platform@example.com",
    "transport": {"type": "http", "url": "http://127.0.0.1:1/mcp"},
    "tools": {
        "get": {"risk": "read", "resources": [{"relation": "can_read", "type": "ticket", "pointer": "/id"}]},
        "set": {"risk": "write", "resources": [{"relation": "can_write", "type": "ticket", "pointer": "/id"}]},
        "ping": {"risk": "read"},
    },
    "prompts": {"triage": {"resources": [{"relation": "can_read", "type": "ticket", "pointer": "/id"}]}},
    "resources": {"ticket://{id}": {"resources": [{"relation": "can_read", "type": "ticket", "pointer": "/id"}]}},
}
VERBS = {Kind.TOOL: "tools/call", Kind.PROMPT: "prompts/get"}
ROWS = (
    f"{MIRA} writer server:tickets",
    f"{MIRA} delegator {DOCS}",
    f"{OMAR} delegator {DOCS}",
    f"{DOCS}#acting_for agent_writer server:tickets",
    "server:tickets server ticket:tickets/T-1",
    "server:tickets server ticket:tickets/T-2",
    f"{MIRA} viewer ticket:tickets/T-1",
    f"{MIRA} editor ticket:tickets/T-2",
)


def entry(**tools: Mapping[str, Any] | None) -> str:
    """The registry entry with some tools said otherwise; None takes one away."""
    said = {**ENTRY["tools"], **tools}
    return json.dumps({**ENTRY, "tools": {name: one for name, one in said.items() if one is not None}})


def policy(
    folder: Path, *, tickets: str | None = None, model: tuple[str, str] = ("", ""), rules: str | None = None
) -> Candidate:
    """A policy of its own in `folder`: what ships, with one text of the model in the place of another."""
    written(folder, tickets or entry(), "registry/tickets.yaml")
    for name in ("fga.mod", "gateway.fga", "tickets.fga"):
        written(folder, (MODEL / name).read_text().replace(*model), f"policies/{name}")
    if rules is not None:
        written(folder, rules, "policies/rules.yaml")
    upstreams = registry.load(folder / "registry")
    loaded = load_model(folder / "policies")
    book = load_rules(folder / "policies", model=loaded, upstreams=upstreams)
    return Candidate(loaded, {upstream.name: upstream for upstream in upstreams}, book)


def row(text: str) -> RelationshipTuple:
    subject, relation, object_ = text.split(" ")
    return RelationshipTuple(object_, relation, subject)


@dataclass(frozen=True, slots=True)
class Call:
    """Everything a decision was made of, arguments too, which no record holds."""

    principal: Principal
    request: Request
    name: str
    arguments: Mapping[str, Any]
    now: float
    revision: int
    kind: Kind
    verb: str


@dataclass(slots=True)
class Installed:
    """A gateway's memory: its changelog and its audit, under the policy in force."""

    policy: Candidate
    changes: list[Change] = field(default_factory=list[Change])
    records: list[Record] = field(default_factory=list[Record])
    made: list[Call] = field(default_factory=list[Call])

    def write(self, *texts: str, gone: bool = False) -> None:
        for text in texts:
            self._change(row(text), "tuple.deleted" if gone else "tuple.written")

    def discover(self) -> None:
        """Everything declared is approved."""
        upstream = self.policy.upstreams["tickets"]
        declared = [(name, Kind.TOOL) for name in upstream.tools] + [(name, Kind.PROMPT) for name in upstream.prompts]
        for name, kind in [*declared, *((name, kind_of("resource", name)) for name in upstream.resources)]:
            tool = self.policy.approved("tickets", name, kind)
            assert tool is not None
            for fact in facts(tool):
                self._change(fact, "tuple.written")

    def call(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        user: UserId = MIRA,
        agent: AgentId = DOCS,
        scopes: frozenset[str] = SCOPES,
        memberships: tuple[tuple[str, str], ...] = (),
        address: str | None = None,
        kind: Kind = Kind.TOOL,
        verb: str | None = None,
    ) -> bool:
        """Decide a call and put it on record; whether it was allowed."""
        number = len(self.records) + 1
        principal = Principal(user, agent, scopes, "http://gw/mcp", "jti", 0, memberships=memberships)
        request = Request(f"r-{number}", Era.MODERN, "2026-07-28", None, None, {}, None, address=address)
        said = verb or VERBS.get(kind, "resources/read")
        call = Call(principal, request, name, dict(arguments or {}), NOW + number, len(self.changes), kind, said)
        self.made.append(call)
        return anyio.run(self._call, call)

    async def _call(self, call: Call) -> bool:
        relationships = EmbeddedRelationships(self.policy.model)
        relationships.replace((), revision=0)
        await relationships.follow(self.changes)
        tool = self.policy.approved("tickets", call.name, call.kind, digest="d")
        assert tool is not None
        if call.verb == COMPLETION:
            tool = replace(tool, resources=(), mapping="")
        decides = Authorization(relationships, book=self.policy.book)
        decision = await decides.decide(call.principal, tool, call.arguments, now=call.now, request=call.request)
        fields = record.asked("intent" if decision.allowed else "decision", call.request, call.verb, call.principal)
        fields.update(record.about_tool(tool))
        fields.update(record.about_decision(decision))
        fields.update(record.about_arguments(call.arguments))
        line, _ = record.seal(fields, seq=len(self.records) + 1, prev=record.GENESIS, writer="w", at=call.now)
        self.records.append(record.parse(line))
        return decision.allowed

    def really(self, other: Candidate) -> dict[str, str]:
        """Request -> what `other` would have decided, the arguments known."""

        async def decided(call: Call) -> str:
            tool = other.approved("tickets", call.name, call.kind, digest="d")
            if tool is None:
                return "deny"
            rows: dict[tuple[str, str, str], RelationshipTuple] = {}
            for change in self.changes[: call.revision]:
                one = tuple_of(change.payload)
                rows.pop((one.object, one.relation, one.subject), None)
                if change.kind == "tuple.written" and one.relation not in {"read_only", "writable"}:
                    rows[one.object, one.relation, one.subject] = one
            decides = other.authorization([*rows.values(), *facts(tool)])
            decision = await decides.decide(call.principal, tool, call.arguments, now=call.now, request=call.request)
            return "allow" if decision.allowed else "deny"

        async def every() -> dict[str, str]:
            return {call.request.id: await decided(call) for call in self.made}

        return anyio.run(every)

    def against(
        self, other: Candidate, *, records: Sequence[Record] | None = None, complete: bool = True
    ) -> Difference:
        """What `other` makes of everything that was recorded."""

        async def compared() -> Difference:
            given = self.records if records is None else records
            return await compare(given, self.changes, now=other, then=self.policy, complete=complete)

        return anyio.run(compared)

    def without(self, *members: str) -> list[Record]:
        """The records as an older gateway would have written them."""
        return [{name: value for name, value in one.items() if name not in members} for one in self.records]

    def _change(self, one: RelationshipTuple, kind: str) -> None:
        payload = {"object": one.object, "relation": one.relation, "subject": one.subject, "condition": None}
        revision = len(self.changes) + 1
        self.changes.append(Change(revision, NOW + revision, "os:test", kind, orjson.loads(orjson.dumps(payload))))


def installed(policy: Candidate, *rows: str) -> Installed:
    made = Installed(policy)
    made.discover()
    made.write(*(rows or ROWS))
    return made


def with_other_answers(one: Record) -> Record:
    """A record whose first answer is not what these relationships give."""
    (subject, relation, object_, answer), *rest = one["questions"]
    return {**one, "questions": [[subject, relation, object_, not answer], *rest]}
