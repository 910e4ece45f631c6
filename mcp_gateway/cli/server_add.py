"""`server add`: write a registry file, look at the server, show what it offers, ask before approving."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from mcp_gateway.catalog.registry import ToolEntry, UpstreamEntry
from mcp_gateway.cli import found
from mcp_gateway.cli.desk import Desk, command
from mcp_gateway.cli.terminal import Terminal
from mcp_gateway.errors import OperatorError
from mcp_gateway.model.tool import Kind, Risk
from mcp_gateway.storage.catalog import ToolRow

_WEB = ("http://", "https://")


def register(app: typer.Typer) -> None:
    command(app, "add")(add)


async def add(
    desk: Desk,
    name: Annotated[str, typer.Argument(help="1 to 24 of a-z 0-9 -, beginning with a letter.")],
    child: Annotated[
        list[str] | None, typer.Argument(metavar="[-- COMMAND...]", help="A server to start, over stdio.")
    ] = None,
    url: Annotated[
        str | None, typer.Option("--url", help="The MCP endpoint of a server over HTTP, or the base URL of an API.")
    ] = None,
    sse: Annotated[
        bool, typer.Option("--sse", help="The server at --url speaks HTTP+SSE, the transport of 2024-11-05.")
    ] = False,
    openapi: Annotated[
        str | None, typer.Option("--openapi", help="The API's OpenAPI document, a file or URL: it is no MCP server.")
    ] = None,
    owner: Annotated[str | None, typer.Option("--owner", help="Who answers for it; default: you.")] = None,
    description: Annotated[
        str, typer.Option("--description", help="For the people who look through the catalog.")
    ] = "",
    trust: Annotated[bool, typer.Option("--trust", help="Approve its tools without a review, now and later.")] = False,
    risk: Annotated[list[str] | None, typer.Option("--risk", help="TOOL=read|write|destructive; repeatable.")] = None,
    use_hints: Annotated[
        bool, typer.Option("--use-hints", help="Take unnamed tools' risk from the server's own hints.")
    ] = False,
    network: Annotated[
        list[str] | None, typer.Option("--network", help="Address range to allow that is not public: 127.0.0.0/8.")
    ] = None,
    credential: Annotated[
        str | None, typer.Option("--credential", help="File in the data directory's secrets/ to send as Authorization.")
    ] = None,
    credential_as: Annotated[
        str | None, typer.Option("--credential-as", help="Another header to send it as; ?NAME: a query parameter.")
    ] = None,
    env: Annotated[list[str] | None, typer.Option("--env", help="NAME=VALUE for the command; repeatable.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Approve what it offers without asking.")] = False,
) -> None:
    """Put a server behind the gateway: writes its registry file, shows what it offers, asks before approving."""
    entry = _entry(
        name=name,
        owner=owner or desk.actor,
        description=description,
        trust="trusted" if trust else "review",
        transport=_transport(
            url,
            child or [],
            form=_form(sse=sse, openapi=openapi),
            network=network or [],
            credential=_credential(credential, credential_as),
            env=env or [],
        ),
        tools={tool: {"risk": level} for tool, level in _pairs(risk or [], "--risk")},
    )
    administration, terminal = desk.office.administration, desk.terminal
    path = await administration.server_add(entry, actor=desk.actor)
    terminal.note(f"wrote {path}")
    rows = await _look(desk, name)
    found.show(terminal, rows)
    _note_unoffered(terminal, entry, rows)
    hinted = _hinted(entry, rows)
    if hinted and (
        use_hints or terminal.agreed("Take these hints as the tools' risk? Without, unnamed ones are destructive.")
    ):
        entry = entry.model_copy(update={"tools": {**entry.tools, **hinted}})
        await administration.server_change(entry, actor=desk.actor)
        rows = await _look(desk, name)
    waiting = [row for row in rows if found.waits(row)]
    approved: list[str] = []
    if waiting and (yes or terminal.agreed(f"Approve {found.counted(waiting)} of {name}?")):
        chosen = [f"{row.kind.value}:{row.name}" for row in waiting]
        approved = await administration.server_approve(name, chosen, actor=desk.actor)
    rows = await administration.tool_rows(name)
    terminal.answer(
        {"server": name, "file": str(path), "approved": approved, **found.plain(rows)},
        *([f"approved: {', '.join(approved)}"] if approved else []),
        *_next_steps(name, rows),
    )


async def _look(desk: Desk, name: str) -> list[ToolRow]:
    with desk.terminal.busy(f"asking {name} what it offers"):
        findings = await desk.office.administration.server_refresh(name, actor=desk.actor)
    if findings.error is not None and not findings.unanswered:
        desk.terminal.note(
            f"the file stays; when it is right and the server runs: mcp-gateway server refresh {name}; "
            f"to begin anew: mcp-gateway server remove {name}"
        )
    found.refuse_failed(desk.terminal, name, findings)
    return await desk.office.administration.tool_rows(name)


def _note_unoffered(terminal: Terminal, entry: UpstreamEntry, rows: Sequence[ToolRow]) -> None:
    """A misspelt --risk leaves the tool that was meant at the default."""
    offered = {row.name for row in rows if row.kind is Kind.TOOL}
    if strangers := [tool for tool in entry.tools if tool not in offered]:
        terminal.note(f"note: --risk names what {entry.name} does not offer: {', '.join(strangers)}; mend its file")


def _hinted(entry: UpstreamEntry, rows: Sequence[ToolRow]) -> dict[str, ToolEntry]:
    """The risks the server claims, for tools the entry does not name and claims that would change something."""
    unnamed = [row for row in rows if row.kind is Kind.TOOL and row.name not in entry.tools]
    claims = {row.name: found.suggested_risk(row.definition) for row in unnamed}
    return {name: ToolEntry(risk=claim) for name, claim in claims.items() if claim and claim is not entry.default_risk}


def _next_steps(name: str, rows: Sequence[ToolRow]) -> list[str]:
    waiting = sum(found.waits(row) for row in rows)
    return [
        f"{name}: {found.counted(rows)}, {waiting} waiting for approval. Next:",
        *([f"  mcp-gateway server approve {name}"] if waiting else []),
        f"  mcp-gateway access add USER reader server:{name}",
        f"  mcp-gateway grant add --agent AGENT --on server:{name} --reason REASON",
    ]


def _transport(
    url: str | None,
    child: Sequence[str],
    *,
    form: dict[str, str],
    network: list[str],
    credential: dict[str, str] | None,
    env: Sequence[str],
) -> dict[str, Any]:
    if url is None and not child and form["type"] != "http":
        raise OperatorError("--sse and --openapi need --url, where requests go", where="server add")
    if (url is None) == (not child):
        raise OperatorError("a server is either --url URL or -- COMMAND", where="server add")
    if url is not None:
        _refuse_unusable(network, form.get("document"))
        return {**form, "url": url, "network": network, "credential": credential}
    if network or credential or form["type"] != "http":
        raise OperatorError("--sse, --openapi, --network and --credential are for --url", where="server add")
    return {"type": "stdio", "command": list(child), "env": dict(_pairs(env, "--env"))}


def _refuse_unusable(network: Sequence[str], document: str | None) -> None:
    """What no server that runs later would mend is refused before a file is written."""
    for text in network:
        try:
            ip_network(text)
        except ValueError as exc:
            raise OperatorError("takes ranges such as 127.0.0.0/8", where=f"--network {text}") from exc
    if document is not None and not document.startswith(_WEB) and not Path(document).is_file():
        raise OperatorError("there is no such file", where=f"--openapi {document}")


def _form(*, sse: bool, openapi: str | None) -> dict[str, str]:
    """What stands behind the URL."""
    if sse and openapi is not None:
        raise OperatorError("a server has either --sse or --openapi", where="server add")
    if openapi is None:
        return {"type": "sse" if sse else "http"}
    is_url = openapi.startswith(_WEB)
    return {"type": "openapi", "document": openapi if is_url else str(Path(openapi).resolve())}


def _credential(file: str | None, sent_as: str | None) -> dict[str, str] | None:
    if file is None and sent_as is None:
        return None
    if file is None:
        raise OperatorError("needs --credential FILE", where="--credential-as")
    if sent_as is None:
        return {"file": file}
    return {"file": file, "query": sent_as[1:]} if sent_as.startswith("?") else {"file": file, "header": sent_as}


def _pairs(given: Sequence[str], option: str) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for text in given:
        name, separator, value = text.rpartition("=") if option == "--risk" else text.partition("=")
        if not separator or not name:
            raise OperatorError("must be NAME=VALUE", where=option)
        if option == "--risk" and value not in set(Risk):
            raise OperatorError(f"{value} is not read, write or destructive", where=option)
        pairs.append((name, value))
    return pairs


def _entry(**fields: object) -> UpstreamEntry:
    try:
        return UpstreamEntry.model_validate(fields)
    except ValidationError as exc:
        problem = exc.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(step) for step in problem["loc"])
        if field == "name":
            raise OperatorError("must be 1 to 24 of a-z 0-9 -, beginning with a letter", where="name") from exc
        raise OperatorError(f"{field}: {problem['msg']}", where="server add") from exc
