"""The machine and the programs a figure was measured with, and how fast the machine was just then."""

from __future__ import annotations

import os
import platform
import statistics
import time
from importlib.metadata import version
from pathlib import Path

_PACKAGES = ("uvicorn", "httptools", "uvloop", "mcp", "pyreqwest")
_TURNS = 20_000
_TIMES = 15


def described() -> dict[str, str | int]:
    """Processor, cores and versions."""
    return {
        "cpu": _model(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **{name: version(name) for name in _PACKAGES},
    }


def _model() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def calibration_us() -> float:
    """Processor time of a fixed loop of plain Python, median: compares machines, and one machine's hours."""
    return statistics.median(_loop() for _ in range(_TIMES))


def _loop() -> float:
    begun = time.thread_time_ns()
    seen: dict[int, str] = {}
    for number in range(_TURNS):
        seen[number & 255] = str(number)
    return (time.thread_time_ns() - begun) / 1e3
