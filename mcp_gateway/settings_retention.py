"""Settings of how long the audit is kept; part of `audit` in gateway.yaml."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class RetentionSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    retention_days: float | None = Field(
        default=None,
        ge=1,
        le=36_500,
        description="Whole files whose records are all older are removed, once a day; default: kept for ever.",
    )
    hold: bool = Field(default=False, description="A legal hold: nothing of the audit is removed, whatever its age.")
