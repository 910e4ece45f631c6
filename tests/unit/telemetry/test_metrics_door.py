"""The door of /metrics: for whoever holds the token, or sits on this machine and asks by its own name."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from mcp_gateway.errors import OperatorError
from mcp_gateway.settings import load
from mcp_gateway.telemetry.metrics_door import MetricsDoor

pytestmark = pytest.mark.anyio
TOKEN = "a-token-of-a-scraper"


async def page() -> bytes:
    return b"metric 1\n"


async def asked(door: MetricsDoor, path: str = "/metrics", *, method: str = "GET", **headers: str) -> httpx2.Response:
    transport = httpx2.ASGITransport(app=door)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:9464") as client:
        return await client.request(method, path, headers=headers)


async def test_on_loopback_it_answers_by_its_own_name_only() -> None:
    door = MetricsDoor(page, token=None)
    for host in ("127.0.0.1:9464", "localhost:9464", "[::1]:9464", "localhost"):
        assert (await asked(door, host=host)).text == "metric 1\n", host
    for host in ("evil.example:9464", "127.0.0.1.evil.example", "", "10.0.0.1:9464"):
        answer = await asked(door, host=host)
        assert (answer.status_code, answer.text) == (403, "not allowed\n"), host


async def test_with_a_token_nobody_else_gets_anything() -> None:
    door = MetricsDoor(page, token=TOKEN)
    assert (await asked(door, authorization=f"Bearer {TOKEN}", host="gateway.example")).status_code == 200
    for wrong in ("", TOKEN, f"Bearer {TOKEN}x", f"bearer {TOKEN}", "Bearer "):
        answer = await asked(door, authorization=wrong)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), wrong


async def test_it_has_one_path_and_is_only_read() -> None:
    door = MetricsDoor(page, token=None)
    assert (await asked(door, "/")).status_code == 404
    assert (await asked(door, method="POST")).status_code == 405
    answer = await asked(door)
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("metrics", "field", "problem"),
    [
        ("{listen: 0.0.0.0:9464}", "metrics", "token_file is needed when listen is not loopback"),
        ("{listen: somewhere}", "metrics.listen", "must be host:port"),
        ("{token_file: t}", "metrics", "token_file needs listen"),
        ("{port: 9464}", "metrics.port", "Extra inputs are not permitted"),
    ],
)
def test_settings_that_would_show_metrics_to_strangers_are_refused(
    tmp_path: Path, metrics: str, field: str, problem: str
) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(f"metrics: {metrics}\n")
    with pytest.raises(OperatorError) as refused:
        load(path)
    assert refused.value.where.endswith(field)
    assert problem in refused.value.problem


def test_nothing_listens_unless_it_is_asked_for() -> None:
    assert load().metrics.listen is None
