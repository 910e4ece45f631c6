"""An MCP server with the names the official conformance suite asks for; an upstream to judge the gateway by.

Every tool, prompt and resource here exists because a scenario of `@modelcontextprotocol/conformance` calls it.
"""
