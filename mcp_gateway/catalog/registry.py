"""Read `registry/*.yaml`, one upstream per file, into `model.tool.Upstream`; write one for `server add`.

A directory is read whole or not at all: one bad file means an OperatorError naming file, line and
field, and whoever holds the last good state keeps it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mcp_gateway import yaml_lines
from mcp_gateway.catalog.entries import ItemEntry, Prompts, Resources
from mcp_gateway.catalog.mapping import Pointer, ResourceEntry, rule_of
from mcp_gateway.errors import OperatorError
from mcp_gateway.model.tool import (
    HttpTransport,
    Mode,
    OpenApiTransport,
    Risk,
    SseTransport,
    StdioTransport,
    ToolPolicy,
    Upstream,
)

SERVER_NAME = r"^[a-z][a-z0-9-]{0,23}$"
"""No underscore, so `<server>__<tool>` has one reading."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CredentialEntry(_Strict):
    header: str = Field(default="Authorization", pattern=r"^[A-Za-z0-9-]+$")
    file: str = Field(pattern=r"^[A-Za-z0-9._-]+$", description="file in the data directory's secrets/")


class _Endpoint(_Strict):
    url: str = Field(pattern=r"^https?://[^\s#]+$")
    headers: dict[str, str] = {}
    credential: CredentialEntry | None = None
    network: list[str] = []


class HttpEntry(_Endpoint):
    type: Literal["http"]


class SseEntry(_Endpoint):
    type: Literal["sse"]


class ApiCredentialEntry(CredentialEntry):
    query: str | None = Field(
        default=None, pattern=r"^[A-Za-z0-9._~-]+$", description="send it as this parameter instead"
    )


class OpenApiEntry(_Strict):
    type: Literal["openapi"]
    document: str = Field(min_length=1, description="a file, beside this one unless absolute, or an http(s) URL")
    url: str = Field(pattern=r"^https?://[^\s#?]+$", description="what the document's paths are appended to")
    headers: dict[str, str] = {}
    credential: ApiCredentialEntry | None = None
    network: list[str] = []


class StdioEntry(_Strict):
    type: Literal["stdio"]
    command: list[str] = Field(min_length=1)
    env: dict[str, str] = {}
    cwd: str | None = None


class ToolEntry(_Strict):
    risk: Risk
    resources: list[ResourceEntry] = []
    requestable: bool | None = Field(default=None, description="overrides the entry's")
    mode: Mode | None = Field(default=None, description="enforce or observe; overrides the entry's")
    record: list[Pointer] = Field(
        default=[], max_length=16, description="JSON Pointers to arguments whose values the audit keeps, sealed"
    )


class UpstreamEntry(_Strict):
    """One file of `registry/`."""

    name: str = Field(pattern=SERVER_NAME)
    description: str = Field(max_length=500)
    owner: str = Field(min_length=1, max_length=200)
    transport: Annotated[HttpEntry | SseEntry | OpenApiEntry | StdioEntry, Field(discriminator="type")]
    trust: Literal["trusted", "review"] = "review"
    sessions: Literal["per_principal", "shared"] = "per_principal"
    protocol: Literal["auto", "modern", "legacy"] = "auto"
    timeout: float = Field(default=60, gt=0, le=3600, description="seconds one call may take")
    default_risk: Risk = Risk.DESTRUCTIVE
    requestable: bool = Field(default=False, description="people without access may know its tools and ask for them")
    mode: Mode | None = Field(default=None, description="enforce or observe its decisions; default: the gateway's")
    tools: dict[str, ToolEntry] = {}
    prompts: Prompts = {}
    resources: Resources = Field(default={}, description="by URI or by the text of a template")


def load(directory: Path) -> tuple[Upstream, ...]:
    """Every upstream declared in `directory`, by name; raises OperatorError for the first bad file."""
    if not directory.is_dir():
        raise OperatorError("the registry directory does not exist", where=str(directory))
    upstreams: dict[str, Upstream] = {}
    for path in sorted(directory.glob("*.yaml")):
        upstream = load_file(path)
        if upstream.name in upstreams:
            raise OperatorError(f"the name {upstream.name!r} is taken by another file", where=str(path))
        upstreams[upstream.name] = upstream
    return tuple(upstreams[name] for name in sorted(upstreams))


def load_file(path: Path) -> Upstream:
    where = f"{path.parent.name}/{path.name}"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise OperatorError("cannot be read as UTF-8 text", where=where) from exc
    value, node = yaml_lines.parse(text, where=where)
    try:
        return upstream_of(UpstreamEntry.model_validate(value), folder=path.parent)
    except ValidationError as exc:
        problem = exc.errors(include_url=False, include_input=False)[0]
        location = problem["loc"]
        field = ".".join(str(step) for step in location) or "file"
        raise OperatorError(
            f"{field}: {problem['msg']}",
            where=f"{where}:{yaml_lines.line_of(node, location)}",
            remedy="correct the line, then mcp-gateway reload",
        ) from exc


def render(entry: UpstreamEntry) -> str:
    """The reviewable file `server add` writes; `load_file` reads it back to the same upstream."""
    plain: dict[str, Any] = entry.model_dump(mode="json", exclude_defaults=True)
    plain["transport"] = {"type": entry.transport.type, **plain["transport"]}
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=120)


def upstream_of(entry: UpstreamEntry, *, folder: Path = Path()) -> Upstream:
    """`folder` is where the entry's file stands: what it names without a full path stands beside it."""
    return Upstream(
        name=entry.name,
        transport=_transport(entry.transport, folder),
        owner=entry.owner,
        description=entry.description,
        trusted=entry.trust == "trusted",
        sessions=entry.sessions,
        protocol=entry.protocol,
        timeout_seconds=entry.timeout,
        default_risk=entry.default_risk,
        tools={name: _policy(tool, entry) for name, tool in entry.tools.items()},
        requestable=entry.requestable,
        mode=entry.mode,
        prompts={name: _policy(prompt, entry) for name, prompt in entry.prompts.items()},
        resources={uri: _policy(resource, entry) for uri, resource in entry.resources.items()},
    )


def _policy(tool: ToolEntry | ItemEntry, entry: UpstreamEntry) -> ToolPolicy:
    requestable = entry.requestable if tool.requestable is None else tool.requestable
    resources = tuple(rule_of(resource, tool.risk) for resource in tool.resources)
    return ToolPolicy(tool.risk, resources, requestable, tool.mode or entry.mode, tuple(tool.record))


def _transport(entry: HttpEntry | SseEntry | OpenApiEntry | StdioEntry, folder: Path) -> HttpTransport | StdioTransport:
    if isinstance(entry, StdioEntry):
        # `python` is the interpreter that has the gateway's packages, whatever PATH says.
        command = [sys.executable if entry.command[0] == "python" else entry.command[0], *entry.command[1:]]
        return StdioTransport(tuple(command), tuple(entry.env.items()), entry.cwd)
    if isinstance(entry, OpenApiEntry):
        return _api(entry, folder)
    credential = entry.credential
    kind = SseTransport if isinstance(entry, SseEntry) else HttpTransport
    return kind(
        url=entry.url,
        headers=tuple(entry.headers.items()),
        credential_header=credential.header if credential else None,
        credential_file=credential.file if credential else None,
        network=tuple(entry.network),
    )


def _api(entry: OpenApiEntry, folder: Path) -> OpenApiTransport:
    credential = entry.credential
    is_url = entry.document.startswith(("http://", "https://"))
    return OpenApiTransport(
        url=entry.url,
        headers=tuple(entry.headers.items()),
        credential_header=credential.header if credential else None,
        credential_file=credential.file if credential else None,
        network=tuple(entry.network),
        document=entry.document if is_url else str((folder / entry.document).resolve()),
        credential_query=credential.query if credential else None,
    )
