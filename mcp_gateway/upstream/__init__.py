"""Do it: sessions and transports to the MCP servers behind us; `forward` takes a `Permit`."""
