"""Read the model a test file names: any valid one, not only one a gateway may decide by."""

from __future__ import annotations

from pathlib import Path

from mcp_gateway.authorization import Model
from mcp_gateway.authorization.engine.model import compile_model
from mcp_gateway.errors import OperatorError


def load_any(path: Path) -> Model:
    """Raises OperatorError naming file and line."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise OperatorError("the model cannot be read", where=str(path)) from exc
    return compile_model(text, where=str(path))
