"""A small ticket system as an MCP server: nine tools of three risk levels, both protocol eras, data in memory.

It authenticates nobody: who may read which ticket is the gateway's decision, so it listens on loopback only.
"""
