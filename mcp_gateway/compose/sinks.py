"""The sinks of the settings, run beside the server; and what retention must leave for them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import anyio

from mcp_gateway import __version__
from mcp_gateway.audit.sinks import (
    FileSink,
    Following,
    OtlpSink,
    Place,
    Posted,
    Sink,
    StdoutSink,
    WebhookSink,
    key_of,
    least_position,
)
from mcp_gateway.compose.office import Office
from mcp_gateway.errors import OperatorError
from mcp_gateway.settings import Settings
from mcp_gateway.settings_sinks import (
    AnySink,
    FileSinkSettings,
    OtlpSinkSettings,
    StdoutSinkSettings,
    WebhookSinkSettings,
    sink_name,
)
from mcp_gateway.storage.data_dir import DataDir
from mcp_gateway.storage.secret_file import secret_of


async def run_sinks(made: Office) -> None:
    """Until it is cancelled; returns at once when there is none."""
    async with anyio.create_task_group() as tasks:
        for chosen in made.settings.audit.sinks:
            following = Following(
                sink_name(chosen),
                _sink(chosen),
                made.data_dir.audit,
                record=made.journal.event,
                warn_after=chosen.warn_after,
            )
            tasks.start_soon(following.run)


def sent_everywhere(settings: Settings) -> Mapping[str, Place] | None:
    """Per writer what every sink has had; None when there is no sink, and so nothing to wait for."""
    names = [sink_name(chosen) for chosen in settings.audit.sinks]
    return least_position(DataDir(settings.data_dir).audit, names) if names else None


def require_sinks(settings: Settings) -> None:
    """Raises OperatorError for a secret that cannot be read: known at the start, not when the first record waits."""
    for chosen in settings.audit.sinks:
        if isinstance(chosen, WebhookSinkSettings):
            _key(chosen)
        if isinstance(chosen, OtlpSinkSettings):
            _headers(chosen)


def _sink(chosen: AnySink) -> Sink:
    match chosen:
        case FileSinkSettings():
            return FileSink(chosen.directory)
        case StdoutSinkSettings():
            return StdoutSink()
        case WebhookSinkSettings():
            return WebhookSink(_Post(chosen), secret=partial(_key, chosen))
        case OtlpSinkSettings():
            resource = {"service.name": "mcp-gateway", "service.version": __version__}
            return OtlpSink(_Post(chosen), headers=partial(_headers, chosen), resource=resource)


class _Post:
    """An upstream's careful client as a sink's way out."""

    def __init__(self, chosen: OtlpSinkSettings | WebhookSinkSettings) -> None:
        # Seven megabytes of an HTTP client, for those who want it.
        from mcp_gateway.upstream.post import Poster

        self._poster = Poster(chosen.url, network=chosen.network)

    async def __call__(self, body: bytes, headers: Mapping[str, str], /) -> Posted:
        status, found, answer = await self._poster.post(body, headers)
        after = found.get("retry-after", "")
        return Posted(status, answer, float(after) if after.isdecimal() and len(after) < 6 else None)

    async def aclose(self) -> None:
        await self._poster.aclose()


def _key(chosen: WebhookSinkSettings) -> bytes:
    try:
        return key_of(secret_of(chosen.secret_file))
    except ValueError as exc:
        raise OperatorError("whsec_ must be followed by base64", where=str(chosen.secret_file)) from exc


def _headers(chosen: OtlpSinkSettings) -> Mapping[str, str]:
    if chosen.credential_file is None:
        return {}
    return {chosen.credential_header: secret_of(chosen.credential_file)}
