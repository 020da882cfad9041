"""What Standard Webhooks' own package makes of our signatures."""

import time
from base64 import b64encode

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from ossfn.adapter.signing import Signer, check_secret

OLD, NEW, OTHER = (f"whsec_{b64encode(bytes([n]) * 32).decode()}" for n in range(3))
BODY = '{"key":"2026/猫.jpg"}'.encode()


def signed(secrets: list[str], body: bytes = BODY, *, at: float | None = None) -> dict[str, str]:
    return {"webhook-id": "d-1", **dict(Signer(secrets).headers("d-1", at or time.time(), body))}


def test_a_receiver_with_either_secret_takes_it_while_they_are_changed_over() -> None:
    headers = signed([NEW, OLD])
    for secret in (NEW, OLD):
        assert Webhook(secret).verify(BODY, headers) == {"key": "2026/猫.jpg"}
    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        Webhook(OTHER).verify(BODY, headers)


@pytest.mark.parametrize("change", [{"webhook-id": "d-2"}, {"webhook-timestamp": str(int(time.time()) - 60)}])
def test_the_id_and_the_time_are_signed_too(change: dict[str, str]) -> None:
    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        Webhook(OLD).verify(BODY, signed([OLD]) | change)


def test_an_old_one_is_not_taken_again() -> None:
    with pytest.raises(WebhookVerificationError, match="too old"):
        Webhook(OLD).verify(BODY, signed([OLD], at=time.time() - 600))


@pytest.mark.parametrize("size", [24, 64])
def test_secrets_of_the_specified_sizes_will_do(size: int) -> None:
    check_secret(f"whsec_{b64encode(bytes(size)).decode()}")


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "hunter2",
        b64encode(bytes(32)).decode(),
        f"whsec_{b64encode(bytes(23)).decode()}",
        f"whsec_{b64encode(bytes(65)).decode()}",
        "whsec_not base64 at all",
        "whsec_" + "猫" * 32,
    ],
)
def test_other_secrets_are_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(ValueError, match="openssl rand -base64 32") as caught:
        check_secret(secret)
    assert not secret or secret == "whsec_" or secret not in str(caught.value)
