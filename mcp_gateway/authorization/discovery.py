"""What a tool is to somebody who looks for it, by the decision that lists it. Pure.

callable      listed; every call is allowed
depends       listed; a call is allowed or not by what it names
requestable   not listed, but only somebody's yes is missing, and the tool is one people may ask for
hidden        not listed, and nobody is told that it exists
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from mcp_gateway.model.tool import Tool


class Access(StrEnum):
    CALLABLE = "callable"
    DEPENDS = "depends"
    REQUESTABLE = "requestable"
    HIDDEN = "hidden"


ASKABLE = frozenset({"user.not_allowed", "agent.not_granted", "agent.not_delegated"})
"""What an access, a grant or a consent would change; anything else is not for people to ask for."""


def access(tool: Tool, *, listed: bool, depends: bool, missing: Collection[str]) -> Access:
    """`missing` are the reason codes of a tool that is not listed."""
    if listed:
        return Access.DEPENDS if depends else Access.CALLABLE
    return Access.REQUESTABLE if tool.requestable and missing and ASKABLE.issuperset(missing) else Access.HIDDEN
