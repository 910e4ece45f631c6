"""What exactly is wrong with one writer's records, by name. Pure; slow and in memory, for suspects only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from mcp_gateway.audit.merkle import Frontier, leaf_hash
from mcp_gateway.audit.record import GENESIS, chain_hash, parse, unseal
from mcp_gateway.audit.verify_chain import Vouched
from mcp_gateway.audit.verify_report import Finding, Kind, span


@dataclass(frozen=True, slots=True)
class Seen:
    """One line, and what it says of itself."""

    where: str
    seq: int
    """0: it does not say."""
    writer: str
    prev: str
    hash: str
    right: bool
    """Its hash is that of its bytes."""


def look(where: str, line: bytes) -> Seen:
    try:
        stored, body = unseal(line)
        record = parse(line)
        prev, seq = str(record["prev"]), int(record["seq"])
        return Seen(where, seq, str(record["writer"]), prev, stored, chain_hash(prev, body) == stored)
    except (ValueError, KeyError):
        return Seen(where, 0, "", "", "", False)


def diagnose(writer: str, lines: Iterable[Seen], vouched: Vouched) -> list[Finding]:
    """Every finding, in the order of the records; none when all is explained by what was declared as pruned."""
    case = _Case(writer, vouched)
    case.place(lines)
    case.find_missing()
    case.find_out_of_order()
    case.find_links()
    case.find_after_the_end()
    if not case.findings:
        case.find_rewritten()
    return sorted(case.findings, key=lambda one: (one.first or 0, one.kind))


class _Case:
    def __init__(self, writer: str, vouched: Vouched) -> None:
        self.writer = writer
        self.vouched = vouched
        self.base = vouched.pruned.seq if vouched.pruned else 0
        self.findings: list[Finding] = []
        self.known: dict[int, Seen] = {}
        """Records that are right by themselves, the first at each place, in the order of the files."""
        self.edited: set[int] = set()
        self.blamed: set[int] = set()

    def say(self, kind: Kind, problem: str, first: int | None, last: int | None = None, where: str = "") -> None:
        self.findings.append(Finding(kind, problem, self.writer, first, last or first, where))

    def place(self, lines: Iterable[Seen]) -> None:
        """Which record each line is; a line that is not right stands where it stands."""
        wrong: list[tuple[int, Seen]] = []
        place = self.base
        for one in lines:
            if not one.right:
                place += 1
                wrong.append((place, one))
                continue
            if one.writer != self.writer or one.seq < 1:
                self.say(Kind.ADDED, "a record of another writer stands here", None, where=one.where)
                continue
            place = one.seq
            self._know(one)
        for place, one in wrong:
            self._judge_wrong(place, one)

    def _know(self, one: Seen) -> None:
        first = self.known.setdefault(one.seq, one)
        if first is one:
            return
        if first.hash == one.hash:
            self.say(Kind.ADDED, f"record {one.seq} stands there twice", one.seq, where=one.where)
        else:
            self.say(Kind.FORKED, f"there are two records {one.seq}", one.seq, where=one.where)

    def _judge_wrong(self, place: int, one: Seen) -> None:
        if place in self.known or place in self.edited:
            self.say(Kind.ADDED, "this is no record of the gateway", place, where=one.where)
            return
        self.edited.add(place)
        problem = f"record {place} was changed" if one.seq else f"record {place} is no longer a record"
        self.say(Kind.EDITED, problem, place, where=one.where)

    def find_missing(self) -> None:
        present = sorted(place for place in {*self.known, *self.edited} if place > self.base)
        size = self.vouched.size
        if not present:
            if size > self.base:
                self.say(Kind.WRITER_GONE, f"nothing is left of {size - self.base} records", self.base + 1, size)
            return
        expected = self.base + 1
        for place in present:
            if place > expected:
                problem = f"{span(expected, place - 1)} missing"
                self.say(Kind.DELETED, problem, expected, place - 1, self._where(place))
            expected = place + 1
        if expected <= size:
            number = self.vouched.marks[size].number
            problem = f"it ends at record {expected - 1}, checkpoint {number} covers {size}"
            self.say(Kind.TRUNCATED, problem, expected, size)

    def find_out_of_order(self) -> None:
        highest = 0
        late: list[int] = []
        for seq in self.known:
            if seq < highest:
                late.append(seq)
            highest = max(highest, seq)
        for first, last in _runs(sorted(late)):
            self.say(Kind.REORDERED, f"{span(first, last)} not in order", first, last, self._where(first))

    def find_links(self) -> None:
        pruned = self.vouched.pruned
        left = self.known.get(self.base)
        if pruned is not None and left is not None and left.hash != pruned.hash:
            self.say(Kind.EDITED, f"record {left.seq} is not the one that was pruned", left.seq, where=left.where)
        for seq in sorted(self.known):
            if not self._links(seq):
                self._blame(seq)

    def _links(self, seq: int) -> bool:
        """Whether record `seq` names the one before, as far as that is known."""
        prev = self.known[seq].prev
        if seq == 1:
            return prev == GENESIS
        before = self.known.get(seq - 1)
        if before is not None:
            return prev == before.hash
        pruned = self.vouched.pruned
        return pruned is None or seq != pruned.seq + 1 or prev == pruned.hash

    def _blame(self, seq: int) -> None:
        """Record `seq` does not name the one before: one of the two is not what was written."""
        good, _ = self._prefix
        heads = {mark.head for mark in self.vouched.marks.values()}
        first = last = seq
        if seq - 1 in self.known and seq - 1 > good:
            if (seq + 1 in self.known and self._links(seq + 1)) or self.known[seq].hash in heads:
                first = last = seq - 1
            elif seq + 1 not in self.known and self.known[seq - 1].hash not in heads:
                first = seq - 1
        if first in self.blamed:
            return
        self.blamed.add(first)
        if first > self.vouched.size and first == max(self.known) and self.vouched.size >= first - 1:
            self.say(Kind.ADDED, f"record {first} follows none of ours", first, where=self._where(first))
            return
        problem = f"{span(first, last)} not what was written: the next or the one before names another"
        self.say(Kind.EDITED, problem, first, last, self._where(first))

    def find_after_the_end(self) -> None:
        if not self.vouched.closed:
            return
        said = {one.first for one in self.findings}
        after = [seq for seq in sorted(self.known) if seq > self.vouched.size and seq not in said]
        for first, last in _runs(after):
            problem = f"{span(first, last)} after the end: the process had ended"
            self.say(Kind.ADDED, problem, first, last, self._where(first))

    def find_rewritten(self) -> None:
        """Everything follows, and is still not what was signed."""
        good, bad = self._prefix
        if bad is None:
            return
        number = self.vouched.marks[bad].number
        problem = f"{span(good + 1, bad)} not what checkpoint {number} signed"
        self.say(Kind.EDITED, problem, good + 1, bad, self._where(good + 1))

    @cached_property
    def _prefix(self) -> tuple[int, int | None]:
        """The largest size up to which everything is what was signed, and the first that is not."""
        pruned = self.vouched.pruned
        tree = pruned.frontier() if pruned else Frontier()
        good = tree.size
        while tree.size + 1 in self.known:
            tree.add(leaf_hash(bytes.fromhex(self.known[tree.size + 1].hash)))
            mark = self.vouched.marks.get(tree.size)
            if mark is not None and mark.root != tree.root().hex():
                return good, tree.size
            good = tree.size if mark is not None else good
        return good, None

    def _where(self, seq: int) -> str:
        return self.known[seq].where if seq in self.known else ""


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Ascending numbers as first and last of each unbroken run."""
    start = previous = 0
    for number in numbers:
        if not start:
            start = number
        elif number != previous + 1:
            yield start, previous
            start = number
        previous = number
    if start:
        yield start, previous
