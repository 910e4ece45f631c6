"""Clients at the other end of a call, for tests of the rooms between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mcp_gateway.errors import Declined


class Nobody:
    """Expects to be told nothing, and cannot be asked."""

    asked: Sequence[str] = ()

    async def notify(self, message: Mapping[str, Any], /) -> None:
        raise AssertionError(f"nothing was to be told: {message['method']}")

    async def ask(self, method: str, params: Mapping[str, Any], /) -> Mapping[str, Any]:
        raise Declined(f"the client cannot be asked {method}")
