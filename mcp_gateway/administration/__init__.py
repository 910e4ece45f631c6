"""The PAP: every change to access, grants, delegations, kill switches, agents, users, registry, catalog; audited."""

from mcp_gateway.administration.administration import Administration
from mcp_gateway.administration.changes import Journal
from mcp_gateway.administration.grants import Delegation
from mcp_gateway.administration.moving import Difference, Extra
from mcp_gateway.administration.people import FIRST_USER, KnownUser, Users
from mcp_gateway.administration.rules import Level, SelfGrant, Vocabulary, is_tickable

__all__ = [
    "FIRST_USER",
    "Administration",
    "Delegation",
    "Difference",
    "Extra",
    "Journal",
    "KnownUser",
    "Level",
    "SelfGrant",
    "Users",
    "Vocabulary",
    "is_tickable",
]
