"""`audit verify`, `prove`, `key` and `checkpoint`: what an auditor needs to trust no word of ours.

All but `checkpoint --now` and `key --rotate` only read files, also where no gateway is installed beside them.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from mcp_gateway.audit.checkpoint import fingerprint
from mcp_gateway.audit.checkpoint_coverage import status
from mcp_gateway.audit.checkpoint_keeper import Keeper
from mcp_gateway.audit.checkpoint_key import SigningKeys, public_pem, read_public
from mcp_gateway.audit.proof import NotProven, check, prove, records_of
from mcp_gateway.audit.sentence import sentence
from mcp_gateway.audit.verify import verify
from mcp_gateway.audit.verify_report import Report
from mcp_gateway.cli.desk import Desk, Front, command, plain_command
from mcp_gateway.cli.exits import Exit
from mcp_gateway.cli.terminal import when
from mcp_gateway.errors import OperatorError
from mcp_gateway.storage.data_dir import DataDir

_MOST_SHOWN = 50

KeysOption = Annotated[
    list[Path] | None, typer.Option("--key", help="A public key (PEM) to trust and no other; may be repeated.")
]


def register(app: typer.Typer) -> None:
    plain_command(app, "verify")(verify_)
    plain_command(app, "prove")(prove_)
    plain_command(app, "checkpoint")(checkpoint)
    command(app, "key")(key)


def verify_(
    front: Front,
    path: Annotated[Path | None, typer.Argument(help="An export, or a data directory; default: the settings'.")] = None,
    keys: KeysOption = None,
    checkpoints: Annotated[
        list[Path] | None, typer.Option("--checkpoints", help="Checkpoints kept in a second place; may be repeated.")
    ] = None,
    against: Annotated[
        list[Path] | None, typer.Option("--against", help="Another copy of the records to compare; may be repeated.")
    ] = None,
    proof: Annotated[Path | None, typer.Option("--proof", help="Check this proof of one record instead.")] = None,
) -> None:
    """Check that the audit is what was written, whole and in order; exits with 5 when it is not."""
    pinned = [read_public(one) for one in keys or ()]
    if proof is not None:
        _verify_proof(front, proof, pinned)
        return
    root = path or _audit(front).root
    for copy in checkpoints or ():
        if not copy.is_dir():
            raise OperatorError("there are no checkpoints here", where=str(copy))
    with front.terminal.progress("reading the audit") as progress:
        report = verify(
            root,
            keys=pinned,
            against=against or (),
            copies=[place for copy in checkpoints or () for place in _logs(copy)],
            believed=SigningKeys(root / "keys").public() if (root / "keys").is_dir() else (),
            progress=progress,
        )
    front.terminal.answer(_plain(report), *_told(report))
    if not report.whole:
        raise typer.Exit(Exit.ALTERED)


def _verify_proof(front: Front, path: Path, pinned: list[str]) -> None:
    try:
        proven = check(path.read_bytes(), pinned)
    except OSError as exc:
        raise OperatorError("the proof cannot be read", where=str(path)) from exc
    except NotProven as exc:
        front.terminal.answer({"proven": False, "problem": str(exc)}, f"not proven: {exc}")
        raise typer.Exit(Exit.ALTERED) from exc
    plain = {
        "proven": True,
        "pinned": bool(pinned),
        "checkpoint": proven.checkpoint,
        "at": proven.at,
        "key": fingerprint(proven.key),
        "record": proven.record,
    }
    said = f"proven: it was there at checkpoint {proven.checkpoint} of {when(proven.at)}"
    front.terminal.answer(plain, sentence(proven.record), said, _of_keys((fingerprint(proven.key),), bool(pinned)))


def prove_(
    front: Front,
    wanted: Annotated[str, typer.Argument(metavar="REQUEST_ID|WRITER:SEQ", help="Whose records, or which one.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write to this file; default: stdout.")] = None,
    path: Annotated[Path | None, typer.Option("--from", help="An export; default: the data directory.")] = None,
) -> None:
    """Make a proof that a record is in the audit: checked with `audit verify --proof`, by anybody with the key."""
    root = path or _audit(front).root
    places = records_of(root, wanted)
    if not places:
        raise OperatorError("no record names this request", where=wanted, remedy="mcp-gateway audit tail")
    if len(places) > 1:
        listed = ", ".join(f"{writer}:{seq}" for writer, seq in places[:9])
        raise OperatorError("the request has several records; a proof is of one", where=listed, remedy="name one")
    with front.terminal.busy("reading the audit"):
        made = json.dumps(prove(root, *places[0]), ensure_ascii=False)
    if output is None:
        front.terminal.line(made)
        return
    try:
        output.write_text(made + "\n", encoding="utf-8")
    except OSError as exc:
        raise OperatorError("the proof cannot be written", where=str(output)) from exc
    writer, seq = places[0]
    plain = {"proof": str(output), "writer": writer, "seq": seq}
    front.terminal.answer(plain, f"proof of {writer}:{seq} in {output}")


async def key(
    desk: Desk,
    rotate: Annotated[bool, typer.Option("--rotate", help="Sign with a new key; the old one announces it.")] = False,
) -> None:
    """Print the public key that signs checkpoints, for an auditor to keep: `audit key > audit.pem`."""
    keys = SigningKeys(desk.office.data_dir.keys)
    had = keys.public()
    if rotate or not had:
        keys.add()
        await desk.office.journal.event(
            "audit.key_rotated" if had else "audit.key_made", desk.actor, key=fingerprint(keys.public()[-1])
        )
    public = keys.public()
    plain = [{"key": fingerprint(one), "pem": public_pem(one), "signs": one == public[-1]} for one in public]
    desk.terminal.answer(plain, public_pem(public[-1]).rstrip())


def checkpoint(
    front: Front,
    now: Annotated[bool, typer.Option("--now", help="Make one, where no gateway runs that does.")] = False,
) -> None:
    """Show the newest checkpoint, and what the second place has."""
    data_dir = _audit(front)
    if now:
        _make(data_dir)
    found = status(data_dir.audit)
    plain: dict[str, Any] = {
        "number": found.number,
        "at": found.at,
        "key": found.key,
        "records": found.records,
        "places": {place: dict(told) for place, told in found.places.items()},
        "damage": dict(found.damage),
    }
    lines = [f"checkpoint {found.number} of {when(found.at)}: {found.records} records, key {found.key or '-'}"]
    for place, told in found.places.items():
        failing = f", failing since {when(told['failing_since'])}: {told['error']}" if told.get("failing_since") else ""
        lines.append(f"{place}: has {told['delivered']} of {found.number}{failing}")
    lines += [f"damaged: writer {writer}: {problem}" for writer, problem in found.damage.items()]
    front.terminal.answer(plain, *lines)


def _make(data_dir: DataDir) -> None:
    if not SigningKeys(data_dir.keys).public():
        raise OperatorError("there is no key to sign with", where=str(data_dir.keys), remedy="mcp-gateway audit key")
    keeper = Keeper(data_dir.audit, data_dir.keys)
    if not keeper.begin():
        raise OperatorError("a running gateway makes the checkpoints", where=str(data_dir.root), remedy="wait a moment")
    try:
        while keeper.make(at=time.time()).more:
            pass
    except OSError as exc:
        raise OperatorError("the checkpoint cannot be written", where=str(keeper.directory)) from exc
    finally:
        keeper.end()


def _logs(directory: Path) -> list[Path]:
    """Of a second place that several installations share, each has a folder of its own."""
    inside = [path for path in sorted(directory.iterdir()) if path.is_dir()]
    return [directory] if any(directory.glob("[0-9]*.jsonl")) or not inside else inside


def _plain(report: Report) -> dict[str, Any]:
    signed = report.signed
    return {
        "whole": report.whole,
        "filtered": report.filtered,
        "records": report.records,
        "uncovered": report.uncovered,
        "proofs": report.proofs,
        "checkpoints": {"count": signed.count, "newest": signed.newest, "at": signed.at},
        "keys": list(signed.keys),
        "pinned": signed.pinned,
        "findings": [
            {
                "kind": one.kind,
                "writer": one.writer,
                "first": one.first,
                "last": one.last,
                "where": one.where,
                "problem": one.problem,
            }
            for one in report.findings
        ],
        "writers": [
            {
                "writer": one.writer,
                "records": one.records,
                "first_seq": one.first_seq,
                "last_seq": one.last_seq,
                "last_hash": one.last_hash,
                "torn": one.torn,
                "covered": one.covered,
                "pruned": one.pruned,
                "whole": one.whole,
            }
            for one in report.writers
        ],
    }


def _told(report: Report) -> list[str]:
    signed = report.signed
    lines = [str(finding) for finding in report.findings[:_MOST_SHOWN]]
    if len(report.findings) > _MOST_SHOWN:
        lines.append(f"and {len(report.findings) - _MOST_SHOWN} more; --json tells all")
    pruned = [one for one in report.writers if one.pruned]
    lines += [f"writer {one.writer}: records up to {one.pruned} removed under retention" for one in pruned]
    lines.append(f"{report.records} records of {len(report.writers)} writers, {len(report.findings)} findings")
    if report.filtered:
        lines.append(f"a filtered export: whether anything is missing cannot be shown; {report.proofs} proofs hold")
    elif not signed.count:
        lines.append("no checkpoint: a shortened or rewritten audit would not show")
    else:
        lines.append(
            f"{signed.count} checkpoints up to {when(signed.at)}; {report.uncovered} records are newer than the last"
        )
    return [*lines, *([_of_keys(signed.keys, signed.pinned)] if signed.keys else [])]


def _of_keys(keys: tuple[str, ...], pinned: bool) -> str:
    named = ", ".join(keys)
    return f"signed by {named}, pinned" if pinned else f"signed by {named}; pin it with --key to know whose it is"


def _audit(front: Front) -> DataDir:
    directory = DataDir(front.settings().data_dir)
    if not directory.audit.is_dir():
        raise OperatorError("there is no data directory", where=str(directory.root), remedy="mcp-gateway setup")
    return directory
