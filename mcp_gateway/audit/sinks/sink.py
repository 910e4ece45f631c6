"""What a sink is: somewhere records are also kept. It takes a batch or says why not; following does the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from mcp_gateway.audit.sinks.reading import Batch


class SinkFailure(Exception):
    """The batch was not taken, or nobody knows; it is sent again. The message is for operators and holds no secret."""

    def __init__(self, said: str, *, too_large: bool = False, retry_after: float | None = None) -> None:
        super().__init__(said)
        self.too_large = too_large
        """A smaller batch may be taken."""
        self.retry_after = retry_after
        """Seconds the other side asks us to wait."""


@dataclass(frozen=True, slots=True)
class Taken:
    rejected: int = 0
    """Records the other side said it will never keep."""
    said: str = ""


class Sink(Protocol):
    async def send(self, batch: Batch) -> Taken:
        """Return once the other side has the batch; raises SinkFailure. The same batch may come again."""
        ...

    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Posted:
    status: int
    body: bytes
    """The first few kilobytes."""
    retry_after: float | None = None


class Post(Protocol):
    """The way to where an HTTP sink is."""

    async def __call__(self, body: bytes, headers: Mapping[str, str], /) -> Posted:
        """Raises a GatewayError that says why it cannot be reached."""
        ...

    async def aclose(self) -> None: ...
