"""One checkpoint: how far each writer's tree had grown, signed, and chained to the checkpoint before. Pure.

The line's format is that of docs/audit-format.md. Whether the key is one to trust is not decided here.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mcp_gateway.audit.merkle import Frontier, Levels, leaf_hash
from mcp_gateway.audit.record import GENESIS

_SIGNED_AS = b"mcp-gateway checkpoint v1\n"
_START = b'{"signature":"'
_SIGNATURE_END = len(_START) + 86

Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Key = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]


class _Foreign(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)


class Pruned(_Foreign):
    """The records 1 … seq may be missing: what has to be known of them to check the rest."""

    seq: int = Field(ge=1)
    hash: Hash
    peaks: list[Hash]

    @model_validator(mode="after")
    def _is_a_tree(self) -> Pruned:
        self.frontier()
        return self

    def frontier(self) -> Frontier:
        return Frontier(self.seq, map(bytes.fromhex, self.peaks))


class Covered(_Foreign):
    """How far a checkpoint vouches for one writer."""

    writer: str
    size: int = Field(ge=1)
    root: Hash
    head: Hash
    closed: bool = False
    """Its process had ended: nothing follows."""
    pruned: Pruned | None = None

    def leaf(self) -> bytes:
        return leaf_hash(f"{self.writer}\n{self.size}\n{self.root}\n{self.head}".encode())


class _Tree(_Foreign):
    size: int
    root: Hash


class _Body(_Foreign):
    v: Literal[1]
    log: str = Field(pattern=r"^[0-9a-f]{32}$")
    number: int = Field(ge=1)
    at: float = Field(strict=False)
    key: Key
    prev: Hash
    tree: _Tree
    records: int
    full: bool
    writers: list[Covered]
    next_key: Key | None = None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    line: bytes
    """Without its end."""
    hash: str
    signature: str
    said: _Body

    @property
    def number(self) -> int:
        return self.said.number

    def is_signed(self) -> bool:
        """By the key it names."""
        try:
            key = Ed25519PublicKey.from_public_bytes(from_base64(self.said.key))
            key.verify(from_base64(self.signature), _SIGNED_AS + _body_of(self.line))
        except (InvalidSignature, ValueError):
            return False
        return True


def read(line: bytes) -> Checkpoint:
    """The checkpoint in `line`; raises ValueError when there is none. Its signature is not checked."""
    whole = line.rstrip(b"\n")
    if not whole.startswith(_START) or whole[_SIGNATURE_END : _SIGNATURE_END + 2] != b'",':
        raise ValueError("not a checkpoint")
    body = _body_of(whole)
    try:
        said = _Body.model_validate_json(body)
        signature = whole[len(_START) : _SIGNATURE_END].decode("ascii")
    except ValidationError as exc:
        raise ValueError("not a checkpoint") from exc
    return Checkpoint(whole, hashlib.sha256(body).hexdigest(), signature, said)


@dataclass(slots=True)
class Standing:
    """What all checkpoints so far say together."""

    log: str = ""
    number: int = 0
    hash: str = GENESIS
    signer: str = ""
    """The key the next checkpoint is to be signed with; empty when any may begin."""
    records: int = 0
    writers: dict[str, Covered] = field(default_factory=dict[str, Covered])
    """In the order of the installation's tree."""
    tree: Levels = field(default_factory=Levels)
    _places: dict[str, int] = field(default_factory=dict[str, int])

    def cover(self, one: Covered) -> None:
        earlier = self.writers.get(one.writer)
        self.records += one.size - (earlier.size if earlier else 0)
        self.writers[one.writer] = one
        self.tree.set(self._places.setdefault(one.writer, len(self._places)), one.leaf())

    def index(self, writer: str) -> int:
        return self._places[writer]

    def follow(self, checkpoint: Checkpoint) -> None:
        """Take over what `checkpoint` says, which is the next one, or a full one to begin with."""
        said = checkpoint.said
        if said.full:
            self.records, self.writers, self.tree, self._places = 0, {}, Levels(), {}
        for one in said.writers:
            self.cover(one)
        self.log, self.number, self.hash = said.log, said.number, checkpoint.hash
        self.signer = said.next_key or said.key

    def sign(
        self, changed: Iterable[Covered], key: Ed25519PrivateKey, *, at: float, full: bool, next_key: str | None
    ) -> Checkpoint:
        """Cover `changed`, and make the next checkpoint of it."""
        told = list(changed)
        for one in told:
            self.cover(one)
        fields: dict[str, Any] = {
            "v": 1,
            "log": self.log,
            "number": self.number + 1,
            "at": at,
            "key": public_text(key),
            "prev": self.hash,
            "tree": {"size": len(self.tree), "root": self.tree.root().hex()},
            "records": self.records,
            "full": full,
            "writers": [_plain(one) for one in (self.writers.values() if full else told)],
        }
        if next_key is not None:
            fields["next_key"] = next_key
        made = read(_sealed(orjson.dumps(fields), key))
        self.number, self.hash, self.signer = made.number, made.hash, next_key or made.said.key
        return made


def public_text(key: Ed25519PrivateKey | Ed25519PublicKey) -> str:
    """The public key as checkpoints name it."""
    public = key.public_key() if isinstance(key, Ed25519PrivateKey) else key
    return _to_base64(public.public_bytes_raw())


def fingerprint(key: str) -> str:
    """A key's name for people."""
    return hashlib.sha256(from_base64(key)).hexdigest()[:16]


def from_base64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _to_base64(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode("ascii")


def _sealed(body: bytes, key: Ed25519PrivateKey) -> bytes:
    signature = _to_base64(key.sign(_SIGNED_AS + body)).encode("ascii")
    return b"".join((_START, signature, b'",', body[1:]))


def _body_of(line: bytes) -> bytes:
    return b"{" + line[_SIGNATURE_END + 2 :]


def _plain(one: Covered) -> Mapping[str, Any]:
    return one.model_dump(exclude_defaults=True)
