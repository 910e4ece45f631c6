"""What every question to an OpenFGA server carries: the time, and what the token alone says of this request. Pure."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from mcp_gateway.authorization.engine.model import Model, subject_kind
from mcp_gateway.authorization.relationships import InContext
from mcp_gateway.errors import AuthorizationUnavailable

_CLOCK_STEP_SECONDS = 10
"""The time sent is rounded up to this: conditions end early, never late, and the server can cache."""


def about(model: Model, in_context: InContext | None, now: float) -> dict[str, Any]:
    """The context and the contextual tuples; raises AuthorizationUnavailable for a token that says what cannot be."""
    return {
        "context": {"current_time": _rounded_up(now)},
        "contextual_tuples": {"tuple_keys": _contextual(model, in_context)},
    }


def _contextual(model: Model, in_context: InContext | None) -> list[dict[str, str]]:
    """Exactly one `in_context`, for the one user and the one agent, and the memberships the token claims."""
    if in_context is None:
        return []
    user, agent, memberships = in_context
    if subject_kind(user) != "user" or subject_kind(agent) != "agent":
        raise AuthorizationUnavailable("a request is bound to one user and one agent")
    for relation, object_ in memberships:
        if model.objection(object_, relation, user, "") is not None:
            raise AuthorizationUnavailable("the token claims a membership the model does not know")
    found = [("in_context", agent), *memberships]
    return [{"user": user, "relation": relation, "object": object_} for relation, object_ in found]


def _rounded_up(now: float) -> str:
    step = _CLOCK_STEP_SECONDS
    return datetime.fromtimestamp(math.ceil(now / step) * step, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
