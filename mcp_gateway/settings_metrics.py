"""Settings of the metrics: where they are fetched, and by whom."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class MetricsSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    listen: str | None = Field(
        default=None,
        description="host:port of /metrics, an address of its own such as 127.0.0.1:9464; unset = nothing is counted or shown.",
    )
    token_file: Path | None = Field(
        default=None,
        description="A file, 0600, with the token a scraper sends as a bearer; needed unless listen is loopback.",
    )

    @field_validator("listen")
    @classmethod
    def _host_and_port(cls, value: str | None) -> str | None:
        if value is None:
            return None
        host, separator, port = value.rpartition(":")
        if not separator or not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise ValueError("must be host:port")
        return value

    @model_validator(mode="after")
    def _not_to_strangers(self) -> MetricsSettings:
        if self.listen is None and self.token_file is not None:
            raise ValueError("token_file needs listen, such as 127.0.0.1:9464")
        if self.listen is not None and self.token_file is None and not _is_loopback(self.host):
            raise ValueError("token_file is needed when listen is not loopback: metrics name servers, tools and agents")
        return self

    @property
    def host(self) -> str:
        return (self.listen or "").rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int((self.listen or ":0").rpartition(":")[2])


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
