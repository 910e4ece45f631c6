"""The same company and questions, answered in process and by a real OpenFGA server on loopback.

The server is asked through the gateway's own thin client, one BatchCheck each time. Time on the
clock, because the server's work is not this process's.
"""

from __future__ import annotations

import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from bench import asked
from bench.company import Company, Question, Stored
from mcp_gateway.authorization import EmbeddedRelationships, InContext, Relationships
from mcp_gateway.model.decision import Check
from tests.support.backends import OpenFgaBench, Servers, openfga_server

_PER_WRITE = 40
_TIMES = 50
_PAGE = 100
_SECONDS = 20.0
"""For one figure; a busy server answers some questions only at its deadline."""


async def compared(company: Company) -> dict[str, Any]:
    embedded = EmbeddedRelationships(asked.model())
    embedded.replace(map(asked.tuple_of_row, company.rows()), revision=1)
    with tempfile.TemporaryDirectory(prefix="mcp-gateway-bench-") as folder:
        try:
            return await _compared(company, embedded, Path(folder))
        except pytest.skip.Exception as exc:
            print(f"SKIPPED the OpenFGA server: {exc.msg}", file=sys.stderr, flush=True)
            return {}


async def _compared(company: Company, embedded: EmbeddedRelationships, folder: Path) -> dict[str, Any]:
    with Servers(folder) as servers:
        async with openfga_server(folder, servers) as remote:
            _fill(remote, company)
            every = company.questions(_TIMES)
            pairs = [
                (await _answer(embedded, one), await _answer(remote.relationships, one)) for one in _in_time(every)
            ]
            return {
                "beside_tuples": company.tuples,
                "beside_check_ms": await _one(embedded, every),
                "openfga_check_ms": await _one(remote.relationships, every),
                "beside_page_100_ms": await _page(embedded, every[:20], company),
                "openfga_page_100_ms": await _page(remote.relationships, every[:20], company),
                "openfga_unanswered": sum(answer is None for _, answer in pairs),
                "openfga_differing_answers": sum(answer not in (ours, None) for ours, answer in pairs),
            }


def _in_time(questions: Sequence[Question]) -> Iterator[Question]:
    until = time.monotonic() + _SECONDS
    return itertools.takewhile(lambda _: time.monotonic() < until, questions)


def _fill(remote: OpenFgaBench, company: Company) -> None:
    rows = company.rows()
    while some := list(itertools.islice(rows, _PER_WRITE)):
        remote.server.post(f"/stores/{remote.store}/write", {"writes": {"tuple_keys": [_key(row) for row in some]}})


def _key(row: Stored) -> dict[str, Any]:
    object_, relation, subject, condition, context = row
    key: dict[str, Any] = {"user": subject, "relation": relation, "object": object_}
    if condition and context:
        key["condition"] = {"name": condition, "context": json.loads(context)}
    return key


async def _answer(relationships: Relationships, one: Question) -> bool | None:
    """None when it did not answer in time."""
    check = Check(one.user, "can_call", one.tool)
    answers = await relationships.answer((check,), in_context=InContext(one.user, one.agent), now=asked.NOW)
    return answers.answers.get(check)


async def _one(relationships: Relationships, questions: Sequence[Question]) -> float:
    samples: list[float] = []
    for one in _in_time(questions):
        begun = time.perf_counter()
        await _answer(relationships, one)
        samples.append(1e3 * (time.perf_counter() - begun))
    return round(statistics.median(samples), 3)


async def _page(relationships: Relationships, questions: Sequence[Question], company: Company) -> float:
    tools = company.tool_ids()
    samples: list[float] = []
    for number, one in enumerate(_in_time(questions)):
        start = number * _PAGE % (len(tools) - _PAGE)
        begun = time.perf_counter()
        bound = InContext(one.user, one.agent)
        await relationships.held(one.user, "can_call", tools[start : start + _PAGE], in_context=bound, now=asked.NOW)
        samples.append(1e3 * (time.perf_counter() - begun))
    return round(statistics.median(samples), 3)
