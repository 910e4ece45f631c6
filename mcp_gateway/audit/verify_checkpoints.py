"""Do the checkpoints hold: signed by keys we trust, one after the other, here and in the second place. Pure.

Only those that do are evidence about records.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from mcp_gateway.audit.checkpoint import Checkpoint, Covered, Standing, fingerprint, read
from mcp_gateway.audit.verify_chain import Mark, Vouched
from mcp_gateway.audit.verify_report import Finding, Kind, Signed, span
from mcp_gateway.audit.verify_source import Located


class Evidence:
    """What trusted checkpoints say, and what is wrong with the checkpoints themselves."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.vouched: dict[str, Vouched] = {}
        self.signed = Signed(0, 0, None, (), False)

    def of(self, writer: str) -> Vouched:
        return self.vouched.setdefault(writer, Vouched())

    def say(self, kind: Kind, problem: str, first: int | None, last: int | None = None, where: str = "") -> None:
        self.findings.append(Finding(kind, problem, None, first, last or first, where))


def weigh(
    own: Iterable[Located], copies: Sequence[Iterable[Located]], pins: Collection[str], *, given: bool
) -> Evidence:
    """`own` lie beside the records, `copies` elsewhere; `pins` are keys to trust, `given` by who verifies.

    Without pins the first key is believed, and only that those after it were announced is checked.
    """
    evidence = Evidence()
    ours = _read_all(own, evidence)
    every = dict(ours)
    for copy in copies:
        for number, (checkpoint, where) in _read_all(copy, evidence).items():
            known, _ = every.setdefault(number, (checkpoint, where))
            if known.hash != checkpoint.hash:
                evidence.say(Kind.FORKED, f"there are two checkpoints {number}", number, where=where)
    _find_gaps(list(every), evidence, "missing")
    _find_gaps_here(ours, every, evidence)
    chain = [every[number] for number in sorted(every)]
    trusted = _trusted([checkpoint for checkpoint, _ in chain], pins, evidence)
    _follow([one for one in chain if one[0].number in trusted], evidence)
    good = [checkpoint for checkpoint, _ in chain if checkpoint.number in trusted]
    newest = good[-1] if good else None
    keys = tuple(dict.fromkeys(fingerprint(one.said.key) for one in good))
    evidence.signed = Signed(len(good), newest.number if newest else 0, newest.said.at if newest else None, keys, given)
    return evidence


def _read_all(lines: Iterable[Located], evidence: Evidence) -> dict[int, tuple[Checkpoint, str]]:
    """By number; what is not signed by the key it names is said and left out."""
    found: dict[int, tuple[Checkpoint, str]] = {}
    for where, line in lines:
        try:
            checkpoint = read(line)
        except ValueError:
            evidence.say(Kind.CHECKPOINT_FORGED, "this is no checkpoint", None, where=where)
            continue
        number = checkpoint.number
        if not checkpoint.is_signed():
            evidence.say(Kind.CHECKPOINT_FORGED, f"the signature of checkpoint {number} is wrong", number, where=where)
            continue
        known, _ = found.setdefault(number, (checkpoint, where))
        if known.hash != checkpoint.hash:
            evidence.say(Kind.FORKED, f"there are two checkpoints {number}", number, where=where)
    return found


def _find_gaps(numbers: Collection[int], evidence: Evidence, how: str) -> None:
    expected = 1
    for number in sorted(numbers):
        if number > expected:
            problem = f"{span(expected, number - 1, 'checkpoint')} {how}"
            evidence.say(Kind.CHECKPOINT_GAP, problem, expected, number - 1)
        expected = number + 1


def _find_gaps_here(ours: Collection[int], every: Collection[int], evidence: Evidence) -> None:
    """What only a copy has; taken away here."""
    first = last = 0
    for number in (*sorted(set(every) - set(ours)), 0):
        if first and number != last + 1:
            problem = f"{span(first, last, 'checkpoint')} only in the second place"
            evidence.say(Kind.CHECKPOINT_GAP, problem, first, last)
            first = 0
        first = first or number
        last = number


def _trusted(chain: Sequence[Checkpoint], pins: Collection[str], evidence: Evidence) -> set[int]:
    """Numbers of those that a pinned key signed, announced its signer for, or vouches for by coming later."""
    believed = set(pins) or {chain[0].said.key} if chain else set[str]()
    trusted: set[int] = set()
    for before, one in zip((None, *chain), chain, strict=False):
        if one.said.key in believed or (before is not None and before.number in trusted and _hands_over(before, one)):
            trusted.add(one.number)
    for one, after in zip(reversed(chain[:-1]), reversed(chain), strict=False):
        if after.number in trusted and after.said.prev == one.hash:
            trusted.add(one.number)
    for one in chain:
        if one.number not in trusted:
            problem = f"checkpoint {one.number} is signed by key {fingerprint(one.said.key)}, which nobody announced"
            evidence.say(Kind.KEY_UNKNOWN, problem, one.number)
    return trusted


def _hands_over(before: Checkpoint, after: Checkpoint) -> bool:
    return after.said.prev == before.hash and after.said.key == (before.said.next_key or before.said.key)


def _follow(chain: Sequence[tuple[Checkpoint, str]], evidence: Evidence) -> None:
    standing = Standing()
    known = False
    for checkpoint, where in chain:
        said = checkpoint.said
        follows = said.number == standing.number + 1
        before = {one.writer: standing.writers[one.writer] for one in said.writers if one.writer in standing.writers}
        had = len(standing.writers)
        linked = not follows or (said.prev == standing.hash and standing.log in ("", said.log))
        # Behind a gap the whole is known again from the next full one on.
        known = said.full or (known and follows)
        standing.follow(checkpoint)
        problem = "" if linked else "does not follow the one before"
        problem = problem or _contradiction(checkpoint, standing, before, had, known=known)
        if problem:
            evidence.say(Kind.CHECKPOINT_FORGED, f"checkpoint {said.number} {problem}", said.number, where=where)
        else:
            _take(checkpoint, evidence)


def _contradiction(
    checkpoint: Checkpoint, standing: Standing, before: dict[str, Covered], had: int, *, known: bool
) -> str:
    said = checkpoint.said
    for one in said.writers:
        earlier = before.get(one.writer)
        if earlier is not None and _takes_back(one, earlier):
            return f"takes back what was said of writer {one.writer}"
    if said.full and len(said.writers) < had:
        return "leaves writers out"
    if known and (said.tree.size, said.tree.root) != (len(standing.tree), standing.tree.root().hex()):
        return "has a root that is not that of its writers"
    return ""


def _takes_back(now: Covered, earlier: Covered) -> bool:
    return now.size < earlier.size or (earlier.closed and (not now.closed or now.size != earlier.size))


def _take(checkpoint: Checkpoint, evidence: Evidence) -> None:
    for one in checkpoint.said.writers:
        vouched = evidence.of(one.writer)
        vouched.marks.setdefault(one.size, Mark(checkpoint.number, one.root, one.head))
        vouched.closed = vouched.closed or one.closed
        if one.pruned is not None and (vouched.pruned is None or vouched.pruned.seq <= one.pruned.seq):
            vouched.pruned = one.pruned
