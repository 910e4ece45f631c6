"""Reads: browse, explain, audit queries and events; filtered by who asks."""

from mcp_gateway.audit import Wanted
from mcp_gateway.authorization import Access
from mcp_gateway.inspection.browse import Filter
from mcp_gateway.inspection.definition import Parameter
from mcp_gateway.inspection.events import Event, EventBoard, EventSource, Subscription
from mcp_gateway.inspection.inspection import Inspection
from mcp_gateway.inspection.views import (
    Asker,
    OsUser,
    ServerView,
    Shown,
    Standing,
    ToolAccess,
    ToolDetail,
    ToolPage,
    ToolView,
)

__all__ = [
    "Access",
    "Asker",
    "Event",
    "EventBoard",
    "EventSource",
    "Filter",
    "Inspection",
    "OsUser",
    "Parameter",
    "ServerView",
    "Shown",
    "Standing",
    "Subscription",
    "ToolAccess",
    "ToolDetail",
    "ToolPage",
    "ToolView",
    "Wanted",
]
