"""Reading the notifications of many stores: `decode` turns a request into events of one shape.

Pure: no I/O, no clock, no dice. `docs/adding-a-dialect.md` shows how to add a store.
"""

from collections.abc import Callable, Mapping

from ossfn.adapter.dialects import notification, s3
from ossfn.adapter.dialects.decoded import Confirmation, Decoded, NotDecodable
from ossfn.adapter.dialects.notification import Notification

__all__ = ["DIALECTS", "Confirmation", "Decoded", "NotDecodable", "decode"]

_Decoder = Callable[[Notification], Decoded | Confirmation]

DIALECTS: dict[str, _Decoder] = {
    "auto": s3.decode,
    "aws": lambda n: s3.decode(n, s3.AWS),
    "minio": lambda n: s3.decode(n, s3.MINIO),
    "minio-listen": lambda n: s3.decode(n, s3.MINIO_LISTEN),
    "ceph": lambda n: s3.decode(n, s3.CEPH),
}
"""Every name that a source may give as its dialect."""


def decode(dialect: str, headers: Mapping[str, str], body: bytes) -> Decoded | Confirmation:
    """Read one notification.

    `headers` have their names in lower case. NotDecodable says where it is wrong and why; no record of it was taken.
    """
    decoder = DIALECTS.get(dialect)
    if decoder is None:
        raise NotDecodable("$", f"there is no dialect {dialect!r}; known: {', '.join(DIALECTS)}")
    return decoder(notification.read(headers, body))
