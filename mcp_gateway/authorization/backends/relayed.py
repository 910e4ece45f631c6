"""What backends that relay our changes to a server have in common: which changes it must have, and being refused."""

from __future__ import annotations

import time
from collections.abc import Sequence

from mcp_gateway.authorization.backends.relay import Relay
from mcp_gateway.authorization.engine.model import Model
from mcp_gateway.authorization.relationships import Legs
from mcp_gateway.storage import Change
from mcp_gateway.storage.database import TUPLE_KINDS


class Relayed:
    """The part of `Relationships` that asks no server."""

    def __init__(self, model: Model, relay: Relay) -> None:
        self._model = model
        self._relay = relay
        self._refusal: str | None = None
        self._refused_until = 0.0
        self._revision = 0

    @property
    def revision(self) -> int:
        return self._revision

    @property
    def model_id(self) -> str:
        return self._model.model_id

    @property
    def refusal(self) -> str | None:
        """Stands for a moment; then one question looks whether the server has become right."""
        return self._refusal if time.monotonic() < self._refused_until else None

    def legs(self, object_type: str, relation: str) -> Legs | None:
        return self._model.legs(object_type, relation)

    async def follow(self, changes: Sequence[Change]) -> None:
        self._revision = max(self._revision, changes[-1].revision) if changes else self._revision
        moved = [change.revision for change in changes if change.kind in TUPLE_KINDS]
        if moved:
            self._relay.needs(moved[-1])
