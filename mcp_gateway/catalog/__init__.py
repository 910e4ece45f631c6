"""What exists now: the declared registry, what was discovered, its review state and exposed names."""

from mcp_gateway.catalog.catalog import Catalog
from mcp_gateway.catalog.index import Listing, exposed
from mcp_gateway.catalog.links import Link, Links
from mcp_gateway.catalog.naming import named, spoken
from mcp_gateway.catalog.review import Findings, Review
from mcp_gateway.catalog.templates import variables

__all__ = ["Catalog", "Findings", "Link", "Links", "Listing", "Review", "exposed", "named", "spoken", "variables"]
