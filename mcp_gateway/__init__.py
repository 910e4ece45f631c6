"""An MCP gateway: who, through which agent, may do what, on which resource, and it can be revoked."""

__version__ = "0.1.0"
