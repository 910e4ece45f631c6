"""The upstream room: do it. Credentials, sessions, transports and circuits towards the MCP servers behind us."""

from mcp_gateway.upstream.addresses import Resolve
from mcp_gateway.upstream.limits import Limits
from mcp_gateway.upstream.link import Hello
from mcp_gateway.upstream.listing import Listed
from mcp_gateway.upstream.openapi.binding import unusable
from mcp_gateway.upstream.upstreams import Upstreams

__all__ = ["Hello", "Limits", "Listed", "Resolve", "Upstreams", "unusable"]
