"""Where commands read and write. Answers go to stdout, everything else to stderr.

Much of what is shown was written by others (tool names, descriptions), so nothing is taken as
markup and no control character reaches the terminal.
"""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeAlias

from rich.console import Console
from rich.prompt import Confirm
from rich.table import Table
from rich.text import Text

from mcp_gateway.cli.exits import Exit
from mcp_gateway.errors import GatewayError, OperatorError

Json: TypeAlias = Mapping[str, Any] | Sequence[Any]

_UNBOUNDED_COLUMNS = 2000
"""Width for files and pipes: nothing is cut there."""


class Terminal:
    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._out = _console(stderr=False)
        self._err = _console(stderr=True)

    @property
    def interactive(self) -> bool:
        """A person can be asked."""
        return sys.stdin.isatty() and not self.as_json

    def answer(self, value: Json, *lines: str) -> None:
        """The command's answer: `value` with --json, otherwise `lines`."""
        if self.as_json:
            self.json(value)
            return
        for line in lines:
            self._out.print(visible(line), soft_wrap=True)

    def table(self, value: Json, headings: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str) -> None:
        """`value` with --json, otherwise a table, or on stderr why there is none."""
        if self.as_json:
            self.json(value)
            return
        table = Table(*headings, box=None, pad_edge=False, header_style="bold")
        for row in rows:
            table.add_row(*(Text(visible(cell), overflow="fold") for cell in row))
        if table.row_count:
            self._out.print(table)
        else:
            self.note(empty)

    def json(self, value: Json) -> None:
        sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")

    def line(self, text: str) -> None:
        """One line of an answer that comes piece by piece."""
        sys.stdout.write(visible(text) + "\n")
        sys.stdout.flush()

    def note(self, text: str) -> None:
        """Something to know besides the answer."""
        self._err.print(visible(text), soft_wrap=True)

    def failure(self, error: GatewayError) -> None:
        """One sentence, and the next step if there is one."""
        self._err.print(Text(f"error: {visible(str(error))}", style="bold red"), soft_wrap=True)
        remedy = error.remedy if isinstance(error, OperatorError) else ""
        if remedy:
            self._err.print(f"  try: {visible(remedy)}", soft_wrap=True)

    def agreed(self, question: str) -> bool:
        """Ask a person; without one the answer is no."""
        return self.interactive and Confirm.ask(visible(question), console=self._err, default=False)

    def secret(self, prompt: str, *, from_stdin: bool) -> str:
        """A password: one line of stdin, or typed twice without echo."""
        if from_stdin:
            return sys.stdin.readline().rstrip("\r\n")
        if not sys.stdin.isatty():
            raise OperatorError("a password must be typed", remedy="--password-stdin reads it from a pipe")
        first = getpass.getpass(f"{prompt}: ")
        if getpass.getpass(f"{prompt} again: ") != first:
            raise OperatorError("the two passwords differ")
        return first

    @contextmanager
    def busy(self, text: str) -> Generator[None]:
        """Show that something takes its time, when somebody is looking."""
        if not self._err.is_terminal or self.as_json:
            yield
            return
        with self._err.status(visible(text)):
            yield

    @contextmanager
    def progress(self, text: str) -> Generator[Callable[[int, int], None]]:
        """Like `busy`, for work that can say how much of how much is done."""
        if not self._err.is_terminal or self.as_json:
            yield lambda done, total: None
            return
        with self._err.status(visible(text)) as status:
            yield lambda done, total: status.update(f"{visible(text)}: {100 * done // max(total, 1)} %")


class Declined(Exception):
    """A person said no."""

    code = Exit.DECLINED


def visible(text: str) -> str:
    """`text` without characters that move a cursor or change what stands around them; line breaks stay."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() or character == "\n" else "�" for character in text)


def when(seconds: float | None) -> str:
    """A moment in local time, for people."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M") if seconds is not None else "-"


def _console(*, stderr: bool) -> Console:
    looked_at = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(
        stderr=stderr, markup=False, highlight=False, emoji=False, width=None if looked_at else _UNBOUNDED_COLUMNS
    )
