"""How one target is treated: retries, tries at a time, tries a second; `[targets."function:thumbs"]`."""

from dataclasses import fields

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ossfn.adapter.retry import PRESETS, RetryPolicy


class TargetSettings(BaseModel):
    """How a target is treated, `[targets."function:thumbs"]` or `[targets."callback:https://hooks.example.com/*"]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    retry: str | RetryPolicy | None = Field(
        None, description="Retry policy: one of the presets, or a table of numbers; none: `retry`."
    )
    concurrency: int | None = Field(None, gt=0, le=1024, description="Tries at a time.")
    per_second: float | None = Field(None, gt=0, description="Tries a second at most.")

    @field_validator("retry", mode="before")
    @classmethod
    def _known_policy(cls, retry: object) -> object:
        if isinstance(retry, dict) and (unknown := sorted({*retry} - {field.name for field in fields(RetryPolicy)})):
            raise ValueError(f"unknown: {', '.join(unknown)}")
        return known_preset(retry) if isinstance(retry, str) else retry

    @property
    def retry_policy(self) -> RetryPolicy | None:
        """The policy itself."""
        return PRESETS[self.retry] if isinstance(self.retry, str) else self.retry


def known_preset(name: str) -> str:
    """The same; raises ValueError when no policy is called this."""
    if name not in PRESETS:
        raise ValueError(f"unknown retry policy {name!r}: use one of {', '.join(PRESETS)}")
    return name
