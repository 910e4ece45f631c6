"""Where relationships are kept and decided: what stands, the model on a server, moving there and back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from mcp_gateway.administration import Difference, Extra
from mcp_gateway.cli.desk import Desk, command
from mcp_gateway.errors import OperatorError, Unavailable
from mcp_gateway.storage.relationships import RelationshipTuple, all_tuples

if TYPE_CHECKING:
    from mcp_gateway.compose.openfga import Remote
    from mcp_gateway.compose.spicedb import SpiceDb

app = typer.Typer(help="Where relationships are kept and decided: here, or on a server.", no_args_is_help=True)

_SHOWN = 20
_EXAMPLE = 'relationships: {backend: openfga, url: "https://…", version: 1.21.0, token_file: …}'


class Target(StrEnum):
    OPENFGA = "openfga"
    EMBEDDED = "embedded"


@command(app, "status")
async def status(desk: Desk) -> None:
    """Say where relationships are decided, and whether everything is there."""
    from mcp_gateway.compose.publishing import remote_of

    office = desk.office
    revision, rows = await all_tuples(office.database)
    said: dict[str, Any] = {
        "backend": "embedded",
        "relationships": len(rows),
        "revision": revision,
        "model": office.vocabulary.model.model_id,
    }
    if (remote := remote_of(office.relationships)) is not None:
        said |= {"backend": remote.settings.backend, **await _server_status(remote)}
    elif (spicedb := _spicedb(desk)) is not None:
        said |= {"backend": "spicedb (experimental)", **await _spicedb_status(spicedb)}
    desk.terminal.answer(said, *(f"{name}: {'-' if value is None else value}" for name, value in said.items()))


@command(app, "publish", creates=True)
async def publish(
    desk: Desk,
    new_store: Annotated[
        str | None, typer.Option("--new-store", help="Make a store of this name first, and publish there.")
    ] = None,
) -> None:
    """Write the policies' model to the relationship server, where it does not have it yet."""
    from mcp_gateway.compose.publishing import publish as published

    if (spicedb := _spicedb(desk)) is not None:
        await desk.office.journal.event("relationships.published", desk.actor, endpoint=spicedb.settings.endpoint)
        await spicedb.publish(desk.office.vocabulary.model)
        desk.terminal.answer({"written": True}, "the schema is published")
        return
    remote = _remote(desk)
    made = await published(desk.office, remote, actor=desk.actor, new_store=new_store)
    done = "is published" if made.written else "was there"
    desk.terminal.answer(
        {"store_id": made.store, "model_id": made.model, "written": made.written},
        f"store_id: {made.store}",
        f"model_id: {made.model}",
    )
    desk.terminal.note(f"the model {done}")
    if new_store is not None:
        desk.terminal.note(f"put `store_id: {made.store}` under relationships in the settings")


@command(app, "migrate")
async def migrate(
    desk: Desk,
    to: Annotated[Target, typer.Option("--to", help="Which of the two becomes like the other.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    extra: Annotated[
        Extra | None, typer.Option("--extra", help="What to do with relationships only the target has.")
    ] = None,
) -> None:
    """Make the relationship server hold what is stored here, or the store what the server holds."""
    remote, administration = _remote(desk), desk.office.administration
    server = _Server(remote)
    to_server = to is Target.OPENFGA
    await remote.pinned()  # before anything is read or written: is it the right one?
    if dry_run:
        found = await administration.relationships_difference(server, to_server=to_server)
    else:
        move = administration.relationships_to_server if to_server else administration.relationships_from_server
        found = await move(server, extra=extra, actor=desk.actor, progress=lambda done, of: _progress(desk, done, of))
    removed = 0 if dry_run or extra is not Extra.REMOVE else len(found.extra)
    value = {"to": to.value, "dry_run": dry_run, **_plain(found), "removed": removed}
    desk.terminal.answer(value, *_lines(found), _summary(found, to, dry_run=dry_run, removed=removed))


class _Server:
    """The server's side of a move."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    @property
    def name(self) -> str:
        return f"{self._remote.settings.url} {self._remote.settings.store_id}"

    def tuples(self) -> AsyncIterator[RelationshipTuple]:
        return self._remote.admin.tuples()

    async def apply(self, deletes: Sequence[RelationshipTuple], writes: Sequence[RelationshipTuple]) -> None:
        await self._remote.admin.apply(deletes, writes)

    async def has_everything(self, revision: int) -> None:
        await self._remote.relay.told(revision)


async def _server_status(remote: Remote) -> dict[str, Any]:
    said: dict[str, Any] = {"url": remote.settings.url, "store_id": remote.settings.store_id}
    said["changes_not_relayed"] = await remote.relay.behind()
    try:
        said["model_id"] = await remote.pinned()
        await remote.verify()
    except Unavailable as exc:
        return {**said, "state": "unusable", "problem": str(exc)}
    return {**said, "state": "usable"}


def _spicedb(desk: Desk) -> SpiceDb | None:
    """The SpiceDB server of the settings, whose module only then is imported."""
    named = desk.office.settings.relationships
    return cast("SpiceDb", desk.office.relationships) if getattr(named, "backend", None) == "spicedb" else None


async def _spicedb_status(spicedb: SpiceDb) -> dict[str, Any]:
    said: dict[str, Any] = {"endpoint": spicedb.settings.endpoint}
    said["changes_not_relayed"] = await spicedb.relay.behind()
    try:
        await spicedb.verify()
    except Unavailable as exc:
        return {**said, "state": "unusable", "problem": str(exc)}
    return {**said, "state": "usable"}


def _remote(desk: Desk) -> Remote:
    from mcp_gateway.compose.publishing import remote_of

    remote = remote_of(desk.office.relationships)
    if remote is None:
        raise OperatorError("the settings name no relationship server", where="relationships", remedy=_EXAMPLE)
    return remote


def _progress(desk: Desk, done: int, of: int) -> None:
    desk.terminal.note(f"{done} of {of}")


def _plain(found: Difference) -> dict[str, Any]:
    return {
        "added": [_said(row) for row in found.added],
        "changed": [{"from": _said(before), "to": _said(after)} for before, after in found.changed],
        "extra": [_said(row) for row in found.extra],
        "alike": found.alike,
    }


def _lines(found: Difference) -> list[str]:
    lines = [f"+ {_said(row)}" for row in found.added]
    lines += [f"~ {_said(after)} (was: {_condition(before) or 'for good'})" for before, after in found.changed]
    lines += [f"? {_said(row)}" for row in found.extra]
    more = len(lines) - _SHOWN
    return lines if more <= 0 else [*lines[:_SHOWN], f"… and {more} more; --json shows all"]


def _summary(found: Difference, to: Target, *, dry_run: bool, removed: int) -> str:
    would = "would be " if dry_run else ""
    extra = f"{removed} removed" if removed else f"{len(found.extra)} only there"
    return f"{to.value}: {len(found.added)} {would}added, {len(found.changed)} {would}changed, {extra}, {found.alike} alike"


def _said(row: RelationshipTuple) -> str:
    condition = _condition(row)
    return f"{row.subject} {row.relation} {row.object}" + (f" {condition}" if condition else "")


def _condition(row: RelationshipTuple) -> str:
    if row.condition is None:
        return ""
    return f"with {row.condition.name} {dict(row.condition.context)}"
