"""The first-party door: HTTP API and pages for people; cannot call a tool."""

from mcp_gateway.api.signed_in import Desk
from mcp_gateway.api.site import app
from mcp_gateway.api.snippets import Snippet, snippets

__all__ = ["Desk", "Snippet", "app", "snippets"]
