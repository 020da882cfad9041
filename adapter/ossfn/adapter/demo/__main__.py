"""`python -m ossfn.adapter.demo [--once]`: files go into a real store, and functions are called."""

import argparse
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
from rich.console import Console

from ossfn.adapter.demo.checks import all_settled, missing
from ossfn.adapter.demo.display import Show, after_milliseconds, display
from ossfn.adapter.demo.processes import StartFailed
from ossfn.adapter.demo.stage import Stage, stage
from ossfn.adapter.demo.story import EVENT_OF, STEPS, UPLOADS, expected_calls, expected_thumbnails, recorded
from ossfn.adapter.demo.uploads import do_step
from ossfn.adapter.demo.watching import Asked, Seen, Watcher

STORY_SECONDS = 60.0
"""What was not seen by then is missing."""

_POLL_SECONDS = 0.1


def main() -> int:
    """The exit status: 0 when all that was expected was seen."""
    parser = argparse.ArgumentParser(prog="./dev demo", description="Files go into a real store; functions are called.")
    parser.add_argument(
        "--once", action="store_true", help="end when all was seen: status 0, or 1 with what is missing"
    )
    once = parser.parse_args().once
    # TERM ends the demo as Ctrl-C does: with everything that it started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    _forget_settings()
    try:
        with tempfile.TemporaryDirectory(prefix="ossfn-demo-") as directory:
            return demo(Path(directory), Console(markup=False, highlight=False), once=once)
    except (StartFailed, httpx.HTTPError) as failure:
        print(f"The demo cannot go on: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130 if once else 0


def _forget_settings() -> None:
    """The demo's programs, which inherit this environment, know no settings of the user's, and no proxy on loopback."""
    for name in [name for name in os.environ if name.startswith(("OSSFN_", "MINIO_", "AWS_"))]:
        del os.environ[name]
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"


def demo(directory: Path, console: Console, *, once: bool) -> int:
    """Start everything, play the story, say what came of it; then stay, unless it is for once."""
    console.print("Starting ossfn, a JuiceFS gateway (a real S3 store) and three functions …")
    begun = time.monotonic()
    asked: Asked = {}
    with stage(directory) as ready, ThreadPoolExecutor(1) as pool, display(console, asked) as show:
        console.print(f"Ready after {time.monotonic() - begun:.1f} s: uploading, copying, deleting, replaying …")
        watcher = Watcher(ready.service)
        seen = watch(watcher, show, pool.submit(play, ready, asked))
        faults = missing(ready, seen)
        console.print(*faults or [summary(seen, asked)], sep="\n", soft_wrap=True)
        if not once:
            console.print(what_to_try(ready), soft_wrap=True)
            stay(watcher, show)
    return 1 if faults else 0


def play(ready: Stage, asked: Asked) -> None:
    """Do the steps to the real store, then post what other stores have sent."""

    def now(event: str, bucket: str, key: str) -> None:
        asked[event, bucket, key] = time.time()

    for step in STEPS:
        do_step(ready.s3, step, ready.files, partial(now, EVENT_OF[step.verb], UPLOADS, step.key))
    for known in recorded():
        now(known.event, known.bucket, known.key)
        ready.service.notify(known.headers, known.body)


def watch(watcher: Watcher, show: Show, playing: Future[None]) -> Sequence[Seen]:
    """Show deliveries until each expected one has ended, or the time has."""
    deadline = time.monotonic() + STORY_SECONDS
    while True:
        done = playing.done()
        if done:
            playing.result()
        seen = watcher.look()
        show(seen)
        if (done and all_settled(seen)) or time.monotonic() > deadline:
            return seen
        time.sleep(_POLL_SECONDS)


def stay(watcher: Watcher, show: Show) -> None:
    """Go on showing what happens until Ctrl-C."""
    while True:
        show(watcher.look())
        time.sleep(_POLL_SECONDS)


def summary(seen: Sequence[Seen], asked: Asked) -> str:
    """What was seen, in one line."""
    uploads = [each for each in seen if each.call.bucket == UPLOADS]
    after = [milliseconds for each in uploads if (milliseconds := after_milliseconds(each, asked)) is not None]
    calls, thumbnails = len(expected_calls()), len(expected_thumbnails())
    return (
        f"All {calls} expected calls were made, and the {thumbnails} thumbnails are pictures. "
        f"From upload to call: median {statistics.median(after):.0f} ms, longest {max(after):.0f} ms."
    )


def what_to_try(ready: Stage) -> str:
    """Where everything listens, and a first command of one's own."""
    rules, settings = ready.service.s3, " ".join("=".join(item) for item in ready.store.environment().items())
    return f"""
console    {ready.service.console}
API        {ready.service.url}/api/v1/deliveries
rules      {rules.url} (S3 notification API; access key {rules.access_key}, secret {rules.secret_key})
store      {ready.store.url}

Upload a picture of your own and see it become a thumbnail (Ctrl-C ends everything):
  {settings} \\
  ./dev run aws s3 cp PICTURE.jpg s3://{UPLOADS}/
"""


if __name__ == "__main__":
    sys.exit(main())
