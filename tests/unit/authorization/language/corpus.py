"""Where OpenFGA's own language cases lie, when `OPENFGA_TESTS` says so."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

_REASON = "set OPENFGA_TESTS to the folder of OpenFGA's tests (with language/tests/data)"


def _data() -> Path | None:
    folder = os.environ.get("OPENFGA_TESTS")
    return Path(folder) / "language" / "tests" / "data" if folder else None


def cases(file: str) -> list[Any]:
    """The cases of one YAML file as parameters; one skipped parameter where there is no corpus."""
    data = _data()
    if data is None:
        return _missing()
    loaded = yaml.load((data / file).read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    return list(_named((case["name"], case) for case in loaded))


def folders(name: str, *, having: str) -> list[Any]:
    """Each folder of cases that holds the file `having`."""
    data = _data()
    if data is None:
        return _missing()
    return list(_named((one.name, one) for one in sorted((data / name).iterdir()) if (one / having).exists()))


def _named(found: Iterable[tuple[str, Any]]) -> Iterator[Any]:
    seen: dict[str, int] = {}
    for name, value in found:
        seen[name] = seen.get(name, 0) + 1
        yield pytest.param(value, id=name if seen[name] == 1 else f"{name} {seen[name]}")


def _missing() -> list[Any]:
    return [pytest.param(None, marks=pytest.mark.skip(reason=_REASON), id="corpus")]
