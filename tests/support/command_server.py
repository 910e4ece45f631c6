"""Run `mcp-gateway` commands quickly: a process that has everything imported forks one child per command.

Each command still has a process, a standard input and exit code of its own; only the second it
takes to import the program is paid once. Run as a module it is that process.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import IO, NoReturn

from tests.support.processes import ROOT


@dataclass(frozen=True, slots=True)
class Done:
    code: int
    out: str
    err: str


class CommandServer:
    """Started on first use, ended with the test process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def run(self, arguments: Sequence[str], *, stdin: str = "") -> Done:
        """One command, as `mcp-gateway ARGUMENTS` would run it."""
        with self._lock:
            process = self._started()
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(json.dumps({"arguments": list(arguments), "stdin": stdin}) + "\n")
            process.stdin.flush()
            return Done(**json.loads(process.stdout.readline()))

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            command = [sys.executable, "-m", "tests.support.command_server"]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
            )
            atexit.register(self.stop)
        return self._process

    def stop(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait(10)
            self._process = None


commands = CommandServer()


def main() -> None:
    # Imported here, once, so that every child has it.
    for module in ("mcp_gateway.cli.main", "mcp_gateway.compose.office"):
        import_module(module)
    for line in sys.stdin:
        asked = json.loads(line)
        sys.stdout.write(json.dumps(_forked(asked["arguments"], asked["stdin"])) + "\n")
        sys.stdout.flush()


def _forked(arguments: list[str], stdin: str) -> dict[str, object]:
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin.encode())
        given.seek(0)
        pid = os.fork()
        if pid == 0:
            _be_the_command(arguments, given, out, err)
        _, status = os.waitpid(pid, 0)
        return {"code": os.waitstatus_to_exitcode(status), "out": _text(out), "err": _text(err)}


def _be_the_command(arguments: list[str], given: IO[bytes], out: IO[bytes], err: IO[bytes]) -> NoReturn:
    from mcp_gateway.cli.main import run

    for descriptor, file in enumerate((given, out, err)):
        os.dup2(file.fileno(), descriptor)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    code = 70
    try:
        code = int(run(arguments) or 0)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")


if __name__ == "__main__":
    main()
