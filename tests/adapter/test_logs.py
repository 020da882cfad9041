"""A log that cannot be written is lost; nothing else is."""

import os
from pathlib import Path
from typing import Any, cast

from ossfn.adapter.logs import Unfailing


def test_a_pipe_that_nobody_reads_any_more_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    raw = os.fdopen(writing, "wb", buffering=0)
    log = Unfailing(cast("Any", raw))  # bytes, so that nothing is buffered
    cast("Any", log).write(b"a line\n")
    log.flush()
    raw.close()


def test_a_log_that_was_closed_is_no_error(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as file:
        log = Unfailing(file)
        log.write("kept")
    log.write("lost")
    log.flush()
    assert (tmp_path / "log").read_text() == "kept"
