"""An audit directory of the test's own making: sealed records of any writers, at any time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mcp_gateway.audit.record import GENESIS, seal


class Written:
    """Writes records whose chains are right."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._ends: dict[str, tuple[int, str]] = {}

    def put(self, writer: str, *fields: dict[str, Any], number: int = 1) -> Path:
        """Append to a file of `writer`; each of `fields` has its own `at`."""
        path = self.directory / f"{writer}-{number:06d}.jsonl"
        seq, prev = self._ends.get(writer, (0, GENESIS))
        with path.open("ab") as file:
            for said in fields:
                seq += 1
                line, prev = seal(dict(said), seq=seq, prev=prev, writer=writer, at=float(said["at"]))
                file.write(line)
        self._ends[writer] = seq, prev
        return path


def decided(at: float, **more: Any) -> dict[str, Any]:
    """A denial, as the gateway records one."""
    return {
        "kind": "decision",
        "at": at,
        "request": f"r-{at:g}",
        "verb": "tools/call",
        "user": "user:local/mira",
        "agent": "agent:local/docs",
        "tool": "tool:tickets/get",
        "effect": "deny",
        "outcome": "denied",
        "code": "tool.unavailable",
        "reasons": [{"code": "agent.not_granted", "evidence": "agent:local/docs"}],
        "questions": [
            ["user:local/mira", "can_call", "tool:tickets/get", False],
            ["user:local/mira", "can_read", "ticket:tickets/T-391", True],
        ],
        "latency_us": 1500,
        **more,
    }


def nobody(done: int, total: int) -> None:
    """Nobody watches the progress."""
