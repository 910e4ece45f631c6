"""`audit export`: what happened, as a file for somebody who checks or reads it elsewhere."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Literal

import typer

from mcp_gateway.audit import Wanted
from mcp_gateway.audit.erasure import Personal
from mcp_gateway.audit.export import Exported, to_directory, to_file
from mcp_gateway.audit.export_csv import to_csv
from mcp_gateway.cli import audit_wanted
from mcp_gateway.cli.audit_wanted import AgentOption, KindOption, SinceOption, ToolOption, UntilOption, UserOption
from mcp_gateway.cli.desk import Front, plain_command
from mcp_gateway.errors import OperatorError


def register(app: typer.Typer) -> None:
    plain_command(app, "export")(export)


def export(
    front: Front,
    output: Annotated[
        str, typer.Option("-o", "--output", help="A file; or a directory, when it is one or ends with a slash.")
    ],
    since: SinceOption = None,
    until: UntilOption = None,
    user: UserOption = None,
    agent: AgentOption = None,
    tool: ToolOption = None,
    kind: KindOption = None,
    format: Annotated[
        Literal["jsonl", "csv"], typer.Option("--format", help="jsonl can be verified; csv is for people.")
    ] = "jsonl",
    proofs: Annotated[
        bool, typer.Option("--proofs", help="Of a part: each record with a proof of its own, up to 500.")
    ] = False,
    reveal: Annotated[bool, typer.Option("--reveal", help="Of csv: values sealed for a person in the clear.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
) -> None:
    """Write the audit to a file, or whole to a directory: checked with `audit verify`, read again with `audit replay`."""
    wanted = audit_wanted.wanted(since=since, until=until, user=user, agent=agent, tool=tool, kind=kind)
    target, whole = Path(output), output.endswith("/") or Path(output).is_dir()
    _refuse(wanted, target, whole=whole, format=format, reveal=reveal)
    if proofs and (format == "csv" or wanted == Wanted()):
        raise OperatorError("only records of a part, as jsonl, need proofs", where="--proofs")
    data_dir = audit_wanted.data_dir_of(front)
    with front.terminal.progress("writing the export") as progress:
        if format == "csv":
            opened = Personal(data_dir.people).opened if reveal else dict
            found = to_csv(data_dir.audit, target, wanted=wanted, opened=opened, force=force, progress=progress)
        elif whole:
            found = to_directory(data_dir.audit, target, force=force, progress=progress)
        else:
            found = to_file(
                data_dir.audit,
                target,
                wanted=wanted,
                proofs=proofs,
                at=time.time(),
                force=force,
                progress=progress,
            )
    _answer(front, found, target, format)


def _refuse(wanted: Wanted, target: Path, *, whole: bool, format: str, reveal: bool) -> None:
    if whole and format == "csv":
        raise OperatorError("a table is one file", where=str(target), remedy="-o audit.csv")
    if whole and wanted != Wanted():
        raise OperatorError(
            "a directory has the whole audit; a part of it goes to a file", where=str(target), remedy="-o part.jsonl"
        )
    if reveal and format != "csv":
        raise OperatorError("a revealed record is not the one that was hashed", where="--reveal", remedy="--format csv")


def _answer(front: Front, found: Exported, target: Path, format: str) -> None:
    verifiable = {"csv": "no", "jsonl": "each record by itself" if found.filtered else "whole"}[format]
    told = {
        "output": str(target),
        "format": format,
        "records": found.records,
        "checkpoints": found.checkpoints,
        "proofs": found.proofs,
        "bytes": found.bytes,
        "filtered": found.filtered,
        "verifiable": verifiable,
    }
    lines = [f"{found.records} records and {found.checkpoints} checkpoints, {found.bytes} bytes, in {target}"]
    if found.filtered and format == "jsonl":
        lines.append("a part of the audit: that nothing is missing between its records cannot be checked")
    elif format == "csv":
        lines.append("a table cannot be verified; jsonl can")
    front.terminal.answer(told, *lines)
