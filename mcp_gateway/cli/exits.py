"""What a command's exit code means; shown in `mcp-gateway --help`."""

from __future__ import annotations

from enum import IntEnum

from mcp_gateway.errors import GatewayError, Unavailable, UpstreamFailure


class Exit(IntEnum):
    DONE = 0
    REFUSED = 1
    """What was asked for is wrong: a file, a name, a relation. Nothing was changed."""
    USAGE = 2
    """The command line itself is wrong."""
    UNAVAILABLE = 3
    """The store, the audit or a server could not be reached; the same command may work later."""
    DECLINED = 4
    """A question was answered with no."""
    ALTERED = 5
    """The audit, or a proof of it, is not what was written."""
    INTERRUPTED = 130


def exit_of(error: GatewayError) -> Exit:
    return Exit.UNAVAILABLE if isinstance(error, Unavailable | UpstreamFailure) else Exit.REFUSED
