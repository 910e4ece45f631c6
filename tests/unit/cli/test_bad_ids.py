"""Hostile ids on the command line: refused in a sentence, or stored as one encoded id, never as everybody.

Everybody is `*` or `user:*`, and only when written just so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.gateway import Installation, install

HOSTILE = [
    "*",
    "mi#ra",
    "a:b",
    "a@b",
    "a%2Fb",
    "a b",
    "a\tb",
    "a\nb",
    "\u202emira",
    "mira\u200b",
    "mir\u0430",
    "＊",
    "group:x#*",
    "*#member",
    "x#member#member",
    "x" * 10_240,
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return install(tmp_path_factory.mktemp("gateway"), registry={})


def _subjects(made: Installation) -> list[str]:
    listed: list[dict[str, Any]] = made.json("access", "list")
    return [row["subject"] for row in listed]


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_access_for_a_hostile_name_is_refused_or_is_for_one_encoded_id(made: Installation, name: str) -> None:
    before = set(_subjects(made))
    for subject in {name, f"user:{name}", f"user:local/{name}"} - {"*", "user:*"}:
        said = made.cli("access", "add", subject, "caller", "server:tickets", check=False)
        assert "Traceback" not in said
    for new in set(_subjects(made)) - before:
        assert new.isprintable()
        assert not {" ", "*"} & set(new)
        assert len(new.encode()) <= 512


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_a_grant_on_a_hostile_object_is_refused_or_names_one_id(made: Installation, name: str) -> None:
    reach = ("--on", f"server:{name}", "--access", "read", "--reason", "test")
    said = made.cli("grant", "add", "--agent", "docs", "--for", f"user:local/{name}", *reach, check=False)
    assert "Traceback" not in said
    for grant in made.json("grant", "list"):
        assert "*" not in str(grant["audience"])


def test_an_imported_wildcard_in_an_id_is_refused_with_its_line(made: Installation, tmp_path: Path) -> None:
    file = tmp_path / "tuples.yaml"
    file.write_text('- {user: "user:*#member", relation: caller, object: "server:tickets"}\n', encoding="utf-8")
    before = _subjects(made)
    made.cli("access", "import", str(file), check=False)
    assert _subjects(made) == before
