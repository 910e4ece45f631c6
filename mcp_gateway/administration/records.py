"""What may be taken from the audit, and how it says so itself: values of a person, and files that are old enough."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import anyio.to_thread

from mcp_gateway.administration.changes import Part
from mcp_gateway.errors import OperatorError
from mcp_gateway.model.ids import UserId

_MAX_REASON = 400


class PersonKeys(Protocol):
    """The keys values of people are sealed with; blocks on files, raises OSError or OperatorError."""

    def erase(self, user: str) -> bool:
        """False when nothing was ever sealed for `user`."""
        ...


class OldFiles(Protocol):
    """Files of the audit that are to go; blocks on them, raises OSError or OperatorError."""

    def declaration(self) -> Mapping[str, Any]:
        """What has to stand in the audit before they go."""
        ...

    def remove(self) -> None: ...


class Records(Part):
    _personal: PersonKeys

    async def audit_erase(self, user: UserId, reason: str, *, actor: str) -> bool:
        """Make every value sealed for `user` unreadable for good; False when there was none. Recorded before it is done."""
        if not reason.strip() or len(reason) > _MAX_REASON:
            raise OperatorError(f"say why, in 1 to {_MAX_REASON} characters", where="--reason")
        async with self._changes.around("audit.erased", actor, user=user, reason=reason):
            return await anyio.to_thread.run_sync(self._personal.erase, user)

    async def audit_prune(self, files: OldFiles, *, actor: str) -> None:
        """Remove old files of the audit; what went, and how the rest is still checked, is recorded first."""
        declared = await anyio.to_thread.run_sync(files.declaration)
        async with self._changes.around("audit.pruned", actor, **declared):
            await anyio.to_thread.run_sync(files.remove)
