"""Settings of the signed checkpoints over the audit; `audit.checkpoints` in gateway.yaml."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class CheckpointSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    seconds: float = Field(
        default=10.0, ge=1, le=3600, description="Between two checkpoints, when there is something new to cover."
    )
    records: int = Field(default=50_000, ge=100, description="Or sooner, after so many records of this process.")
    directory: Path | None = Field(
        default=None,
        description="The second place: a directory this machine can only add to, such as a mount; must be there.",
    )
    url: str | None = Field(
        default=None,
        pattern=r"^https?://[^@\s#]+$",
        description="Another second place: checkpoints are posted here; http only into a range of `network`.",
    )
    token_file: Path | None = Field(default=None, description="A file, 0600, with a bearer token for `url`.")
    network: list[str] = Field(
        default=[], description="CIDR ranges allowed for the address of `url` beyond public ones."
    )

    @field_validator("network")
    @classmethod
    def _ranges(cls, ranges: list[str]) -> list[str]:
        return [str(ipaddress.ip_network(text)) for text in ranges]

    @model_validator(mode="after")
    def _encrypted(self) -> CheckpointSettings:
        if self.url is not None and self.url.startswith("http:") and not self.network:
            raise ValueError(
                "an http URL needs `network`, ranges its address lies in, such as [127.0.0.0/8]; elsewhere use https"
            )
        if self.url is None and (self.token_file is not None or self.network):
            raise ValueError("token_file and network belong to `url`")
        return self
