"""Token → `Principal`. Verifies signature, issuer, audience, time and revocation; raises with a reason, never returns None."""
