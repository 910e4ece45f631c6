"""Under which conditions an admitted call goes on: one onion, one pass, order fixed in `compose`."""

from mcp_gateway.guards.concurrency import ConcurrencyGuard
from mcp_gateway.guards.onion import Guard, Guards
from mcp_gateway.guards.param_headers import param_headers
from mcp_gateway.guards.schema import SchemaGuard
from mcp_gateway.guards.schema_lint import lint

__all__ = ["ConcurrencyGuard", "Guard", "Guards", "SchemaGuard", "lint", "param_headers"]
