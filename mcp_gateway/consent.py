"""What a user may hand to an agent on the consent page, and what becomes of the ticks.

The authorization server asks here; the answer is the same rule that governs calls, and what is
ticked is bounded again when it is written.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mcp_gateway.administration import Administration, SelfGrant, is_tickable
from mcp_gateway.authorization import Authorization
from mcp_gateway.authserver import Offer, OfferedLevel
from mcp_gateway.catalog import Catalog
from mcp_gateway.model.ids import AgentId, UserId
from mcp_gateway.model.principal import Person
from mcp_gateway.model.tool import Kind, Risk, Tool
from mcp_gateway.storage import ChangeFeed


@dataclass(frozen=True, slots=True)
class Offers:
    """The servers and risk levels a user has something in: tools, prompts or resources."""

    feed: ChangeFeed
    catalog: Catalog
    authorization: Authorization
    self_grant: SelfGrant

    async def offers(self, user: UserId) -> Sequence[Offer]:
        await self.feed.keep_up()
        tools = [tool for kind in Kind for tool in self.catalog.every(kind)]
        usable = await self.authorization.usable_by(Person(user, ""), tools, now=time.time())
        by_server: dict[str, list[Tool]] = defaultdict(list)
        for tool in tools:
            if tool.id in usable:
                by_server[tool.server].append(tool)
        return [self._offer(server, found) for server, found in sorted(by_server.items())]

    def _offer(self, server: str, tools: Sequence[Tool]) -> Offer:
        levels = [
            OfferedLevel(
                risk,
                _names(tools, risk, Kind.TOOL),
                tickable=is_tickable(risk, self.self_grant),
                prompts=_names(tools, risk, Kind.PROMPT),
                resources=_names(tools, risk, Kind.RESOURCE, Kind.TEMPLATE),
            )
            for risk in Risk
        ]
        description = self.catalog.upstreams[server].description
        return Offer(
            server, description, tuple(level for level in levels if level.tools or level.prompts or level.resources)
        )


def _names(tools: Sequence[Tool], risk: Risk, *kinds: Kind) -> tuple[str, ...]:
    return tuple(tool.name for tool in tools if tool.risk is risk and tool.kind in kinds)


@dataclass(frozen=True, slots=True)
class Ledger:
    """Writes an approved consent as a delegation and one grant for that user alone."""

    administration: Administration
    self_grant: SelfGrant

    async def approve(
        self, user: UserId, agent: AgentId, client: str, ticks: Mapping[str, Risk], expires: float
    ) -> None:
        await self.administration.approve_consent(user, agent, ticks, self_grant=self.self_grant, until=expires)
