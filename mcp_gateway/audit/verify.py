"""Is the audit what was written: nothing changed, removed, added, out of order, cut off or forked.

Offline, from files alone, while a gateway writes or long after; docs/audit-format.md defines every word of
the answer. What was written after the newest checkpoint is checked by its chain only.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from mcp_gateway.audit.checkpoint_keeper import declared_pruned
from mcp_gateway.audit.proof import NotProven, check
from mcp_gateway.audit.record import chain_hash, parse, unseal
from mcp_gateway.audit.verify_chain import Chain, Vouched
from mcp_gateway.audit.verify_checkpoints import Evidence, weigh
from mcp_gateway.audit.verify_copies import compare
from mcp_gateway.audit.verify_diagnosis import Seen, diagnose, look
from mcp_gateway.audit.verify_report import Finding, Kind, Report, Verified
from mcp_gateway.audit.verify_source import Source, lines_in

_MAKES_KEY = "audit.key_made"


def verify(
    path: Path,
    *,
    keys: Collection[str] = (),
    copies: Sequence[Path] = (),
    against: Sequence[Path] = (),
    believed: Collection[str] = (),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Check the audit at `path`, a data directory, its audit, or an export; raises OperatorError when there is none.

    `keys` are pinned by who asks, `believed` when nothing is pinned; `copies` are directories with the checkpoints
    of a second place, `against` other copies of the records. `progress` is told how many bytes of how many are done.
    """
    # Copies, then checkpoints, then records: a gateway that goes on writing must not look shortened.
    elsewhere = [lines_in(copy) for copy in copies]
    source = Source(path)
    pins = frozenset(keys) or frozenset(believed)
    evidence = weigh(source.checkpoints(), elsewhere, pins, given=bool(keys))
    if source.filtered:
        return _filtered(source, evidence, frozenset(keys))
    chains = _read(source, evidence, progress)
    _declare(chains, evidence)
    found = _diagnose(source, chains, evidence)
    found += [finding for other in against for finding in compare(source, Source(other))]
    findings = [*evidence.findings, *_unsigned(chains, evidence, pinned=bool(keys)), *found]
    whole = {one.writer for one in found}
    verified = [_verified(chain, whole=chain.writer not in whole) for chain in chains.values()]
    return Report(tuple(verified), tuple(findings), evidence.signed, filtered=False)


def _read(source: Source, evidence: Evidence, progress: Callable[[int, int], None]) -> dict[str, Chain]:
    chains: dict[str, Chain] = {}
    for run in source.runs():
        chain = chains.get(run.writer)
        if chain is None:
            chain = chains[run.writer] = Chain(run.writer, evidence.of(run.writer))
        chain.add_all(run.lines)
        progress(source.read, source.bytes)
    for writer, vouched in evidence.vouched.items():
        if writer not in chains:
            chains[writer] = Chain(writer, vouched)
    return chains


def _declare(chains: dict[str, Chain], evidence: Evidence) -> None:
    """What was pruned since the newest checkpoint."""
    for event in [event for chain in chains.values() for event in chain.events]:
        record = parse(event)
        declared = declared_pruned(record) if record["kind"] == "audit.pruned" else None
        if declared is None:
            continue
        writer, pruned = declared
        vouched = evidence.of(writer)
        if vouched.pruned is None or vouched.pruned.seq < pruned.seq:
            vouched.pruned = pruned


def _diagnose(source: Source, chains: dict[str, Chain], evidence: Evidence) -> list[Finding]:
    for chain in chains.values():
        chain.finish()
    suspects = {writer for writer, chain in chains.items() if chain.suspect}
    seen: dict[str, list[Seen]] = {writer: [] for writer in sorted(suspects)}
    for run in source.runs(suspects) if suspects else ():
        whole = ((number, line) for number, line in run.lines if line.endswith(b"\n"))
        seen[run.writer].extend(look(f"{run.path.name}:{number}", line) for number, line in whole)
    return [finding for writer, lines in seen.items() for finding in diagnose(writer, lines, evidence.of(writer))]


def _unsigned(chains: dict[str, Chain], evidence: Evidence, *, pinned: bool) -> list[Finding]:
    """Checkpoints were made, and there is none."""
    if evidence.signed.count or any(one.kind is Kind.CHECKPOINT_GAP for one in evidence.findings):
        return []
    events = (event for chain in chains.values() for event in chain.events)
    if pinned or any(parse(event)["kind"] == _MAKES_KEY for event in events):
        return [Finding(Kind.CHECKPOINT_GAP, "there is no checkpoint to be trusted")]
    return []


def _verified(chain: Chain, *, whole: bool) -> Verified:
    vouched = chain.vouched
    return Verified(
        writer=chain.writer,
        records=chain.records,
        first_seq=chain.first,
        last_seq=chain.last,
        last_hash=chain.head,
        torn=chain.torn,
        covered=vouched.size,
        pruned=vouched.pruned.seq if vouched.pruned else 0,
        whole=whole,
    )


def _filtered(source: Source, evidence: Evidence, keys: frozenset[str]) -> Report:
    """Each record by itself: what is missing was not asked for."""
    findings = list(evidence.findings)
    chains: dict[str, Chain] = {}
    for run in source.runs():
        chain = chains.setdefault(run.writer, Chain(run.writer, Vouched()))
        for number, line in run.lines:
            chain.records += 1
            if not _stands_alone(line):
                where = f"{run.path.name}:{number}"
                findings.append(Finding(Kind.EDITED, "the record was changed", run.writer, where=where))
    broken = {one.writer for one in findings}
    verified = [_verified(chain, whole=chain.writer not in broken) for chain in chains.values()]
    proofs = 0
    for where, line in source.proofs():
        try:
            check(line, keys)
            proofs += 1
        except NotProven as exc:
            findings.append(Finding(Kind.EDITED, f"a proof does not hold: {exc}", where=where))
    return Report(tuple(verified), tuple(findings), evidence.signed, filtered=True, proofs=proofs)


def _stands_alone(line: bytes) -> bool:
    try:
        stored, body = unseal(line)
        return chain_hash(str(parse(line)["prev"]), body) == stored
    except (ValueError, KeyError):
        return False
