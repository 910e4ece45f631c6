"""What relationship questions cost this process: processor time of each operation, new questions every time.

Nothing here keeps decisions: each question is a query of its own, of another user, agent and tool.
"""

from __future__ import annotations

import gc
import json
import os
import statistics
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import anyio
from anyio.lowlevel import checkpoint

from bench.company import Company, Question, Stored
from mcp_gateway.authorization import EmbeddedRelationships, InContext, load_model
from mcp_gateway.authorization.engine.model import Model
from mcp_gateway.model.decision import Check
from mcp_gateway.storage import Change
from mcp_gateway.storage.relationships import Condition, RelationshipTuple
from tests.support.processes import ROOT

NOW = 1_800_000_000.0
_PAGE_BYTES = os.sysconf("SC_PAGESIZE")

T = TypeVar("T")


class Cost(NamedTuple):
    """Of one operation, in microseconds."""

    p50: float
    p99: float


def model() -> Model:
    return load_model(ROOT / "policies")


def resident_bytes() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES


def cost(samples: Iterable[int]) -> Cost:
    """Of samples in nanoseconds, less what reading the clock adds to each."""
    ordered, clock = sorted(samples), _clock_ns()
    return Cost((ordered[len(ordered) // 2] - clock) / 1e3, (ordered[len(ordered) * 99 // 100] - clock) / 1e3)


def _clock_ns() -> int:
    """One reading right after another; a system call, and so a part of what is measured."""
    return min(-(time.thread_time_ns() - time.thread_time_ns()) for _ in range(1_000))


def least(rounds: Sequence[Cost]) -> Cost:
    """The least disturbed round, figure by figure: what else a machine does only ever makes a question dearer."""
    return Cost(min(one.p50 for one in rounds), min(one.p99 for one in rounds))


def typical(rounds: Sequence[Cost]) -> Cost:
    """Median over rounds, figure by figure."""
    return Cost(statistics.median(one.p50 for one in rounds), statistics.median(one.p99 for one in rounds))


def at_once(awaitable: Coroutine[Any, Any, T]) -> T:
    """The embedded engine answers without waiting, so no event loop is needed, nor measured."""
    try:
        awaitable.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waited")


async def ask(relationships: EmbeddedRelationships, questions: Sequence[Question]) -> tuple[Cost, float]:
    """The whole rule with its contextual tuple; the cost, and the share that was allowed."""
    samples: list[int] = []
    allowed = 0
    for one in questions:
        check = Check(one.user, "can_call", one.tool)
        bound = InContext(one.user, one.agent)
        begun = time.thread_time_ns()
        answers = await relationships.answer((check,), in_context=bound, now=NOW)
        samples.append(time.thread_time_ns() - begun)
        allowed += answers.answers[check]
    return cost(samples), allowed / len(questions)


async def filtered(
    relationships: EmbeddedRelationships, questions: Sequence[Question], tools: Callable[[int], Sequence[str]]
) -> float:
    """Milliseconds to find which of `tools(number)` one principal may call; the median."""
    samples: list[float] = []
    for number, one in enumerate(questions):
        some, bound = tools(number), InContext(one.user, one.agent)
        begun = time.thread_time_ns()
        await relationships.held(one.user, "can_call", some, in_context=bound, now=NOW)
        samples.append((time.thread_time_ns() - begun) / 1e6)
    return statistics.median(samples)


def change(revision: int, row: Stored, *, written: bool = True) -> Change:
    object_, relation, subject, *_ = row
    payload = {"object": object_, "relation": relation, "subject": subject, "condition": None}
    return Change(revision, NOW, "bench", "tuple.written" if written else "tuple.deleted", payload)


async def one_write(relationships: EmbeddedRelationships, rows: Sequence[Stored]) -> float:
    """Milliseconds until a write counts, of one change after another; the median."""
    samples: list[float] = []
    for row in rows:
        changes = [change(relationships.revision + 1, row)]
        begun = time.thread_time_ns()
        await relationships.follow(changes)
        samples.append((time.thread_time_ns() - begun) / 1e6)
    return statistics.median(samples)


async def longest_turn(following: Callable[[], Coroutine[Any, Any, None]]) -> float:
    """Milliseconds of processor time that others wait at most while `following` goes on."""
    longest, done = 0, False

    async def watch() -> None:
        nonlocal longest
        last = time.thread_time_ns()
        while not done:
            await checkpoint()
            now = time.thread_time_ns()
            longest, last = max(longest, now - last), now

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        await checkpoint()
        await following()
        done = True
    return longest / 1e6


def tuple_of_row(row: Stored) -> RelationshipTuple:
    object_, relation, subject, condition, context = row
    rule = Condition(condition, json.loads(context)) if condition and context else None
    return RelationshipTuple(object_, relation, subject, rule)


def grants(company: Company, count: int) -> list[Stored]:
    """What is written when grants are made: each an audience, and its place on a server that has many."""
    found: list[Stored] = []
    for number, one in enumerate(company.questions(count // 2)):
        found.append((f"grant:new{number}", "audience", one.user, None, None))
        found.append(("server:billing-0000", "agent_caller", f"grant:new{number}#effective", None, None))
    return found
