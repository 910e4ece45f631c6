"""`python -m mcp_gateway` is `mcp-gateway`."""

from mcp_gateway.cli.main import main

main()
