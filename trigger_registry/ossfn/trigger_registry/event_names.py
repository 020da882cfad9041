"""The names a store gives to what happened to an object, and what a name with `*` covers.

Pure. An event name is a string such as `s3:ObjectCreated:Put`, always with the `s3:` in front, in every place of ossfn.
"""

from collections.abc import Iterable

# JD Cloud's console table, word for word (docs: "OSS can send notifications for the following event types").
JD_EVENT_NAMES: dict[str, str] = {
    "s3:ObjectCreated:*": (
        "Create Object behaviors, including Put Object, Post Object, Copy Object and Complete Multipart Upload"
    ),
    "s3:ObjectCreated:Put": "Use Put Object to upload files",
    "s3:ObjectCreated:Post": "Use Post Object to upload files",
    "s3:ObjectCreated:Copy": "Use Put Object-Copy to copy files",
    "s3:ObjectCreated:CompleteMultipartUpload": "Complete multipart upload",
    "s3:ObjectRemoved:*": "Delete Object behaviors, including Delete Object",
    "s3:ObjectRemoved:Delete": "Delete Files",
}

# Every family and its members: Amazon S3's API model, then what MinIO and Ceph add to it.
_FAMILIES: dict[str, tuple[str, ...]] = {
    "ObjectCreated": (
        "Put", "Post", "Copy", "CompleteMultipartUpload",
        "PutRetention", "PutLegalHold", "PutTagging", "DeleteTagging",  # MinIO
    ),
    "ObjectRemoved": (
        "Delete", "DeleteMarkerCreated",
        "NoOP", "DeleteAllVersions",  # MinIO
    ),
    "ObjectRestore": ("Post", "Completed", "Delete"),
    "ObjectTagging": ("Put", "Delete"),
    "ObjectAcl": ("Put",),
    "ObjectAnnotation": ("Put", "Delete"),
    "ObjectRetention": ("Put",),
    "ObjectTransition": ("Failed", "Complete"),  # MinIO
    "ObjectAccessed": ("Get", "Head", "GetRetention", "GetLegalHold", "Attributes"),  # MinIO
    "LifecycleExpiration": ("Delete", "DeleteMarkerCreated"),
    "IntelligentTiering": (),
    "LifecycleTransition": (),
    "ReducedRedundancyLostObject": (),
    "Replication": (
        "OperationFailedReplication", "OperationNotTracked", "OperationMissedThreshold",
        "OperationReplicatedAfterThreshold",
        "OperationCompletedReplication",  # MinIO
    ),
    "ObjectLifecycle": (  # Ceph
        "Expiration:Current", "Expiration:NonCurrent", "Expiration:DeleteMarker", "Expiration:AbortMultipartUpload",
        "Transition:Current", "Transition:NonCurrent",
    ),
    "ObjectSynced": ("Create", "Delete", "DeletionMarkerCreated"),  # Ceph
    "BucketCreated": (), "BucketRemoved": (),  # MinIO
    "Scanner": ("ManyVersions", "LargeVersions", "BigPrefix"),  # MinIO
}  # fmt: skip

_SINGLE = frozenset(
    f"s3:{family}:{member}" if member else f"s3:{family}"
    for family, members in _FAMILIES.items()
    for member in (members or ("",))
)
_PATTERNS: dict[str, frozenset[str]] = {
    **{name: frozenset({name}) for name in _SINGLE},
    **{f"s3:{family}:*": frozenset(n for n in _SINGLE if n.startswith(f"s3:{family}:")) for family in _FAMILIES},
    **{
        f"s3:ObjectLifecycle:{kind}:*": frozenset(n for n in _SINGLE if n.startswith(f"s3:ObjectLifecycle:{kind}:"))
        for kind in ("Expiration", "Transition")
    },
    "s3:BucketCreated:*": frozenset({"s3:BucketCreated"}),
    "s3:BucketRemoved:*": frozenset({"s3:BucketRemoved"}),
    "s3:LifecycleTransition:*": frozenset({"s3:LifecycleTransition"}),
    "s3:IntelligentTiering:*": frozenset({"s3:IntelligentTiering"}),
    "s3:ReducedRedundancyLostObject:*": frozenset({"s3:ReducedRedundancyLostObject"}),
}


def canonical(name: str) -> str:
    """`ObjectCreated:Put` (as AWS and Ceph write it in records) as `s3:ObjectCreated:Put`."""
    return name if name.startswith("s3:") else f"s3:{name}"


def is_known(pattern: str) -> bool:
    """Whether a rule may name this event: a documented name, or a family with `*`."""
    return pattern in _PATTERNS


def known_patterns() -> list[str]:
    """Every name a rule may use, in alphabetical order."""
    return sorted(_PATTERNS)


def expand(patterns: Iterable[str]) -> frozenset[str]:
    """The single event names that these patterns cover; an unknown pattern covers itself alone."""
    return frozenset(name for pattern in patterns for name in _PATTERNS.get(pattern, (pattern,)))


def covers(pattern: str, name: str) -> bool:
    """Whether a rule for `pattern` wants an event called `name`, even one that no table lists yet."""
    return (
        pattern == name
        or name in _PATTERNS.get(pattern, ())
        or (pattern.endswith(":*") and name.startswith(pattern[:-1]))
    )
