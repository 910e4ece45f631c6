"""Settings of the traces: whether and where spans go, and what they may say."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_OURS = frozenset({"host", "content-type", "content-length", "transfer-encoding", "connection"})


class TraceSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    export: Literal["off", "otlp"] = Field(
        default="off",
        description="`otlp`: spans of each request go to a collector; `off`: a client's trace is only passed on to upstreams.",
    )
    endpoint: str = Field(
        default="http://127.0.0.1:4318/v1/traces",
        description="The collector's OTLP/HTTP address for traces; http only on loopback or into a range of `network`.",
    )
    network: list[str] = Field(
        default=[], description="CIDR ranges allowed for the collector's address beyond public ones and loopback."
    )
    headers: dict[str, str] = Field(default={}, description="Sent with every batch; nothing secret.")
    secret_header: str = Field(default="authorization", description="The header that holds the secret file's line.")
    secret_file: Path | None = Field(
        default=None, description="A file, 0600, with that header's value, such as `Bearer …`."
    )
    sample: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="Share of the traces that begin here and are recorded; one a client began is recorded if the client records it.",
    )
    clients: Literal["continue", "link"] = Field(
        default="continue",
        description="`continue`: a client's trace goes on here and at the upstream; `link`: each request begins a trace that links to it.",
    )
    baggage: bool = Field(
        default=False, description="Pass a client's W3C baggage on to upstreams; it may say anything."
    )
    identities: bool = Field(default=False, description="Spans name the user and the agent.")
    queue_spans: int = Field(
        default=8_192,
        ge=256,
        le=1_000_000,
        description="Spans that wait for the collector; more are dropped and counted.",
    )

    @field_validator("network")
    @classmethod
    def _networks(cls, ranges: list[str]) -> list[str]:
        return [str(ipaddress.ip_network(text)) for text in ranges]

    @field_validator("headers")
    @classmethod
    def _sendable(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            _check_name(name)
            if not value.isascii() or not value.isprintable():
                raise ValueError(f"the value of {name} is not printable ASCII")
        return headers

    @field_validator("secret_header")
    @classmethod
    def _named(cls, name: str) -> str:
        _check_name(name)
        return name

    @model_validator(mode="after")
    def _safe(self) -> TraceSettings:
        parts = urlsplit(self.endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
            raise ValueError("endpoint needs an http: or https: URL without credentials")
        if parts.scheme == "http" and not self.network and not is_loopback(parts.hostname):
            raise ValueError(
                "an http endpoint needs `network`, ranges its address lies in, such as [10.0.0.0/8]; elsewhere use https"
            )
        return self


def _check_name(name: str) -> None:
    if not _HEADER.fullmatch(name) or name.lower() in _OURS:
        raise ValueError(f"{name!r} is not the name of a header that may be set")


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
