"""OpenFGA's BatchCheck: many questions in few requests, every answer accounted for.

A question the server answers with an error, leaves out, or answers with anything but true or false is
unanswered. An answer to a question nobody asked spoils the whole request.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import anyio

from mcp_gateway.authorization.backends.openfga_client import CODE, OpenFgaClient
from mcp_gateway.authorization.backends.openfga_pin import require_same
from mcp_gateway.errors import AuthorizationUnavailable
from mcp_gateway.model.decision import Check

_log = logging.getLogger(__name__)

_CHECKS_PER_BATCH = 50
"""What a server takes unless it is told otherwise."""


class Pace(NamedTuple):
    """How much a server is asked at once; one that is asked too much leaves questions open."""

    checks_per_batch: int
    batches_at_once: int


DECIDE = Pace(_CHECKS_PER_BATCH, 2)
LIST = Pace(25, 2)
GENTLY = Pace(10, 1)

_serials = itertools.count(1)


class Batches:
    """Asks one store. `about` is what every question carries: context and contextual tuples."""

    def __init__(self, client: OpenFgaClient, store: str) -> None:
        self._client = client
        self._store = store

    async def ask(
        self, checks: Sequence[Check], *, about: Mapping[str, Any], model: str, consistency: str, pace: Pace = DECIDE
    ) -> dict[Check, bool | None]:
        """As `answered`. Raises what the client raises, and Mispinned."""
        if len(checks) <= pace.checks_per_batch:
            return await self._batch(checks, about, model, consistency) if checks else {}
        found: dict[Check, bool | None] = {}
        limiter = anyio.CapacityLimiter(pace.batches_at_once)
        failures: list[AuthorizationUnavailable] = []

        async def one(chunk: Sequence[Check]) -> None:
            async with limiter:
                try:
                    found.update(await self._batch(chunk, about, model, consistency))
                except AuthorizationUnavailable as exc:
                    failures.append(exc)
                    tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            for start in range(0, len(checks), pace.checks_per_batch):
                tasks.start_soon(one, checks[start : start + pace.checks_per_batch])
        if failures:
            raise failures[0]
        return found

    async def _batch(
        self, checks: Sequence[Check], about: Mapping[str, Any], model: str, consistency: str
    ) -> dict[Check, bool | None]:
        # Unlike any other request's, so that no answer can be taken for one to these questions.
        serial = next(_serials)
        asked = {f"{serial}-{number}": check for number, check in enumerate(checks)}
        questions = [
            {
                "correlation_id": identifier,
                "tuple_key": {"user": check.subject, "relation": check.relation, "object": check.object},
                **about,
            }
            for identifier, check in asked.items()
        ]
        body = {"checks": questions, "authorization_model_id": model, "consistency": consistency}
        answer = await self._client.post(f"/stores/{self._store}/batch-check", body)
        require_same(answer, store=self._store, model=model)
        return answered(asked, answer.body.get("result"))


def answered(asked: Mapping[str, Check], result: object) -> dict[Check, bool | None]:
    """Yes, no, or None where the server says that there is no answer; what it left open is missing.

    Raises AuthorizationUnavailable for answers nobody asked for.
    """
    if not isinstance(result, dict):
        raise AuthorizationUnavailable("the relationship server answered no result")
    found: dict[Check, bool | None] = {}
    for identifier, item in cast(dict[str, object], result).items():
        if identifier not in asked:
            raise AuthorizationUnavailable("the relationship server answered a question nobody asked")
        allowed = _allowed(item)
        if allowed is None:
            check, why = asked[identifier], _why(item)
            _log.warning("unanswered: %s %s %s: %s", check.subject, check.relation, check.object, why)
        if allowed is not None or _has_no_answer(item):
            found[asked[identifier]] = allowed
    return found


def _allowed(item: object) -> bool | None:
    one = cast(dict[str, object], item) if isinstance(item, dict) else {}
    allowed = one.get("allowed")
    return allowed if isinstance(allowed, bool) and one.get("error") is None else None


def _has_no_answer(item: object) -> bool:
    """The question itself is at fault: asking it again would not help."""
    error: object = cast(dict[str, object], item).get("error") if isinstance(item, dict) else None
    return isinstance(error, dict) and "input_error" in error


def _why(item: object) -> str:
    """The server's code for a question it could not answer; its message may name anything."""
    error: object = cast(dict[str, object], item).get("error") if isinstance(item, dict) else None
    for value in cast(dict[str, object], error).values() if isinstance(error, dict) else ():
        if isinstance(value, str) and CODE.fullmatch(value):
            return value
    return "no yes and no no"
