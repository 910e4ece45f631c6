"""The name by which readers of registry files know `mcp_gateway.yaml_lines`."""

from __future__ import annotations

from mcp_gateway.yaml_lines import line_of, parse, place_of

__all__ = ["line_of", "parse", "place_of"]
