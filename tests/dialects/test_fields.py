"""Form decoding is `unquote_plus`, only faster."""

from collections.abc import Callable
from urllib.parse import quote_plus, unquote_plus

from hypothesis import given
from hypothesis import strategies as st

from ossfn.adapter.dialects.fields import form_decoded

escapes = st.sampled_from(["%", "%2", "%2F", "%2f", "%25", "2F", "+", "%E5%9B%BE", "%FF", "/", "a", "图"])


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_what_amazon_and_minio_encode_comes_back(key: str) -> None:
    assert form_decoded(quote_plus(key, safe="/")) == form_decoded(quote_plus(key)) == key


@given(st.lists(escapes, max_size=8).map("".join))
def test_broken_escapes_are_read_as_everybody_reads_them(text: str) -> None:
    assert _read(form_decoded, text) == _read(lambda key: unquote_plus(key, errors="strict"), text)


def _read(decode: Callable[[str], str], text: str) -> str | None:
    try:
        return decode(text)
    except UnicodeDecodeError:
        return None
