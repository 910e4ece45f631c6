"""Checks of what the gateway depends on: issuers and their clocks, the relationship backend, every upstream; itself."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Sequence
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
from anyio.abc import ObjectSendStream

from mcp_gateway.compose.checks_here import declared, port_taken
from mcp_gateway.compose.checkup import Check, Finding, ill, odd, of_error, well
from mcp_gateway.compose.office import Office
from mcp_gateway.compose.publishing import remote_of
from mcp_gateway.identity.keys import parse_keys
from mcp_gateway.model.tool import HttpTransport, Upstream
from mcp_gateway.settings import IssuerSettings, Settings
from mcp_gateway.upstream.credentials import Credentials
from mcp_gateway.upstream.fetch import fetch_dated

_SKEW_SECONDS = 30.0
_UPSTREAM_SECONDS = 10.0
_AT_ONCE = 8
_HTTP_SECONDS = 3.0


def checks_around(settings: Settings) -> list[tuple[str, str, Check]]:
    """Those that need no data directory."""
    issuers = [
        (f"issuer {one.alias}", "Look at its jwks_uri and network in the settings", partial(_issuer, one))
        for one in settings.issuers
    ]
    return [*issuers, ("port", "mcp-gateway serve --listen HOST:PORT", partial(_port, settings))]


async def _issuer(issuer: IssuerSettings) -> Sequence[Finding]:
    area = f"issuer {issuer.alias}"
    document, date = await fetch_dated(issuer.jwks_uri, network=issuer.network)
    if not parse_keys(document):
        return [ill(area, "its key set holds no key that can be used", "Correct jwks_uri: it names the issuer's JWKS")]
    found = [well(area, "its keys can be fetched")]
    if date is not None:
        found.append(_skew(area, date))
    return [*found, await _metadata(area, issuer)]


def _skew(area: str, date: str) -> Finding:
    try:
        skew = time.time() - parsedate_to_datetime(date).timestamp()
    except ValueError:
        return odd(area, "it sends a date that is none", "Look at what answers at jwks_uri")
    if abs(skew) > _SKEW_SECONDS:
        return ill("clock", f"{abs(skew):.0f} s off from {area}", "Set this machine's clock, or the issuer's; use NTP")
    return well("clock", f"agrees with {area}")


async def _metadata(area: str, issuer: IssuerSettings) -> Finding:
    url = issuer.issuer.rstrip("/") + "/.well-known/openid-configuration"
    remedy = "Compare issuer and jwks_uri in the settings with what the issuer publishes"
    try:
        said: Any = json.loads((await fetch_dated(url, network=issuer.network))[0])
        published, keys = said["issuer"], said["jwks_uri"]
    except Exception:
        return odd(area, "its metadata cannot be read; tokens are verified all the same", remedy)
    if published != issuer.issuer:
        return ill(area, "it calls itself otherwise than the settings do; its tokens are refused", remedy)
    if keys != issuer.jwks_uri:
        return odd(area, "it publishes another jwks_uri than the settings name", remedy)
    return well(area, "its metadata fits the settings")


async def _port(settings: Settings) -> Sequence[Finding]:
    taken = port_taken(settings)
    if taken is None:
        return [well("port", f"{settings.listen} is free; no gateway runs there")]
    status, parts = await anyio.to_thread.run_sync(_ready, settings, abandon_on_cancel=True)
    if parts is None:
        return [ill("port", f"{settings.listen}: {taken}; no gateway answers there", "Stop what listens there")]
    wrong = [f"{name} {said}" for name, said in parts.items() if said != "ok"]
    if status != 200:
        return [ill("port", f"a gateway runs there and is not ready: {', '.join(wrong)}", "See the gateway's log")]
    return [well("port", f"a gateway runs on {settings.listen} and is ready")]


def _ready(settings: Settings) -> tuple[int, dict[str, str] | None]:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    url = f"http://{f'[{host}]' if ':' in host else host}:{settings.port}/readyz"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=_HTTP_SECONDS) as response:
            return response.status, _parts(response.read(65_536))
    except urllib.error.HTTPError as exc:
        return exc.code, _parts(exc.read(65_536))
    except (OSError, ValueError):
        return 0, None


def _parts(body: bytes) -> dict[str, str] | None:
    try:
        said: Any = json.loads(body)
        return {str(name): str(text) for name, text in said["parts"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def checks_of_office(made: Office) -> list[tuple[str, str, Check]]:
    """Those that work through the opened data directory."""
    return [("relationships", "mcp-gateway relationships status", partial(_relationships, made))]


async def _relationships(made: Office) -> Sequence[Finding]:
    area, remote = "relationships", remote_of(made.relationships)
    if remote is not None:
        await remote.verify()
        behind = await remote.relay.behind()
        if behind:
            return [odd(area, f"the server lacks {behind} changes", "A running gateway brings them; see its log")]
    refusal = await made.authorization.undecided(now=time.time())
    if refusal is not None:
        return [ill(area, f"everything is denied: {refusal}", "mcp-gateway relationships status")]
    where = "in this process" if remote is None else "by the server"
    return [well(area, f"can be decided by, {where}")]


async def upstreams(made: Office) -> AsyncIterator[Finding]:
    """Every declared upstream, several at a time, as they answer."""
    send, receive = anyio.create_memory_object_stream[Sequence[Finding]](100)
    limiter = anyio.CapacityLimiter(_AT_ONCE)
    async with anyio.create_task_group() as tasks:
        async with send:
            for one in declared(made.settings):
                tasks.start_soon(_look_at, made, one, limiter, send.clone())
        async with receive:
            async for found in receive:
                for finding in found:
                    yield finding


async def _look_at(
    made: Office, upstream: Upstream, limiter: anyio.CapacityLimiter, send: ObjectSendStream[Sequence[Finding]]
) -> None:
    area = f"server {upstream.name}"
    async with send, limiter:
        try:
            with anyio.fail_after(_UPSTREAM_SECONDS):
                found = await _upstream(made, upstream, area)
        except Exception as exc:
            found = [of_error(area, exc, f"mcp-gateway server show {upstream.name}; is the server running?")]
        await send.send(found)


async def _upstream(made: Office, upstream: Upstream, area: str) -> Sequence[Finding]:
    transport = upstream.transport
    if isinstance(transport, HttpTransport):
        Credentials(made.data_dir.secrets, transport).current()
    listed = await made.upstreams.list_tools(upstream)
    said = f"{listed.era.value} era, version {listed.protocol_version}, {len(listed.tools)} tools"
    failed = [kind.value for kind in listed.failed]
    if failed:
        return [odd(area, f"{said}; it did not list its {', '.join(failed)}s", "Look at the server's own log")]
    return [well(area, said)]
