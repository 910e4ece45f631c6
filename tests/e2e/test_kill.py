"""kill -9 with calls in flight, in both eras: nothing acknowledged is without its record, nothing ran without an intent.

A hundred rounds in the tests; `make soak` plays a thousand, and a hundred with two hundred calls in flight, each
ending with one line of JSON. KILL_ROUNDS and KILL_CLIENTS set the numbers; KILL_SEED repeats a run.
"""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from tests.support.audited import audited, verified
from tests.support.counting import Counting, counting
from tests.support.crowd import AGENT, Crowd, crowded
from tests.support.nursery import Forked
from tests.support.processes import listening, wait_until

pytestmark = pytest.mark.anyio

ROUNDS = int(os.environ.get("KILL_ROUNDS", "100"))
CLIENTS = int(os.environ.get("KILL_CLIENTS", "16"))
SEED = int(os.environ.get("KILL_SEED", "20261121"))
_TOKEN_SECONDS = 120.0
"""Tokens live five minutes."""


async def test_no_acknowledged_call_is_lost_and_none_is_executed_without_an_intent(tmp_path: Path) -> None:
    with counting(tmp_path) as upstream:
        found = await _rounds(tmp_path, upstream)
    print(json.dumps(found))
    assert found["acknowledged"] >= ROUNDS, "the rounds were too short to prove anything"
    assert found["acknowledged_without_outcome"] == 0
    assert found["executed_without_intent"] == 0
    assert found["chain_breaks"] == 0


async def _rounds(folder: Path, upstream: Counting) -> dict[str, Any]:
    gateway = crowded(folder / "gateway", upstream)
    # Most of the time a call is at the upstream, whatever the clients of a test can send.
    upstream.pause_seconds = 0.0025 * CLIENTS
    chance = random.Random(SEED)
    crowd = Crowd()
    token, signed_in, most = "", float("-inf"), 0
    for _ in range(ROUNDS):
        if time.monotonic() - signed_in > _TOKEN_SECONDS:
            token, signed_in = gateway.token(user="mira", agent=AGENT), time.monotonic()
        process = Forked(gateway.config, gateway.folder / "log")
        try:
            wait_until(listening(gateway.port), seconds=40, what="the gateway's port")
            limits = httpx2.Limits(max_connections=CLIENTS)
            async with httpx2.AsyncClient(timeout=30, limits=limits) as http, anyio.create_task_group() as tasks:
                await crowd.begin(http, gateway, token)
                before = len(crowd.acknowledged)
                for number in range(CLIENTS):
                    tasks.start_soon(crowd.call_until_dead, number)
                with anyio.fail_after(60):
                    while len(crowd.acknowledged) < before + CLIENTS // 4 or crowd.waiting < CLIENTS * 0.9:
                        await anyio.sleep(0.005)
                await anyio.sleep(chance.uniform(0, 0.2))
                most = max(most, crowd.waiting)
                process.kill()
        finally:
            process.kill()
    seen = audited(gateway)
    executed = set(upstream.executed())
    return {
        "rounds": ROUNDS,
        "in_flight": most,
        "sent": crowd.sent,
        "acknowledged": len(crowd.acknowledged),
        "refused": dict(crowd.refused),
        "executed": len(executed),
        "acknowledged_without_outcome": len(seen.without_outcome(crowd.acknowledged)),
        "executed_without_intent": len(seen.without_intent(executed)),
        "records": seen.records,
        "chain_breaks": verified(gateway),
    }
