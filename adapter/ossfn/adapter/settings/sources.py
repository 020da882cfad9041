"""Senders of notifications: in which format, with which token or signature; `[sources.NAME]`."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from ossfn.adapter.dialects import DIALECTS
from ossfn.adapter.settings.values import Origin, TopicArn, WebhookSecret


class StandardWebhooksAuth(BaseModel):
    """Signed by Standard Webhooks, as another ossfn does."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["standard-webhooks"] = Field(description="Chooses this way of signing.")
    secrets: tuple[WebhookSecret, ...] = Field(min_length=1, description="Secrets (`whsec_…`); any of them will do.")


class JdAuth(BaseModel):
    """Signed by JD Cloud's notification service."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["jd"] = Field(description="Chooses this way of signing.")
    certificate_origins: tuple[Origin, ...] = Field(
        min_length=1, description="Where its certificates may come from: `https://host`, `http://host` if you must."
    )
    window_seconds: float = Field(900.0, gt=0, description="How far its Date may be from our clock.")


class SnsAuth(BaseModel):
    """Signed by Amazon SNS; a subscription of one of the topics is confirmed by itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["sns"] = Field(description="Chooses this way of signing.")
    topics: tuple[TopicArn, ...] = Field(min_length=1, description="ARNs of the topics that are expected.")
    origins: tuple[Origin, ...] = Field(
        (), description="Where certificates and SubscribeURLs may lead beside Amazon: the address of an emulator."
    )
    window_seconds: float = Field(3900.0, gt=0, description="Age of the oldest message taken; SNS retries for an hour.")


IngestAuth = StandardWebhooksAuth | JdAuth | SnsAuth


class SourceSettings(BaseModel):
    """One sender of notifications, `[sources.NAME]`, posting to `/ingest/NAME`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dialect: str = Field("auto", description="Notification format: one of the documented dialects, or `auto`.")
    region: str = Field("", description="Region of its buckets, for stores that name none in their records.")
    token: SecretStr | None = Field(
        None, min_length=1, description="What it must send as bearer token, or as password of basic authentication."
    )
    auth: IngestAuth | None = Field(
        None, discriminator="kind", description="How it must sign: `standard-webhooks`, `jd` or `sns`."
    )

    @field_validator("dialect")
    @classmethod
    def _known(cls, dialect: str) -> str:
        if dialect not in DIALECTS:
            raise ValueError(f"unknown dialect {dialect!r}: use one of {', '.join(DIALECTS)}")
        return dialect
