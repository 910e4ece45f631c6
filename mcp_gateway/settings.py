"""Static settings: `gateway.yaml`, read once at start; only `compose` and the CLI read them.

Found by `--config`, else `MCP_GATEWAY_CONFIG`, else `./gateway.yaml`, else the defaults below,
which are safe on one machine: bound to loopback, built-in login, SQLite.
"""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Annotated, Literal, TypeAlias, cast
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, field_validator, model_validator

from mcp_gateway.errors import OperatorError
from mcp_gateway.model.tool import Mode
from mcp_gateway.settings_checkpoints import CheckpointSettings
from mcp_gateway.settings_metrics import MetricsSettings
from mcp_gateway.settings_overload import OverloadSettings
from mcp_gateway.settings_retention import RetentionSettings
from mcp_gateway.settings_sinks import Sinks
from mcp_gateway.settings_traces import TraceSettings

CONFIG_VARIABLE = "MCP_GATEWAY_CONFIG"
DEFAULT_FILE = "gateway.yaml"
_ULID = r"^[0-9A-HJKMNP-TV-Z]{26}$"
_OPENFGA_FLOOR = (1, 18, 0)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LoginSettings(_Strict):
    registration: Literal["off", "loopback", "on"] = Field(
        default="loopback",
        description="Dynamic client registration (RFC 7591); `loopback` = only while bound to loopback, as desktop clients need it.",
    )
    client_documents: list[str] = Field(
        default=["claude.ai", "claude.com", "chatgpt.com", "vscode.dev", "zed.dev"],
        description="Hosts whose client-ID metadata documents are fetched; checked before any request leaves.",
    )


class RegisteredAgent(_Strict):
    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="Stable OAuth client id.")
    redirect_uris: list[str] = Field(min_length=1, max_length=10, description="Exact, but any port on loopback.")
    name: str | None = Field(default=None, max_length=64, description="Shown on the consent page; default: the id.")


class AgentSettings(_Strict):
    self_grant: Literal["none", "read", "write"] | None = Field(
        default=None,
        description="What a user may grant an agent on the consent page; default `read` on loopback, else `none`.",
    )
    registered: list[RegisteredAgent] = Field(default=[], description="Agents with a stable id.")


_CLAIM = Field(
    default=None, min_length=1, max_length=200, description="A claim's name, or a JSON Pointer into the claims."
)


class ClaimSettings(_Strict):
    """What an issuer's tokens say of a user, as `group:<alias>/<name>`, `role:…` and `tenant:…`; unset = nothing."""

    groups: str | None = _CLAIM
    roles: str | None = _CLAIM
    tenant: str | None = _CLAIM


class IssuerSettings(_Strict):
    alias: str = Field(
        pattern=r"^[a-z][a-z0-9-]{0,31}$", description="Names the issuer in ids; `local` is the built-in login."
    )
    issuer: str = Field(description="`iss`, compared as a string.")
    audiences: list[str] = Field(default=[], description="Accepted `aud`; default: the endpoint's URL.")
    algorithms: list[str] = Field(min_length=1, description="Accepted `alg`; asymmetric only.")
    jwks_uri: str = Field(pattern=r"^https?://", description="Where its keys are.")
    token_types: list[str] = Field(default=["at+jwt"], description="Accepted `typ`; add JWT for issuers that send it.")
    network: list[str] = Field(default=[], description="CIDR ranges allowed for jwks_uri beyond public addresses.")
    claims: ClaimSettings = ClaimSettings()

    @field_validator("alias")
    @classmethod
    def _not_local(cls, alias: str) -> str:
        if alias == "local":
            raise ValueError("`local` is the built-in login")
        return alias

    @field_validator("algorithms")
    @classmethod
    def _asymmetric(cls, names: list[str]) -> list[str]:
        for name in names:
            if name not in {
                "RS256",
                "RS384",
                "RS512",
                "PS256",
                "PS384",
                "PS512",
                "ES256",
                "ES384",
                "ES512",
                "EdDSA",
                "Ed25519",
            }:
                raise ValueError(f"{name} is not an asymmetric signature algorithm")
        return names


class ClientCredentialsSettings(_Strict):
    """How to get a token for the relationship server from an authorization server (RFC 6749 §4.4)."""

    token_url: str = Field(pattern=r"^https?://", description="Where tokens are given out.")
    client_id: str = Field(min_length=1, description="The gateway's own client id there.")
    secret_file: Path = Field(description="A file, 0600, with the client's secret.")
    audience: str | None = Field(default=None, description="What the token is for, where the issuer asks for it.")
    scope: str = Field(default="", description="Scopes to ask for, separated by spaces.")


class OpenFgaSettings(_Strict):
    """An OpenFGA server that holds the relationships; it answers every question, or a copy of what it holds does."""

    backend: Literal["openfga", "replica"] = Field(
        description="`replica`: reads and lists are decided here by a copy; what changes something is asked of the server."
    )
    url: str = Field(pattern=r"^https?://[^@]+$", description="Its HTTP API; http only into a range of `network`.")
    version: str = Field(
        pattern=r"^v?\d+\.\d+\.\d+$", description="Its release, which its API does not tell; at least 1.18.0."
    )
    store_id: str | None = Field(
        default=None, pattern=_ULID, description="The store; `mcp-gateway relationships publish --new-store` makes one."
    )
    model_id: str | None = Field(
        default=None, pattern=_ULID, description="The model; default: the newest there that equals the policies."
    )
    token_file: Path | None = Field(default=None, description="A file, 0600, with the server's preshared token.")
    client_credentials: ClientCredentialsSettings | None = Field(default=None, description="Or an OAuth client.")
    network: list[str] = Field(default=[], description="CIDR ranges allowed for its address beyond public ones.")
    timeout: float = Field(
        default=2.0,
        ge=0.05,
        le=30,
        description="Seconds a question may take; a healthy server answers in milliseconds.",
    )
    consistency: Literal["by_risk", "higher"] = Field(
        default="by_risk",
        description="`by_risk`: what changes something, and everything just after a change, goes round the server's caches; `higher`: everything.",
    )
    max_staleness: float = Field(
        default=5.0,
        ge=1,
        le=60,
        description="Of the replica: seconds its copy may be old; what other systems change counts at the latest then, and a silent server denies. Needs the server's changelog-horizon-offset to be 0, its default.",
    )
    reconcile: float = Field(
        default=600.0,
        ge=10,
        description="Of the replica: seconds between two full reads that find changes the server's log lost.",
    )

    @field_validator("version")
    @classmethod
    def _new_enough(cls, version: str) -> str:
        if tuple(map(int, version.removeprefix("v").split("."))) < _OPENFGA_FLOOR:
            floor = ".".join(map(str, _OPENFGA_FLOOR))
            raise ValueError(f"OpenFGA before {floor} has known ways round its answers; upgrade the server")
        return version

    @model_validator(mode="after")
    def _one_credential(self) -> OpenFgaSettings:
        if self.token_file is not None and self.client_credentials is not None:
            raise ValueError("token_file and client_credentials exclude each other")
        if self.url.startswith("http:") and not self.network:
            raise ValueError(
                "an http URL needs `network`, ranges its address lies in, such as [127.0.0.0/8]; elsewhere use https"
            )
        misplaced = {"max_staleness", "reconcile"} & self.model_fields_set
        if self.backend != "replica" and misplaced:
            raise ValueError(f"{min(misplaced)} belongs to `backend: replica`")
        return self


class SpiceDbSettings(_Strict):
    """A SpiceDB server that holds the relationships and answers every question. Experimental; needs the extra `spicedb`."""

    backend: Literal["spicedb"] = Field(
        description="Experimental: held to the backends' contract, and to nothing more."
    )
    endpoint: str = Field(
        pattern=r"^[^/@\s]+:\d{1,5}$", description="host:port of its gRPC API; over TLS unless it is loopback."
    )
    token_file: Path = Field(description="A file, 0600, with the server's preshared key.")
    timeout: float = Field(default=2.0, ge=0.05, le=30, description="Seconds a question may take.")


def _which(value: object) -> str | None:
    """The kind of backend a value means; what is wrong with it is then said of that kind alone."""
    named: object = cast(dict[str, object], value).get("backend") if isinstance(value, dict) else value
    if isinstance(value, OpenFgaSettings | SpiceDbSettings):
        named = value.backend
    return {"embedded": "embedded", "openfga": "openfga", "replica": "openfga", "spicedb": "spicedb"}.get(str(named))


Relationships: TypeAlias = Annotated[
    Annotated[Literal["embedded"], Tag("embedded")]
    | Annotated[OpenFgaSettings, Tag("openfga")]
    | Annotated[SpiceDbSettings, Tag("spicedb")],
    Discriminator(
        _which,
        custom_error_type="backend",
        custom_error_message="must be `embedded`, or a mapping with `backend: openfga`, `replica` or `spicedb`",
    ),
]


class AuditSettings(RetentionSettings):
    durability: Literal["by_risk", "host"] = Field(
        default="by_risk",
        description="`by_risk`: reads survive a killed process, writes a power cut; `host`: everything survives a power cut.",
    )
    checkpoints: CheckpointSettings = CheckpointSettings()
    sinks: Sinks = Field(default=[], description="Where records are also kept; docs/audit-sinks.md.")


class LimitSettings(_Strict):
    body_bytes: int = Field(
        default=1_048_576, ge=1024, le=64_000_000, description="Largest request body; arguments rarely exceed 10 kB."
    )
    answer_bytes: int = Field(default=16_777_216, ge=1024, description="Largest upstream answer, decoded.")
    concurrency_per_principal: int = Field(default=32, ge=1, description="Calls one (user, agent) may have open.")
    concurrency: int = Field(default=1000, ge=1, description="Calls all clients together may have open before 503.")


class Settings(_Strict):
    """Everything in `gateway.yaml`; unknown keys are errors."""

    public_urls: list[str] = Field(
        default=[],
        description="Origins clients use, each with its own metadata and audience; default: 127.0.0.1 and localhost at the listening port.",
    )
    listen: str = Field(default="127.0.0.1:8000", description="host:port; loopback unless told otherwise.")
    server: Literal["granian", "uvicorn"] = Field(
        default="uvicorn",
        description="uvicorn runs on the event loop; granian on threads of its own, for more CPU per call.",
    )
    trusted_proxies: list[str] = Field(
        default=[], description="CIDR ranges of proxies whose X-Forwarded-For tells rules the client's address."
    )
    data_dir: Path = Field(default=Path(".mcp-gateway"), description="0700; store, audit, keys, secrets, users.")
    registry: Path = Field(default=Path("registry"), description="One YAML file per upstream.")
    policies: Path = Field(default=Path("policies"), description="The relationship model, rules and tool policies.")
    mode: Mode = Field(
        default=Mode.ENFORCE,
        description="`observe`: what a missing right or a rule would deny is let through and recorded; registry entries, tools and rules may say otherwise.",
    )
    relationships: Relationships = Field(
        default="embedded", description="Where relationships are evaluated: in this process, or by a server."
    )
    discovery_seconds: float = Field(default=60, ge=1, description="Between two looks at an upstream's tools.")
    login: LoginSettings = LoginSettings()
    agents: AgentSettings = AgentSettings()
    issuers: list[IssuerSettings] = Field(default=[], description="Foreign token issuers.")
    audit: AuditSettings = AuditSettings()
    traces: TraceSettings = TraceSettings()
    limits: LimitSettings = LimitSettings()
    metrics: MetricsSettings = MetricsSettings()
    overload: OverloadSettings = OverloadSettings()

    @field_validator("listen")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        host, separator, port = value.rpartition(":")
        if not separator or not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise ValueError("must be host:port")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, ranges: list[str]) -> list[str]:
        return [str(ipaddress.ip_network(text)) for text in ranges]

    @field_validator("public_urls")
    @classmethod
    def _origins(cls, urls: list[str]) -> list[str]:
        return [_origin(url) for url in urls]

    @model_validator(mode="after")
    def _encrypted_outside_loopback(self) -> Settings:
        for url in self.public_urls:
            if url.startswith("http:") and not is_loopback(urlsplit(url).hostname or ""):
                raise ValueError(f"public_urls: {url} needs https, tokens travel over it")
        if not self.public_urls and not is_loopback(self.host):
            raise ValueError("public_urls must name the https origin clients use when listen is not loopback")
        return self

    @property
    def host(self) -> str:
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])

    @property
    def origins(self) -> tuple[str, ...]:
        """Public origins, the first one being the one printed and mailed."""
        return tuple(self.public_urls) or (f"http://127.0.0.1:{self.port}", f"http://localhost:{self.port}")

    @property
    def loopback(self) -> bool:
        """Nobody outside this machine can connect."""
        return is_loopback(self.host)

    @property
    def self_grant(self) -> Literal["none", "read", "write"]:
        return self.agents.self_grant or ("read" if self.loopback else "none")

    @property
    def registration_open(self) -> bool:
        return self.login.registration == "on" or (self.login.registration == "loopback" and self.loopback)


def load(path: Path | None = None, **overrides: Path | str | None) -> Settings:
    """Read the settings; an override that is None leaves the file's value. Raises OperatorError naming the field."""
    named = path or (Path(os.environ[CONFIG_VARIABLE]) if CONFIG_VARIABLE in os.environ else None)
    source = named or (Path(DEFAULT_FILE) if Path(DEFAULT_FILE).exists() else None)
    values = _read(source) if source else {}
    values.update({key: value for key, value in overrides.items() if value is not None})
    try:
        return Settings.model_validate(values)
    except ValidationError as exc:
        problem = exc.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(step) for step in problem["loc"])
        where = f"{source or 'settings'}: {field}" if field else str(source or "settings")
        raise OperatorError(str(problem["msg"]).removeprefix("Value error, "), where=where) from exc


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _read(source: Path) -> dict[str, object]:
    try:
        value: object = yaml.safe_load(source.read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise OperatorError("there is no such file", where=str(source)) from exc
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as exc:
        raise OperatorError("cannot be read as YAML", where=str(source)) from exc
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise OperatorError("must be a mapping", where=str(source))
    return {str(key): item for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _origin(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError("must be an http(s) origin")
    if parts.path not in {"", "/"}:
        raise ValueError("must not have a path")
    return f"{parts.scheme}://{parts.netloc.lower()}"
