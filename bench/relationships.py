"""`make bench-relationships`: what relationship questions cost with a million tuples and a hundred thousand tools.

Processor time, not time on the clock, and memory as the kernel counts it; each part in a process of
its own. With a real OpenFGA server on this machine, the same questions go to it, for a smaller
company. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import anyio

from bench import asked
from bench.beside import compared
from bench.company import Company, Question, Stored
from bench.wide import shapes
from mcp_gateway.authorization import Authorization, EmbeddedRelationships
from mcp_gateway.model.principal import Principal
from mcp_gateway.model.tool import ReviewState, Risk, Tool
from mcp_gateway.storage import Database
from mcp_gateway.storage.database import migrate
from tests.support.processes import ROOT

_TARGETS = {
    "rule_p50_us": 30,
    "rule_p99_us": 80,
    "rule_active_p50_us": 30,
    "rule_active_p99_us": 80,
    "filter_1000_ms": 8,
    "filter_1000_of_all_servers_ms": 8,
    "page_100_ms": 2,
    "bytes_per_tuple": 400,
    "load_us_per_tuple": 4,
    "one_write_ms": 1,
    "longest_turn_ms": 50,
}
_OF_WHOM = {
    "load_us_per_tuple": "every tuple of the store; the least of three times",
    "load_median_us_per_tuple": "the same",
    "bytes_per_tuple": "resident, after loading and before the first question",
    "rule_p50_us": "any user of the company, mostly one not asked about before; one of their agents, any tool",
    "rule_p99_us": "the same; of the least disturbed of five rounds, and below the median of them",
    "rule_allowed_share": "the same",
    "rule_active_p50_us": "one user in ten is at work; each question is still another agent and tool",
    "rule_active_p99_us": "the same",
    "rule_active_allowed_share": "the same",
    "filter_1000_ms": "1,000 tools of five or six servers, as a catalog in order gives them",
    "filter_1000_of_all_servers_ms": "1,000 tools from all over the servers",
    "page_100_ms": "100 tools of one or two servers",
    "filter_all_ms": "every tool of the company",
    "one_write_ms": "a grant's tuples, one change after another",
    "longest_turn_ms": "10,000 changes at once",
    "decide_ratio_10000_tools": "the whole decision, allowed ones only",
    "openfga_differing_answers": "of the questions the server answered in time",
}
"""What a figure is of. Nothing here keeps decisions; what a user is in is kept until a membership changes."""

_ROUNDS = 5
_LOADS = 3
_PART_SECONDS = 600
_BURST = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.relationships", description=__doc__)
    parser.add_argument("--tools", type=int, default=100_000)
    parser.add_argument("--tuples", type=int, default=1_000_000)
    parser.add_argument("--part", choices=sorted(PARTS), help="measure this here, without a process of its own")
    parser.add_argument("--store", type=Path, help="of --part")
    options = parser.parse_args()
    company = Company(options.tools, options.tuples)
    if options.part:
        print(json.dumps(anyio.run(PARTS[options.part], company, options.store)))
        return
    with tempfile.TemporaryDirectory(prefix="mcp-gateway-bench-") as folder:
        store = Path(folder, "gateway.db")
        found: dict[str, Any] = {}
        for part in PARTS:
            print(f"{part} ...", file=sys.stderr, flush=True)
            some = _in_a_process(part, company, store)
            _show(some)
            found |= some
    print(json.dumps(found))


def _in_a_process(part: str, company: Company, store: Path) -> dict[str, Any]:
    size = ["--tools", str(company.tools), "--tuples", str(company.tuples)]
    command = [sys.executable, "-m", "bench.relationships", "--part", part, "--store", str(store), *size]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=_PART_SECONDS, cwd=ROOT, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _show(found: dict[str, Any]) -> None:
    for name, value in found.items():
        target = _TARGETS.get(name)
        aim = "" if target is None else f"   target {target}: {'met' if value <= target else 'MISSED'}"
        if name == "shape_p50_us":
            for shape, cost in cast("dict[str, float]", value).items():
                print(f"{shape + ', us':66}{cost!s:>14}")
        else:
            print(f"{name:66}{value!s:>14}{aim:28}{_OF_WHOM.get(name, '')}".rstrip(), flush=True)


async def written(company: Company, store: Path) -> dict[str, Any]:
    migrate(store)
    connection = sqlite3.connect(store)
    with connection:
        connection.executemany("INSERT INTO tuples VALUES (?, ?, ?, ?, ?)", company.rows())
    connection.close()
    return {"tuples": company.tuples, "tools": company.tools}


async def questions(company: Company, store: Path) -> dict[str, Any]:
    """Loading from the store, memory, and every kind of question."""
    relationships = EmbeddedRelationships(asked.model())
    database = Database(store)
    tools, every = company.tool_ids(), company.questions(5_000 * (_ROUNDS + 1))
    before = asked.resident_bytes()
    loading = [await _loaded(relationships, database)]
    resident = asked.resident_bytes() - before
    loading += [await _loaded(EmbeddedRelationships(asked.model()), database) for _ in range(_LOADS - 1)]
    found: dict[str, Any] = {
        "load_us_per_tuple": round(1e6 * min(loading) / company.tuples, 2),
        "load_median_us_per_tuple": round(1e6 * statistics.median(loading) / company.tuples, 2),
        "bytes_per_tuple": round(resident / company.tuples),
    }
    found |= await _rule(relationships, every)
    active = company.questions(5_000 * (_ROUNDS + 1), seed=2, active=company.users // 10)
    found |= {
        name.replace("rule", "rule_active"): value for name, value in (await _rule(relationships, active)).items()
    }
    few, chance = every[:15], random.Random(7)
    found["filter_1000_ms"] = round(await asked.filtered(relationships, few, _page_of(tools, 1_000)), 2)
    found["filter_1000_of_all_servers_ms"] = round(
        await asked.filtered(relationships, few, lambda _: chance.sample(tools, min(1_000, len(tools)))), 2
    )
    found["page_100_ms"] = round(await asked.filtered(relationships, few, _page_of(tools, 100)), 2)
    found["filter_all_ms"] = round(await asked.filtered(relationships, few[:3], lambda _: tools), 1)
    found["one_write_ms"] = round(await asked.one_write(relationships, asked.grants(company, 200)), 3)
    found["longest_turn_ms"] = round(await _burst(relationships, company), 1)
    await database.close()
    return found


async def _loaded(relationships: EmbeddedRelationships, database: Database) -> float:
    """Seconds to take in the whole store."""
    begun = time.process_time()
    await relationships.load(database)
    return time.process_time() - begun


async def _rule(relationships: EmbeddedRelationships, every: Sequence[Question]) -> dict[str, Any]:
    size = len(every) // (_ROUNDS + 1)
    await asked.ask(relationships, every[:size])
    rounds = [
        await asked.ask(relationships, every[size * number : size * (number + 1)]) for number in range(1, _ROUNDS + 1)
    ]
    costs = [one for one, _ in rounds]
    cost, typical = asked.least(costs), asked.typical(costs)
    allowed = statistics.mean(share for _, share in rounds)
    return {
        "rule_p50_us": round(cost.p50, 1),
        "rule_p99_us": round(cost.p99, 1),
        "rule_p50_median_us": round(typical.p50, 1),
        "rule_p99_median_us": round(typical.p99, 1),
        "rule_allowed_share": round(allowed, 2),
    }


def _page_of(tools: Sequence[str], size: int) -> Callable[[int], Sequence[str]]:
    """One after another, from anywhere in the catalog."""

    def page(number: int) -> Sequence[str]:
        start = number * 7_919 * size % max(len(tools) - size, 1)
        return tools[start : start + size]

    return page


async def _burst(relationships: EmbeddedRelationships, company: Company) -> float:
    revision = relationships.revision
    rows: list[Stored] = asked.grants(Company(company.tools, 1), _BURST)
    changes = [asked.change(revision + number, row, written=False) for number, row in enumerate(rows, 1)]
    return await asked.longest_turn(lambda: relationships.follow(changes))


async def shaped(_company: Company, _store: Path) -> dict[str, Any]:
    return {"shape_p50_us": {name: round(cost.p50, 1) for name, cost in shapes(asked.model()).items()}}


async def flat(_company: Company, _store: Path) -> dict[str, Any]:
    """Decisions with few and with many tools and principals."""
    few, many = [await _decided(Company(tools, 10 * tools)) for tools in (1_000, 10_000)]
    return {
        "decide_us_1000_tools": round(few, 1),
        "decide_us_10000_tools": round(many, 1),
        "decide_ratio_10000_tools": round(many / few, 2),
    }


async def _decided(company: Company) -> float:
    relationships = EmbeddedRelationships(asked.model())
    relationships.replace((asked.tuple_of_row(row) for row in company.rows()), revision=1)
    authorization = Authorization(relationships, cached_decisions=0)
    samples: list[float] = []
    for one in company.questions(10_000):
        principal = Principal(one.user, one.agent, frozenset({"mcp:read"}), audience="", token_id="", expires_at=0)
        tool = Tool(one.tool, "billing", "list", "billing__list", Risk.READ, ReviewState.APPROVED, "d", {}, ())
        begun = time.thread_time_ns()
        decision = await authorization.decide(principal, tool, {}, now=asked.NOW)
        used = (time.thread_time_ns() - begun) / 1e3
        # A denial asks more, and how many there are depends on the size of the company.
        if decision.allowed:
            samples.append(used)
    return statistics.median(samples)


async def beside(_company: Company, _store: Path) -> dict[str, Any]:
    """The same questions to a real OpenFGA server, where there is one."""
    return await compared(Company(200, 2_000))


PARTS = {"written": written, "questions": questions, "shaped": shaped, "flat": flat, "beside": beside}


if __name__ == "__main__":
    main()
