"""Where an S3 API listens, and the keys that open it."""

from dataclasses import dataclass
from typing import Any

import boto3


@dataclass(frozen=True, slots=True)
class S3Endpoint:
    """One S3 API: the store's own, or the one that ossfn takes rules with."""

    url: str
    access_key: str
    secret_key: str
    region: str = "us-east-1"

    def client(self) -> Any:
        """A boto3 client of it; safe to share between threads."""
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name=self.region,
        )

    def environment(self) -> dict[str, str]:
        """The variables with which a plain `boto3.client("s3")` in another process finds it."""
        return {
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": self.region,
        }
