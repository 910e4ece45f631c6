"""A real OpenFGA server: build it from the pinned module, start it on loopback, or skip loudly.

`python -m tests.support.openfga build` compiles the server of tests/openfga/go.mod into `.cache/openfga`,
once per pinned set of modules. Nothing is built by running tests.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import ROOT, Running, free_port, start, wait_until

MODULE = ROOT / "tests" / "openfga"
TOKEN = "a preshared key of the tests"
_CACHE = ROOT / ".cache" / "openfga"
_PACKAGE = "github.com/openfga/openfga/cmd/openfga"
_BUILD = "make openfga"
_BUILD_SECONDS = 1800
_MIGRATE_SECONDS = 60
_READY_SECONDS = 30
_ANSWER_SECONDS = 10


def version() -> str:
    """The release tests/openfga/go.mod pins, such as `1.21.0`."""
    found = re.search(r"^\tgithub\.com/openfga/openfga v(\S+)", (MODULE / "go.mod").read_text(), re.MULTILINE)
    assert found is not None, "tests/openfga/go.mod pins no server"
    return found[1]


def binary() -> Path:
    """Where the server of the pinned modules lies once it is built."""
    pinned = hashlib.sha256((MODULE / "go.mod").read_bytes() + (MODULE / "go.sum").read_bytes()).hexdigest()
    return _CACHE / f"openfga-{version()}-{pinned[:12]}"


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
    linked = f"-s -w -X github.com/openfga/openfga/internal/build.Version=v{version()}"
    command = [go, "build", "-trimpath", "-ldflags", linked, "-o", str(unfinished), _PACKAGE]
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
def require_openfga() -> Path:
    """The built server, or a skip that says how to get it."""
    if not binary().is_file():
        pytest.skip(f"the OpenFGA server is not built; run `{_BUILD}` (needs Go, takes minutes once)")
    return binary()


@dataclass(slots=True)
class OpenFgaServer:
    """One server with a data file of its own; it can be killed and started again on the same port."""

    executable: Path
    folder: Path
    port: int
    options: Mapping[str, str] = field(default_factory=dict[str, str])
    running: Running | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def begin(self) -> None:
        """Start on the same port and data as before; returns when it answers."""
        self.running = start(
            [str(self.executable), "run", *self._options()], log=self.folder / "openfga.log", cwd=self.folder
        )
        try:
            wait_until(self._answers, seconds=_READY_SECONDS, what="the OpenFGA server")
        except TimeoutError:
            self.kill()
            raise

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        if self.running is not None:
            self.running.kill()
            self.running = None

    def stop(self) -> None:
        if self.running is not None:
            self.running.stop()
            self.running = None

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Ask the server's HTTP API; an error answer is answered like any other."""
        return self._ask(path, json.dumps(body).encode())

    def get(self, path: str) -> Any:
        return self._ask(path, None)

    def new_store(self, name: str = "test") -> str:
        return str(self.post("/stores", {"name": name})["id"])

    def write(self, store: str, *rows: tuple[str, str, str]) -> None:
        """Write (subject, relation, object) straight into the server, as another system would."""
        keys = [{"user": user, "relation": relation, "object": object_} for user, relation, object_ in rows]
        answer = self.post(f"/stores/{store}/write", {"writes": {"tuple_keys": keys}})
        assert "code" not in answer, answer

    def delete(self, store: str, *rows: tuple[str, str, str]) -> None:
        keys = [{"user": user, "relation": relation, "object": object_} for user, relation, object_ in rows]
        answer = self.post(f"/stores/{store}/write", {"deletes": {"tuple_keys": keys}})
        assert "code" not in answer, answer

    def _ask(self, path: str, body: bytes | None) -> Any:
        headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
        request = urllib.request.Request(self.url + path, data=body, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS) as response:
                return json.loads(response.read() or b"{}")
        except urllib.error.HTTPError as exc:
            with exc:
                return json.loads(exc.read() or b"{}")

    def _answers(self) -> bool:
        assert self.running is not None
        if self.running.process.poll() is not None:
            raise RuntimeError(f"the OpenFGA server ended:\n{self.running.output()[-2000:]}")
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=1):
                return True
        except OSError:
            return False

    def _options(self) -> list[str]:
        options = {
            "http-addr": f"127.0.0.1:{self.port}",
            "grpc-addr": f"127.0.0.1:{free_port()}",
            **_datastore(self.folder, self.options.get("datastore-engine", "sqlite")),
            "authn-method": "preshared",
            "authn-preshared-keys": TOKEN,
            "metrics-enabled": "false",
            "playground-enabled": "false",
            "log-level": "warn",
            **self.options,
        }
        return [f"--{name}={value}" for name, value in options.items()]


@contextlib.contextmanager
def openfga(folder: Path, **options: str) -> Generator[OpenFgaServer]:
    """A server on SQLite in `folder`; `options` are its flags, with underscores for dashes.

    `datastore_engine="memory"` is faster, and forgets everything when it ends.
    """
    executable = require_openfga()
    folder.mkdir(parents=True, exist_ok=True)
    flags = {name.replace("_", "-"): value for name, value in options.items()}
    server = OpenFgaServer(executable, folder, free_port(), flags)
    if "memory" not in flags.values():
        _migrate(executable, folder)
    server.begin()
    try:
        yield server
    finally:
        server.stop()


def _datastore(folder: Path, engine: str) -> dict[str, str]:
    uri = {"datastore-uri": f"file:{folder / 'openfga.db'}"}
    return {"datastore-engine": engine, **({} if engine == "memory" else uri)}


def _migrate(executable: Path, folder: Path) -> None:
    uri = f"file:{folder / 'openfga.db'}"
    command = [str(executable), "migrate", "--datastore-engine", "sqlite", "--datastore-uri", uri]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=_MIGRATE_SECONDS)


def _main(arguments: list[str]) -> int:
    actions: dict[str, Callable[[], Path]] = {"build": build, "path": binary}
    if len(arguments) != 1 or arguments[0] not in actions:
        print("usage: python -m tests.support.openfga build|path", file=sys.stderr)
        return 2
    try:
        print(actions[arguments[0]]())
    except (RuntimeError, OSError, subprocess.SubprocessError) as exc:
        print(f"the OpenFGA server cannot be built: {exc}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
