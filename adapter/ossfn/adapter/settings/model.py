"""Every knob of the service with its default and a sentence; read once: command line, `OSSFN_*`, `ossfn.toml`."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from ossfn.adapter.settings.callbacks import CallbackSettings
from ossfn.adapter.settings.sources import SourceSettings
from ossfn.adapter.settings.targets import TargetSettings, known_preset
from ossfn.adapter.settings.values import is_url
from ossfn.trigger_registry.limits import Limits
from ossfn.trigger_registry.rules import Verification

_CALLBACK_PATTERN = re.compile(r"\*|https?://[^/*?#@\s]+/[^*#\s]*\*?")


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
    role: str = Field("all", description="Which parts run: `all`; this release runs all roles in one process.")
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
    max_connections_per_client: int = Field(
        125,
        gt=0,
        description="Of these, from one address of another machine; behind a proxy, as many as it has.",
    )
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
    key_calls_per_minute: int = Field(
        16,
        ge=0,
        description="Calls of one function by one key within a minute; more are taken for a loop. 0: as many as come.",
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

    @field_validator("registry_url", "backend_url")
    @classmethod
    def _within_this_release(cls, url: str) -> str:
        if url and not url.startswith("sqlite:///"):
            kind = url.partition(":")[0][:20]
            raise ValueError(f"{kind!r} is not possible: this release takes sqlite:///path/to/file.db")
        return url

    @field_validator("role")
    @classmethod
    def _all_in_one(cls, role: str) -> str:
        if role != "all":
            raise ValueError(f"{role!r} is not possible: this release runs all roles in one process; use all")
        return role

    @field_validator("retry")
    @classmethod
    def _known_policy(cls, name: str) -> str:
        return known_preset(name)

    @field_validator("callbacks")
    @classmethod
    def _patterns(cls, callbacks: dict[str, CallbackSettings]) -> dict[str, CallbackSettings]:
        for pattern in callbacks:
            if not _CALLBACK_PATTERN.fullmatch(pattern):
                raise ValueError(f'{pattern!r}: name callbacks as "https://hooks.example.com/path/*", or "*" for all')
            is_url(pattern.removesuffix("*"))
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
