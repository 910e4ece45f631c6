"""A company to ask about: users in nested groups, roles, servers with tools, agents, grants that expire, tickets.

Deterministic: the same size is the same company. A tuple is
`(object, relation, subject, condition name, condition context as JSON)`, as the store keeps it.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

from mcp_gateway.model.ids import AgentId, ToolId, UserId, agent_id, grant_id, resource_id, server_id, tool_id, user_id

Stored: TypeAlias = tuple[str, str, str, str | None, str | None]

TOOLS_PER_SERVER = 200
_FAR = 1_900_000_000
_NEVER = (None, None)


@dataclass(frozen=True, slots=True)
class Question:
    """May this agent, for this user, call this tool?"""

    user: UserId
    agent: AgentId
    tool: ToolId


@dataclass(frozen=True, slots=True)
class Company:
    tools: int = 100_000
    tuples: int = 1_000_000

    @property
    def servers(self) -> int:
        return max(self.tools // TOOLS_PER_SERVER, 1)

    @property
    def users(self) -> int:
        return max(self.tools // 5, 10)

    @property
    def agents(self) -> int:
        return max(self.tools // 100, 5)

    @property
    def groups(self) -> int:
        return max(self.tools // 50, 8)

    def rows(self) -> Iterator[Stored]:
        """Exactly `tuples` of them; none twice."""
        return islice(self._rows(), self.tuples)

    def tool(self, number: int) -> ToolId:
        return tool_id(_server_name(number // TOOLS_PER_SERVER % self.servers), f"list_open_invoices_{number:06}")

    def tool_ids(self) -> list[ToolId]:
        return [self.tool(number) for number in range(self.tools)]

    def questions(self, count: int, *, seed: int = 1, active: int | None = None) -> list[Question]:
        """Mostly of an agent its user has let act, of `active` users or of anybody; four in ten are allowed."""
        chance = random.Random(seed)
        users = chance.sample(range(self.users), min(active or self.users, self.users))
        found: list[Question] = []
        for _ in range(count):
            user = chance.choice(users)
            agent = chance.choice(self._delegated(user)[:2]) if chance.random() < 0.9 else chance.randrange(self.agents)
            server = self._granted_server(user, agent) if chance.random() < 0.9 else chance.randrange(self.servers)
            tool = min(server * TOOLS_PER_SERVER + chance.randrange(TOOLS_PER_SERVER), self.tools - 1)
            found.append(Question(_user(user), _agent(agent), self.tool(tool)))
        return found

    def _rows(self) -> Iterator[Stored]:
        yield from self._of_tools()
        yield from self._of_people()
        yield from self._of_agents()
        yield from self._of_grants()
        yield from self._of_resources()

    def _of_tools(self) -> Iterator[Stored]:
        for number in range(self.servers):
            server = server_id(_server_name(number))
            yield server, "enabled", "user:*", None, None
            yield server, "caller", f"role:{number % 50}#assignee", None, None
            yield server, "writer", f"{_group(number * 7 % self.groups)}#member", None, None
            yield server, "reader", "group:okta/everybody#member", None, None
        for number in range(self.tools):
            tool = self.tool(number)
            yield tool, "server", server_id(_server_name(number // TOOLS_PER_SERVER % self.servers)), None, None
            yield tool, "enabled", "user:*", None, None
            if number % 10:
                yield tool, "writable" if number % 3 == 0 else "read_only", "user:*", None, None
            if number % 50 == 0:
                yield tool, "direct_caller", f"{_group(number % self.groups)}#member", None, None

    def _of_people(self) -> Iterator[Stored]:
        """Teams in departments in everybody; a user is in eight teams."""
        departments = max(self.groups // 20, 2)
        for number in range(departments):
            yield "group:okta/everybody", "member", f"group:okta/department-{number:03}#member", None, None
        for number in range(self.groups):
            yield f"group:okta/department-{number % departments:03}", "member", f"{_group(number)}#member", None, None
        for number in range(self.users):
            for team in _some(8, self.groups, "team", number):
                yield _group(team), "member", _user(number), None, None
        for number in range(50):
            for team in _some(3, self.groups, "role", number):
                condition, context = _expires(team) if team % 2 else _NEVER
                yield f"role:{number}", "assignee", f"{_group(team)}#member", condition, context

    def _of_agents(self) -> Iterator[Stored]:
        for number in range(self.users):
            for agent in self._delegated(number):
                condition, context = _expires(number) if number % 10 == 0 else _NEVER
                yield _agent(agent), "delegator", _user(number), condition, context
        for number in range(self.servers):
            for agent in _some(min(8, self.agents), self.agents, "standing", number):
                yield server_id(_server_name(number)), "agent_reader", f"{_agent(agent)}#acting_for", None, None

    def _of_grants(self) -> Iterator[Stored]:
        """What consent writes: one per user and delegated agent, on one or two servers; every fifth for a team."""
        for user in range(self.users):
            for position, agent in enumerate(self._delegated(user)[:2]):
                grant = grant_id(1_700_000_000 + user, _bytes("grant", user, position))
                audience = f"{_group(user % self.groups)}#member" if user % 5 == 0 else _user(user)
                server = self._granted_server(user, agent)
                yield grant, "agent", _agent(agent), None, None
                yield grant, "granted_by", _user(user), None, None
                yield grant, "audience", audience, None, None
                yield grant, "active", "user:*", *_expires(user)
                yield server_id(_server_name(server)), "agent_caller", f"{grant}#effective", None, None

    def _of_resources(self) -> Iterator[Stored]:
        projects = max(self.tools // 10, 2)
        for number in range(projects):
            server = _server_name(number % self.servers)
            project = resource_id("project", server, f"PRJ{number}")
            yield project, "server", server_id(server), None, None
            for team in _some(2, self.groups, "viewer", number):
                yield project, "viewer", f"{_group(team)}#member", None, None
            yield project, "editor", f"{_group(number % self.groups)}#member", None, None
        number = 0
        while True:
            project_number = number % projects
            server = _server_name(project_number % self.servers)
            ticket = resource_id("ticket", server, f"T-{number}")
            yield ticket, "server", server_id(server), None, None
            yield ticket, "project", resource_id("project", server, f"PRJ{project_number}"), None, None
            yield ticket, "assignee", _user(number % self.users), None, None
            if number % 3 == 0:
                yield ticket, "viewer", _user(number * 31 % self.users), None, None
            number += 1

    def _delegated(self, user: int) -> list[int]:
        return _some(min(3, self.agents), self.agents, "delegated", user)

    def _granted_server(self, user: int, agent: int) -> int:
        return (user * 13 + agent) % self.servers


def _server_name(number: int) -> str:
    return f"billing-{number:04}"


def _user(number: int) -> UserId:
    return user_id("okta", f"00u{number:06}x7kQ2rT5d7")


def _agent(number: int) -> AgentId:
    return agent_id("local", f"desktop-{number:05}")


def _group(number: int) -> str:
    return f"group:okta/team-{number:05}"


def _expires(number: int) -> tuple[str, str]:
    moment = _FAR + number * 60
    days, seconds = divmod(moment, 86_400)
    # 22000 days are 2030-03-27; only the day and the time of day vary.
    text = f"2031-01-{1 + days % 28:02}T{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}Z"
    return "grant_expiry", json.dumps({"expires_at": text})


def _some(count: int, of: int, *what: object) -> list[int]:
    """`count` different numbers below `of`, always the same for the same thing."""
    start = int.from_bytes(_bytes(*what)[:8], "big")
    step = start // of % (of - 1) + 1 if of > 1 else 1
    return list(dict.fromkeys((start + step * position) % of for position in range(count)))


def _bytes(*what: object) -> bytes:
    return hashlib.blake2b(repr(what).encode(), digest_size=10).digest()
