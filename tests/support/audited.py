"""What a gateway's audit says of calls whose arguments are one number `n`: who has an intent, who an outcome."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

import orjson

from tests.support.gateway import Installation


@dataclass(frozen=True, slots=True)
class Audited:
    intents: Mapping[str, Set[str]]
    """Argument digest to the requests that intended it."""
    outcomes: Set[str]
    records: int

    def without_intent(self, numbers: Iterable[int]) -> set[int]:
        return {n for n in numbers if _digest(n) not in self.intents}

    def without_outcome(self, numbers: Iterable[int]) -> set[int]:
        return {n for n in numbers if not self.intents.get(_digest(n), frozenset()) & self.outcomes}


def audited(gateway: Installation) -> Audited:
    """Read from the files themselves; a line that a kill tore is no record."""
    intents: dict[str, set[str]] = {}
    outcomes: set[str] = set()
    records = 0
    for path in (gateway.folder / "data" / "audit").glob("*.jsonl"):
        for line in path.read_bytes().splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                continue
            records += 1
            if record["kind"] == "intent":
                intents.setdefault(record["arguments"], set()).add(record["request"])
            elif record["kind"] == "outcome":
                outcomes.add(record["request"])
    return Audited(intents, outcomes, records)


def verified(gateway: Installation) -> int:
    """How many breaks `audit verify` finds; it also says so by its exit code."""
    gateway.cli("audit", "verify")
    return 0


def _digest(n: int) -> str:
    return hashlib.sha256(orjson.dumps({"n": n})).hexdigest()
