"""What every test may rely on, and what a machine that claims to have every part must not skip."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is no finding: what is slow is measured elsewhere. The gate judges a change and tries the same
# examples each time; every other run looks for new ones.
settings.register_profile(
    "patient",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("REQUIRE_ALL")),
)
settings.load_profile("patient")

_EXPECTED_SKIPS = Path(__file__).parent / "expected_skips.txt"
_REASON = "reason: "
_skipped: list[tuple[str, str]] = []


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        _skipped.append((report.nodeid, str(reason)))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """With REQUIRE_ALL set, a skip that `expected_skips.txt` does not name fails the run."""
    if not os.environ.get("REQUIRE_ALL"):
        return
    expected = {line.strip() for line in _EXPECTED_SKIPS.read_text().splitlines() if not line.startswith("#")}
    reasons = [line.removeprefix(_REASON) for line in expected if line.startswith(_REASON)]
    unexpected = [
        (node, reason)
        for node, reason in _skipped
        if node.partition("[")[0] not in expected and not any(known in reason for known in reasons)
    ]
    for node, reason in unexpected:
        print(f"\nskipped, though every part should be here: {node}: {reason}")
    if unexpected:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
