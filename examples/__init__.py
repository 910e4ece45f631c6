"""Sample MCP servers to put behind the gateway; not part of the installed package."""
