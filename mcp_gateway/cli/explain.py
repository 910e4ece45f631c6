"""Why a call, a get or a read would be allowed or refused, why a thing is listed or not, and what would change it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

import typer

from mcp_gateway.authorization import Access
from mcp_gateway.cli import arguments
from mcp_gateway.cli.desk import Desk, command
from mcp_gateway.cli.explanation import lines_of
from mcp_gateway.cli.known import note_strangers
from mcp_gateway.errors import AccessDenied, OperatorError
from mcp_gateway.inspection import Filter, OsUser, ToolAccess
from mcp_gateway.model.ids import ToolId
from mcp_gateway.model.tool import Kind

_EVERY_TOOL = 1_000_000
_RELATIONS = ("can_read", "can_write")
"""What a resource is asked for when no relation is named."""
_Arguments: TypeAlias = "Mapping[str, Any] | None"
_UNDECIDED = "rule.undecidable"
_FROM_NOWHERE = "note: without --address no rule that reads network.address can be decided; a real call has one"


def register(app: typer.Typer) -> None:
    command(app, "explain")(explain)


async def explain(
    desk: Desk,
    user: Annotated[str, typer.Option("--user", help="Who would ask.")],
    agent: Annotated[str, typer.Option("--agent", help="Through which agent.")],
    what: Annotated[
        str | None,
        typer.Argument(help="tool:, prompt: or resource: and its name, or TYPE:SERVER/ID. Without it: the whole list."),
    ] = None,
    tool: Annotated[str | None, typer.Option("--tool", help="SERVER/NAME, or the name a client sees.")] = None,
    prompt: Annotated[str | None, typer.Option("--prompt", help="SERVER/NAME.")] = None,
    call: Annotated[
        str | None,
        typer.Option("--arguments", help="The call's arguments, a JSON object. Without them: why it is listed."),
    ] = None,
    resource: Annotated[
        str | None,
        typer.Option(
            "--resource", help="SERVER/URI; or what a call names, TYPE:SERVER/ID, to be asked about by itself."
        ),
    ] = None,
    relation: Annotated[
        str | None, typer.Option("--relation", help="On what a call names. Default: can_read and can_write.")
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
    kind, text = _about({None: what, "tool": tool, "prompt": prompt, "resource": resource})
    if kind is None:
        listed = await office.inspection.explain_list(
            asker, who, through, server=server, memberships=belongs, address=origin, kind=None
        )
        await note_strangers(desk, user=who, agent=through)
        if origin is None and any(_UNDECIDED in one.missing for one in listed):
            desk.terminal.note(_FROM_NOWHERE)
        _show_list(desk, listed)
        return
    given = None if call is None else arguments.call_arguments(call)
    if kind not in set(Kind):
        if given is not None:
            raise OperatorError("ask about a call or about what it names", where="--arguments")
        on = arguments.thing(text)
        found = [
            await office.inspection.explain_resource(asker, who, through, one, on, memberships=belongs)
            for one in ((relation,) if relation else _RELATIONS)
        ]
        await note_strangers(desk, user=who, agent=through, on=on)
        desk.terminal.answer([one.as_dict() for one in found], *(line for one in found for line in lines_of(one)))
        return
    identifier, given = await _meant(desk, asker, kind, text, given)
    explanation = await office.inspection.explain(
        asker,
        who,
        through,
        identifier,
        given,
        scopes=frozenset(scope) if scope else None,
        memberships=belongs,
        address=origin,
    )
    await note_strangers(desk, user=who, agent=through)
    if origin is None and any(one.code == _UNDECIDED for one in explanation.findings):
        desk.terminal.note(_FROM_NOWHERE)
    desk.terminal.answer(explanation.as_dict(), *lines_of(explanation))


def _about(given: Mapping[str | None, str | None]) -> tuple[str | None, str]:
    """(type of id, text) of the one thing that was named; nothing is the whole list."""
    named = [(kind, text) for kind, text in given.items() if text is not None]
    if len(named) > 1:
        raise OperatorError("ask about one thing: a tool, a prompt or a resource", where="explain")
    if not named:
        return None, ""
    ((kind, text),) = named
    head = text.partition("/")[0]
    if kind is None and ":" not in head:
        raise OperatorError("must be TYPE:SERVER/NAME, such as prompt:tickets/triage", where=text)
    # What a call names has a type of its own in front.
    return (head.partition(":")[0] if kind in (None, "resource") and ":" in head else kind), text


async def _meant(desk: Desk, asker: OsUser, kind: str, text: str, given: _Arguments) -> tuple[ToolId, _Arguments]:
    """Which thing it is, and with which arguments it would be used."""
    if kind == Kind.TOOL:
        tools = (await desk.office.inspection.tools(asker, Filter(), limit=_EVERY_TOOL)).tools
        return arguments.tool(text, tools), given
    catalog, identifier = desk.office.catalog, ToolId(arguments.item(kind, text))
    known = catalog.find(identifier)
    if known is not None:
        # A read of it has no arguments but its URI.
        return identifier, {"uri": known.name} if known.kind is Kind.RESOURCE and given is None else given
    if kind == Kind.RESOURCE:
        try:
            item, own, variables = catalog.readable(*_uri(text))
            return item.id, {**variables, "uri": own}
        except AccessDenied:
            pass
    raise OperatorError(
        f"no server has this {kind}", where=text, remedy="mcp-gateway server show SERVER lists what it has"
    )


def _uri(text: str) -> tuple[str, str]:
    """(server, URI)."""
    server, _, uri = text.removeprefix("resource:").partition("/")
    return server, uri


def _show_list(desk: Desk, listed: tuple[ToolAccess, ...]) -> None:
    desk.terminal.table(
        [
            {"tool": one.id, "exposed": one.exposed, "access": one.access, "missing": list(one.missing)}
            for one in listed
        ],
        ("tool, prompt or resource", "name on /mcp", "is", "because"),
        [
            (
                one.id.removeprefix("tool:"),
                one.exposed,
                one.access,
                ", ".join(dict.fromkeys(one.missing)) or _SAID[one.access],
            )
            for one in listed
        ],
        empty="nothing is known; see mcp-gateway server list",
    )


_SAID = {
    Access.CALLABLE: "every side holds",
    Access.DEPENDS: "every side holds; a use also depends on what it names",
    Access.REQUESTABLE: "it can be asked for",
    Access.HIDDEN: "",
}
