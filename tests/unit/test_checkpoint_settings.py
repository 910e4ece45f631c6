"""Settings of checkpoints that make no sense are refused by the field's name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mcp_gateway.errors import OperatorError
from mcp_gateway.settings import load


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"url": "http://example.com/"}, "audit.checkpoints: .*use https"),
        ({"token_file": "x"}, "audit.checkpoints: .*belong to `url`"),
        ({"seconds": 0}, "audit.checkpoints.seconds"),
        ({"network": ["x"], "url": "https://example.com"}, "audit.checkpoints.network"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(tmp_path: Path, wrong: dict[str, Any], problem: str) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(json.dumps({"audit": {"checkpoints": wrong}}))
    with pytest.raises(OperatorError, match=problem):
        load(path)


def test_checkpoints_are_made_without_being_asked_for(tmp_path: Path) -> None:
    chosen = load(None, data_dir=tmp_path).audit.checkpoints
    assert (chosen.seconds, chosen.directory, chosen.url) == (10, None, None)
