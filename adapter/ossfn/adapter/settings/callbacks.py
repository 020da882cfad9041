"""How callbacks are called: secrets, headers, certificates, time; `[callbacks."https://hooks.example.com/*"]`."""

import re
import ssl
from typing import Self

import httpx
from pydantic import BaseModel, ConfigDict, Field, FilePath, SecretStr, field_validator, model_validator

from ossfn.adapter.settings.values import WebhookSecret

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
