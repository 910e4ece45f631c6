"""What reaches a terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mcp_gateway.cli.exits import Exit, exit_of
from mcp_gateway.cli.found import suggested_risk
from mcp_gateway.cli.terminal import Terminal, visible
from mcp_gateway.errors import (
    AuditUnavailable,
    AuthorizationUnavailable,
    BadRequest,
    GatewayError,
    OperatorError,
    UpstreamTimeout,
)
from mcp_gateway.model.tool import Risk
from tests.support.command_server import commands


def test_control_characters_of_others_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal(as_json=False).table([], ("tool",), [("\x1b[2Jgone\u202e",)], empty="")
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "gone" in out


def test_names_of_others_are_not_taken_as_markup(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(as_json=False)
    terminal.answer({}, "[red]x[/red] :smile:")
    terminal.table([], ("tool",), [("[bold]y[/bold]",)], empty="")
    out = capsys.readouterr().out
    assert "[red]x[/red] :smile:" in out
    assert "[bold]y[/bold]" in out


def test_json_holds_the_value_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(as_json=True)
    terminal.answer({"name": "é\x1b"}, "a line")
    terminal.note("a note")
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"name": "é\x1b"}
    assert "\x1b" not in captured.out
    assert captured.err == "a note\n"


def test_an_empty_table_says_why_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal(as_json=False).table([], ("tool",), [], empty="there is nothing")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "there is nothing\n")


def test_a_long_cell_is_whole_when_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal(as_json=False).table([], ("tool", "more"), [("x" * 300, "y" * 300)], empty="")
    out = capsys.readouterr().out
    assert "x" * 300 in out
    assert "y" * 300 in out


def test_a_failure_is_one_sentence_and_a_next_step(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal(as_json=False).failure(OperatorError("is wrong", where="a.yaml:3", remedy="mcp-gateway reload"))
    assert capsys.readouterr().err.splitlines() == ["error: a.yaml:3: is wrong", "  try: mcp-gateway reload"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OperatorError("x"), Exit.REFUSED),
        (BadRequest("x"), Exit.REFUSED),
        (AuditUnavailable(), Exit.UNAVAILABLE),
        (AuthorizationUnavailable(), Exit.UNAVAILABLE),
        (UpstreamTimeout(), Exit.UNAVAILABLE),
    ],
)
def test_an_error_has_the_exit_code_of_who_must_act(error: GatewayError, code: Exit) -> None:
    assert exit_of(error) is code


def test_line_breaks_stay_visible() -> None:
    assert visible("a\nb\tc") == "a\nb�c"


@pytest.mark.parametrize(
    ("annotations", "risk"),
    [
        (None, None),
        ({}, None),
        ("nonsense", None),
        ({"title": "x"}, None),
        ({"readOnlyHint": True}, Risk.READ),
        ({"readOnlyHint": True, "destructiveHint": True}, Risk.READ),
        ({"readOnlyHint": False}, Risk.DESTRUCTIVE),
        ({"readOnlyHint": False, "destructiveHint": False}, Risk.WRITE),
        ({"destructiveHint": True}, Risk.DESTRUCTIVE),
        ({"readOnlyHint": "true"}, Risk.DESTRUCTIVE),
    ],
)
def test_a_hint_suggests_a_risk_and_silence_suggests_none(annotations: object, risk: Risk | None) -> None:
    assert suggested_risk({"annotations": annotations}) is risk


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_reader_who_leaves_early_is_no_error(tmp_path: Path, more: tuple[str, ...]) -> None:
    assert commands.run(["--data-dir", str(tmp_path / "data"), "setup"]).code == 0
    program = [sys.executable, "-m", "mcp_gateway", "--data-dir", str(tmp_path / "data"), "access", "list", *more]
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(program, stdout=writing, stderr=subprocess.PIPE, cwd=tmp_path, timeout=60, check=False)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")
