"""Prove that one record is in the audit, to somebody who has nothing but this proof and our public key.

The format is that of docs/audit-format.md. Making one reads all records of one writer; checking one reads nothing.
"""

from __future__ import annotations

from binascii import unhexlify
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mcp_gateway.audit.checkpoint import Covered, Hash, Standing, read
from mcp_gateway.audit.merkle import Frontier, leaf_hash, root_from_path
from mcp_gateway.audit.merkle import Path as TreePath
from mcp_gateway.audit.query import Trail
from mcp_gateway.audit.record import Record, chain_hash, parse, unseal
from mcp_gateway.audit.verify_source import Source, seq_of
from mcp_gateway.errors import OperatorError


class _Proof(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)

    proof: Literal[1]
    record: str
    index: int = Field(ge=0)
    size: int = Field(ge=1)
    path: list[Hash]
    head: Hash
    writer_index: int = Field(ge=0)
    writer_path: list[Hash]
    checkpoint: str


@dataclass(frozen=True, slots=True)
class Proven:
    """What a proof shows: this record was there when that checkpoint was signed."""

    record: Record
    checkpoint: int
    at: float
    key: str
    """The public key that signed, as checkpoints name it."""


class NotProven(ValueError):
    """Says which step does not hold."""


def prove(path: Path, writer: str, seq: int) -> Mapping[str, Any]:
    """A proof for the `seq`-th record of `writer`; raises OperatorError when there is none yet, or no longer."""
    source = Source(path)
    standing, checkpoint = _newest(source)
    covered = standing.writers.get(writer)
    if covered is None or seq > covered.size:
        remedy = "mcp-gateway audit checkpoint --now covers what was written so far"
        raise OperatorError("no checkpoint covers this record yet", where=f"{writer}:{seq}", remedy=remedy)
    record, steps = _walk(source, covered, seq)
    index = standing.index(writer)
    return {
        "proof": 1,
        "record": record,
        "index": seq - 1,
        "size": covered.size,
        "path": steps,
        "head": covered.head,
        "writer_index": index,
        "writer_path": [one.hex() for one in standing.tree.path(index)],
        "checkpoint": checkpoint,
    }


def records_of(path: Path, wanted: str) -> list[tuple[str, int]]:
    """Writer and number of each record that `wanted` names: one `WRITER:SEQ`, or all of a request id."""
    writer, colon, seq = wanted.rpartition(":")
    if colon and seq.isdigit():
        return [(writer, int(seq))]
    return [(str(record["writer"]), int(record["seq"])) for record in Trail(Source(path).path).show(wanted)]


def check(proof: bytes, pins: Collection[str]) -> Proven:
    """What `proof` shows, signed by one of `pins`, or by anybody when there are none; raises NotProven."""
    try:
        said = _Proof.model_validate_json(proof)
        record = parse(said.record.encode())
        stored, body = unseal(said.record.encode())
        checkpoint = read(said.checkpoint.encode())
        writer, seq, prev = str(record["writer"]), int(record["seq"]), str(record["prev"])
    except (ValidationError, ValueError, KeyError) as exc:
        raise NotProven("this is no proof") from exc
    if chain_hash(prev, body) != stored or seq != said.index + 1:
        raise NotProven("the record was changed")
    if not checkpoint.is_signed():
        raise NotProven("the checkpoint's signature is wrong")
    if pins and checkpoint.said.key not in pins:
        raise NotProven("the checkpoint is signed by another key")
    try:
        leaf = leaf_hash(bytes.fromhex(stored))
        root = root_from_path(leaf, said.index, said.size, _bytes(said.path))
        covered = Covered(writer=writer, size=said.size, root=root.hex(), head=said.head)
        whole = root_from_path(covered.leaf(), said.writer_index, checkpoint.said.tree.size, _bytes(said.writer_path))
    except ValueError as exc:
        raise NotProven("the paths do not fit the trees") from exc
    if whole.hex() != checkpoint.said.tree.root:
        raise NotProven("the record does not lead to what the checkpoint signed")
    return Proven(record, checkpoint.number, checkpoint.said.at, checkpoint.said.key)


def _bytes(hashes: list[str]) -> list[bytes]:
    return [bytes.fromhex(one) for one in hashes]


def _newest(source: Source) -> tuple[Standing, str]:
    """What the newest checkpoint says, and its line."""
    standing, newest = Standing(), ""
    for where, line in source.checkpoints():
        try:
            checkpoint = read(line)
        except ValueError as exc:
            raise OperatorError("this is no checkpoint", where=where, remedy="mcp-gateway audit verify") from exc
        standing.follow(checkpoint)
        newest = checkpoint.line.decode()
    if not newest:
        raise OperatorError("there is no checkpoint yet", where=str(source.path), remedy="mcp-gateway serve makes them")
    return standing, newest


def _walk(source: Source, covered: Covered, seq: int) -> tuple[str, list[str]]:
    """The record's line and its path, from all records of its writer."""
    place = f"{covered.writer}:{seq}"
    steps: TreePath | None = None
    found = ""
    expected = 0
    for at, line in _numbered(source, covered.writer):
        if steps is None:
            gone = covered.pruned.frontier() if covered.pruned and at > 1 else Frontier()
            if at > gone.size + 1 or seq <= gone.size:
                raise OperatorError("the record is not there", where=place, remedy="mcp-gateway audit verify")
            if at <= gone.size:
                continue
            steps, expected = TreePath(seq - 1, covered.size, gone), at
        if at != expected:
            raise OperatorError("records before this one are missing", where=place, remedy="mcp-gateway audit verify")
        if at > covered.size:
            break
        expected += 1
        steps.add(_leaf(line, place))
        found = line.decode() if at == seq else found
    if steps is None or not found or expected <= covered.size:
        raise OperatorError("the record is not there", where=place, remedy="mcp-gateway audit verify")
    return found, [one.hex() for one in steps.hashes()]


def _leaf(line: bytes, place: str) -> bytes:
    try:
        return leaf_hash(unhexlify(line[9:73]))
    except ValueError as exc:
        raise OperatorError("a record has no hash", where=place, remedy="mcp-gateway audit verify") from exc


def _numbered(source: Source, writer: str) -> Iterator[tuple[int, bytes]]:
    for run in source.runs({writer}):
        for number, line in run.lines:
            if not line.endswith(b"\n"):
                continue
            seq = seq_of(line)
            if not seq:
                where = f"{run.path.name}:{number}"
                raise OperatorError("this is not a record", where=where, remedy="mcp-gateway audit verify")
            yield seq, line[:-1]
