"""The built-in OAuth 2.1 authorization server: users log in, approve a client, the client gets tokens.

A door: it says who a user is and what a user approved, never what anybody may do.
"""

from mcp_gateway.authserver.clients import RegisteredClient
from mcp_gateway.authserver.documents import TRUSTED_HOSTS
from mcp_gateway.authserver.keys import ALGORITHM, KeyRing
from mcp_gateway.authserver.ports import ConsentLedger, ConsentOffers, Fetch, Journal, Offer, OfferedLevel, Seals
from mcp_gateway.authserver.server import AuthServer, routes
from mcp_gateway.authserver.sessions import Sessions
from mcp_gateway.authserver.tokens import ALL_SCOPES, TOKEN_TYPE, Minted, mint, new_family
from mcp_gateway.authserver.users import UserRow, Users

__all__ = [
    "ALGORITHM",
    "ALL_SCOPES",
    "AuthServer",
    "ConsentLedger",
    "ConsentOffers",
    "Fetch",
    "Journal",
    "KeyRing",
    "Minted",
    "Offer",
    "OfferedLevel",
    "RegisteredClient",
    "Seals",
    "Sessions",
    "TOKEN_TYPE",
    "TRUSTED_HOSTS",
    "UserRow",
    "Users",
    "mint",
    "new_family",
    "routes",
]
