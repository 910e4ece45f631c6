"""Write what is generated: parts of the README, the settings' schema, what works between eras. `--check` only compares."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from typer.main import get_command

from docs import eras
from mcp_gateway.api.snippets import as_markdown
from mcp_gateway.cli.main import app
from mcp_gateway.settings import Settings

README = Path(__file__).resolve().parents[1] / "README.md"
SCHEMA = Path(__file__).resolve().parent / "gateway.schema.json"
"""For editors: `# yaml-language-server: $schema=…` at the head of a `gateway.yaml`."""
MCP_URL = "http://127.0.0.1:8000/mcp"


def main() -> None:
    new = {README: generated(README.read_text(encoding="utf-8")), SCHEMA: schema(), eras.PAGE: eras.page()}
    for path, text in new.items():
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            sys.exit(f"{path.name} is not what the program says; run: make docs")


def generated(text: str) -> str:
    """The README with every generated block written anew."""
    text = replaced(text, "clients", as_markdown(MCP_URL))
    return replaced(text, "commands", commands())


def schema() -> str:
    """The JSON Schema of `gateway.yaml`: every field with its default and its reason."""
    return json.dumps({**Settings.model_json_schema(), "title": "gateway.yaml"}, indent=2) + "\n"


def replaced(text: str, name: str, content: str) -> str:
    begin, end = f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n{content}\n{end}{after}"


def commands() -> str:
    """One line per command, as `--help` describes it."""
    root = get_command(app)
    lines: list[str] = []
    for name, command in sorted(getattr(root, "commands", {}).items()):
        inner = getattr(command, "commands", None)
        if inner is None:
            lines.append(_line(name, command))
        else:
            lines += [_line(f"{name} {sub}", inner[sub]) for sub in sorted(inner)]
    return "\n".join(["| command | what it does |", "|---|---|", *lines])


def _line(name: str, command: object) -> str:
    help_text = str(getattr(command, "help", "") or "")
    first = help_text.strip().split("\n\n")[0].replace("\n", " ").strip()
    return f"| `mcp-gateway {name}` | {first} |"


if __name__ == "__main__":
    main()
