"""Python environments for tools that must not share ours: made once, kept in .cache, one tool each."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.processes import ROOT

_INSTALL_SECONDS = 240


class Unavailable(Exception):
    """The tool cannot be installed or started here; the message says which."""


def environment(name: str, requirement: str) -> Path:
    """The interpreter of an environment that holds exactly `requirement`."""
    folder = ROOT / ".cache" / name
    python = folder / "bin/python"
    marker = folder / f".installed-{requirement}"
    if marker.is_file():
        return python
    try:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True, timeout=_INSTALL_SECONDS)
        command = [str(python), "-m", "pip", "install", "--quiet", requirement]
        subprocess.run(command, check=True, timeout=_INSTALL_SECONDS, capture_output=True)
    except (OSError, subprocess.SubprocessError) as exc:
        raise Unavailable(f"{requirement} cannot be installed here") from exc
    marker.touch()
    return python
