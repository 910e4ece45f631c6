"""The MCP door: HTTP in both eras; decides nothing."""
