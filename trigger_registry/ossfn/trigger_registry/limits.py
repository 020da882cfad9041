"""Every limit on rules, in one table, each with its source.

Operators may widen them in the settings; these are the defaults.
"""

from dataclasses import dataclass, fields

JD_CONSOLE = "JD Cloud OSS, Event Notification Setting in the Console"
JD_API = "JD Cloud OSS, PUT Bucket notification"
S3_API = "Amazon S3 API"


@dataclass(frozen=True, slots=True)
class Limits:
    """The numbers that the registry enforces; sizes in bytes of UTF-8."""

    rules_per_bucket: int = 100
    """JD_CONSOLE: "At most 100 rules can be created for your bucket." Amazon S3 has the same number."""
    rule_name_bytes: int = 256
    """JD_CONSOLE: "restricted to 256 bytes, consisting of the letter, the number, the underline (_) and the
    line-through (-)"."""
    callbacks_per_rule: int = 5
    """JD_CONSOLE: "you can enter 5 callback addresses at most. The address must be the complete URL"."""
    prefix_bytes: int = 1022
    """JD_API: prefix and suffix at most 1022 bytes each (Amazon S3: 1024)."""
    suffix_bytes: int = 1022
    """JD_API, as prefix_bytes."""
    triggers_per_function: int = 10
    """JD_CONSOLE: "at most 10 triggers shall be created to a single function. Creation will fail if you exceed such
    limit"."""
    function_regions: tuple[str, ...] = ("cn-north-1",)
    """JD_CONSOLE: "Now, the Function Service is supported in cn-north-1 only"; empty: any region."""
    key_bytes: int = 1024
    """S3_API: an object key is at most 1024 bytes of UTF-8; a witness key for an overlap must fit in it."""
    document_bytes: int = 1024 * 1024
    """Our own: the largest body that the S3 notification API reads."""
    url_bytes: int = 2048
    """Our own: the longest callback URL."""

    def __post_init__(self) -> None:
        """Raises ValueError for a limit that nothing could keep."""
        for limit in fields(self):
            if limit.name != "function_regions" and getattr(self, limit.name) < 1:
                raise ValueError(f"{limit.name} must be 1 or more")


DEFAULT_LIMITS = Limits()
