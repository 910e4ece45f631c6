"""Token → `Principal`. Verifies signature, issuer, audience, time and revocation; raises with a reason, never returns None."""

from mcp_gateway.identity.identity import Identity
from mcp_gateway.identity.keys import RemoteKeys
from mcp_gateway.identity.memberships import MembershipClaims
from mcp_gateway.identity.tokens import KeySource, TrustedIssuer, VerificationKey

__all__ = ["Identity", "KeySource", "MembershipClaims", "RemoteKeys", "TrustedIssuer", "VerificationKey"]
