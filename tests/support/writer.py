"""A process of its own that writes relationships into a store, so that what it wrote has to cross processes to be seen.

It reads one JSON list of [written, subject, relation, object] a line, commits it as one transaction
and answers `ok`.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import TypeAlias

import anyio
import anyio.to_thread

from mcp_gateway.storage import Database
from mcp_gateway.storage.relationships import RelationshipTuple, delete_tuple, write_tuple
from tests.support.processes import ROOT

Changes: TypeAlias = list[tuple[bool, str, str, str]]
_ANSWER_SECONDS = 30.0


class Writer:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    async def commit(self, *changes: tuple[bool, RelationshipTuple]) -> None:
        """Returns when the other process has committed."""
        line = json.dumps([(written, one.subject, one.relation, one.object) for written, one in changes])
        with anyio.fail_after(_ANSWER_SECONDS):
            answer = await anyio.to_thread.run_sync(self._exchange, line, abandon_on_cancel=True)
        assert answer == "ok\n", answer

    def _exchange(self, line: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()


@contextlib.contextmanager
def writer(path: Path) -> Generator[Writer]:
    command = [sys.executable, "-m", "tests.support.writer", str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            yield Writer(process)
        finally:
            process.kill()


async def _serve(path: Path) -> None:
    database = Database(path)
    for line in sys.stdin:
        changes: Changes = json.loads(line)
        async with database.write("os:writer") as transaction:
            for written, subject, relation, object_ in changes:
                row = RelationshipTuple(object_, relation, subject)
                await (write_tuple if written else delete_tuple)(transaction, row)
        print("ok", flush=True)
    await database.close()


if __name__ == "__main__":
    anyio.run(_serve, Path(sys.argv[1]))
