"""What a verified token says its user belongs to: groups, roles and tenants, in the issuer's own namespace. Pure.

An issuer can only name `group:<its alias>/…`, so never another issuer's group and never a stored one. A
claim that is cut short or misshapen refuses the token: a membership may also be what takes a right away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from mcp_gateway.errors import Unauthenticated
from mcp_gateway.model.ids import membership_id

MAX_MEMBERSHIPS = 200
"""Identity providers that list more refer to a second request instead (OpenID Connect Core §5.6.2)."""
_MAX_NAME_LENGTH = 256

_RELATIONS = {"group": "member", "role": "assignee", "tenant": "member"}
"""How the relationship model says that a user belongs to one."""


@dataclass(frozen=True, slots=True)
class MembershipClaims:
    """Which claims of an issuer's tokens say it: a claim's name, or a JSON Pointer such as `/realm_access/roles`."""

    groups: str | None = None
    roles: str | None = None
    tenant: str | None = None


def memberships(claims: Mapping[str, Any], named: MembershipClaims, *, alias: str) -> tuple[tuple[str, str], ...]:
    """(relation, object) pairs, sorted and without repeats; raises Unauthenticated for a claim that will not do."""
    found: set[tuple[str, str]] = set()
    for kind, claim in (("group", named.groups), ("role", named.roles), ("tenant", named.tenant)):
        if claim is not None:
            found.update((_RELATIONS[kind], membership_id(kind, alias, name)) for name in _names(claims, claim))
    if len(found) > MAX_MEMBERSHIPS:
        raise Unauthenticated(f"the token names more than {MAX_MEMBERSHIPS} groups, roles and tenants")
    return tuple(sorted(found))


def _names(claims: Mapping[str, Any], claim: str) -> Iterator[str]:
    value = _at(claims, claim)
    if value is None:
        _refuse_elsewhere(claims, claim)
        return
    values = cast("Sequence[Any]", value) if isinstance(value, list) else [value]
    if len(values) > MAX_MEMBERSHIPS:
        raise Unauthenticated(f"the claim {claim} has more than {MAX_MEMBERSHIPS} entries")
    for name in values:
        if not isinstance(name, str) or not name or len(name) > _MAX_NAME_LENGTH:
            raise Unauthenticated(f"the claim {claim} is not a list of short names")
        yield name


def _at(claims: Mapping[str, Any], claim: str) -> Any:
    """The claim's value; None when it is not there."""
    if not claim.startswith("/"):
        return claims.get(claim)
    value: Any = claims
    for step in claim[1:].split("/"):
        if not isinstance(value, Mapping):
            return None
        value = cast("Mapping[str, Any]", value).get(step.replace("~1", "/").replace("~0", "~"))
    return value


def _refuse_elsewhere(claims: Mapping[str, Any], claim: str) -> None:
    """The token says the claim is to be fetched somewhere: not here is then not the same as none."""
    elsewhere = claims.get("_claim_names")
    if isinstance(elsewhere, Mapping) and claim in elsewhere:
        raise Unauthenticated(f"the claim {claim} is not in the token but elsewhere")
    if claims.get("hasgroups") is True:
        raise Unauthenticated(f"the token leaves the claim {claim} out because it is too long")
