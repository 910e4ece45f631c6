"""What exists now: the declared registry, the discovered tools, their review state and exposed names."""

from mcp_gateway.catalog.catalog import Catalog
from mcp_gateway.catalog.index import Listing
from mcp_gateway.catalog.links import Links
from mcp_gateway.catalog.review import Findings, Review

__all__ = ["Catalog", "Findings", "Links", "Listing", "Review"]
