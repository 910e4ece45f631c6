"""What the record's proof costs: a write on the call path, a checkpoint beside it, and verifying a million records.

    python -m bench.audit [--records 1000000]

Files go to a temporary directory, about 1 kB a record. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from mcp_gateway.audit import verify
from mcp_gateway.audit.checkpoint_keeper import Keeper, Ours
from mcp_gateway.audit.checkpoint_key import SigningKeys
from mcp_gateway.audit.proof import check, prove
from mcp_gateway.audit.record import GENESIS, Fields, seal
from mcp_gateway.audit.segments import Segments

_BATCH = 5_000
_TARGET_SECONDS = 60.0


class _Writer:
    """The part of a writer that is on the call path."""

    def __init__(self, directory: Path) -> None:
        self.id = "1-00000000"
        self.seq = 0
        self.head = GENESIS
        self._segments = Segments(directory, self.id)

    def write(self, fields: Fields) -> None:
        line, self.head = seal(fields, seq=self.seq + 1, prev=self.head, writer=self.id, at=1_800_000_000.25)
        self._segments.append(line)
        self.seq += 1

    def close(self) -> None:
        self._segments.close()


def intent(number: int) -> Fields:
    """As large as that of a plain call."""
    user, agent, tool = "user:local/mira", "agent:local/docs-assistant", "tool:tickets/ticket_get"
    return {
        "kind": "intent",
        "request": f"{number:032x}",
        "verb": "tools/call",
        "user": user,
        "agent": agent,
        "audience": "http://127.0.0.1:8000/mcp",
        "token": "5b0d6b3c9f2e4a71",
        "scope": "mcp:read mcp:write",
        "endpoint": None,
        "protocol": "2026-07-28",
        "session": None,
        "tool": tool,
        "digest": "d" * 64,
        "risk": "read",
        "effect": "allow",
        "reasons": [{"code": "access.allowed", "evidence": None}],
        "questions": [[user, "can_call", tool, True], [user, "can_read", f"ticket:tickets/T-{number}", True]],
        "obligations": [],
        "model": "01JZ0000000000000000000000",
        "revision": 1234,
        "arguments": "a" * 64,
        "arguments_bytes": 24,
    }


def run(root: Path, records: int) -> dict[str, Any]:
    audit = root / "audit"
    audit.mkdir()
    writer, keeper = _Writer(audit), Keeper(audit, root / "keys", round_bytes=1 << 40)
    if not keeper.begin():
        raise SystemExit("somebody else makes checkpoints here")
    writes, covers = list[float](), list[float]()
    while writer.seq < records:
        prepared = [intent(writer.seq + number) for number in range(min(_BATCH, records - writer.seq))]
        began = time.thread_time()
        for fields in prepared:
            writer.write(fields)
        writes.append((time.thread_time() - began) / len(prepared) * 1e6)
        began = time.thread_time()
        keeper.make(at=1_800_000_000.0, ours=Ours(writer.id, writer.seq, writer.head))
        covers.append((time.thread_time() - began) / len(prepared) * 1e6)
    writer.close()
    keeper.make(at=1_800_000_001.0)
    keeper.end()
    began, cpu = time.perf_counter(), time.process_time()
    report = verify(root, keys=SigningKeys(root / "keys").public())
    elapsed, used = time.perf_counter() - began, time.process_time() - cpu
    if not report.whole or report.records != records or report.uncovered:
        raise SystemExit(f"what was just written does not verify: {[str(one) for one in report.findings[:5]]}")
    began = time.perf_counter()
    proof = json.dumps(prove(root, writer.id, records // 2)).encode()
    made = time.perf_counter() - began
    began = time.perf_counter()
    check(proof, SigningKeys(root / "keys").public())
    return {
        "records": records,
        "bytes_per_record": round(sum(path.stat().st_size for path in audit.glob("*.jsonl")) / records),
        "write_us": _spread(writes),
        "checkpoint_us_per_record": _spread(covers),
        "checkpoints": report.signed.count,
        "verify_seconds": round(elapsed, 2),
        "verify_cpu_us_per_record": round(used / records * 1e6, 2),
        "verify_within_target": elapsed / records * 1_000_000 <= _TARGET_SECONDS,
        "prove_seconds": round(made, 2),
        "proof_bytes": len(proof),
        "check_ms": round((time.perf_counter() - began) * 1e3, 2),
    }


def _spread(values: list[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), 2),
        "min": round(min(values), 2),
        "max": round(max(values), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.audit", description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mcp-gateway-audit-") as folder:
        found = run(Path(folder), given.records)
    print(f"{found['records']} records of {found['bytes_per_record']} bytes")
    print(f"  written     {found['write_us']['median']} µs each, on the call path")
    print(f"  covered     {found['checkpoint_us_per_record']['median']} µs each, off the call path")
    print(f"  verified    {found['verify_seconds']} s; a million may take {_TARGET_SECONDS:g} s")
    print(
        f"  one proven  {found['prove_seconds']} s to make, {found['check_ms']} ms to check, {found['proof_bytes']} bytes"
    )
    print(json.dumps({"bench": "audit", **found}))


if __name__ == "__main__":
    main()
