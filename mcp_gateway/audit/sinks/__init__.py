"""Where records are also kept: followers over the files, so a sink can be late and nothing waits for it."""

from mcp_gateway.audit.sinks.following import Following, Pace
from mcp_gateway.audit.sinks.local import FileSink, StdoutSink
from mcp_gateway.audit.sinks.otlp import OtlpSink
from mcp_gateway.audit.sinks.position import FOLDER, Place, State, had_by_all, least_position, load, turn
from mcp_gateway.audit.sinks.reading import Behind, behind
from mcp_gateway.audit.sinks.sink import Post, Posted, Sink, SinkFailure, Taken
from mcp_gateway.audit.sinks.webhook import WebhookSink, key_of

__all__ = [
    "FOLDER",
    "Behind",
    "FileSink",
    "Following",
    "OtlpSink",
    "Pace",
    "Place",
    "Post",
    "Posted",
    "Sink",
    "SinkFailure",
    "State",
    "StdoutSink",
    "Taken",
    "WebhookSink",
    "behind",
    "had_by_all",
    "key_of",
    "least_position",
    "load",
    "turn",
]
