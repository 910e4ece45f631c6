"""A process that records calls, to be killed or to be given a full disk; run by `test_crash.py`.

child.py kill DIR     calls in flight for ever; prints a request id only when its call was answered
child.py full DIR     a file may grow no further; prints what happened as JSON
"""

from __future__ import annotations

import itertools
import json
import os
import resource
import sys
from pathlib import Path

import anyio
import anyio.lowlevel

from mcp_gateway.audit import Journal
from mcp_gateway.errors import AuditUnavailable
from mcp_gateway.model.call import Answer, Caller, Permit
from mcp_gateway.model.tool import Risk
from tests.unit.audit.calls import OK, call


async def kill(directory: Path) -> None:
    numbers = itertools.count()

    async def keep_calling(journal: Journal, risk: Risk) -> None:
        while True:
            identifier = f"r-{next(numbers)}"
            await call(journal, risk=risk, identifier=identifier)
            os.write(1, f"{identifier}\n".encode())
            await anyio.lowlevel.checkpoint()

    async with Journal(directory, max_bytes=200_000) as journal, anyio.create_task_group() as tasks:
        for risk in (Risk.READ, Risk.WRITE) * 10:
            tasks.start_soon(keep_calling, journal, risk)


async def full(directory: Path) -> None:
    forwarded: list[str] = []
    refused: list[str] = []

    async def forward(permit: Permit, caller: Caller) -> Answer:
        forwarded.append(permit.request.id)
        return OK

    async def try_call(journal: Journal, identifier: str) -> None:
        try:
            await call(journal, forward, identifier=identifier)
        except AuditUnavailable:
            refused.append(identifier)

    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with Journal(directory) as journal:
        await try_call(journal, "r-before")
        (path,) = list(directory.iterdir())  # noqa: ASYNC240
        # In the middle of the next record, so that the disk takes a part of it; then nothing at all.
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 100, unlimited[1]))
        await try_call(journal, "r-part")
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, unlimited[1]))
        await try_call(journal, "r-nothing")
        await try_call(journal, "r-nothing-again")
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        await try_call(journal, "r-after")
    print(json.dumps({"forwarded": forwarded, "refused": refused}))


if __name__ == "__main__":
    anyio.run({"kill": kill, "full": full}[sys.argv[1]], Path(sys.argv[2]))
