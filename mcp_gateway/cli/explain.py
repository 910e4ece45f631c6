"""Why a call would be allowed or refused."""

from __future__ import annotations

from typing import Annotated

import typer

from mcp_gateway.authorization import Explanation
from mcp_gateway.cli import arguments
from mcp_gateway.cli.desk import Desk, command
from mcp_gateway.cli.known import note_strangers
from mcp_gateway.inspection import Filter, OsUser

_EVERY_TOOL = 1_000_000


def register(app: typer.Typer) -> None:
    command(app, "explain")(explain)


async def explain(
    desk: Desk,
    user: Annotated[str, typer.Option("--user", help="Who would ask.")],
    agent: Annotated[str, typer.Option("--agent", help="Through which agent.")],
    tool: Annotated[str, typer.Option("--tool", help="SERVER/NAME, or the name a client sees.")],
    call: Annotated[
        str, typer.Option("--arguments", help="The call's arguments, a JSON object; they name the resource.")
    ] = "{}",
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help="The token's scopes; repeatable. Default: all.")
    ] = None,
) -> None:
    """Say whether a call would be allowed, every question that decides it, and what would change the answer."""
    office, asker = desk.office, OsUser(desk.actor)
    given = arguments.call_arguments(call)
    await office.catalog.declare(office.administration.servers_declared())
    known = (await office.inspection.tools(asker, Filter(), limit=_EVERY_TOOL)).tools
    explanation = await office.inspection.explain(
        asker,
        arguments.user(user),
        arguments.agent(agent),
        arguments.tool(tool, known),
        given,
        scopes=frozenset(scope) if scope else None,
    )
    await note_strangers(desk, user=arguments.user(user), agent=arguments.agent(agent))
    desk.terminal.answer(explanation.as_dict(), *_lines(explanation))


def _lines(explanation: Explanation) -> list[str]:
    verdict = "ALLOWED" if explanation.allowed else "DENIED"
    lines = [f"{verdict}: {explanation.user} through {explanation.agent} calls {explanation.tool}"]
    for finding in explanation.findings:
        lines.append(f"  {finding.code}{f': {finding.evidence}' if finding.evidence else ''}")
        if finding.remedy and not explanation.allowed:
            lines.append(f"    try: {finding.remedy}")
    lines.append("because")
    for asked in explanation.asked:
        lines.append(f"  {'yes' if asked.answer else 'no '}  {asked.subject} {asked.relation} {asked.object}")
        lines += [f"         {fact}" for fact in asked.because]
    if not explanation.allowed:
        lines.append(f"the caller is told {explanation.public_code}")
    return lines
