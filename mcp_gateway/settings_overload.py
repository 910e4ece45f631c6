"""Settings of what happens when there is more to do than the processor can."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class OverloadSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    patience: float = Field(
        default=0.012,
        ge=0,
        le=5,
        description="Seconds the event loop may be late on average, for the better part of a second, before requests are refused, those of whoever sends most first; half of what a request then waits for its turn. 0 = never refuse for that.",
    )
