"""What exists now: the declared registry, what was discovered, its review state and exposed names."""

from mcp_gateway.catalog.catalog import Catalog
from mcp_gateway.catalog.index import Listing
from mcp_gateway.catalog.links import Link, Links
from mcp_gateway.catalog.naming import named, spoken
from mcp_gateway.catalog.review import Findings, Review

__all__ = ["Catalog", "Findings", "Link", "Links", "Listing", "Review", "named", "spoken"]
