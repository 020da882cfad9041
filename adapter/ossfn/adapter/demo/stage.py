"""Everything that the demo needs, started side by side, and gone when the block ends."""

import contextlib
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ossfn.adapter.demo.files import make_files
from ossfn.adapter.demo.juicefs import format_volume, gateway, store_on_free_port
from ossfn.adapter.demo.processes import StartFailed
from ossfn.adapter.demo.s3 import S3Endpoint
from ossfn.adapter.demo.service import Service, ossfn_up
from ossfn.adapter.demo.story import FUNCTIONS, RULES, THUMBS
from ossfn.adapter.demo.uploads import WEBHOOK, make_buckets

SAMPLES = Path(__file__).parents[4] / "sample_functions"


@dataclass(frozen=True, slots=True)
class Stage:
    """A store and a service that know each other, functions, rules, and the files to upload."""

    store: S3Endpoint
    s3: Any
    """A client of the store."""
    service: Service
    files: dict[str, bytes]
    audit_file: Path
    index_db: Path


@contextlib.contextmanager
def stage(directory: Path) -> Iterator[Stage]:
    """Start it all with its data in this directory; raises StartFailed."""
    if not SAMPLES.is_dir():
        raise StartFailed(f"the demo deploys the sample functions of a checkout, but {SAMPLES} is not there")
    store, audit_file, index_db = store_on_free_port(), directory / "audit.jsonl", directory / "index.db"
    env = {**store.environment(), "THUMBNAILS_BUCKET": THUMBS, "AUDIT_FILE": str(audit_file), "INDEX_DB": str(index_db)}
    with ThreadPoolExecutor() as pool, contextlib.ExitStack() as running:
        files = pool.submit(make_files)
        formatted = pool.submit(format_volume, directory / "juicefs")
        service = running.enter_context(ossfn_up(directory))
        deployed = [pool.submit(service.deploy, _ready_to_run(name, directory), name, env) for name in FUNCTIONS]
        formatted.result()
        running.enter_context(gateway(directory / "juicefs", store, {WEBHOOK: service.ingest_url}))
        s3 = store.client()
        make_buckets(s3)
        for deploy in deployed:
            deploy.result()
        service.put_rules(RULES)
        yield Stage(store, s3, service, files.result(), audit_file, index_db)


def _ready_to_run(name: str, directory: Path) -> Path:
    """A copy of a sample without its requirements: this environment meets them, and needs no seconds to be made."""
    without = shutil.ignore_patterns("requirements.txt", "__pycache__")
    return shutil.copytree(SAMPLES / name, directory / "samples" / name, ignore=without)
