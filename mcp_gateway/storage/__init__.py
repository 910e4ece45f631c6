"""One store over SQLAlchemy Core, its change feed, and one file per part.

Every change commits together with a row in `changes`, whose id is the revision. A process
follows the feed before it decides anything, so an acknowledged change binds the next call.
"""

from mcp_gateway.storage.database import Database, Transaction
from mcp_gateway.storage.feed import Change, ChangeFeed, Follower

__all__ = ["Change", "ChangeFeed", "Database", "Follower", "Transaction"]
