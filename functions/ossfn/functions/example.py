"""An event that somebody wants made up: what shall have happened, and to which object. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, get_args

Store = Literal["aws", "minio", "ceph", "jd", "aliyun", "tencent"]
Happening = Literal["put", "post", "copy", "multipart", "delete"]
STORES: tuple[Store, ...] = get_args(Store)
HAPPENINGS: tuple[Happening, ...] = get_args(Happening)

NAMES: dict[Happening, str] = {
    "put": "ObjectCreated:Put",
    "post": "ObjectCreated:Post",
    "copy": "ObjectCreated:Copy",
    "multipart": "ObjectCreated:CompleteMultipartUpload",
    "delete": "ObjectRemoved:Delete",
}
ETAG = "6f5902ac237024bdd0c176cb93063dc4"


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """What shall have happened. `number` tells it from the others, and a later one has the higher number."""

    store: Store = "minio"
    happening: Happening = "put"
    bucket: str = "photos"
    key: str = "cats/猫 1.jpg"
    size: int = 24576
    """Bytes."""
    moment: datetime = datetime(2026, 11, 22, 15, 57, 35, 565000, UTC)
    number: int = 1

    @property
    def time(self) -> str:
        """RFC 3339 to the millisecond."""
        return self.moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    @property
    def request_id(self) -> str:
        """Made of the number."""
        return f"18EA{self.number:012X}"
