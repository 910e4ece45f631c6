"""Write the generated parts of the README: client snippets and the command list. `--check` only compares."""

from __future__ import annotations

import sys
from pathlib import Path

from typer.main import get_command

from mcp_gateway.api.snippets import as_markdown
from mcp_gateway.cli.main import app

README = Path(__file__).resolve().parents[1] / "README.md"
MCP_URL = "http://127.0.0.1:8000/mcp"


def main() -> None:
    text = README.read_text(encoding="utf-8")
    new = generated(text)
    if "--check" in sys.argv:
        sys.exit(0 if new == text else "README.md is not what the program says; run: make docs")
    README.write_text(new, encoding="utf-8")


def generated(text: str) -> str:
    """The README with every generated block written anew."""
    text = _replaced(text, "clients", as_markdown(MCP_URL))
    return _replaced(text, "commands", commands())


def _replaced(text: str, name: str, content: str) -> str:
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
