"""Which `Authorization` shows a source's token."""

from base64 import b64encode

import pytest

from ossfn.adapter.web.ingest_auth.tokens import carries

TOKEN = "s3cret-Tok3n="


def basic(user_and_password: str) -> str:
    return f"Basic {b64encode(user_and_password.encode()).decode()}"


@pytest.mark.parametrize(
    "authorization",
    [f"Bearer {TOKEN}", f"bearer {TOKEN}", f"Bearer Bearer {TOKEN}", basic(f"me:{TOKEN}"), basic(f":{TOKEN}")],
)
def test_the_token_as_stores_send_it(authorization: str) -> None:
    assert carries(authorization, TOKEN)


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        TOKEN,
        "Bearer",
        "Bearer ",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN.lower()}",
        f"Digest {TOKEN}",
        basic(TOKEN),
        basic(f"{TOKEN}:"),
        basic(f"me:x{TOKEN}"),
        f"Basic {TOKEN}",
        "Basic \xff",
        "Bearer \xff",
    ],
)
def test_anything_else(authorization: str) -> None:
    assert not carries(authorization, TOKEN)


def test_a_token_in_another_script_is_compared_as_the_bytes_sent() -> None:
    assert carries("Bearer " + "密码".encode().decode("latin-1"), "密码")
