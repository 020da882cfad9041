"""Every knob of the service with its default and a sentence; read once: command line, `OSSFN_*`, `ossfn.toml`."""

import re
import ssl
from dataclasses import fields
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal, Self

import httpx
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FilePath,
    SecretStr,
    StringConstraints,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from ossfn.adapter.dialects import DIALECTS
from ossfn.adapter.retry import PRESETS, RetryPolicy
from ossfn.adapter.signing import check_secret
from ossfn.trigger_registry.limits import Limits
from ossfn.trigger_registry.rules import Verification


def _checked(secret: SecretStr) -> SecretStr:
    check_secret(secret.get_secret_value())
    return secret


def _is_url(url: str) -> str:
    try:
        httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ValueError(f"{url!r} is no URL: {error}") from error
    return url


WebhookSecret = Annotated[SecretStr, AfterValidator(_checked)]
Origin = Annotated[str, StringConstraints(pattern=r"^https?://[^/?#@\s]+$"), AfterValidator(_is_url)]
TopicArn = Annotated[
    str, StringConstraints(pattern=r"^arn:aws(-cn|-us-gov)?:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_.-]+$")
]


class StandardWebhooksAuth(BaseModel):
    """Signed by Standard Webhooks, as another ossfn does."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["standard-webhooks"]
    secrets: tuple[WebhookSecret, ...] = Field(min_length=1, description="Secrets (`whsec_…`); any of them will do.")


class JdAuth(BaseModel):
    """Signed by JD Cloud's notification service."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["jd"]
    certificate_origins: tuple[Origin, ...] = Field(
        min_length=1, description="Where its certificates may come from: `https://host`, `http://host` if you must."
    )
    window_seconds: float = Field(900.0, gt=0, description="How far its Date may be from our clock.")


class SnsAuth(BaseModel):
    """Signed by Amazon SNS; a subscription of one of the topics is confirmed by itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["sns"]
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


_CALLBACK_PATTERN = re.compile(r"\*|https?://[^/*?#@\s]+/[^*#\s]*\*?")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[!-~]([ \t!-~]*[!-~])?")
_OUR_HEADERS = re.compile(
    r"host|user-agent|content-.*|transfer-encoding|connection|keep-alive|te|trailer|upgrade|expect|date"
    r"|webhook-.*|ossfn-.*|ce-.*|x-jdcloud-.*",
    re.IGNORECASE,
)


class CallbackSettings(BaseModel):
    """How callbacks are called whose URL matches, `[callbacks."https://hooks.example.com/*"]`; `*` matches all."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    secrets: tuple[WebhookSecret, ...] = Field(
        (), max_length=8, description="Standard Webhooks secrets (`whsec_…`); every one signs, so that they can rotate."
    )
    headers: dict[str, SecretStr] = Field({}, description="Headers to send with each delivery.")
    ca_file: FilePath | None = Field(None, description="Authorities (PEM) to trust in place of the public ones.")
    client_certificate: FilePath | None = Field(None, description="Certificate (PEM) to show, its chain after it.")
    client_key: FilePath | None = Field(None, description="Its key (PEM, not encrypted); none: in the same file.")
    connect_seconds: float = Field(10.0, gt=0, le=600, description="Time to find the host, connect and agree on TLS.")
    read_seconds: float | None = Field(None, gt=0, le=600, description="Longest silence of the receiver.")
    timeout_seconds: float | None = Field(
        None, gt=0, le=600, description="Time for one try; none: `callback_timeout_seconds`."
    )

    @field_validator("headers")
    @classmethod
    def _sendable(cls, headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, value in headers.items():
            if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value.get_secret_value()):
                raise ValueError(f"{name!r} is no HTTP header: its name takes letters, digits and -, its value ASCII")
            if _OUR_HEADERS.fullmatch(name):
                raise ValueError(f"{name} is set by ossfn itself; choose another name")
        return headers

    @model_validator(mode="after")
    def _certificates_load(self) -> Self:
        try:
            self.tls()
        except OSError as error:  # ssl.SSLError is one
            raise ValueError(f"ca_file, client_certificate or client_key cannot be used: {error}") from error
        return self

    def tls(self) -> ssl.SSLContext | None:
        """A context with these certificates, None when there are none; raises OSError."""
        if self.ca_file is None and self.client_certificate is None:
            return None
        context = ssl.create_default_context(cafile=self.ca_file) if self.ca_file else httpx.create_ssl_context()
        if self.client_certificate:
            # With an empty password OpenSSL says that it is wrong; without one it asks for it at the terminal.
            context.load_cert_chain(self.client_certificate, self.client_key, password="")
        return context


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
        return _known_preset(retry) if isinstance(retry, str) else retry

    @property
    def retry_policy(self) -> RetryPolicy | None:
        """The policy itself."""
        return PRESETS[self.retry] if isinstance(self.retry, str) else self.retry


def _known_preset(name: str) -> str:
    if name not in PRESETS:
        raise ValueError(f"unknown retry policy {name!r}: use one of {', '.join(PRESETS)}")
    return name


class ApiTokenSettings(BaseModel):
    """One bearer token for the JSON API, `[api_tokens.NAME]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    token: SecretStr = Field(min_length=1, description="What is sent as `Authorization: Bearer …`.")
    scope: Literal["read", "write"] = Field("read", description="`read`: GET only; `write`: everything.")


class Settings(BaseSettings):
    """The whole configuration, frozen. Without any, everything works at once on loopback."""

    model_config = SettingsConfigDict(
        env_prefix="OSSFN_",
        env_nested_delimiter="__",
        toml_file="ossfn.toml",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,  # it may be a secret
    )

    data: Path = Field(Path("ossfn-data"), description="Directory for everything that ossfn keeps.")
    host: str = Field(
        "127.0.0.1", description="Address to listen on; other than loopback needs `api_token` and source tokens."
    )
    port: int = Field(8450, ge=0, le=65535, description="Port of ingest, JSON API and metrics; 0 picks a free one.")
    s3_port: int = Field(8451, ge=0, le=65535, description="Port of the S3 notification API; 0 picks a free one.")
    s3_hosts: tuple[str, ...] = Field(
        (), description="Host names of the S3 API before which a bucket's name may stand, beside the well-known ones."
    )
    registry_url: str = Field("", description="Where rules are kept; empty: `registry.db` in the data directory.")
    backend_url: str = Field("", description="Where deliveries are kept; empty: `outbox.db` in the data directory.")
    api_token: SecretStr | None = Field(
        None, min_length=1, description="Bearer token for the JSON API; none: loopback only."
    )
    api_tokens: dict[str, ApiTokenSettings] = Field(
        {}, description="Further bearer tokens for the JSON API by name, which stands in the history."
    )
    limits: Limits = Field(Limits(), description="Limits on rules, where they are to differ from the documented ones.")
    sources: dict[str, SourceSettings] = Field(
        {}, description="Senders of notifications by name; none: `auto`, loopback only."
    )
    ingest_body_bytes: int = Field(6 * 1024 * 1024, gt=0, description="Largest notification taken, in bytes.")
    request_seconds: float = Field(
        30.0, gt=0, description="Time for a client to send its request; 16 KiB of body give it a second more."
    )
    max_connections: int = Field(500, gt=0, description="Connections taken at a time, on each port.")
    cloudevents: Literal["safe", "strict"] = Field(
        "safe",
        description="`safe`: ids unique per record, subject decoded; `strict`: the CNCF table to the letter.",
    )
    targets: dict[str, TargetSettings] = Field(
        {}, description="Targets to be treated differently, by `function:NAME` or `callback:URL`; `*` may end it."
    )
    retry: str = Field("default", description="Retry policy for all targets: one of the presets.")
    callback_allow: tuple[IPv4Network | IPv6Network, ...] | None = Field(
        None,
        description="Networks that callbacks may reach beside public ones; unset: loopback when listening on loopback.",
    )
    callback_concurrency: int = Field(8, gt=0, le=1024, description="Deliveries at a time for each callback.")
    callback_timeout_seconds: float = Field(30.0, gt=0, le=600, description="Time for one try at a callback.")
    callbacks: dict[str, CallbackSettings] = Field(
        {}, description="How to call callbacks, by URL with `*` at its end; the longest that matches counts."
    )
    callback_verification: Verification = Field(
        "none",
        description="How callbacks of rules put through the S3 API are asked whether they want events; JSON rules say.",
    )
    callback_unverified: Literal["refuse", "pause"] = Field(
        "refuse", description="Rules whose callbacks do not agree: refused, or kept with these callbacks paused."
    )
    webhook_rate: int | None = Field(
        None, gt=0, description="Requests a minute that CloudEvents' handshake asks for; none: not spoken of."
    )
    public_url: str = Field(
        "",
        pattern=r"^(https?://[!-~]+)?$",
        description="Where others reach the main port; with it callbacks may agree later, by a link in the handshake.",
    )
    webhook_origin: str = Field(
        "ossfn",
        pattern=r"^[0-9A-Za-z.-]{1,253}$",
        description="Sent to callbacks as `WebHook-Request-Origin`: the DNS name of this system.",
    )
    lease_seconds: float = Field(
        900.0, ge=660, description="After so long a claimed delivery is due again; above any time-out."
    )
    duplicate_window_seconds: float = Field(
        3600.0, ge=0, description="How long a repeated event is known as a duplicate."
    )
    retention_days: float = Field(7.0, gt=0, description="How long events whose deliveries all ended well are kept.")
    max_pending: int = Field(
        10_000_000, gt=0, description="Deliveries that may wait; above this, notifications get 503."
    )
    disk_reserve_mb: int = Field(
        64,
        ge=0,
        description="With less disk left notifications get 503, so that what comes of deliveries can still be written.",
    )
    stop_seconds: float = Field(
        30.0, ge=0, description="How long a stop waits for tries that run; what is still running then is tried again."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")

    @field_validator("retry")
    @classmethod
    def _known_policy(cls, name: str) -> str:
        return _known_preset(name)

    @field_validator("callbacks")
    @classmethod
    def _patterns(cls, callbacks: dict[str, CallbackSettings]) -> dict[str, CallbackSettings]:
        for pattern in callbacks:
            if not _CALLBACK_PATTERN.fullmatch(pattern):
                raise ValueError(f'{pattern!r}: name callbacks as "https://hooks.example.com/path/*", or "*" for all')
            _is_url(pattern.removesuffix("*"))
        return callbacks

    @model_validator(mode="after")
    def _safe_to_listen(self) -> Self:
        if self.on_loopback:
            return self
        if self.api_token is None and not self.api_tokens:
            raise ValueError(f"listening on {self.host} needs OSSFN_API_TOKEN: without it anybody could change rules")
        open_sources = [name for name, source in self.sources.items() if source.token is None and source.auth is None]
        if open_sources or not self.sources:
            which = ", ".join(open_sources) or "a [sources.NAME] table"
            raise ValueError(f"listening on {self.host} needs a token or auth for every source; missing: {which}")
        return self

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def registry(self) -> str:
        """SQLAlchemy URL of the registry."""
        return self.registry_url or f"sqlite:///{self.data.resolve() / 'registry.db'}"

    @property
    def backend(self) -> str:
        """URL of the outbox."""
        return self.backend_url or f"sqlite:///{self.data.resolve() / 'outbox.db'}"

    @property
    def callback_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Networks that callbacks may reach beside public ones."""
        if self.callback_allow is not None:
            return self.callback_allow
        return _LOOPBACK if self.on_loopback else ()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Command line before environment before `ossfn.toml`."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


_LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
