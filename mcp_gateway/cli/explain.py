"""Why a call would be allowed or refused, why a tool is listed or not, and what would change it."""

from __future__ import annotations

from typing import Annotated

import typer

from mcp_gateway.authorization import Access, Explanation
from mcp_gateway.cli import arguments
from mcp_gateway.cli.desk import Desk, command
from mcp_gateway.cli.known import note_strangers
from mcp_gateway.errors import OperatorError
from mcp_gateway.inspection import Filter, OsUser, ToolAccess

_EVERY_TOOL = 1_000_000
_RELATIONS = ("can_read", "can_write")
"""What a resource is asked for when no relation is named."""
_UNDECIDED = "rule.undecidable"
_FROM_NOWHERE = "note: without --address no rule that reads network.address can be decided; a real call has one"


def register(app: typer.Typer) -> None:
    command(app, "explain")(explain)


async def explain(
    desk: Desk,
    user: Annotated[str, typer.Option("--user", help="Who would ask.")],
    agent: Annotated[str, typer.Option("--agent", help="Through which agent.")],
    tool: Annotated[
        str | None, typer.Option("--tool", help="SERVER/NAME, or the name a client sees. Without it: the whole list.")
    ] = None,
    call: Annotated[
        str | None,
        typer.Option("--arguments", help="The call's arguments, a JSON object. Without them: why the tool is listed."),
    ] = None,
    resource: Annotated[
        str | None, typer.Option("--resource", help="TYPE:SERVER/ID, to be asked about by itself.")
    ] = None,
    relation: Annotated[
        str | None, typer.Option("--relation", help="On the resource. Default: can_read and can_write.")
    ] = None,
    server: Annotated[str | None, typer.Option("--server", help="Only this server's part of the list.")] = None,
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help="The token's scopes; repeatable. Default: all.")
    ] = None,
    member: Annotated[
        list[str] | None,
        typer.Option("--member", help="A group:, role: or tenant: the token would name; repeatable."),
    ] = None,
    address: Annotated[
        str | None, typer.Option("--address", help="Where the call would come from, for rules that read it.")
    ] = None,
) -> None:
    """Say why a call would be allowed or not: every question, every missing side, and what would change it."""
    who, through = arguments.user(user), arguments.agent(agent)
    belongs = tuple(map(arguments.membership, member or ()))
    origin = None if address is None else arguments.address(address)
    asker = OsUser(desk.actor)
    office = desk.office
    await office.catalog.declare(office.administration.servers_declared())
    if resource is not None:
        if tool is not None or call is not None:
            raise OperatorError("ask about a tool or about a resource", where="--resource")
        on = arguments.thing(resource)
        found = [
            await office.inspection.explain_resource(asker, who, through, one, on, memberships=belongs)
            for one in ((relation,) if relation else _RELATIONS)
        ]
        await note_strangers(desk, user=who, agent=through, on=on)
        desk.terminal.answer([one.as_dict() for one in found], *(line for one in found for line in _lines(one)))
        return
    if tool is None:
        listed = await office.inspection.explain_list(
            asker, who, through, server=server, memberships=belongs, address=origin
        )
        await note_strangers(desk, user=who, agent=through)
        if origin is None and any(_UNDECIDED in one.missing for one in listed):
            desk.terminal.note(_FROM_NOWHERE)
        _show_list(desk, listed)
        return
    given = None if call is None else arguments.call_arguments(call)
    known = (await office.inspection.tools(asker, Filter(), limit=_EVERY_TOOL)).tools
    explanation = await office.inspection.explain(
        asker,
        who,
        through,
        arguments.tool(tool, known),
        given,
        scopes=frozenset(scope) if scope else None,
        memberships=belongs,
        address=origin,
    )
    await note_strangers(desk, user=who, agent=through)
    if origin is None and any(one.code == _UNDECIDED for one in explanation.findings):
        desk.terminal.note(_FROM_NOWHERE)
    desk.terminal.answer(explanation.as_dict(), *_lines(explanation))


def _show_list(desk: Desk, listed: tuple[ToolAccess, ...]) -> None:
    desk.terminal.table(
        [
            {"tool": one.id, "exposed": one.exposed, "access": one.access, "missing": list(one.missing)}
            for one in listed
        ],
        ("tool", "name on /mcp", "is", "because"),
        [
            (one.id.removeprefix("tool:"), one.exposed, one.access, ", ".join(one.missing) or _SAID[one.access])
            for one in listed
        ],
        empty="no tool is known; see mcp-gateway server list",
    )


_SAID = {
    Access.CALLABLE: "every side holds",
    Access.DEPENDS: "every side holds; a call also depends on what it names",
    Access.REQUESTABLE: "it can be asked for",
    Access.HIDDEN: "",
}

_IN_LISTS = {
    Access.CALLABLE: "the tool is listed",
    Access.DEPENDS: "the tool is listed, a call depends on what it names",
    Access.REQUESTABLE: "the tool is not listed, and can be asked for",
    Access.HIDDEN: "the tool is hidden from them",
}


def _lines(explanation: Explanation) -> list[str]:
    lines = [_verdict(explanation)]
    for finding in explanation.findings:
        after = " (hidden until the one above is put right)" if finding.after else ""
        lines.append(f"  {finding.code}{f': {finding.evidence}' if finding.evidence else ''}{after}")
        if finding.remedy and not explanation.allowed:
            lines.append(f"    try: {finding.remedy}")
    lines += [f"  would be denied: {finding.code}: {finding.evidence}" for finding in explanation.observed]
    lines.append("because")
    for asked in explanation.asked:
        lines.append(f"  {'yes' if asked.answer else 'no '}  {asked.subject} {asked.relation} {asked.object}")
        lines += [f"         {fact}" for fact in asked.because]
    lines += [f"  rule {rule.id}: {rule.result}" for rule in explanation.rules]
    if explanation.classification is not None:
        lines.append(f"  its data is {explanation.classification}")
    if not explanation.allowed:
        lines.append(f"the caller is told {explanation.public_code}")
    return lines


def _verdict(explanation: Explanation) -> str:
    who = f"{explanation.user} through {explanation.agent}"
    if not explanation.tool:
        relation = f"{explanation.asked[0].relation} on " if explanation.asked else ""
        said = "ALLOWED" if explanation.allowed else "DENIED"
        return f"{said}: {who}: {relation}{', '.join(explanation.resources)}"
    if not explanation.allowed:
        state = f"; {_IN_LISTS[explanation.access]}" if explanation.access else ""
        return f"DENIED: {who} calls {explanation.tool}{state}"
    asked = bool(explanation.resources) or any(rule.of_call for rule in explanation.rules)
    if explanation.access is Access.DEPENDS and not asked:
        return f"DEPENDS: {who} calls {explanation.tool}: on what it names; --arguments asks about one call"
    return f"ALLOWED: {who} calls {explanation.tool}"
