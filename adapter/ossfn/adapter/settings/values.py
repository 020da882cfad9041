"""Kinds of values that several tables of the settings have: secrets, origins, ARNs of topics."""

from typing import Annotated

import httpx
from pydantic import AfterValidator, SecretStr, StringConstraints

from ossfn.adapter.signing import check_secret


def _checked(secret: SecretStr) -> SecretStr:
    check_secret(secret.get_secret_value())
    return secret


def is_url(url: str) -> str:
    """The same; raises ValueError when it is none that can be called."""
    try:
        httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ValueError(f"{url!r} is no URL: {error}") from error
    return url


WebhookSecret = Annotated[SecretStr, AfterValidator(_checked)]
Origin = Annotated[str, StringConstraints(pattern=r"^https?://[^/?#@\s]+$"), AfterValidator(is_url)]
TopicArn = Annotated[
    str, StringConstraints(pattern=r"^arn:aws(-cn|-us-gov)?:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_.-]+$")
]
