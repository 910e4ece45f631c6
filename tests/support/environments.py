"""Python environments for tools that must not share ours: made once, kept in .cache, one purpose each.

`python -m tests.support.environments install` makes those of the tests; nothing is installed by running tests.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.processes import ROOT

SERVERS = "servers"
OLD_SERVERS = "servers-of-sdk-1"
OLD_CLIENT = "client-of-sdk-1"
FASTMCP = "fastmcp"
OF_TESTS: Mapping[str, tuple[str, ...]] = {
    SERVERS: ("mcp-server-time==2026.10.19", "mcp-server-git==2026.10.19", "mcp-server-fetch==2026.10.24"),
    OLD_SERVERS: ("mcp-server-sqlite==2025.4.25", "mcp==1.30.0"),
    OLD_CLIENT: ("mcp==1.30.0",),
    FASTMCP: ("fastmcp==4.1.2",),
}
"""Environments tests ask for, and what each holds."""
_INSTALL_SECONDS = 240
_INSTALL = "python -m tests.support.environments install"


class Unavailable(Exception):
    """The tool cannot be installed or started here; the message says which."""


def environment(name: str, *requirements: str) -> Path:
    """The interpreter of an environment that holds exactly `requirements`; made if it is not there."""
    python, marker = _place(name, requirements)
    if marker.is_file():
        return python
    try:
        subprocess.run(
            [sys.executable, "-m", "venv", "--clear", str(python.parents[1])], check=True, timeout=_INSTALL_SECONDS
        )
        command = [str(python), "-m", "pip", "install", "--quiet", *requirements]
        subprocess.run(command, check=True, timeout=_INSTALL_SECONDS, capture_output=True)
    except (OSError, subprocess.SubprocessError) as exc:
        raise Unavailable(f"{' and '.join(requirements)} cannot be installed here") from exc
    marker.touch()
    return python


def require(name: str) -> Path:
    """The interpreter of one of OF_TESTS, or a skip that says how to make it."""
    python, marker = _place(name, OF_TESTS[name])
    if not marker.is_file():
        pytest.skip(f"the Python environment {name} is not installed; run `{_INSTALL}`")
    return python


def _place(name: str, requirements: tuple[str, ...]) -> tuple[Path, Path]:
    folder = ROOT / ".cache" / name
    return folder / "bin/python", folder / f".installed-{'+'.join(requirements)}"


def install() -> None:
    for name, requirements in OF_TESTS.items():
        try:
            environment(name, *requirements)
        except Unavailable as exc:
            raise SystemExit(str(exc)) from exc


if __name__ == "__main__":
    if sys.argv[1:] != ["install"]:
        raise SystemExit(f"usage: {_INSTALL}")
    install()
