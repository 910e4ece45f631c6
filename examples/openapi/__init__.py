"""A small HTTP API that knows nothing of MCP, to put behind the gateway by its OpenAPI document."""
