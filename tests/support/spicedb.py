"""A real SpiceDB server: build it from the pinned module, start it on loopback with its memory datastore, or skip loudly.

`python -m tests.support.spicedb build` compiles the server of tests/spicedb/go.mod into `.cache/spicedb`,
once per pinned set of modules. Nothing is built by running tests. `SPICEDB_BINARY` names another one.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.support.processes import ROOT, free_port, listening, running

MODULE = ROOT / "tests" / "spicedb"
TOKEN = "a preshared key of the tests"
_CACHE = ROOT / ".cache" / "spicedb"
_PACKAGE = "github.com/authzed/spicedb/cmd/spicedb"
_BUILD_SECONDS = 3600
_READY_SECONDS = 30


def version() -> str:
    """The release tests/spicedb/go.mod pins."""
    found = re.search(r"^\tgithub\.com/authzed/spicedb v(\S+)", (MODULE / "go.mod").read_text(), re.MULTILINE)
    assert found is not None, "tests/spicedb/go.mod pins no server"
    return found[1]


def binary() -> Path:
    """Where the server lies: as `SPICEDB_BINARY` says, or of the pinned modules once it is built."""
    if named := os.environ.get("SPICEDB_BINARY"):
        return Path(named)
    pinned = hashlib.sha256((MODULE / "go.mod").read_bytes() + (MODULE / "go.sum").read_bytes()).hexdigest()
    return _CACHE / f"spicedb-{version()}-{pinned[:12]}"


def build() -> Path:
    """Compile the pinned server unless it is there; raises RuntimeError when that cannot be done."""
    target = binary()
    if target.is_file():
        return target
    go = shutil.which("go")
    if go is None:
        raise RuntimeError("there is no Go on the PATH; install Go 1.26 or newer")
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(f".{os.getpid()}")
    command = [go, "build", "-trimpath", "-ldflags", "-s -w", "-o", str(unfinished), _PACKAGE]
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-buildvcs=false -mod=readonly"}
    try:
        done = subprocess.run(command, cwd=MODULE, env=environment, timeout=_BUILD_SECONDS, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"go build ended with {done.returncode}")
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
    return target


@functools.cache
def require_spicedb() -> Path:
    """The built server, or a skip that says how to get it."""
    if not binary().is_file():
        pytest.skip("the SpiceDB server is not built; run `make spicedb` (needs Go, takes minutes once)")
    return binary()


@contextlib.contextmanager
def spicedb() -> Generator[str]:
    """A server that remembers nothing; its endpoint, `host:port`."""
    executable, endpoint = require_spicedb(), f"127.0.0.1:{free_port()}"
    options = {
        "grpc-addr": endpoint,
        "grpc-preshared-key": TOKEN,
        "datastore-engine": "memory",
        "metrics-enabled": "false",
        "telemetry-endpoint": "",
        "log-level": "warn",
        "skip-release-check": "true",
    }
    command = [str(executable), "serve", *(f"--{name}={value}" for name, value in options.items())]
    port = int(endpoint.rpartition(":")[2])
    with running(command, ready=listening(port), seconds=_READY_SECONDS):
        yield endpoint


def _main(arguments: list[str]) -> int:
    if arguments != ["build"]:
        print("usage: python -m tests.support.spicedb build", file=sys.stderr)
        return 2
    try:
        print(build())
    except (RuntimeError, OSError, subprocess.SubprocessError) as exc:
        print(f"the SpiceDB server cannot be built: {exc}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
