"""docs/audit-format.md is enough: a checkpoint and a proof are checked with hashlib and cryptography alone."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from mcp_gateway.audit.checkpoint_key import SigningKeys, public_pem
from mcp_gateway.audit.proof import NotProven, check, prove
from mcp_gateway.errors import OperatorError
from tests.unit.audit.trails import Trailed


def sha(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def split(line: str, member: str, width: int) -> tuple[str, bytes]:
    """A sealed line's first member, and the body without it."""
    start = f'{{"{member}":"'
    assert line.startswith(start)
    value = line[len(start) : len(start) + width]
    assert line[len(start) + width :].startswith('",')
    return value, ("{" + line[len(start) + width + 2 :]).encode()


def folded(leaf: bytes, index: int, size: int, path: list[str]) -> bytes:
    """RFC 9162 §2.1.3.2."""
    fn, sn, r = index, size - 1, leaf
    for p in map(bytes.fromhex, path):
        assert sn != 0
        if fn % 2 or fn == sn:
            r = sha(b"\x01" + p + r)
            while not fn % 2 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = sha(b"\x01" + r + p)
        fn, sn = fn >> 1, sn >> 1
    assert sn == 0
    return r


def signed_body(line: str, pem: bytes) -> dict[str, Any]:
    key = load_pem_public_key(pem)
    assert isinstance(key, Ed25519PublicKey)
    signature, body = split(line, "signature", 86)
    key.verify(base64.urlsafe_b64decode(signature + "=="), b"mcp-gateway checkpoint v1\n" + body)
    said = json.loads(body)
    assert base64.urlsafe_b64decode(said["key"] + "=") == key.public_bytes_raw()
    return said


def check_alone(proof: dict[str, Any], pem: bytes) -> None:
    stored, body = split(proof["record"], "hash", 64)
    record = json.loads(body)
    assert stored == sha(record["prev"].encode() + body).hex()
    assert record["seq"] == proof["index"] + 1
    root = folded(sha(b"\x00" + bytes.fromhex(stored)), proof["index"], proof["size"], proof["path"])
    told = f"{record['writer']}\n{proof['size']}\n{root.hex()}\n{proof['head']}".encode()
    checkpoint = signed_body(proof["checkpoint"], pem)
    tree = checkpoint["tree"]
    whole = folded(sha(b"\x00" + told), proof["writer_index"], tree["size"], proof["writer_path"])
    assert whole.hex() == tree["root"]


@pytest.fixture
def trail(tmp_path: Path) -> Trailed:
    made = Trailed(tmp_path)
    for count in (7, 1, 30):
        writer = made.writer(max_bytes=2_000)
        made.write(writer, count)
        made.checkpoint()
    return made


def pem_of(trail: Trailed) -> bytes:
    return public_pem(SigningKeys(trail.keys).public()[-1]).encode()


def writers(trail: Trailed) -> list[tuple[str, int]]:
    found: dict[str, int] = {}
    for path in trail.audit.glob("*.jsonl"):
        writer = path.stem.rpartition("-")[0]
        found[writer] = found.get(writer, 0) + len(path.read_bytes().splitlines())
    return sorted(found.items())


def test_every_record_is_proven_by_what_the_page_says(trail: Trailed) -> None:
    pem, pins = pem_of(trail), SigningKeys(trail.keys).public()
    for writer, count in writers(trail):
        for seq in {1, count // 2 + 1, count}:
            proof = json.dumps(prove(trail.root, writer, seq))
            check_alone(json.loads(proof), pem)
            assert check(proof.encode(), pins).record["seq"] == seq


def test_checkpoints_follow_each_other_as_the_page_says(trail: Trailed) -> None:
    pem, prev, leaves = pem_of(trail), "0" * 64, dict[str, bytes]()
    lines = (trail.checkpoints / "000001.jsonl").read_text().splitlines()
    assert len(lines) == 3
    said: dict[str, Any] = {}
    for number, line in enumerate(lines, start=1):
        said = signed_body(line, pem)
        assert (said["number"], said["prev"]) == (number, prev)
        prev = sha(split(line, "signature", 86)[1]).hex()
        for one in said["writers"]:
            told = f"{one['writer']}\n{one['size']}\n{one['root']}\n{one['head']}".encode()
            leaves[one["writer"]] = sha(b"\x00" + told)
    one, two, three = leaves.values()
    assert said["tree"] == {"size": 3, "root": sha(b"\x01" + sha(b"\x01" + one + two) + three).hex()}


def test_a_changed_checkpoint_does_not_verify(trail: Trailed) -> None:
    line = (trail.checkpoints / "000001.jsonl").read_text().splitlines()[0]
    with pytest.raises(InvalidSignature):
        signed_body(line.replace('"number":1', '"number":2'), pem_of(trail))


CHANGES = {
    "record": ('\\"user:local/mira\\"', '\\"user:local/noor\\"', "record was changed"),
    "place": ('"index": 4', '"index": 5', "record was changed"),
    "size": ('"size": 7', '"size": 6', "paths do not fit|does not lead"),
    "head": ('"head": "', '"head": "0', "no proof"),
    "checkpoint": ('\\"records\\":38', '\\"records\\":39', "signature is wrong"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_proof_proves_nothing(trail: Trailed, change: str) -> None:
    old, new, problem = CHANGES[change]
    writer = next(writer for writer, count in writers(trail) if count == 7)
    proof = json.dumps(prove(trail.root, writer, 5))
    assert old in proof
    with pytest.raises(NotProven, match=problem):
        check(proof.replace(old, new, 1).encode(), SigningKeys(trail.keys).public())


def test_a_proof_by_another_key_proves_nothing_to_who_pinned_one(trail: Trailed, tmp_path: Path) -> None:
    proof = json.dumps(prove(trail.root, *writers(trail)[0])).encode()
    stranger = SigningKeys(tmp_path / "other")
    stranger.add()
    with pytest.raises(NotProven, match="another key"):
        check(proof, stranger.public())
    assert check(proof, []).record["kind"] == "x"


def test_what_no_checkpoint_covers_cannot_be_proven_yet(trail: Trailed) -> None:
    writer = trail.writer()
    trail.write(writer, 2)
    with pytest.raises(OperatorError, match="no checkpoint covers"):
        prove(trail.root, writer.id, 1)


def test_a_proof_is_not_made_over_missing_records(trail: Trailed) -> None:
    writer = max(writers(trail), key=lambda one: one[1])[0]
    sorted(trail.audit.glob(f"{writer}-*.jsonl"))[1].unlink()
    with pytest.raises(OperatorError, match="missing"):
        prove(trail.root, writer, 30)
