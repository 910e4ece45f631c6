"""What a changed policy would do: to decisions that were recorded, to the lists of now; and what is only observed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from mcp_gateway.audit import Wanted
from mcp_gateway.cli import arguments
from mcp_gateway.cli.desk import Desk, command
from mcp_gateway.cli.policy_files import PolicyOption, RegistryOption, candidate_of
from mcp_gateway.cli.terminal import when
from mcp_gateway.errors import OperatorError

if TYPE_CHECKING:
    from mcp_gateway.audit import Record
    from mcp_gateway.policy.diff import Difference
    from mcp_gateway.policy.plan import Plan

AuditOption: TypeAlias = Annotated[
    Path | None, typer.Option("--audit", help="Another audit directory, or a file of records; default: the own.")
]
SinceOption: TypeAlias = Annotated[
    str | None, typer.Option("--since", help="7d, 12h, or an ISO 8601 moment; default: everything.")
]
LimitOption: TypeAlias = Annotated[int, typer.Option("--limit", min=1, help="The newest records to look at.")]
RECORDS = 100_000
_NOTHING_NEW = "nothing else to compare with"


def register(app: typer.Typer) -> None:
    command(app, "diff")(diff)
    command(app, "plan")(plan)
    command(app, "observed")(observed)


async def diff(
    desk: Desk,
    policy: PolicyOption = None,
    registry: RegistryOption = None,
    since: SinceOption = None,
    audit: AuditOption = None,
    limit: LimitOption = RECORDS,
) -> None:
    """Judge recorded decisions by changed policy: every flip is named, and what the record cannot tell is not guessed."""
    from mcp_gateway.policy.diff import compare
    from mcp_gateway.storage.feed import changes_since

    _require_change(policy, registry)
    settings = desk.office.settings
    then, now = candidate_of(settings, None, None), candidate_of(settings, policy, registry)
    records = _records(desk, since, audit, limit)
    with desk.terminal.busy("judging what was recorded"):
        changes = await changes_since(desk.office.database, 0)
        found = await compare(records, changes, now=now, then=then, complete=settings.relationships == "embedded")
    desk.terminal.answer(found.as_dict(), *_difference(found))


async def plan(
    desk: Desk,
    policy: PolicyOption = None,
    registry: RegistryOption = None,
    since: SinceOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many principals to look at.")] = 1000,
) -> None:
    """Say whose lists of tools would change, and how, if this policy were loaded now."""
    from mcp_gateway.policy.plan import plan as planned
    from mcp_gateway.policy.plan import seats_of
    from mcp_gateway.storage.catalog import tool_rows
    from mcp_gateway.storage.relationships import all_tuples

    _require_change(policy, registry)
    office = desk.office
    then, now = candidate_of(office.settings, None, None), candidate_of(office.settings, policy, registry)
    at = time.time()
    _, rows = await all_tuples(office.database)
    with desk.terminal.busy("looking at the lists"):
        seen = _records(desk, since, None, RECORDS)
        seats, cut = await seats_of(seen, rows, then.model, at=at, limit=limit)
        found = await planned(office.database, await tool_rows(office.database), seats, now=now, then=then, at=at)
    if cut:
        desk.terminal.note(f"note: {cut}")
    if office.settings.relationships != "embedded":
        desk.terminal.note("note: looked at by the relationships in this store, not by those on the server")
    desk.terminal.answer({**found.as_dict(), "cut": cut}, *_plan(found))


async def observed(
    desk: Desk, since: SinceOption = None, audit: AuditOption = None, limit: LimitOption = RECORDS
) -> None:
    """List what was let through only because it is observed, so that it can be enforced."""
    from mcp_gateway.policy.observed import observed as counted

    found = counted(_records(desk, since, audit, limit))
    desk.terminal.table(
        [one.as_dict() for one in found],
        ("times", "tool", "would deny", "rule", "users", "agents", "last"),
        [
            (
                str(one.times),
                one.tool.removeprefix("tool:"),
                one.code,
                one.rule or "-",
                str(len(one.users)),
                str(len(one.agents)),
                when(one.last_at),
            )
            for one in found
        ],
        empty="nothing would have been denied; what is observed can be set to enforce",
    )


def _require_change(policy: Path | None, registry: Path | None) -> None:
    if policy is None and registry is None:
        raise OperatorError(_NOTHING_NEW, where="policy", remedy="--policy FOLDER, --registry FOLDER, or both")


def _records(desk: Desk, since: str | None, audit: Path | None, limit: int) -> list[Record]:
    from mcp_gateway.policy.export import records

    wanted = Wanted(since=arguments.since(since, now=time.time()))
    found, cut = records(audit or desk.office.data_dir.audit, wanted, limit=limit)
    if cut:
        desk.terminal.note(f"note: {cut}")
    return found


def _difference(found: Difference) -> list[str]:
    totals = found.totals()
    lines = [str(flip) for flip in (*found.flips, *found.undecidable)]
    return [
        *lines,
        f"{totals['decisions']} decisions: {totals['unchanged']} as before, "
        f"{totals['allow_to_deny']} allowed then and denied now, {totals['deny_to_allow']} denied then and allowed now, "
        f"{totals['undecidable']} undecidable",
    ]


def _plan(found: Plan) -> list[str]:
    lines = [str(shift) for shift in found.shifts]
    lines += [f"the tools of {server} are not known before it is asked" for server in found.undiscovered]
    told = found.as_dict()
    return [
        *lines,
        f"{found.seats} principals, {found.tools} tools: {told['gained']} gained, {told['lost']} lost, "
        f"{len(found.shifts) - told['gained'] - told['lost']} otherwise changed",
    ]
