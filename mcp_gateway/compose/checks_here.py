"""Checks of this machine alone: files and their permissions, the store, the audit, the disk, the port."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import anyio.to_thread

from mcp_gateway.audit import Trail
from mcp_gateway.audit import status as checkpoint_status
from mcp_gateway.audit.record import chain_hash, parse, unseal
from mcp_gateway.audit.sinks import FOLDER, behind, load
from mcp_gateway.catalog import registry
from mcp_gateway.compose.checkup import Check, Finding, ill, odd, of_error, well
from mcp_gateway.compose.health import write_and_sync
from mcp_gateway.compose.office import policies, rules
from mcp_gateway.compose.sinks import require_sinks
from mcp_gateway.errors import OperatorError
from mcp_gateway.model.tool import Upstream
from mcp_gateway.settings import Settings
from mcp_gateway.settings_sinks import sink_name
from mcp_gateway.storage.data_dir import DataDir
from mcp_gateway.storage.database import HEAD

_MIB = 1024 * 1024
_LEAST_BYTES, _FEW_BYTES = 64 * _MIB, 1024 * _MIB
_LEAST_FILES, _FEW_FILES = 1_000, 10_000
_CHECKED_FILES = 2
_LATE_CHECKPOINT_SECONDS = 600.0
_CLOCK_SECONDS = 60.0
_OWNERS_ONLY = 0o077


def checks_here(settings: Settings) -> list[tuple[str, str, Check]]:
    directory = DataDir(settings.data_dir)
    found: list[tuple[str, str, Check]] = [
        ("registry", "Correct the file", partial(_in_thread, partial(_registry, settings))),
        ("policies", "mcp-gateway policy validate", partial(_in_thread, partial(_policies, settings))),
        ("data directory", "mcp-gateway setup", partial(_in_thread, partial(_files, directory))),
    ]
    if directory.root.is_dir():
        found += [
            ("store", "Restore the store from a backup", partial(_in_thread, partial(_store, directory))),
            (
                "audit",
                "Free disk space or repair the audit directory",
                partial(_in_thread, partial(_audit, settings, directory)),
            ),
            ("disk", "Look at the file system", partial(_in_thread, partial(_disk, directory))),
        ]
    return found


async def _in_thread(look: partial[Iterator[Finding]]) -> Sequence[Finding]:
    return await anyio.to_thread.run_sync(lambda: list(look()))


def declared(settings: Settings) -> tuple[Upstream, ...]:
    """The upstreams of every registry file that can be read."""
    found: dict[str, Upstream] = {}
    for path in sorted(settings.registry.glob("*.yaml")):
        try:
            upstream = registry.load_file(path)
        except OperatorError:
            continue
        found.setdefault(upstream.name, upstream)
    return tuple(found.values())


def _registry(settings: Settings) -> Iterator[Finding]:
    area, bad = "registry", False
    for path in sorted(settings.registry.glob("*.yaml")):
        try:
            registry.load_file(path)
        except OperatorError as exc:
            bad = True
            yield of_error(area, exc, "Correct the file, then mcp-gateway reload")
    if bad:
        return
    upstreams = registry.load(settings.registry)
    yield well(area, f"{len(upstreams)} servers in {settings.registry}")


def _policies(settings: Settings) -> Iterator[Finding]:
    upstreams = declared(settings)
    model = policies(settings.policies, upstreams)
    book = rules(settings, model, upstreams)
    yield well("policies", f"the model and {len(book.rules)} rules are valid")


def _files(directory: DataDir) -> Iterator[Finding]:
    area = "data directory"
    if not directory.root.is_dir():
        yield odd(area, f"{directory.root} is not there yet", "mcp-gateway setup makes it; serve does, too")
        return
    open_to_others = [path for path in _private(directory) if path.stat().st_mode & _OWNERS_ONLY]
    for path in open_to_others:
        mode = "700" if path.is_dir() else "600"
        yield ill(area, f"{path} is open to others", f"chmod {mode} {path}")
    foreign = [path for path in _private(directory) if path.stat().st_uid != os.geteuid()]
    for path in foreign:
        yield odd(area, f"{path} belongs to another user", "Run the gateway and its commands as one user")
    for path in sorted(directory.keys.glob("seal-*.key")):
        if path.stat().st_size != 32:
            yield ill(area, f"{path} is not a key", "Restore it from a backup; without it every session begins anew")
    if not open_to_others:
        yield well(area, f"{directory.root} is private")


def _private(directory: DataDir) -> Iterator[Path]:
    yield directory.root
    for inner in (directory.keys, directory.secrets):
        if inner.is_dir():
            yield from (path for path in sorted(inner.iterdir()) if path.is_file())
    if directory.users.exists():
        yield directory.users


def _store(directory: DataDir) -> Iterator[Finding]:
    area = "store"
    if not directory.database.exists():
        yield odd(area, "there is no store yet", "mcp-gateway setup makes it; serve does, too")
        return
    with closing(sqlite3.connect(f"file:{directory.database}?mode=ro", uri=True, timeout=5)) as connection:
        try:
            (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            (version,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except (sqlite3.Error, TypeError):
            yield ill(area, "the store is damaged", f"Restore {directory.database} from a backup")
            return
    if said != "ok":
        yield ill(area, "the store is damaged", f"Restore {directory.database} from a backup")
    elif version < HEAD:
        yield odd(area, "the store is of an older release", "The next start brings it up to date; back it up before")
    elif version > HEAD:
        yield ill(area, "the store is of a newer release", "Use that release, or restore a backup of this one")
    else:
        yield well(area, "can be read and is whole")


def _audit(settings: Settings, directory: DataDir) -> Iterator[Finding]:
    area = "audit"
    write_and_sync(directory.audit / f".doctor-{os.getpid()}")
    yield well(area, "can be written and reaches the disk")
    newest = sorted(Trail(directory.audit).segments(), key=lambda path: path.stat().st_mtime)[-_CHECKED_FILES:]
    broken = [problem for path in newest if (problem := _break_in(path)) is not None]
    for problem in broken:
        yield ill(area, problem, "mcp-gateway audit verify names what was changed")
    if newest and not broken:
        yield well(area, f"the chain of the newest {len(newest)} files holds; audit verify checks all")
    ahead = max((path.stat().st_mtime for path in newest), default=0.0) - time.time()
    if ahead > _CLOCK_SECONDS:
        yield ill("clock", f"records are {ahead:.0f} s in the future", "Set this machine's clock; use NTP")
    yield from _checkpoints(directory, records=bool(newest))
    yield from _sinks(settings, directory)


def _break_in(path: Path) -> str | None:
    """What is wrong within one file; that it follows the one before is `audit verify`'s to say."""
    before: str | None = None
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                continue  # a kill tore it, or it is being written
            try:
                stored, body = unseal(line)
                prev = str(parse(line)["prev"])
            except (ValueError, KeyError):
                return f"{path.name}:{number} is not a record"
            if chain_hash(prev, body) != stored or before not in (None, prev):
                return f"{path.name}:{number} was changed, or one before it is missing"
            before = stored
    return None


def _checkpoints(directory: DataDir, *, records: bool) -> Iterator[Finding]:
    area, found = "checkpoints", checkpoint_status(directory.audit)
    for writer in found.damage:
        yield ill(area, f"files of writer {writer} no longer hold what was written", "mcp-gateway audit verify")
    for name, place in found.places.items():
        if "failing_since" in place:
            yield odd(area, f"{name} cannot be reached", "Look at that place; everything is sent again when it is back")
    if found.at is None:
        if records:
            yield odd(area, "there is none yet", "A running gateway makes the first within seconds of its first record")
        return
    age = time.time() - found.at
    newer = any(
        path.stat().st_mtime > found.at + _LATE_CHECKPOINT_SECONDS for path in Trail(directory.audit).segments()
    )
    if newer:
        yield ill(area, f"the newest is {age:.0f} s old, and records came later", "See the gateway's log")
    else:
        yield well(area, f"number {found.number}, {max(age, 0):.0f} s old")


def _sinks(settings: Settings, directory: DataDir) -> Iterator[Finding]:
    require_sinks(settings)
    for chosen in settings.audit.sinks:
        name = sink_name(chosen)
        waiting = behind(directory.audit, load(directory.audit / FOLDER, name).places)
        seconds = 0.0 if waiting.oldest_at is None else time.time() - waiting.oldest_at
        if seconds > chosen.warn_after:
            yield odd("sinks", f"{name} is {waiting.records} records behind", "mcp-gateway audit sinks says why")
        else:
            yield well("sinks", f"{name} has what it should have")


def _disk(directory: DataDir) -> Iterator[Finding]:
    area, free = "disk", shutil.disk_usage(directory.root).free
    said = f"{free // _MIB} MiB free"
    if free < _LEAST_BYTES:
        yield ill(area, said, "Free space: what cannot be recorded is not called")
    elif free < _FEW_BYTES:
        yield odd(area, said, "Free space, or set audit retention")
    else:
        yield well(area, said)
    files = os.statvfs(directory.root)
    if files.f_files and files.f_favail < _FEW_FILES:
        make = ill if files.f_favail < _LEAST_FILES else odd
        yield make(area, f"{files.f_favail} more files can be made", "Remove files from this file system")


def port_taken(settings: Settings) -> str | None:
    """Why nobody could listen where the settings say; None when one could."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as exc:
            return exc.strerror
    return None
