"""`doctor`: is everything as it should be, and what to do where it is not. Changes nothing."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import anyio
import typer

from mcp_gateway.cli.desk import Front, plain_command
from mcp_gateway.cli.exits import Exit
from mcp_gateway.errors import GatewayError
from mcp_gateway.settings import Settings

if TYPE_CHECKING:
    from mcp_gateway.compose.checkup import Finding

_MARKS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}


def register(app: typer.Typer) -> None:
    plain_command(app, "doctor")(doctor)


def doctor(front: Front) -> None:
    """Look at configuration, data, issuers, relationships, servers, audit, clock, disk and port."""
    # Imports every room; --help should not pay for that.
    from mcp_gateway.compose.checkup import of_error, well

    try:
        settings = front.settings()
    except Exception as exc:
        found = [of_error("configuration", exc, "Correct the settings file; docs/gateway.schema.json describes it")]
    else:
        with front.terminal.busy("looking at everything"):
            found = [well("configuration", "the settings are valid"), *anyio.run(_findings, settings)]
    counted = Counter(finding.state.value for finding in found)
    value = {
        "healthy": not counted["fail"],
        "ok": counted["ok"],
        "warn": counted["warn"],
        "fail": counted["fail"],
        "findings": [_plain(finding) for finding in found],
    }
    said = f"{counted['ok']} ok, {counted['warn']} to look at, {counted['fail']} failed"
    front.terminal.answer(value, *(line for finding in found for line in _lines(finding)), said)
    if counted["fail"]:
        raise typer.Exit(Exit.REFUSED)


async def _findings(settings: Settings) -> list[Finding]:
    from mcp_gateway.compose.checks_around import checks_around
    from mcp_gateway.compose.checks_here import checks_here
    from mcp_gateway.compose.checkup import every

    found = [finding async for finding in every([*checks_here(settings), *checks_around(settings)])]
    if any(finding.area == "store" and finding.state.value == "ok" for finding in found):
        found += await _through_the_office(settings)
    return found


async def _through_the_office(settings: Settings) -> list[Finding]:
    from mcp_gateway.compose.checks_around import checks_of_office, upstreams
    from mcp_gateway.compose.checkup import every, of_error
    from mcp_gateway.compose.office import office

    found: list[Finding] = []
    try:
        async with office(settings) as made:
            found += [finding async for finding in every(checks_of_office(made))]
            found += [finding async for finding in upstreams(made)]
    except (GatewayError, OSError) as exc:
        found.append(of_error("gateway", exc, "mcp-gateway serve says more"))
    return found


def _plain(finding: Finding) -> dict[str, str]:
    return {
        "area": finding.area,
        "state": finding.state.value,
        "said": finding.said,
        "remedy": finding.remedy,
    }


def _lines(finding: Finding) -> list[str]:
    lines = [f"{_MARKS[finding.state.value]}  {finding.area}: {finding.said}"]
    return [*lines, f"      try: {finding.remedy}"] if finding.remedy else lines
