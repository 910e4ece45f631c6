"""A recorded decision, read back as what it was made of. Pure; what the record does not hold is None, never a guess."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from mcp_gateway.audit import Record
from mcp_gateway.authorization import Memberships
from mcp_gateway.model.decision import Check
from mcp_gateway.model.tool import Risk

COMPLETION = "completion/complete"
_VERBS = frozenset({"tools/call", "prompts/get", "resources/read", "resources/subscribe", COMPLETION})
_ALLOWS = frozenset({"access.allowed", "access.observed"})


@dataclass(frozen=True, slots=True)
class RuleSaid:
    id: str
    digest: str
    """Of what the rule required; empty in a record that does not tell."""
    result: str
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Past:
    """One use of a tool, prompt or resource that was decided by relationships."""

    request: str
    verb: str
    at: float
    user: str
    agent: str
    tool: str
    """The id; of a prompt or resource where it is one."""
    digest: str
    risk: Risk
    codes: tuple[str, ...]
    """The reasons; of an allow also what was only observed."""
    allowed: bool
    answers: Mapping[Check, bool]
    model_id: str
    revision: int
    scopes: frozenset[str] | None
    memberships: Memberships
    mapping: str | None
    """Digest of the resource rules it was asked under, empty for none; None when the record does not tell."""
    session: str | None
    protocol: str | None
    rules: tuple[RuleSaid, ...]


def past_of(record: Record) -> Past | None:
    """None when the record is no decision about a tool: a list, an event, an outcome, an unknown tool.

    What is asked of a task is left out: it is the call that began it, decided once more.
    """
    if record.get("kind") not in {"intent", "decision"} or record.get("verb") not in _VERBS:
        return None
    if not record.get("questions") or not record.get("reasons") or "tool" not in record:
        return None
    try:
        return _read(record)
    except (KeyError, TypeError, ValueError):
        return None


def _read(record: Record) -> Past:
    codes = tuple(str(reason["code"]) for reason in record["reasons"])
    allowed = _ALLOWS.issuperset(codes)
    scope: object = record.get("scope")
    return Past(
        request=str(record["request"]),
        verb=str(record["verb"]),
        at=float(record["at"]),
        user=str(record["user"]),
        agent=str(record["agent"]),
        tool=str(record["tool"]),
        digest=str(record["digest"]),
        risk=Risk(record["risk"]),
        codes=codes + tuple(str(one["code"]) for one in record.get("observed", ()) if allowed),
        allowed=allowed,
        answers={Check(str(s), str(r), str(o)): yes is True for s, r, o, yes in record["questions"]},
        model_id=str(record["model"]),
        revision=int(record["revision"]),
        scopes=frozenset(scope.split()) if isinstance(scope, str) else None,
        memberships=tuple((str(relation), str(object_)) for relation, object_ in record.get("memberships", ())),
        # A record that tells the scopes would tell a mapping if there had been one.
        mapping=cast("str | None", record.get("mapping", "" if isinstance(scope, str) else None)),
        session=cast("str | None", record.get("session")),
        protocol=cast("str | None", record.get("protocol")),
        rules=tuple(
            RuleSaid(str(one["id"]), str(one.get("digest", "")), str(one["result"]), one.get("attributes", {}))
            for one in record.get("rules", ())
        ),
    )
