"""What a verification found, in words that docs/audit-format.md defines. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    DELETED = "deleted"
    EDITED = "edited"
    REORDERED = "reordered"
    ADDED = "added"
    TRUNCATED = "truncated"
    WRITER_GONE = "writer_gone"
    FORKED = "forked"
    CHECKPOINT_FORGED = "checkpoint_forged"
    KEY_UNKNOWN = "key_unknown"
    CHECKPOINT_GAP = "checkpoint_gap"


@dataclass(frozen=True, slots=True)
class Finding:
    kind: Kind
    problem: str
    writer: str | None = None
    """None: it is about checkpoints."""
    first: int | None = None
    last: int | None = None
    """Which records, or which checkpoints."""
    where: str = ""
    """File and line, when there is one."""

    def __str__(self) -> str:
        said = " ".join(part for part in (f"writer {self.writer}:" if self.writer else "", self.problem) if part)
        return f"{self.kind}: {said}" + (f" ({self.where})" if self.where else "")


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found of one writer's chain."""

    writer: str
    records: int
    first_seq: int
    last_seq: int
    last_hash: str
    torn: bool
    """A file ends within a line, which nobody was told of: the process was killed, or the disk failed."""
    covered: int
    """How far checkpoints vouch for it; 0 when none does."""
    pruned: int
    """The records up to here may be missing: they were removed under retention."""
    whole: bool


@dataclass(frozen=True, slots=True)
class Signed:
    """What was found of the checkpoints."""

    count: int
    newest: int
    at: float | None
    """When the newest was made."""
    keys: tuple[str, ...]
    """Which signed, by their fingerprints, oldest first."""
    pinned: bool
    """Compared with a key that was given; else they are only known to be signed by one another."""


@dataclass(frozen=True, slots=True)
class Report:
    writers: tuple[Verified, ...]
    findings: tuple[Finding, ...]
    signed: Signed
    filtered: bool
    """A part was asked for, so nothing can be said of what is missing."""
    proofs: int = 0
    """Inclusion proofs that hold."""

    @property
    def whole(self) -> bool:
        return not self.findings

    @property
    def records(self) -> int:
        return sum(one.records for one in self.writers)

    @property
    def uncovered(self) -> int:
        """Records after the newest checkpoint: chained, but not signed yet."""
        return sum(max(0, one.last_seq - one.covered) for one in self.writers if one.records)


def span(first: int, last: int, what: str = "record") -> str:
    """`record 5 is` or `records 5–9 are`."""
    return f"{what} {first} is" if first == last else f"{what}s {first}–{last} are"
