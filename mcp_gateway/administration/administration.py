"""The façade. Doors and the command line change things here and nowhere else; who may do so they establish."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from mcp_gateway.administration.access import Access
from mcp_gateway.administration.changes import Journal
from mcp_gateway.administration.grants import Grants
from mcp_gateway.administration.moving import Moving
from mcp_gateway.administration.people import People, Users
from mcp_gateway.administration.records import PersonKeys, Records
from mcp_gateway.administration.rules import Vocabulary
from mcp_gateway.administration.servers import Servers
from mcp_gateway.administration.switches import KillSwitches
from mcp_gateway.catalog import Review
from mcp_gateway.model.tool import Upstream
from mcp_gateway.storage import Database


class Administration(Access, Grants, KillSwitches, Moving, People, Records, Servers):
    """Every change has an actor, an audit record that is durable before it, and a revision."""

    def __init__(
        self,
        database: Database,
        journal: Journal,
        vocabulary: Vocabulary,
        *,
        users: Users,
        review: Review,
        personal: PersonKeys,
        registry: Path,
        check_policies: Callable[[Sequence[Upstream]], object],
    ) -> None:
        """`check_policies` raises OperatorError when the policy files, or their fit to the registry, are wrong."""
        super().__init__(database, journal, vocabulary)
        self._users = users
        self._review = review
        self._personal = personal
        self._registry = registry
        self._check_policies = check_policies
