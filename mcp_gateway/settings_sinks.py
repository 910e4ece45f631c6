"""Settings of the places where audit records are also kept; `audit.sinks` in gateway.yaml."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator


class _Sink(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str | None = Field(
        default=None,
        pattern=r"^[a-z][a-z0-9-]{0,31}$",
        description="Its position is stored under this name; default: the type.",
    )
    warn_after: float = Field(
        default=300.0, ge=1, description="Seconds a record may wait before that is logged and recorded."
    )


class FileSinkSettings(_Sink):
    """The same files in another directory, best on another disk or mount."""

    type: Literal["file"]
    directory: Path = Field(description="Must be there; it is not made, lest a missing mount fills this disk.")


class StdoutSinkSettings(_Sink):
    """One record a line on the standard output of the server."""

    type: Literal["stdout"]


class _HttpSink(_Sink):
    url: str = Field(
        pattern=r"^https?://[^@\s#]+$", description="Where records are posted; http only into a range of `network`."
    )
    network: list[str] = Field(default=[], description="CIDR ranges allowed for its address beyond public ones.")

    @field_validator("network")
    @classmethod
    def _ranges(cls, ranges: list[str]) -> list[str]:
        return [str(ipaddress.ip_network(text)) for text in ranges]

    @model_validator(mode="after")
    def _encrypted(self) -> _HttpSink:
        if self.url.startswith("http:") and not self.network:
            raise ValueError(
                "an http URL needs `network`, ranges its address lies in, such as [127.0.0.0/8]; elsewhere use https"
            )
        return self


class OtlpSinkSettings(_HttpSink):
    """An OpenTelemetry collector, OTLP/HTTP in JSON; `url` is whole, most end in /v1/logs."""

    type: Literal["otlp"]
    credential_file: Path | None = Field(default=None, description="A file, 0600, with the value of the header below.")
    credential_header: str = Field(
        default="Authorization", pattern=r"^[A-Za-z0-9-]+$", description="The header that carries the credential."
    )


class WebhookSinkSettings(_HttpSink):
    """An HTTP receiver; lines as they are, signed as Standard Webhooks says."""

    type: Literal["webhook"]
    secret_file: Path = Field(description="A file, 0600, with the secret that signs (HMAC-SHA256); whsec_… is base64.")


AnySink: TypeAlias = Annotated[
    FileSinkSettings | StdoutSinkSettings | OtlpSinkSettings | WebhookSinkSettings, Field(discriminator="type")
]


def sink_name(sink: _Sink) -> str:
    return sink.name or str(getattr(sink, "type", ""))


def _one_name_each(sinks: list[AnySink]) -> list[AnySink]:
    names = [sink_name(sink) for sink in sinks]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two sinks are called {name}; give each a `name`")
    return sinks


Sinks: TypeAlias = Annotated[list[AnySink], AfterValidator(_one_name_each)]
